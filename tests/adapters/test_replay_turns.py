"""What comes in turns is repeated, each time; what is unusual, or new, never is."""

from collections import OrderedDict, UserList, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest
from starlette.types import Scope

from mtls_middleware._core.connection import TRANSPORT_SCOPE_KEY, Transport
from mtls_middleware._core.replay import EVIDENCE_BYTES
from tests.adapters.cases import Case, http_scope
from tests.adapters.site import (
    NGINX,
    NGINX_PEER,
    TLS,
    Site,
    good_client,
    over_tls,
    regional_ca,
    through_nginx,
)
from tests.adapters.test_replay import is_replayed, outcome

OVER_TLS, THROUGH_NGINX = over_tls(good_client()), through_nginx(good_client())
FROM_NGINX = through_nginx(good_client(), secret=None)
PEMS = good_client().pems
CLIENTS = [good_client(), *(regional_ca().client() for _ in range(2))]
PROXIES = {**NGINX_PEER, "MTLS_TRUSTED_PROXIES": "10.0.0.0/24,fe80::1"}
PATHS = {**TLS, "MTLS_PROTECT": "/actions"}


class Sub(dict[str, Any]):
    """Is not quite a dict."""


class Lying(dict[str, Any]):
    """Says something else to whoever asks than to whoever takes it apart."""

    def get(self, name: str, default: Any = None) -> Any:
        return {"client_cert_chain": PEMS} if name == "tls" else default


class Text(str):
    __slots__ = ()


class Row(list[str]):
    """Is not quite a list."""


def tls(**changes: Any) -> Scope:
    scope = http_scope(OVER_TLS)
    return {**scope, "extensions": {"tls": {**scope["extensions"]["tls"], **changes}}}


def beside(chain: Any, **more: Any) -> Scope:
    return {**http_scope(THROUGH_NGINX), "extensions": {"tls": {"client_cert_chain": chain, **more}}}


def of_peer(client: Any, transport: Transport | None = None) -> Scope:
    more = {} if transport is None else {TRANSPORT_SCOPE_KEY: transport}
    return {**http_scope(FROM_NGINX), "client": client, **more}


def sent(case: Case, headers: Iterable[Any] = ()) -> Scope:
    scope = http_scope(case)
    return {**scope, "headers": [*scope["headers"], *headers]}


OTHER = [(b"host", b"actions.example.com"), (b"accept", b"*/*")]
TURNS: Mapping[str, tuple[Mapping[str, str], list[Scope]]] = {
    "callers over TLS": (TLS, [http_scope(over_tls(client)) for client in CLIENTS]),
    "callers through nginx": (NGINX, [http_scope(through_nginx(client)) for client in CLIENTS]),
    "callers from nginx": (NGINX_PEER, [http_scope(through_nginx(client, secret=None)) for client in CLIENTS]),
    "suites": (TLS, [tls(cipher_suite=suite) for suite in (0x1301, 0x1302, None)]),
    "versions": (TLS, [tls(tls_version=version) for version in (0x0303, 0x0304, None)]),
    "peers": (PROXIES, [of_peer((f"10.0.0.{number}", 80)) for number in (5, 6, 7)]),
    "peers from our adapter": (
        PROXIES,
        [of_peer(("192.0.2.1", 1), Transport(peer=(f"10.0.0.{number}", 80))) for number in (5, 6, 7)],
    ),
    "headers": (NGINX, [sent(THROUGH_NGINX, some) for some in (OTHER, OTHER[::-1], OTHER[:1], [])]),
    "paths": (PATHS, [http_scope(replace(OVER_TLS, path=f"/actions/{name}")) for name in "abc"]),
    "root paths": (PATHS, [{**http_scope(OVER_TLS), "root_path": root} for root in ("", "/api", "/actions")]),
}


@pytest.mark.parametrize(("settings", "scopes"), TURNS.values(), ids=TURNS)
def test_what_comes_in_turns_is_repeated(site: Site, settings: Mapping[str, str], scopes: list[Scope]) -> None:
    guard = site.guard(settings)
    for index, scope in enumerate(scopes):
        assert [is_replayed(guard, one) for one in scopes] == [at < index for at in range(len(scopes))]
        assert outcome(guard, scope)[1] is not None
    for order in (scopes, scopes[::-1], [*scopes[1:], scopes[0]]):
        assert [is_replayed(guard, one) for one in order] == [True] * len(scopes)


@pytest.mark.parametrize("path", ["/actions/new", "/actions", "/health", "/"])
def test_where_only_some_paths_are_protected_a_new_one_is_looked_at(site: Site, path: str) -> None:
    guard = site.guard(PATHS)
    for name in "ab":
        assert outcome(guard, http_scope(replace(OVER_TLS, path=f"/actions/{name}")))[1] is not None
    new = replace(OVER_TLS, path=path)
    assert not is_replayed(guard, http_scope(new))
    for name in "ba":
        assert is_replayed(guard, http_scope(replace(OVER_TLS, path=f"/actions/{name}")))
        assert not is_replayed(guard, http_scope(new))


@pytest.mark.parametrize("name", ["x-forwarded-for", "forwarded"])
@pytest.mark.parametrize(
    ("settings", "case", "compares"),
    [(TLS, OVER_TLS, False), (NGINX, THROUGH_NGINX, False), (NGINX_PEER, FROM_NGINX, True)],
    ids=["tls", "secret", "peer"],
)
def test_who_was_forwarded_matters_where_the_peer_does(
    site: Site, settings: Mapping[str, str], case: Case, name: str, *, compares: bool
) -> None:
    guard = site.guard(settings)
    form = "for={}" if name == "forwarded" else "{}"
    assert outcome(guard, http_scope(case.with_headers((name, form.format("192.0.2.7")))))[1] is not None
    for address in ("192.0.2.8", "10.0.0.5"):
        new = http_scope(case.with_headers((name, form.format(address))))
        assert is_replayed(guard, new) is not compares


@pytest.mark.parametrize("trusted", ["unix", "unix,192.0.2.9"])
def test_who_comes_over_tcp_is_nobody_from_the_unix_socket(site: Site, trusted: str) -> None:
    guard = site.guard({**NGINX_PEER, "MTLS_TRUSTED_PROXIES": trusted})
    for scope in (of_peer(None), of_peer(None, Transport(peer=None))):
        assert outcome(guard, scope)[1] is not None
        assert is_replayed(guard, scope)
    for scope in (of_peer(("10.0.0.5", 80)), of_peer(None, Transport(peer=("10.0.0.5", 80)))):
        assert not is_replayed(guard, scope)


@pytest.mark.parametrize(("settings", "scope"), [(TLS, tls()), (NGINX, beside(PEMS)), (NGINX, beside(None))])
def test_the_application_gets_what_nobody_else_has(site: Site, settings: Mapping[str, str], scope: Scope) -> None:
    guard = site.guard(settings)
    assert outcome(guard, scope)[1] is not None
    seen = guard.replay(scope)
    assert seen is not None
    for ours, theirs in ((seen, scope), (seen["extensions"], scope["extensions"])):
        assert ours is not theirs
    assert seen["headers"] is not scope["headers"]
    assert seen["extensions"]["tls"] == scope["extensions"]["tls"]
    assert seen["extensions"]["tls"] is not scope["extensions"]["tls"]


def test_on_a_path_that_is_open_nothing_is_repeated(site: Site) -> None:
    guard, scope = site.guard(PATHS), http_scope(replace(OVER_TLS, path="/health"))
    assert outcome(guard, scope)[1] is not None
    assert not is_replayed(guard, scope)
    assert not guard._replay._acceptances


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_over_tls_any_number_of_headers_is_repeated(site: Site, count: int) -> None:
    guard, scope = site.guard(TLS), {**http_scope(OVER_TLS), "headers": [(b"x-%d" % at, b"") for at in range(count)]}
    assert outcome(guard, scope)[1] is not None
    assert is_replayed(guard, scope)
    for others in ([], OTHER[:1], OTHER):
        assert not is_replayed(guard, {**scope, "headers": [[b"x", b""], *others]})


# ----------------------------------------------------------------------------------------------- what never is repeated


@pytest.mark.parametrize(
    "kind", [Sub, Lying, OrderedDict, MappingProxyType, lambda one: list(one.items())], ids=lambda kind: kind.__name__
)
@pytest.mark.parametrize("name", ["tls", "nginx"])
def test_extensions_of_another_type_go_the_full_way(site: Site, name: str, kind: Callable[[Any], Any]) -> None:
    settings, scope = (TLS, tls()) if name == "tls" else (NGINX, beside(PEMS))
    guard = site.guard(settings)
    assert outcome(guard, scope)[1] is not None
    assert is_replayed(guard, scope)
    assert not is_replayed(guard, {**scope, "extensions": kind(scope["extensions"])})


ODD_CHAINS: Mapping[str, Any] = {
    "a text": PEMS[0],
    "bytes": PEMS[0].encode(),
    "a row": Row(PEMS),
    "a user's list": UserList(PEMS),
    "a deque": deque(PEMS),
    "a dict": dict.fromkeys(PEMS),
    "a list of another text": [Text(PEMS[0])],
    "a list of bytearrays": [bytearray(good_client().der)],
    "a list of views": [memoryview(good_client().der)],
    "a list of lists": [[PEMS[0]]],
    "a list of one and nothing": [*PEMS, None],
}


@pytest.mark.parametrize("chain", ODD_CHAINS.values(), ids=ODD_CHAINS)
def test_a_chain_of_another_type_is_not_kept(site: Site, chain: Any) -> None:
    for settings, scope in ((TLS, tls(client_cert_chain=chain)), (NGINX, beside(chain))):
        guard = site.guard(settings)
        outcome(guard, scope)
        assert not is_replayed(guard, scope)
        assert not guard._replay._acceptances


@pytest.mark.parametrize("odd", [[], ["x"], (), {}, {"x": 1}, set(), 1.0, bytearray(b"x"), Text("x")], ids=repr)
@pytest.mark.parametrize("name", ["server_cert", "client_cert_name", "cipher_suite", "other"])
def test_whatever_could_change_beside_the_chain_is_not_kept(site: Site, name: str, odd: Any) -> None:
    for settings, scope in ((TLS, tls(**{name: odd})), (NGINX, beside(PEMS, **{name: odd}))):
        guard = site.guard(settings)
        assert outcome(guard, scope)[1] is not None
        assert not is_replayed(guard, scope)
        assert not guard._replay._acceptances


@pytest.mark.parametrize(("size", "kept"), [(10, True), (EVIDENCE_BYTES // 2, True), (EVIDENCE_BYTES, False)])
def test_an_address_with_an_endless_zone_is_not_kept(site: Site, size: int, *, kept: bool) -> None:
    host = "fe80::1%".ljust(size, "x")
    for scope in (of_peer((host, 80)), of_peer(None, Transport(peer=(host, 80)))):
        guard = site.guard(PROXIES)
        assert outcome(guard, scope)[1] is not None
        assert is_replayed(guard, scope) is kept


@pytest.mark.parametrize(("size", "kept"), [(10, True), (EVIDENCE_BYTES // 2, True), (EVIDENCE_BYTES, False)])
def test_a_long_chain_beside_a_header_is_not_kept(site: Site, size: int, *, kept: bool) -> None:
    guard = site.guard(NGINX)
    scope = beside(("x" * size,))
    assert outcome(guard, scope)[1] is not None
    assert is_replayed(guard, scope) is kept


def test_a_proxy_secret_that_nobody_asks_for_is_hidden_each_time(site: Site) -> None:
    guard = site.guard({**TLS, "MTLS_PROXY_SECRET": "s" * 32})
    scope = tls()
    scope["headers"] = [*scope["headers"], (b"x-mtls-proxy-secret", b"s" * 32)]
    assert outcome(guard, scope)[1] is not None
    seen = guard.replay(scope)
    assert seen is not None
    assert [name for name, _ in seen["headers"] if b"secret" in name] == []
