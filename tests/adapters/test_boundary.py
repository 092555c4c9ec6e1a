"""Who may speak for a client: peers, secrets, twins, doubles, rewritten peers, trailers and servers."""

import sys
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from mtls_middleware import Guard, MTLSMiddleware
from mtls_middleware._core.boundary import Boundary
from mtls_middleware._core.connection import TRANSPORT_SCOPE_KEY, Connection, Interface, Transport, collect
from mtls_middleware._core.decision import RejectionError
from mtls_middleware._core.sources.presets import PRESETS
from mtls_middleware.testing.encodings import b64_der, byte_sequences, url_pem
from tests.adapters.cases import PROXY, ASGIApplication, Case, call, http, http_scope, run_asgi, websocket, wsgi
from tests.adapters.conftest import HTTPTOOLS
from tests.adapters.site import (
    NGINX,
    NGINX_BOTH,
    NGINX_PEER,
    SECRET,
    SECRET_HEADER,
    Site,
    good_client,
    over_tls,
    through_nginx,
)

FROM_NGINX = through_nginx(good_client(), secret=None)
WITH_SECRET = through_nginx(good_client())
CADDY = {**NGINX, "MTLS_SOURCE": "caddy"}
CADDY_CASE = Case(headers=(("X-SSL-Client-Cert", b64_der(good_client())), SECRET_HEADER))


class TestPeers:
    @pytest.mark.parametrize(
        ("trusted", "host", "verdict"),
        [
            pytest.param("10.0.0.5", "10.0.0.5", "accepted", id="address"),
            pytest.param("10.0.0.0/24", "10.0.0.5", "accepted", id="network"),
            pytest.param("10.0.0.5", "::ffff:10.0.0.5", "accepted", id="mapped-peer"),
            pytest.param("10.0.0.5", "::FFFF:0a00:0005", "accepted", id="mapped-peer-in-hex"),
            pytest.param("::ffff:10.0.0.0/120", "10.0.0.5", "accepted", id="mapped-network"),
            pytest.param("::ffff:10.0.0.5", "::ffff:10.0.0.5", "accepted", id="mapped-both"),
            pytest.param("fd00::/8", "fd00::1", "accepted", id="ipv6"),
            pytest.param("fe80::1", "fe80::1%eth0", "accepted", id="zone"),
            pytest.param("fd00::1", "FD00:0::1", "accepted", id="long-form"),
            pytest.param("10.0.0.5", "10.0.0.6", "source_untrusted", id="lesson-1-stranger"),
            pytest.param("10.0.0.0/24", "10.0.1.5", "source_untrusted", id="beside-the-network"),
            pytest.param("10.0.0.5", "10.0.0.50", "source_untrusted", id="prefix-of-text"),
            pytest.param("10.0.0.5", "proxy.example.com", "source_untrusted", id="name"),
            pytest.param("10.0.0.5", "testclient", "source_untrusted", id="test-client"),
            pytest.param("10.0.0.5", "010.0.0.5", "source_untrusted", id="octal"),
            pytest.param("10.0.0.5", "167772165", "source_untrusted", id="number"),
            pytest.param("10.0.0.5", "10.0.0.5:80", "source_untrusted", id="port-in-address"),
            pytest.param("10.0.0.5", "[10.0.0.5]", "source_untrusted", id="brackets"),
            pytest.param("10.0.0.5", "10.0.0.5\n", "source_untrusted", id="newline"),
            pytest.param("unix", "10.0.0.5", "source_untrusted", id="unix-is-no-address"),
            pytest.param("10.0.0.5", "unix", "source_untrusted", id="a-peer-called-unix"),
            pytest.param("unix", "unix", "source_untrusted", id="unix-as-host"),
        ],
    )
    def test_the_direct_peer_counts(self, site: Site, trusted: str, host: str, verdict: str) -> None:
        guard = site.guard(NGINX_PEER, trusted_proxies=trusted)
        assert call(guard, replace(FROM_NGINX, client=(host, 40000))).verdict == verdict

    @pytest.mark.parametrize(
        ("port", "verdict"),
        [
            pytest.param(1, "accepted", id="1"),
            pytest.param(65535, "accepted", id="65535"),
            pytest.param("40000", "accepted", id="granian-text"),
            pytest.param(0, "source_untrusted", id="lesson-20-uvicorn-rewrote-it"),
            pytest.param("0", "source_untrusted", id="text-0"),
            pytest.param("00", "source_untrusted", id="text-00"),
            pytest.param(65536, "source_untrusted", id="65536"),
            pytest.param(70000, "source_untrusted", id="70000"),
            pytest.param("70000", "source_untrusted", id="text-70000"),
            pytest.param(-1, "source_untrusted", id="negative"),
            pytest.param("-1", "source_untrusted", id="text-negative"),
            pytest.param("+80", "source_untrusted", id="sign"),
            pytest.param(" 80", "source_untrusted", id="blank"),
            pytest.param("", "source_untrusted", id="empty"),
            pytest.param("x", "source_untrusted", id="letter"),
            pytest.param("٤٠٠٠", "source_untrusted", id="arabic-digits"),
            pytest.param("9" * 5000, "source_untrusted", id="endless"),
            pytest.param(True, "source_untrusted", id="true"),
            pytest.param(80.0, "source_untrusted", id="float"),
            pytest.param(b"80", "source_untrusted", id="bytes"),
            pytest.param([80], "source_untrusted", id="list"),
        ],
    )
    def test_a_port_that_is_none_makes_the_peer_unknown(self, site: Site, port: object, verdict: str) -> None:
        case = replace(FROM_NGINX, client=(PROXY[0], port))
        assert call(site.guard(NGINX_PEER), case).verdict == verdict
        assert call(site.guard(NGINX_BOTH), case.with_headers(SECRET_HEADER)).verdict == "accepted"

    def test_no_port_says_nothing_in_wsgi_only(self, site: Site) -> None:
        case = replace(FROM_NGINX, client=(PROXY[0], None))
        guard = site.guard(NGINX_PEER)
        assert (http(guard, case).verdict, websocket(guard, case).verdict) == ("source_untrusted",) * 2
        assert wsgi(guard, case).verdict == "accepted"

    @pytest.mark.parametrize("client", [None, (), ("", 0), ("", 40000), (None, None)], ids=repr)
    def test_lesson_21_without_a_peer_only_unix_is_trusted(self, site: Site, client: object) -> None:
        case = replace(FROM_NGINX, client=client)
        assert call(site.guard(NGINX_PEER), case).verdict == "source_untrusted"
        assert call(site.guard(NGINX_PEER, trusted_proxies="unix"), case).verdict == "accepted"
        assert call(site.guard(NGINX_PEER, trusted_proxies="unix,10.0.0.5"), case).verdict == "accepted"
        assert call(site.guard(NGINX_BOTH), case.with_headers(SECRET_HEADER)).verdict == "accepted"

    @pytest.mark.parametrize("client", ["10.0.0.5", 5, ("10.0.0.5",), {"host": "10.0.0.5"}, b"10.0.0.5"], ids=repr)
    def test_a_client_in_a_strange_shape_is_no_unix_socket(self, site: Site, client: object) -> None:
        scope = {**http_scope(FROM_NGINX), "client": client}
        app = ASGIApplication()
        run_asgi(MTLSMiddleware(app, guard=site.guard(NGINX_PEER, trusted_proxies="unix,10.0.0.5")), scope)
        assert app.scope is None

    def test_an_address_with_more_than_a_port_is_read(self, site: Site) -> None:
        scope = {**http_scope(FROM_NGINX), "client": ("fd00::1", 40000, 0, 0)}
        app = ASGIApplication()
        run_asgi(MTLSMiddleware(app, guard=site.guard(NGINX_PEER, trusted_proxies="fd00::1")), scope)
        assert app.scope is not None


REWRITTEN = [
    pytest.param([("X-Forwarded-For", "10.0.0.5")], id="address"),
    pytest.param([("X-Forwarded-For", "10.0.0.5:4711")], id="port"),
    pytest.param([("X-Forwarded-For", "[10.0.0.5]:4711")], id="brackets-and-port"),
    pytest.param([("X-Forwarded-For", "6.6.6.6, 10.0.0.5")], id="second"),
    pytest.param([("X-Forwarded-For", "10.0.0.5, 6.6.6.6")], id="first"),
    pytest.param([("X-Forwarded-For", " \t10.0.0.5\t ")], id="blanks"),
    pytest.param([("X-Forwarded-For", '"10.0.0.5"')], id="quotes"),
    pytest.param([("X-Forwarded-For", "::ffff:10.0.0.5")], id="mapped"),
    pytest.param([("X-Forwarded-For", "[::ffff:10.0.0.5]:4711")], id="mapped-with-port"),
    pytest.param([("X-Forwarded-For", "10.0.0.5%x:4711")], id="zone"),
    pytest.param([("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", "10.0.0.5:4711")], id="two-headers"),
    pytest.param([("X-Forwarded-For", "10.0.0.5:4711"), ("X-Forwarded-For", "6.6.6.6")], id="two-headers-first"),
    pytest.param([("Forwarded", "for=10.0.0.5")], id="forwarded"),
    pytest.param([("Forwarded", 'for="10.0.0.5:4711"')], id="forwarded-port"),
    pytest.param([("Forwarded", 'For = "10.0.0.5"')], id="forwarded-blanks"),
    pytest.param([("Forwarded", "for=6.6.6.6;proto=https, for=10.0.0.5;by=1.2.3.4")], id="forwarded-second"),
    pytest.param([("Forwarded", "proto=https;for=10.0.0.5")], id="forwarded-not-first"),
    pytest.param([("Forwarded", 'for="a, for=10.0.0.5"')], id="forwarded-inside-quotes"),
    pytest.param([("Forwarded", 'for="a;for=10.0.0.5')], id="forwarded-open-quote"),
    pytest.param([("Forwarded", "for=6.6.6.6"), ("Forwarded", "for=10.0.0.5")], id="two-forwarded"),
    pytest.param([("X-Forwarded-For", ",".join(["6.6.6.6"] * 100 + ["10.0.0.5"]))], id="behind-a-hundred"),
    pytest.param([("X-Forwarded-For", "," * 100_000)], id="endless"),
]


class TestRewrittenPeers:
    @pytest.mark.parametrize("headers", REWRITTEN)
    def test_lesson_20_a_peer_that_stands_in_a_forwarding_header_is_unknown(
        self, site: Site, headers: list[tuple[str, str]]
    ) -> None:
        case = FROM_NGINX.with_headers(*headers)
        assert call(site.guard(NGINX_PEER), case).verdict == "source_untrusted"
        assert call(site.guard(NGINX_BOTH), case.with_headers(SECRET_HEADER)).verdict == "accepted"

    @pytest.mark.parametrize("entry", ["::1", "[::1]", "[::1]:4711", "[::1]]", "0:0:0:0:0:0:0:1", '"[::1]:4711"'])
    @pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded"])
    def test_lesson_20_ipv6(self, site: Site, name: str, entry: str) -> None:
        case = replace(FROM_NGINX, client=("::1", 4711)).with_headers(
            (name, entry if name[0] == "X" else f"for={entry}")
        )
        assert call(site.guard(NGINX_PEER, trusted_proxies="::1"), case).verdict == "source_untrusted"

    @pytest.mark.parametrize(
        "headers",
        [
            pytest.param([("X-Forwarded-For", "6.6.6.6")], id="the-caller"),
            pytest.param([("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", "7.7.7.7")], id="repeated"),
            pytest.param([("X-Forwarded-For", "unknown, _hidden, ")], id="hidden"),
            pytest.param([("X-Forwarded-For", "10.0.0.50, 110.0.0.5")], id="look-alikes"),
            pytest.param([("Forwarded", "for=6.6.6.6;by=10.0.0.5")], id="by-the-proxy"),
            pytest.param([("Forwarded", "host=10.0.0.5;proto=https")], id="host"),
            pytest.param([("X-Real-IP", "10.0.0.5")], id="another-header"),
        ],
    )
    def test_a_proxy_that_tells_who_called_is_believed(self, site: Site, headers: list[tuple[str, str]]) -> None:
        assert call(site.guard(NGINX_PEER), FROM_NGINX.with_headers(*headers)).verdict == "accepted"

    @pytest.mark.parametrize("name", ["x_forwarded_for", "X-Forwarded_For"])
    def test_a_twin_of_a_forwarding_header_makes_the_peer_unknown(self, site: Site, name: str) -> None:
        case = FROM_NGINX.with_headers((name, "10.0.0.5"))
        assert http(site.guard(NGINX_PEER), case).verdict == "source_untrusted"

    @pytest.mark.parametrize("trusted_hosts", ["*", "6.6.6.6", "127.0.0.1,6.6.6.6,10.0.0.5"])
    @pytest.mark.parametrize("headers", REWRITTEN)
    def test_lesson_20_uvicorn_s_own_rewriting(
        self, site: Site, headers: list[tuple[str, str]], trusted_hosts: str
    ) -> None:
        assert not _passes_uvicorn(site.guard(NGINX_PEER), headers, trusted_hosts)

    def test_the_log_names_the_cure_for_port_0(self, site: Site, caplog: pytest.LogCaptureFixture) -> None:
        call(site.guard(NGINX_PEER), replace(FROM_NGINX, client=("x" * 5000, 0)))
        assert "--no-proxy-headers" in caplog.text
        assert "MTLS_PROXY_SECRET" in caplog.text

    def test_the_log_names_the_cure_for_a_rewritten_peer(self, site: Site, caplog: pytest.LogCaptureFixture) -> None:
        host = "x" * 5000
        call(site.guard(NGINX_PEER), replace(FROM_NGINX, client=(host, 1)).with_headers(("X-Forwarded-For", host)))
        assert "mtls_middleware.servers.uvicorn" in caplog.text
        assert "MTLS_PROXY_SECRET" in caplog.text
        assert "--no-proxy-headers" not in caplog.text


_PORTS = st.sampled_from(["", ":4711", ":0", ":+80", ":4_7", ":x", ":", ": 80", ":99999", ":-1"])
_HOSTS = st.sampled_from(
    ["10.0.0.5", "[10.0.0.5]", "::ffff:10.0.0.5", "[::ffff:10.0.0.5]", "10.0.0.5%x", '"10.0.0.5"', "6.6.6.6"]
)
_ENTRIES = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", " ", "\t", "\xa0", "\x85", "[", '"']),
    _HOSTS,
    _PORTS,
    st.sampled_from(["", " ", "]", '"', ";"]),
)
_VALUES = st.lists(
    st.lists(_ENTRIES | st.text('10.5:[]," ', max_size=12), max_size=4).map(",".join), min_size=1, max_size=3
)


def _passes_uvicorn(guard: Guard, headers: list[tuple[str, str]], trusted_hosts: str) -> bool:
    """Return whether a stranger gets in, past the middleware with which uvicorn wraps applications."""
    app = ASGIApplication()
    scope = http_scope(replace(FROM_NGINX, client=("6.6.6.6", 40000)).with_headers(*headers))
    wrapped: Any = ProxyHeadersMiddleware(MTLSMiddleware(app, guard=guard), trusted_hosts=trusted_hosts)  # type: ignore[arg-type]  # uvicorn's types of ASGI are its own
    run_asgi(wrapped, scope)
    return app.scope is not None


@pytest.fixture(scope="module")
def peer_guard(tmp_path_factory: pytest.TempPathFactory) -> Guard:
    site = Site(tmp_path_factory.mktemp("site"))
    guard = site.guard(NGINX_PEER)
    site.close()
    return guard


@given(values=_VALUES, trusted_hosts=st.sampled_from(["*", "6.6.6.6", "6.6.6.6,10.0.0.5"]))
def test_lesson_20_no_forwarding_header_makes_a_stranger_the_proxy(
    peer_guard: Guard, values: list[str], trusted_hosts: str
) -> None:
    assert not _passes_uvicorn(peer_guard, [("X-Forwarded-For", value) for value in values], trusted_hosts)


class TestOurServerAdapter:
    """It tells the real peer, and no header changes that."""

    @pytest.mark.parametrize(
        ("peer", "trusted", "verdict"),
        [
            pytest.param(PROXY, "10.0.0.5", "accepted", id="proxy"),
            pytest.param(("6.6.6.6", 1), "10.0.0.5", "source_untrusted", id="stranger"),
            pytest.param(("unknown", 0), "10.0.0.5,unix", "source_untrusted", id="gone"),
            pytest.param(None, "unix", "accepted", id="unix"),
            pytest.param(None, "10.0.0.5", "source_untrusted", id="unix-not-trusted"),
        ],
    )
    def test_its_peer_counts(self, site: Site, peer: tuple[str, int] | None, trusted: str, verdict: str) -> None:
        marked = {TRANSPORT_SCOPE_KEY: Transport(peer=peer)}
        case = replace(FROM_NGINX, client=("10.0.0.5", 0), scope=marked, environ={"asgi.scope": marked})
        case = case.with_headers(("X-Forwarded-For", "10.0.0.5"))
        assert call(site.guard(NGINX_PEER, trusted_proxies=trusted), case).verdict == verdict

    @pytest.mark.parametrize("forged", [PROXY, {"peer": PROXY}, "10.0.0.5", True], ids=repr)
    def test_nothing_else_under_its_key_is_believed(self, site: Site, forged: object) -> None:
        marked = {TRANSPORT_SCOPE_KEY: forged}
        case = replace(FROM_NGINX, client=("6.6.6.6", 1), scope=marked, environ={"asgi.scope": marked, **marked})
        assert call(site.guard(NGINX_PEER), case).verdict == "source_untrusted"


@pytest.mark.parametrize(
    ("given", "warns"),
    [
        ({"MTLS_TRUSTED_PROXIES": "127.0.0.1"}, True),
        ({"MTLS_TRUSTED_PROXIES": "10.0.0.5,::1"}, True),
        ({"MTLS_TRUSTED_PROXIES": "unix"}, True),
        ({"MTLS_TRUSTED_PROXIES": "10.0.0.0/24"}, False),  # of a load balancer that can add no secret
        ({"MTLS_TRUSTED_PROXIES": "127.0.0.1", "MTLS_PROXY_SECRET": SECRET_HEADER[1]}, False),
        ({"MTLS_TRUSTED_PROXIES": "127.0.0.1", "MTLS_SOURCE": "tls"}, False),
    ],
    ids=["loopback", "loopback among others", "unix", "network", "secret", "no headers"],
)
def test_a_start_warns_once_where_this_whole_machine_is_believed(
    site: Site, caplog: pytest.LogCaptureFixture, given: dict[str, str], *, warns: bool
) -> None:
    guard = site.guard({"MTLS_SOURCE": "nginx", **given})
    guard.start()
    levels = [one.levelname for one in caplog.records if "trusted without a secret" in one.getMessage()]

    assert levels == ["WARNING"] * warns


def test_where_nothing_is_configured_nobody_is_believed() -> None:
    """Settings do not come so far; the boundary holds all the same."""
    header_names = PRESETS["nginx"]
    connection = Connection(
        interface=Interface.ASGI,
        path="/",
        raw_path=None,
        root_path="",
        headers=((b"x-ssl-client-cert", b"x"),),
        client=PROXY,
    )
    with pytest.raises(RejectionError, match="neither trusted proxies nor a proxy secret"):
        Boundary().check(connection, collect(connection, header_names.headers), header_names)


class TestSecret:
    @pytest.mark.parametrize(
        "sent",
        [None, "", SECRET[:-1], SECRET + "x", SECRET.upper(), f"{SECRET},{SECRET}", f'"{SECRET}"', "\xff" * 20, "\x00"],
        ids=repr,
    )
    def test_a_wrong_or_missing_one_is_refused(self, site: Site, sent: str | None) -> None:
        case = through_nginx(good_client(), secret=sent)
        assert call(site.guard(NGINX), case).verdict == "source_untrusted"
        assert call(site.guard(NGINX_BOTH), case).verdict == "source_untrusted"

    def test_a_right_one_does_not_make_up_for_a_peer_that_is_known_and_untrusted(self, site: Site) -> None:
        case = replace(WITH_SECRET, client=("6.6.6.6", 1))
        assert call(site.guard(NGINX_BOTH), case).verdict == "source_untrusted"

    def test_both_are_right_while_it_is_rotated(self, site: Site) -> None:
        guard = site.guard(NGINX, proxy_secret=f"{SECRET},another-{SECRET}")
        for secret in (SECRET, f"another-{SECRET}"):
            assert call(guard, through_nginx(good_client(), secret=secret)).verdict == "accepted"

    def test_it_comes_in_the_header_of_one_s_choice(self, site: Site) -> None:
        guard = site.guard(NGINX, proxy_secret_header="X-Own")
        assert call(guard, FROM_NGINX.with_headers(("X-Own", SECRET))).verdict == "accepted"
        assert call(guard, WITH_SECRET).verdict == "source_untrusted"

    def test_a_double_is_refused_even_without_a_certificate(self, site: Site) -> None:
        case = Case(headers=(SECRET_HEADER, SECRET_HEADER))
        assert call(site.guard(NGINX), case).verdict == "source_untrusted"

    def test_a_twin_is_refused_even_without_a_certificate(self, site: Site) -> None:
        case = Case(headers=(SECRET_HEADER, ("X_MTLS_Proxy_Secret", SECRET)))
        assert http(site.guard(NGINX), case).verdict == "source_untrusted"

    @pytest.mark.parametrize("name", ["X-MTLS-Proxy-Secret", "x-mtls-proxy-secret", "X-Mtls-Proxy-SECRET"])
    def test_case_does_not_count(self, site: Site, name: str) -> None:
        assert call(site.guard(NGINX), FROM_NGINX.with_headers((name, SECRET))).verdict == "accepted"


class TestTwinsAndDoubles:
    @pytest.mark.parametrize(
        "name", ["X_SSL_Client_Cert", "X-SSL_Client-Cert", "x_ssl-client-cert", "X-SSL-CLIENT_CERT"]
    )
    @pytest.mark.parametrize("beside", [True, False], ids=["beside", "alone"])
    def test_lesson_3_an_underscore_twin_of_the_certificate(self, site: Site, name: str, *, beside: bool) -> None:
        case = WITH_SECRET if beside else WITH_SECRET.without("x-ssl-client-cert")
        case = case.with_headers((name, url_pem(good_client())))
        for adapter in (http, websocket):
            assert adapter(site.guard(NGINX), case).verdict == "source_untrusted"

    @pytest.mark.parametrize("name", ["X_SSL_Client_Verify", "X-SSL-Client_Verify", "X_MTLS_Proxy_Secret"])
    def test_lesson_3_an_underscore_twin_of_a_marker_or_secret(self, site: Site, name: str) -> None:
        assert http(site.guard(NGINX), WITH_SECRET.with_headers((name, "SUCCESS"))).verdict == "source_untrusted"

    @pytest.mark.parametrize("name", ["X_SSL_Client_Cert", "X_SSL_Client_Verify", "X_MTLS_Proxy_Secret"])
    def test_lesson_3_no_twin_is_seen_by_the_application(self, site: Site, name: str) -> None:
        case = Case(path="/health", headers=((name, "x"), ("Accept", "*/*")))
        assert http(site.guard(NGINX, exempt="/health"), case).seen == {"accept"}

    def test_lesson_4_two_certificates(self, site: Site) -> None:
        for value in (url_pem(good_client()), "", "x"):
            case = WITH_SECRET.with_headers(("X-SSL-Client-Cert", value))
            assert call(site.guard(NGINX), case).verdict == "source_untrusted"

    @pytest.mark.parametrize("source", ["rfc9440", "haproxy", "gcp", "cloud-foundry", "apache"])
    def test_lesson_4_two_chains(self, site: Site, source: str) -> None:
        settings = site.settings({**NGINX, "MTLS_SOURCE": source})
        assert settings.header_names is not None
        chain = (settings.header_names.chain[0], byte_sequences(good_client()))
        case = Case(headers=(chain, chain, SECRET_HEADER))
        for adapter in (http, websocket):
            assert adapter(site.guard(NGINX, source=source), case).verdict == "source_untrusted"

    @pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded", "ININ-Correlation-Id", "Accept", "Cookie"])
    def test_other_headers_may_repeat(self, site: Site, name: str) -> None:
        assert call(site.guard(NGINX), WITH_SECRET.with_headers((name, "a"), (name, "b"))).verdict == "accepted"

    def test_foreign_names_are_neither_believed_nor_refused(self, site: Site) -> None:
        foreign = [
            ("Client-Cert", byte_sequences(good_client())),
            ("X-Client-Cert", url_pem(good_client())),
            ("X-Forwarded-Client-Cert", "Hash=x"),
            ("X-ARR-ClientCert", b64_der(good_client())),
        ]
        assert call(site.guard(NGINX), Case(headers=(*foreign, SECRET_HEADER))).verdict == "certificate_missing"
        assert call(site.guard(NGINX), WITH_SECRET.with_headers(*foreign)).verdict == "accepted"

    def test_headers_mean_nothing_over_tls(self, site: Site) -> None:
        case = replace(over_tls(None), headers=(*WITH_SECRET.headers, ("Client-Cert", byte_sequences(good_client()))))
        assert call(site.guard(), case).verdict == "certificate_missing"

    def test_the_tls_extension_means_nothing_behind_a_proxy(self, site: Site) -> None:
        assert call(site.guard(NGINX), over_tls(good_client())).verdict == "certificate_missing"


class TestOwnNames:
    """A header whose own name has an underscore is not its own twin."""

    OWN = {  # noqa: RUF012 - never changed
        "MTLS_SOURCE": "custom",
        "MTLS_HEADER": "SSL_CLIENT_CERT",
        "MTLS_HEADER_ENCODING": "b64-der",
        "MTLS_VERIFY_HEADER": "SSL_CLIENT_VERIFY",
        "MTLS_VERIFY_VALUE": "SUCCESS",
        "MTLS_PROXY_SECRET": SECRET,
        "MTLS_PROXY_SECRET_HEADER": "PROXY_SECRET",
    }
    CASE = Case(
        headers=(
            ("SSL_CLIENT_CERT", b64_der(good_client())),
            ("SSL_CLIENT_VERIFY", "SUCCESS"),
            ("PROXY_SECRET", SECRET),
        )
    )

    def test_it_is_read_and_hidden(self, site: Site) -> None:
        outcome = http(site.guard(self.OWN), self.CASE)
        assert (outcome.verdict, outcome.seen) == ("accepted", frozenset())

    @pytest.mark.parametrize("name", ["SSL-CLIENT-CERT", "ssl_client-cert", "SSL-CLIENT-VERIFY", "PROXY-SECRET"])
    def test_lesson_3_the_spelling_with_a_hyphen_is_the_twin(self, site: Site, name: str) -> None:
        assert http(site.guard(self.OWN), self.CASE.with_headers((name, "x"))).verdict == "source_untrusted"


class TestTrailers:
    """uvicorn's own httptools protocol turns request trailers into headers (lesson 6)."""

    CHUNKED = ("Transfer-Encoding", "chunked")

    @pytest.fixture
    def httptools(self, monkeypatch: pytest.MonkeyPatch, no_httptools: None) -> None:  # noqa: ARG002 - first forget
        monkeypatch.setitem(sys.modules, HTTPTOOLS, ModuleType(HTTPTOOLS))

    def test_lesson_6_a_chunked_request_is_refused(self, site: Site, httptools: None) -> None:  # noqa: ARG002
        for environ in (NGINX, NGINX_PEER, NGINX_BOTH):
            case = WITH_SECRET.with_headers(self.CHUNKED)
            for adapter in (http, websocket):
                assert adapter(site.guard(environ), case).verdict == "source_untrusted"

    @pytest.mark.parametrize("value", ["chunked", "Chunked", "gzip, chunked", " chunked", "identity", ""])
    def test_lesson_6_in_every_spelling(self, site: Site, httptools: None, value: str) -> None:  # noqa: ARG002
        for name in ("Transfer-Encoding", "transfer_encoding"):
            case = Case(headers=((name, value),))
            assert http(site.guard(NGINX), case).verdict == "source_untrusted"

    def test_lesson_6_in_wsgi_too_where_the_server_may_be_uvicorn(self, site: Site, httptools: None) -> None:  # noqa: ARG002
        case = replace(WITH_SECRET.with_headers(self.CHUNKED), environ={"SERVER_SOFTWARE": ""})
        assert wsgi(site.guard(NGINX), case).verdict == "source_untrusted"

    @pytest.mark.parametrize("software", ["gunicorn/27.0.1", "waitress", "Werkzeug/3.1"])
    def test_lesson_6_not_on_another_wsgi_server(self, site: Site, httptools: None, software: str) -> None:  # noqa: ARG002
        case = replace(WITH_SECRET.with_headers(self.CHUNKED), environ={"SERVER_SOFTWARE": software})
        assert wsgi(site.guard(NGINX), case).verdict == "accepted"

    def test_lesson_6_not_on_mod_wsgi(self, site: Site, httptools: None) -> None:  # noqa: ARG002
        environ = {"SERVER_SOFTWARE": "", "mod_wsgi.version": (4, 9, 4)}
        assert wsgi(site.guard(NGINX), replace(WITH_SECRET.with_headers(self.CHUNKED), environ=environ)).reached

    def test_a_request_with_a_length_passes(self, site: Site, httptools: None) -> None:  # noqa: ARG002
        assert http(site.guard(NGINX), WITH_SECRET.with_headers(("Content-Length", "0"))).verdict == "accepted"

    def test_chunked_passes_where_our_protocol_class_marks_the_scope(self, site: Site, httptools: None) -> None:  # noqa: ARG002
        marked = {TRANSPORT_SCOPE_KEY: Transport(peer=PROXY)}
        case = replace(WITH_SECRET.with_headers(self.CHUNKED), scope=marked, environ={"asgi.scope": marked})
        assert call(site.guard(NGINX), case).verdict == "accepted"

    def test_chunked_passes_over_tls(self, site: Site, httptools: None) -> None:  # noqa: ARG002
        assert call(site.guard(), over_tls(good_client()).with_headers(self.CHUNKED)).verdict == "accepted"

    def test_chunked_passes_on_every_other_server(self, site: Site) -> None:
        assert call(site.guard(NGINX), WITH_SECRET.with_headers(self.CHUNKED)).verdict == "accepted"

    def test_the_cure_is_named_at_start_up_once(
        self,
        site: Site,
        httptools: None,  # noqa: ARG002
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        guard = site.guard(NGINX)
        guard.start()
        lines = [line for line in caplog.messages if "mtls_middleware.servers.uvicorn:HttpToolsProtocol" in line]
        assert len(lines) == 1
        assert "--http h11" in lines[0]

    def test_nothing_is_said_where_nothing_is_wrong(self, site: Site, caplog: pytest.LogCaptureFixture) -> None:
        site.guard(NGINX)
        assert "trailers" not in caplog.text

    def test_nothing_is_said_over_tls(self, site: Site, httptools: None, caplog: pytest.LogCaptureFixture) -> None:  # noqa: ARG002
        site.guard()
        assert "trailers" not in caplog.text

    def test_lesson_6_what_is_appended_later_is_neither_judged_nor_seen(self, site: Site) -> None:
        scope = http_scope(WITH_SECRET)
        seen: list[Any] = []

        async def app(scope: Any, _receive: Any, _send: Any) -> None:
            seen.extend(scope["headers"])
            live.append((b"x-late", b"1"))
            seen.extend(scope["headers"])

        live = scope["headers"]
        run_asgi(MTLSMiddleware(app, guard=site.guard(NGINX)), scope)
        assert seen == []


class TestWSGIServers:
    """A WSGI middleware cannot see ``X_SSL_Client_Cert`` beside ``X-SSL-Client-Cert`` (lesson 3)."""

    @pytest.mark.parametrize(
        ("software", "without_marker", "with_marker"),
        [
            pytest.param("gunicorn/27.0.1", True, True, id="gunicorn"),
            pytest.param("waitress", True, True, id="waitress"),
            pytest.param("Werkzeug/3.1.4", True, True, id="werkzeug"),
            pytest.param("granian", False, False, id="granian"),
            pytest.param("Cheroot/11.0.0", False, False, id="cheroot"),
            pytest.param("CherryPy/18 Cheroot/11", False, False, id="cherrypy"),
            pytest.param("WSGIServer/0.2 CPython/3.11", False, True, id="wsgiref"),
            pytest.param("uWSGI", False, True, id="uwsgi"),
            pytest.param("Apache/2.4", False, True, id="apache"),
            pytest.param("hypercorn-h11", False, True, id="hypercorn"),
            pytest.param("not-gunicorn", False, True, id="a-name-that-holds-another"),
            pytest.param("granian gunicorn", False, False, id="two-names"),
            pytest.param("", False, True, id="no-name"),
        ],
    )
    def test_who_is_believed(self, site: Site, software: str, *, without_marker: bool, with_marker: bool) -> None:
        environ = {"SERVER_SOFTWARE": software}
        verdicts = {True: "accepted", False: "source_untrusted"}
        assert wsgi(site.guard(CADDY), replace(CADDY_CASE, environ=environ)).verdict == verdicts[without_marker]
        assert wsgi(site.guard(NGINX), replace(WITH_SECRET, environ=environ)).verdict == verdicts[with_marker]
        for setting, case in ((CADDY, CADDY_CASE), (NGINX, WITH_SECRET)):
            guard = site.guard(setting, proxy_drops_underscores="yes")
            assert wsgi(guard, replace(case, environ=environ)).verdict == "accepted"

    def test_mod_wsgi_is_known_by_its_key(self, site: Site) -> None:
        environ = {"SERVER_SOFTWARE": "Apache/2.4.71 (Debian)", "mod_wsgi.version": (4, 9, 4)}
        assert wsgi(site.guard(CADDY), replace(CADDY_CASE, environ=environ)).verdict == "accepted"

    def test_a_server_without_certificate_headers_is_not_asked(self, site: Site) -> None:
        case = Case(environ={"SERVER_SOFTWARE": "granian"})
        assert wsgi(site.guard(CADDY), case).verdict == "certificate_missing"

    def test_the_cure_is_named(self, site: Site, caplog: pytest.LogCaptureFixture) -> None:
        wsgi(site.guard(CADDY), replace(CADDY_CASE, environ={"SERVER_SOFTWARE": "granian"}))
        assert "MTLS_PROXY_DROPS_UNDERSCORES=yes" in caplog.text

    @pytest.mark.parametrize("value", ["{},{}", "{}, {}", "{},", ",{}", "{},x"])
    def test_lesson_4_copies_that_the_server_joined(self, site: Site, value: str) -> None:
        certificate = b64_der(good_client())
        case = CADDY_CASE.changed("X-SSL-Client-Cert", value.format(certificate, certificate))
        assert wsgi(site.guard(CADDY), case).verdict == "source_untrusted"


def test_lesson_19_the_peer_of_lambda_is_never_asked_for(site: Site) -> None:
    event = {"requestContext": {"identity": {"clientCert": {"clientCertPem": good_client().pem}}}}
    case = Case(client=("6.6.6.6", 0), headers=(("X-Forwarded-For", "6.6.6.6"),), scope={"aws.event": event})
    case = replace(case, environ={"asgi.scope": {"aws.event": event}})
    guard = site.guard(source="aws-api-gateway")
    assert call(guard, case).verdict == "accepted"
    assert call(guard, replace(case, scope={}, environ={})).verdict == "certificate_missing"


@pytest.mark.parametrize(
    "event",
    [
        None,
        0,
        "x",
        [],
        {},
        {"requestContext": None},
        {"requestContext": {"identity": "x"}},
        {"requestContext": {"identity": {"clientCert": None}}},
    ],
    ids=repr,
)
def test_lesson_19_an_event_without_certificate(site: Site, event: object) -> None:
    case = Case(scope={"aws.event": event}, environ={"asgi.scope": {"aws.event": event}})
    assert call(site.guard(source="aws-api-gateway"), case).verdict == "certificate_missing"


@pytest.mark.parametrize(
    "pem", ["x", 7, ["x"], good_client().pem * 2, "\ud800"], ids=["text", "number", "list", "two", "surrogate"]
)
def test_lesson_19_an_event_with_junk(site: Site, pem: object) -> None:
    event = {"requestContext": {"authentication": {"clientCert": {"clientCertPem": pem}}}}
    case = Case(scope={"aws.event": event}, environ={"asgi.scope": {"aws.event": event}})
    assert call(site.guard(source="aws-api-gateway"), case).verdict == "certificate_malformed"
