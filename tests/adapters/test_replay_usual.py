"""What servers usually hand over is repeated, not only judged alike: else the fast path would be there for nothing."""

import ssl
from collections.abc import Callable, Mapping

import pytest
from starlette.types import Scope

from mtls_middleware._core.connection import TRANSPORT_SCOPE_KEY, Transport
from tests.adapters.cases import http_scope
from tests.adapters.site import (
    NGINX,
    NGINX_PEER,
    ORGANIZATION,
    TLS,
    Site,
    good_client,
    over_tls,
    stranger_ca,
    through_nginx,
)
from tests.adapters.test_replay import is_replayed, outcome

OVER_TLS, THROUGH_NGINX = over_tls(good_client()), through_nginx(good_client())
FROM_NGINX = through_nginx(good_client(), secret=None)
PEMS = good_client().pems
DERS = [ssl.PEM_cert_to_DER_cert(pem) for pem in PEMS]


def chain(certificates: object) -> Callable[[], Scope]:
    def make() -> Scope:
        scope = http_scope(OVER_TLS)
        tls = {**scope["extensions"]["tls"], "client_cert_chain": certificates}
        return {**scope, "extensions": {**scope["extensions"], "tls": tls}}

    return make


def beside(extensions: object) -> Callable[[], Scope]:
    return lambda: {**http_scope(THROUGH_NGINX), "extensions": extensions}


def of_peer(**changes: object) -> Callable[[], Scope]:
    names = {"transport": TRANSPORT_SCOPE_KEY}
    return lambda: {**http_scope(FROM_NGINX), **{names.get(name, name): value for name, value in changes.items()}}


USUAL: Mapping[str, tuple[Mapping[str, str], Callable[[], Scope]]] = {
    "PEM in a list": (TLS, chain([*PEMS])),
    "PEM in a tuple": (TLS, chain((*PEMS,))),
    "DER in a list": (TLS, chain(DERS)),
    "DER in a tuple": (TLS, chain(tuple(DERS))),
    "an organisation over TLS": (
        {**TLS, "MTLS_ORGANIZATION_IDS": ORGANIZATION},
        lambda: http_scope(OVER_TLS.with_headers(("ININ-Organization-Id", ORGANIZATION))),
    ),
    "no extensions": (NGINX, beside(None)),
    "no extension": (NGINX, beside({})),
    "another extension": (NGINX, beside({"http.response.trailers": {}})),
    "TLS without a certificate": (NGINX, beside({"tls": {"tls_version": 0x0304, "client_cert_chain": ()}})),
    "TLS whose certificate is None": (NGINX, beside({"tls": {"client_cert_chain": None}})),
    "TLS with a certificate of its own": (NGINX, beside({"tls": {"client_cert_chain": PEMS}})),
    "a peer in a tuple": (NGINX_PEER, of_peer(client=("10.0.0.5", 40_000))),
    "a peer in a list": (NGINX_PEER, of_peer(client=["10.0.0.5", 40_000])),
    "a peer with the last port": (NGINX_PEER, of_peer(client=("10.0.0.5", 65_535))),
    "a peer with the first port": (NGINX_PEER, of_peer(client=("10.0.0.5", 1))),
    "a peer from our adapter": (NGINX_PEER, of_peer(client=None, transport=Transport(peer=("10.0.0.5", 40_000)))),
    "a unix socket": ({**NGINX_PEER, "MTLS_TRUSTED_PROXIES": "unix"}, of_peer(client=None)),
    "a unix socket from our adapter": (
        {**NGINX_PEER, "MTLS_TRUSTED_PROXIES": "unix"},
        of_peer(client=None, transport=Transport(peer=None)),
    ),
}


@pytest.mark.parametrize(("settings", "make"), USUAL.values(), ids=USUAL)
def test_what_is_usual_is_repeated(site: Site, settings: Mapping[str, str], make: Callable[[], Scope]) -> None:
    guard = site.guard(settings)
    assert not is_replayed(guard, make())
    first = outcome(guard, make())
    assert first[1] is not None, first[0]
    assert is_replayed(guard, make())
    assert outcome(guard, make()) == first


def test_a_chain_that_the_server_changes_later_is_judged_anew(site: Site) -> None:
    guard, certificates = site.guard(TLS), [*PEMS]
    scope = chain(certificates)()
    assert outcome(guard, scope)[1] is not None
    certificates[:] = stranger_ca().client().pems
    assert not is_replayed(guard, scope)
    assert outcome(guard, scope)[1] is None


def test_what_only_looks_like_our_adapter_is_not_repeated(site: Site) -> None:
    guard, make = site.guard(NGINX_PEER), of_peer(client=("10.0.0.5", 40_000), transport=("10.0.0.5", 40_000))
    assert outcome(guard, make())[1] is not None
    assert not is_replayed(guard, make())
