"""A guard that remembers and one that does not say the same of every request, whatever stands in its scope."""

import pickle
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.types import Scope

from mtls_middleware import Accepted, Guard, MTLSMiddleware
from mtls_middleware._core.connection import TRANSPORT_SCOPE_KEY, Transport
from mtls_middleware._core.replay import EVIDENCE_BYTES, NAMES_BYTES, PATH_BYTES
from mtls_middleware._core.scope import connection_of
from mtls_middleware.testing import ClientCertificate, rfc9440
from mtls_middleware.testing.encodings import xfcc_element
from tests.adapters.cases import ASGIApplication, Case, http_scope, run_asgi
from tests.adapters.site import (
    CALLER_SECRET,
    NGINX,
    NGINX_BOTH,
    NGINX_PEER,
    ORGANIZATION,
    SECRET,
    SECRET_HEADER,
    TLS,
    Site,
    good_client,
    over_tls,
    regional_ca,
    stranger_ca,
    through_nginx,
)

CALLER = (("X-Caller-Secret", CALLER_SECRET), ("ININ-Organization-Id", ORGANIZATION))
ASKS_CALLER = {"MTLS_CALLER_SECRET": CALLER_SECRET, "MTLS_ORGANIZATION_IDS": ORGANIZATION}
PATHS = {"MTLS_PROTECT": "/actions", "MTLS_EXEMPT": "/actions/health"}
PROXY_BOTH = {"MTLS_PROXY_SECRET": SECRET, "MTLS_TRUSTED_PROXIES": "10.0.0.5,unix"}
FORWARDED = ("x-forwarded-for", "192.0.2.7")
OTHER = regional_ca().client()
STRANGER = stranger_ca().client()
CLIENTS = (good_client(), OTHER, STRANGER)


def through_envoy(client: ClientCertificate) -> Case:
    return Case(headers=(("x-forwarded-client-cert", xfcc_element(client)), SECRET_HEADER))


def by_rfc9440(client: ClientCertificate) -> Case:
    return Case(headers=(*rfc9440(client), SECRET_HEADER))


Present = Callable[[ClientCertificate], Case]
GATES: Mapping[str, tuple[Mapping[str, str], Present]] = {
    "tls": (TLS, over_tls),
    "tls, caller secret": (
        {"MTLS_CALLER_SECRET": CALLER_SECRET, "MTLS_PROTECT": "/actions"},
        lambda client: over_tls(client).with_headers(CALLER[0]),
    ),
    "tls, caller, paths": ({**ASKS_CALLER, **PATHS}, lambda client: over_tls(client).with_headers(*CALLER)),
    "nginx, secret": (NGINX, through_nginx),
    "nginx, peers": (NGINX_PEER, partial(through_nginx, secret=None)),
    "nginx, all": (
        {**NGINX_BOTH, **ASKS_CALLER, **PATHS},
        lambda client: through_nginx(client).with_headers(*CALLER, FORWARDED),
    ),
    "envoy": ({"MTLS_SOURCE": "envoy", "MTLS_PROXY_SECRET": SECRET}, through_envoy),
    "rfc9440": ({"MTLS_SOURCE": "rfc9440", **PROXY_BOTH}, by_rfc9440),
    "rfc9440, caller, paths": (
        {"MTLS_SOURCE": "rfc9440", **PROXY_BOTH, **ASKS_CALLER, **PATHS},
        lambda client: by_rfc9440(client).with_headers(*CALLER, FORWARDED),
    ),
}


class Equal:
    """Is equal to everything."""

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


class Text(str):
    """Is equal to a text, and reads otherwise."""

    __slots__ = ()

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:  # noqa: ARG002 - as str
        return STRANGER.pem.encode()


Make = Callable[[], Any]
"""Makes a value anew for each guard: some can be read only once."""


def value(what: Any) -> Make:
    return lambda: what


PARTS: Mapping[str, Make] = {
    f"{who} as {form}": partial(make, client)
    for who, client in zip(("good", "other", "stranger"), CLIENTS, strict=True)
    for form, make in {
        "PEM": lambda client: client.pem,
        "PEM bytes": lambda client: client.pem.encode(),
        "DER": lambda client: client.der,
        "bytearray": lambda client: bytearray(client.der),
        "memoryview": lambda client: memoryview(client.der),
        "another text": lambda client: Text(client.pem),
    }.items()
} | {"nothing": value(None), "empty": value(""), "equal": Equal, "number": value(1)}

ODD: Mapping[str, Make] = {
    "absent": value(...),
    "None": value(None),
    "False": value(False),
    "True": value(True),
    "1.0": value(1.0),
    "text": value("x"),
    "bytes": value(b"x"),
    "empty text": value(""),
    "list": lambda: ["x"],
    "tuple": value(("x", 1)),
    "dict": lambda: {"10.0.0.5": 1, "x": 2},
    "equal": Equal,
    "iterator": lambda: iter(["x"]),
}

Mutation = Callable[[Scope], None]


def put(name: str, make: Make) -> Mutation:
    def mutate(scope: Scope) -> None:
        made = make()
        if made is ...:
            scope.pop(name, None)
        else:
            scope[name] = made

    return mutate


def put_tls(name: str, make: Make) -> Mutation:
    def mutate(scope: Scope) -> None:
        extensions = scope.get("extensions")
        tls = extensions.get("tls") if type(extensions) is dict else None
        tls = {**tls} if type(tls) is dict else {}
        put(name, make)(tls)
        scope["extensions"] = {"tls": tls}

    return mutate


def put_header(index: int, change: Callable[[Any], Any]) -> Mutation:
    def mutate(scope: Scope) -> None:
        if type(scope.get("headers")) is list and scope["headers"]:
            headers = list(scope["headers"])
            index_here = index % len(headers)
            headers[index_here : index_here + 1] = change(headers[index_here])
            scope["headers"] = headers

    return mutate


def all_headers(change: Callable[[Any], Any]) -> Mutation:
    def mutate(scope: Scope) -> None:
        scope["headers"] = change(scope.get("headers") or [])

    return mutate


HEADERS: Mapping[str, Callable[[Any], Any]] = {
    "dropped": lambda _: [],
    "doubled": lambda pair: [pair, pair],
    "a list": lambda pair: [list(pair)],
    "three": lambda pair: [(*pair, b"x")],
    "upper case": lambda pair: [(bytes(pair[0]).upper(), pair[1])],
    "underscores": lambda pair: [(bytes(pair[0]).replace(b"-", b"_"), pair[1])],
    "a twin": lambda pair: [pair, (bytes(pair[0]).replace(b"-", b"_"), b"x")],
    "empty": lambda pair: [(pair[0], b"")],
    "longer": lambda pair: [(pair[0], bytes(pair[1]) + b"x")],
    "text": lambda pair: [(pair[0], "x")],
    "the same as text": lambda pair: [(pair[0], bytes(pair[1]).decode())],
    "number": lambda pair: [(pair[0], 3)],
    "numbers": lambda pair: [(pair[0], [*bytes(pair[1])])],
    "bytearray": lambda pair: [(pair[0], bytearray(pair[1]))],
    "memoryview": lambda pair: [(pair[0], memoryview(pair[1]))],
    "name as memoryview": lambda pair: [(memoryview(pair[0]), pair[1])],
    "equal": lambda pair: [(pair[0], Equal())],
}

APART = (b"x-apart", b"1")
CHAIN, LEAF, NAME, ERROR = (f"client_cert{ending}" for ending in ("_chain", "", "_name", "_error"))

MUTATIONS: Mapping[str, Mutation] = {
    **{f"{name} {odd}": put(name, make) for name in (
        "type", "method", "scheme", "http_version", "path", "raw_path", "root_path", "headers", "client", "server",
        "extensions", "aws.event", "state", "user", TRANSPORT_SCOPE_KEY, "unknown",
    ) for odd, make in ODD.items()},
    "websocket": put("type", value("websocket")),
    **{f"path {path}": put("path", value(path)) for path in (
        "/", "/actions", "/actions/health", "/actions/health/..", "/other",
    )},
    **{f"raw path {path}": put("raw_path", make) for path, make in {
        "array": value(bytearray(b"/actions/lookup")), "view": lambda: memoryview(b"/actions/lookup"),
        "other": value(b"/other"), "exempt": value(b"/actions/health"),
    }.items()},
    "root path": put("root_path", value("/actions")),
    **{f"client {client!r}": put("client", value(client)) for client in (
        ("10.0.0.5", 1), ("10.0.0.5", 0), ("10.0.0.5", True), ("10.0.0.5", 1.0), ["10.0.0.5", 9], ("10.0.0.6", 1),
        ("", 1), (None, None), "10.0.0.5", {"10.0.0.5": 0, 40000: 0}, ("10.0.0.5", 40000, 0), (b"10.0.0.5", 40000),
    )},
    "client equal": put("client", lambda: (Equal(), 40000)),
    **{f"peer {peer!r}": put(TRANSPORT_SCOPE_KEY, value(Transport(peer=peer))) for peer in (  # type: ignore[arg-type]
        None, ("10.0.0.5", 1), ("10.0.0.6", 1), ["10.0.0.5", 1], ("", 0), (b"10.0.0.5", 1), "10.0.0.5", (),
    )},
    "peer equal": put(TRANSPORT_SCOPE_KEY, lambda: Transport(peer=(Equal(), 1))),  # type: ignore[arg-type]
    "tls twice": put("extensions", lambda: {"tls": {CHAIN: iter([good_client().pem])}}),
    "a shared extension": put("extensions", lambda: {"tls": {}, "http.response.push": {}}),
    **{f"chain of {name} in a {kind}": put_tls(CHAIN, partial(lambda kind, make: kind([make()]), kind, make))
       for kind in (list, tuple, iter) for name, make in PARTS.items()},
    **{f"chain {name}": put_tls(CHAIN, make) for name, make in PARTS.items()},
    **{f"leaf {name}": put_tls(LEAF, make) for name, make in PARTS.items()},
    **{f"chain of nothing in a {kind}": put_tls(CHAIN, kind) for kind in (list, tuple)},
    "chain of two": put_tls(CHAIN, lambda: [good_client().pem, STRANGER.pem]),
    "chain of an empty one and another": put_tls(CHAIN, lambda: ["", OTHER.pem]),
    **{f"{name} {odd}": put_tls(name, make) for name in (CHAIN, LEAF, NAME, ERROR, "tls_version", "other")
       for odd, make in ODD.items()},
    **{f"header {index} {name}": put_header(index, change) for index in range(5) for name, change in HEADERS.items()},
    "headers reversed": all_headers(lambda headers: headers[::-1]),
    "headers as tuple": all_headers(tuple),
    "headers read once": all_headers(iter),
    "no headers": all_headers(lambda _: []),
    **{f"{name} in front": all_headers(partial(lambda pair, headers: [pair, *headers], (name.encode(), b"10.0.0.5")))
       for name in ("x-forwarded-for", "forwarded", "transfer-encoding", "x-other")},
    "hidden ones apart": all_headers(lambda headers: [pair for header in headers for pair in (header, APART)]),
    "tls as a list": put("extensions", lambda: {"tls": ["client_cert_chain"]}),
    "extensions as a list": put("extensions", lambda: ["tls"]),
}  # fmt: skip


class Cold:
    """Stands for a fast path that remembers nothing."""

    def find(self, *_: object) -> None:
        return None

    def keep(self, *_: object) -> None:
        pass


def strict(value: Any) -> Any:
    """Return a value with the types of all that is in it. What is read once, or again and again, is told alike."""
    if isinstance(value, dict):
        return dict, {name: strict(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return type(value), [strict(entry) for entry in value]
    if isinstance(value, Iterator) or type(value).__name__ == "_Twice":
        return "read in turn", [strict(entry) for entry in value]
    return (Equal, None) if isinstance(value, Equal) else (type(value), value)


def outcome(guard: Guard, scope: Scope) -> Any:
    """Return all that a request leads to: the answer, and the scope that the application sees."""
    app = ASGIApplication()
    try:
        sent = run_asgi(MTLSMiddleware(app, guard=guard), scope)
    except Exception as error:  # noqa: BLE001 - servers answer 500: that too is to be the same
        return app.scope is None, type(error)
    if app.scope is None:
        return sent, None
    caller = (app.scope.pop("auth").scopes, app.scope.pop("mtls.identity"), type(app.scope.pop("user")))
    headers = [(type(header), [bytes(part) for part in header]) for header in app.scope.pop("headers")]
    return sent, caller, headers, strict({name: made for name, made in app.scope.items() if name != "mtls.rejected"})


@pytest.fixture
def pairs(site: Site, monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[Guard, Guard]]:
    """Return a guard with the fast path and one without, for each configuration."""
    made = {}
    for name, (environ, _) in GATES.items():
        warm, cold = site.guard(environ), site.guard(environ)
        monkeypatch.setattr(cold, "_begin_replay", lambda: None)
        monkeypatch.setattr(cold, "_replay", Cold())
        monkeypatch.setattr(cold, "replay", cold._replay.find)
        made[name] = (warm, cold)
    return made


def scope_of(gate: str, client: ClientCertificate, *mutations: str) -> Scope:
    present = GATES[gate][1]
    scope = http_scope(present(client).with_headers(("host", "actions.example.com"), ("accept", "*/*")))
    for mutation in mutations:
        MUTATIONS[mutation](scope)
    return scope


NO_PAIRS_OF_BYTES = ("a list", "three", "text", "the same as text", "number", "numbers", "equal")
"""Changes after which a header is no tuple of two bytes. A warm gate that reads no header does not notice."""


def same(pair: tuple[Guard, Guard], gate: str, client: ClientCertificate, *mutations: str) -> None:
    if gate == "tls" and any(name.startswith("header ") and name.endswith(NO_PAIRS_OF_BYTES) for name in mutations):
        return
    answers = [_tried(guard, gate, client, mutations) for guard in pair]
    assert answers[0] == answers[1], mutations


def _tried(guard: Guard, gate: str, client: ClientCertificate, mutations: tuple[str, ...]) -> Any:
    try:
        scope = scope_of(gate, client, *mutations)
    except Exception:  # noqa: BLE001 - two changes that do not go together are no request
        return None
    return outcome(guard, scope)


requests = st.tuples(
    st.sampled_from(CLIENTS[:2]) | st.sampled_from(CLIENTS), st.lists(st.sampled_from(sorted(MUTATIONS)), max_size=3)
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(gate=st.sampled_from(sorted(GATES)), sent=st.lists(requests, min_size=1, max_size=6))
def test_a_warm_guard_says_what_a_cold_one_says(
    pairs: dict[str, tuple[Guard, Guard]],
    gate: str,
    sent: list[tuple[ClientCertificate, list[str]]],
) -> None:
    same(pairs[gate], gate, good_client())
    for client, mutations in sent:
        same(pairs[gate], gate, client, *mutations)


@pytest.mark.parametrize("gate", GATES)
def test_each_change_alone_is_judged_alike(pairs: dict[str, tuple[Guard, Guard]], gate: str) -> None:
    for mutation in MUTATIONS:
        same(pairs[gate], gate, good_client())
        same(pairs[gate], gate, good_client(), mutation)
        same(pairs[gate], gate, good_client(), mutation)


LEAVES = sorted(name for name in MUTATIONS if name.startswith("leaf "))


EMPTY = [f"chain of {name} in a {kind}" for kind in (list, tuple) for name in ("nothing", "empty")]


@pytest.mark.parametrize("chain", [*EMPTY, "chain None", "client_cert_chain absent"])
def test_a_leaf_beside_an_empty_chain_is_nobody_elses(pairs: dict[str, tuple[Guard, Guard]], chain: str) -> None:
    for leaf in LEAVES:
        same(pairs["tls"], "tls", good_client(), chain, "leaf good as DER")
        same(pairs["tls"], "tls", good_client(), chain, leaf)
        same(pairs["tls"], "tls", good_client(), chain)


@pytest.mark.parametrize("gate", GATES)
def test_what_servers_send_is_repeated(pairs: dict[str, tuple[Guard, Guard]], gate: str) -> None:
    warm, _ = pairs[gate]
    outcome(warm, scope_of(gate, good_client()))

    assert warm.replay(scope_of(gate, good_client(), "client ('10.0.0.5', 1)")) is not None
    assert warm.replay(scope_of(gate, good_client(), "client ['10.0.0.5', 9]")) is not None


@pytest.mark.parametrize("gate", GATES)
def test_no_layout_of_headers_is_known_before_it_was_accepted(site: Site, gate: str) -> None:
    guard = site.guard(GATES[gate][0])
    outcome(guard, scope_of(gate, STRANGER))

    replay = guard._replay
    assert (replay._layout, replay._layouts, replay._acceptances, replay._paths) == (None, {}, {}, {})
    _, not_before, not_after, *_ = replay._last
    assert not_before > not_after


def test_a_layout_without_the_secret_is_never_another_callers(site: Site) -> None:
    gate = "tls, caller secret"
    guard = site.guard(GATES[gate][0])
    raced = guard._replay._layout
    outcome(guard, scope_of(gate, good_client()))
    guard._replay._layout = raced  # as another thread does that began before

    assert guard.replay(scope_of(gate, good_client(), "no headers")) is None


def weight(value: object) -> int:
    """Return about how many bytes a value takes."""
    return len(pickle.dumps(value))


@pytest.mark.parametrize("gate", ["tls, caller, paths", "nginx, all"])
def test_an_accepted_caller_cannot_fill_the_memory(site: Site, gate: str) -> None:
    guard = site.guard(GATES[gate][0])
    for number, size, what in product(range(5), (10, 500, 1_500, 10_000, 60_000), ("path", "name", "header", "tls")):
        scope = scope_of(gate, good_client())
        text = str(number).ljust(size, "x")
        match what:
            case "path":
                scope.update({"path": f"/actions/{text}", "raw_path": b""})
            case "name":
                scope["headers"].append((text.encode(), b""))
            case "header":
                scope["headers"].append((b"x-forwarded-for", text.encode()))
            case "tls":
                scope.setdefault("extensions", {"tls": {}})["tls"]["server_cert"] = text
        outcome(guard, scope)

    replay = guard._replay
    proofs = [evidence for evidence, *_ in replay._acceptances.values()]
    assert 1_500 < max(map(weight, replay._paths)) < PATH_BYTES
    assert 1_500 < max(map(weight, replay._layouts)) < NAMES_BYTES
    assert 1_000 < max(map(weight, proofs)) < EVIDENCE_BYTES


def test_a_layout_needs_each_secret_once(site: Site) -> None:
    gate = "tls, caller secret"
    guard = site.guard(GATES[gate][0])
    accepted = guard.decide(connection_of(scope_of(gate, good_client())))
    assert isinstance(accepted, Accepted)
    guard.keep(scope_of(gate, good_client(), "no headers"), accepted, {})

    assert (guard._replay._layouts, guard._replay._acceptances) == ({}, {})


class Noting(dict[str, Any]):
    """Remembers which keys were asked for."""

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        self.asked: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.asked.add(name)
        return super().get(name, default)

    def __getitem__(self, name: str) -> Any:
        self.asked.add(name)
        return super().__getitem__(name)


def test_the_fast_path_reads_what_the_gate_may_read(pairs: dict[str, tuple[Guard, Guard]]) -> None:
    scope = Noting(scope_of("rfc9440, caller, paths", good_client()))
    connection_of(scope)
    warm, _ = pairs["rfc9440, caller, paths"]
    outcome(warm, dict(scope))
    again = Noting(scope)

    assert warm.replay(again) is not None
    assert scope.asked - again.asked == {"aws.event"}  # which no source reads that is repeated
    assert {"headers", "extensions", "client", TRANSPORT_SCOPE_KEY, "path", "raw_path", "root_path"} <= again.asked
