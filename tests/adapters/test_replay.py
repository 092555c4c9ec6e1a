"""The fast path gives the answer of the full way: on every request, warm or cold, mutated in any way."""

import sys
from collections.abc import Callable, Mapping
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.types import Scope

from mtls_middleware import Accepted, Guard, MTLSMiddleware
from mtls_middleware._core.connection import TRANSPORT_SCOPE_KEY, UVICORN_HTTPTOOLS, Transport
from mtls_middleware._core.scope import connection_of
from mtls_middleware.observing.events import CallAccepted
from tests.adapters.cases import ASGIApplication, Case, http_scope, run_asgi
from tests.adapters.site import (
    CALLER_SECRET,
    NGINX,
    NGINX_BOTH,
    NGINX_PEER,
    NOW,
    ORGANIZATION,
    SECRET,
    TLS,
    Site,
    good_client,
    over_tls,
    regional_ca,
    stranger_ca,
    through_nginx,
)

EVERYTHING = {
    **NGINX_BOTH,
    "MTLS_CALLER_SECRET": CALLER_SECRET,
    "MTLS_ORGANIZATION_IDS": ORGANIZATION,
    "MTLS_PROTECT": "/actions",
    "MTLS_EXEMPT": "/actions/health",
}
TLS_AND_CALLER = {
    "MTLS_CALLER_SECRET": CALLER_SECRET,
    "MTLS_ORGANIZATION_IDS": ORGANIZATION,
    "MTLS_PROTECT": "/actions",
}
CALLER = (("X-Caller-Secret", CALLER_SECRET), ("ININ-Organization-Id", ORGANIZATION))
COMMON = (("host", "actions.example.com"), ("accept", "*/*"), ("inin-correlation-id", "abc-123"))

GOOD: Mapping[str, tuple[Mapping[str, str], Case]] = {
    "tls": (TLS, over_tls(good_client())),
    "tls and caller": (TLS_AND_CALLER, over_tls(good_client()).with_headers(*CALLER)),
    "header and secret": (NGINX, through_nginx(good_client())),
    "header and peer": (NGINX_PEER, through_nginx(good_client(), secret=None)),
    "header and both": (NGINX_BOTH, through_nginx(good_client()).with_headers(("x-forwarded-for", "192.0.2.7"))),
    "everything": (EVERYTHING, through_nginx(good_client()).with_headers(*CALLER, ("x-forwarded-for", "192.0.2.7"))),
}

Mutation = Callable[[Scope], None]


def good_scope(name: str) -> Scope:
    case = GOOD[name][1]
    return http_scope(case.with_headers(*COMMON))


def outcome(guard: Guard, scope: Scope) -> tuple[Any, ...]:
    """Return all that a request leads to: the answer, and the scope that the application sees."""
    app = ASGIApplication()
    sent = run_asgi(MTLSMiddleware(app, guard=guard), {**scope, "headers": list(scope["headers"])})
    if app.scope is None:
        return sent, None
    seen = {name: value for name, value in app.scope.items() if name not in {"user", "auth"}}
    seen["extensions"] = _read(seen.get("extensions"))
    return sent, seen, app.scope["user"].is_authenticated, list(app.scope["auth"].scopes)


def _read(extensions: Any) -> Any:
    tls = (extensions or {}).get("tls")
    return tls and {**tls, "client_cert_chain": list(tls.get("client_cert_chain") or ())}


def is_replayed(guard: Guard, scope: Scope) -> bool:
    return guard.replay({**scope, "headers": list(scope["headers"])}) is not None


class Cold:
    """Stands for a fast path that remembers nothing."""

    def find(self, *_: object) -> None:
        return None

    def keep(self, *_: object) -> None:
        pass


class Pairs(dict[str, tuple[Guard, Guard]]):
    """A guard with the fast path and one without, for each configuration that a test asks for."""

    def __init__(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self._site = site
        self._patch = monkeypatch

    def __missing__(self, name: str) -> tuple[Guard, Guard]:
        fast, full = (self._site.guard(GOOD[name][0]) for _ in range(2))
        self._patch.setattr(full, "_begin_replay", lambda: None)
        self._patch.setattr(full, "_replay", Cold())
        self._patch.setattr(full, "replay", full._replay.find)
        outcome(fast, good_scope(name))
        assert is_replayed(fast, good_scope(name))
        self[name] = fast, full
        return self[name]


@pytest.fixture
def pairs(site: Site, monkeypatch: pytest.MonkeyPatch) -> Pairs:
    return Pairs(site, monkeypatch)


def header(name: str, change: Callable[[bytes], bytes]) -> Mutation:
    def mutate(scope: Scope) -> None:
        raw = name.encode()
        scope["headers"] = [(key, change(value) if key == raw else value) for key, value in scope["headers"]]

    return mutate


def renamed(name: str, other: str) -> Mutation:
    def mutate(scope: Scope) -> None:
        raw = name.encode()
        scope["headers"] = [(other.encode() if key == raw else key, value) for key, value in scope["headers"]]

    return mutate


def added(name: str, value: str, *, first: bool = False) -> Mutation:
    def mutate(scope: Scope) -> None:
        pair = (name.encode(), value.encode())
        scope["headers"] = [pair, *scope["headers"]] if first else [*scope["headers"], pair]

    return mutate


def removed(name: str) -> Mutation:
    def mutate(scope: Scope) -> None:
        scope["headers"] = [pair for pair in scope["headers"] if pair[0] != name.encode()]

    return mutate


def put(name: str, value: Any) -> Mutation:
    def mutate(scope: Scope) -> None:
        scope[name] = value

    return mutate


def tls(**changes: Any) -> Mutation:
    def mutate(scope: Scope) -> None:
        old = (scope.get("extensions") or {}).get("tls") or {}
        scope["extensions"] = {"tls": {**old, **changes}}

    return mutate


def one_shot_chain(scope: Scope) -> None:
    if "extensions" in scope:
        chain = list(scope["extensions"]["tls"].get("client_cert_chain") or ())
        scope["extensions"] = {"tls": {**scope["extensions"]["tls"], "client_cert_chain": iter(chain)}}


def reversed_headers(scope: Scope) -> None:
    scope["headers"] = scope["headers"][::-1]


def as_lists(scope: Scope) -> None:
    scope["headers"] = [list(pair) for pair in scope["headers"]]


def flipped(value: bytes) -> bytes:
    return value[:-9] + bytes([value[-9] ^ 1]) + value[-8:] if len(value) > 9 else value + b"x"


OURS = ("x-ssl-client-cert", "x-ssl-client-verify", "x-mtls-proxy-secret", "x-caller-secret", "inin-organization-id")
STRANGER = stranger_ca().client()
EXPIRED = regional_ca().client(expired=True)
MUTATIONS: Mapping[str, Mutation] = {
    **{f"{name} flipped": header(name, flipped) for name in OURS},
    **{f"{name} removed": removed(name) for name in OURS},
    **{f"{name} empty": header(name, lambda _: b"") for name in OURS},
    **{f"{name} in blanks": header(name, lambda value: b" " + value + b" ") for name in OURS},
    **{f"{name} doubled": added(name, "SUCCESS") for name in OURS},
    **{f"{name} with a twin": added(name.replace("-", "_"), "SUCCESS", first=True) for name in OURS},
    **{f"{name} in upper case": renamed(name, name.upper()) for name in OURS},
    **{f"{name} with underscores": renamed(name, name.replace("-", "_")) for name in OURS},
    "marker says NONE": header("x-ssl-client-verify", lambda _: b"NONE"),
    "stranger in the header": header("x-ssl-client-cert", lambda _: STRANGER.pem.encode()),
    "another header": added("x-other", "1"),
    "another header in front": added("x-other", "1", first=True),
    "reversed": reversed_headers,
    "headers as lists": as_lists,
    "no headers": put("headers", []),
    "chunked": added("transfer-encoding", "chunked"),
    "forwarded for the peer": added("x-forwarded-for", "10.0.0.5"),
    "forwarded for the peer with a port": added("x-forwarded-for", "10.0.0.5:4711"),
    "forwarded for another": added("x-forwarded-for", "192.0.2.9"),
    "forwarded": added("forwarded", "for=10.0.0.5"),
    "forwarded with underscore": added("x_forwarded_for", "10.0.0.5"),
    **{
        f"client {client!r}": put("client", client)
        for client in (
            None, (), ("10.0.0.5", 0), ("10.0.0.5", 1), ("10.0.0.5", True), ("10.0.0.5", "80"), ["10.0.0.5", 80],
            ("10.0.0.5", 65536), ("10.0.0.6", 80), ("", 0), ("::ffff:10.0.0.5", 80), "10.0.0.5", ("10.0.0.5",),
        )
    },
    "our adapter, trusted peer": put(TRANSPORT_SCOPE_KEY, Transport(peer=("10.0.0.5", 1))),
    "our adapter, other peer": put(TRANSPORT_SCOPE_KEY, Transport(peer=("10.0.0.6", 1))),
    "our adapter, unix socket": put(TRANSPORT_SCOPE_KEY, Transport(peer=None)),
    "a forged adapter": put(TRANSPORT_SCOPE_KEY, {"peer": ("10.0.0.5", 1)}),
    **{
        f"path {path!r}": put("path", path)
        for path in ("/", "/health", "/actions/health", "/actions/health/../x", "//actions/x", "/actions", "/actionsx")
    },
    "raw path": put("raw_path", b"/actions/%2e%2e/health"),
    "no raw path": put("raw_path", None),
    "root path": put("root_path", "/actions"),
    "no extensions": put("extensions", None),
    "stranger over tls": tls(client_cert_chain=(STRANGER.pem,)),
    "expired over tls": tls(client_cert_chain=(EXPIRED.pem,)),
    "chain with more": tls(client_cert_chain=(good_client().pem, STRANGER.pem)),
    "chain as a list": tls(client_cert_chain=[good_client().pem]),
    "chain as bytes": tls(client_cert_chain=(good_client().pem.encode(),)),
    "no chain": tls(client_cert_chain=()),
    "chain of nothing": tls(client_cert_chain=None),
    "chain as text": tls(client_cert_chain=good_client().pem),
    "a chain that is read once": one_shot_chain,
    "a complaint": tls(client_cert_error="expired"),
    "websocket": put("type", "websocket"),
    "an outer user": put("user", "somebody"),
}  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    name=st.sampled_from(sorted(GOOD)),
    mutations=st.lists(st.sampled_from(sorted(MUTATIONS)), max_size=3),
    repeated=st.integers(1, 3),
    again=st.booleans(),
)
def test_both_ways_give_the_same_answer(
    pairs: Pairs, name: str, mutations: list[str], repeated: int, again: bool
) -> None:
    fast, full = pairs[name]
    for _ in range(repeated):
        fast_scope, full_scope = good_scope(name), good_scope(name)
        for mutation in mutations:
            MUTATIONS[mutation](fast_scope)
            MUTATIONS[mutation](full_scope)
        assert outcome(fast, fast_scope) == outcome(full, full_scope)
        if again:
            assert outcome(fast, good_scope(name)) == outcome(full, good_scope(name))


@pytest.mark.parametrize("mutation", MUTATIONS)
@pytest.mark.parametrize("name", GOOD)
def test_each_mutation_alone_is_judged_alike(pairs: Pairs, name: str, mutation: str) -> None:
    fast, full = pairs[name]
    answers = []
    for guard in (fast, full):
        scope = good_scope(name)
        MUTATIONS[mutation](scope)
        answers.append(outcome(guard, scope))

    assert answers[0] == answers[1]


@pytest.mark.parametrize("name", GOOD)
def test_an_acceptance_is_repeated(pairs: Pairs, name: str) -> None:
    fast, full = pairs[name]

    assert is_replayed(fast, good_scope(name))
    assert not is_replayed(full, good_scope(name))


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("shift", [timedelta(days=-3650), timedelta(days=3650)], ids=["before", "after"])
def test_time_is_looked_at_each_time(site: Site, pairs: Pairs, name: str, shift: timedelta) -> None:
    fast, _ = pairs[name]
    site.clock.now = NOW + shift

    assert not is_replayed(fast, good_scope(name))


@pytest.mark.parametrize("edge", ["not_before", "not_after"])
def test_the_last_second_of_its_life_counts(site: Site, pairs: Pairs, edge: str) -> None:
    fast, _ = pairs["tls"]
    site.clock.now = getattr(good_client().certificate, f"{edge}_utc".replace("not_", "not_valid_"))
    inside = is_replayed(fast, good_scope("tls"))
    site.clock.now += timedelta(seconds=-1 if edge == "not_before" else 1)

    assert (inside, is_replayed(fast, good_scope("tls"))) == (True, False)


def test_new_trust_ends_what_was_remembered(site: Site, pairs: Pairs) -> None:
    fast, _ = pairs["tls"]
    stranger_ca().write(site.root)
    fast.refresh()

    assert not is_replayed(fast, good_scope("tls"))
    assert outcome(fast, good_scope("tls"))[1] is None


def test_a_clock_without_a_zone_is_no_clock(site: Site, pairs: Pairs) -> None:
    fast, _ = pairs["tls"]
    site.clock.now = NOW.replace(tzinfo=None)

    assert not is_replayed(fast, good_scope("tls"))


def test_report_mode_goes_the_full_way(site: Site) -> None:
    guard = site.guard(mode="report")
    outcome(guard, good_scope("tls"))

    assert not is_replayed(guard, good_scope("tls"))


def test_a_right_secret_that_was_rotated_counts_too(site: Site) -> None:
    guard = site.guard(NGINX, proxy_secret=f"{SECRET},another-right-secret")
    scopes = [http_scope(through_nginx(good_client(), secret=secret)) for secret in (SECRET, "another-right-secret")]
    outcome(guard, scopes[0])

    assert [is_replayed(guard, scope) for scope in scopes] == [True, True]


@pytest.fixture
def httptools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, UVICORN_HTTPTOOLS, ModuleType(UVICORN_HTTPTOOLS))


def chunked(name: str) -> Scope:
    scope = good_scope(name)
    MUTATIONS["chunked"](scope)
    return scope


def test_trailers_are_looked_at_each_time(pairs: Pairs, request: pytest.FixtureRequest) -> None:
    fast, _ = pairs["header and secret"]
    outcome(fast, chunked("header and secret"))
    before = is_replayed(fast, chunked("header and secret"))
    request.getfixturevalue("httptools")

    assert (before, is_replayed(fast, chunked("header and secret"))) == (True, False)


def test_what_is_repeated_is_counted_and_told(site: Site) -> None:
    guard = site.guard()
    for _ in range(3):
        outcome(guard, good_scope("tls"))

    told = [event.cached for event in site.hearing.events if isinstance(event, CallAccepted)]
    assert guard.status().decisions["accepted"] == 3
    assert told == [False, True, True]


def test_callers_take_turns(site: Site) -> None:
    guard = site.guard()
    clients = [good_client(), regional_ca().client(), regional_ca().client()]
    scopes = [http_scope(over_tls(client)) for client in clients]
    for scope in scopes:
        outcome(guard, scope)

    seen = [outcome(guard, scope)[1]["mtls.identity"].fingerprint_sha256 for scope in (*scopes, *scopes)]
    assert seen == [client.fingerprint_sha256 for client in (*clients, *clients)]
    assert [scope for scope in scopes if not is_replayed(guard, scope)] == []


def test_what_is_remembered_is_bounded(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mtls_middleware._core.replay.CAPACITY", 4)
    monkeypatch.setattr("mtls_middleware._core.replay.PATHS", 4)
    guard = site.guard(TLS_AND_CALLER)
    for place in range(10):
        scope = http_scope(over_tls(good_client(), path=f"/actions/{place}").with_headers(*CALLER, (f"x-{place}", "1")))
        outcome(guard, scope)
        assert is_replayed(guard, scope)

    replay = guard._replay
    assert max(len(replay._layouts), len(replay._paths), len(replay._acceptances)) <= 4


def test_one_call_cannot_change_the_user_of_the_next(site: Site) -> None:
    guard = site.guard()
    app = ASGIApplication()
    for _ in range(2):
        run_asgi(MTLSMiddleware(app, guard=guard), good_scope("tls"))
        assert app.scope is not None
        app.scope["auth"].scopes.append("admin")
        with pytest.raises(AttributeError):
            app.scope["user"].client = None
        app.scope["extensions"]["tls"]["client_cert_error"] = "changed by an application"

    assert app.scope is not None
    assert app.scope["auth"].scopes == ["data_action", "region:us-east-1"]
    assert is_replayed(guard, good_scope("tls"))


def test_an_acceptance_under_other_trust_is_not_kept(site: Site) -> None:
    guard = site.guard()
    scope = good_scope("tls")
    accepted = guard.decide(connection_of(scope))
    assert isinstance(accepted, Accepted)
    stranger_ca().write(site.root)
    guard.refresh()
    guard.keep(scope, accepted, {})

    assert not is_replayed(guard, good_scope("tls"))


@pytest.mark.parametrize("odd", [(bytearray(b"x"), b"y"), (b"x", bytearray(b"y")), [b"x", b"y"]])
def test_what_could_be_changed_later_is_not_kept(site: Site, odd: Any) -> None:
    guard = site.guard()
    scope = good_scope("tls")
    scope["headers"] = [odd, *scope["headers"]]
    outcome(guard, scope)

    assert not is_replayed(guard, scope)
    assert not is_replayed(guard, good_scope("tls"))
