"""What the WSGI adapter takes from servers (lesson 33: by exact names), and what it owes to applications."""

import json
import ssl
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from mtls_middleware import ConfigurationError, MTLSWSGIMiddleware, caller
from mtls_middleware.testing import RegionalCA, tls_extension
from tests.adapters.cases import Case, WSGIApplication, run_wsgi, wsgi, wsgi_environ, wsgi_outcome
from tests.adapters.site import NGINX, NOW, Site, good_client, over_tls, regional_ca, stranger_ca, through_nginx

LEAF = good_client()
RAW_DER = LEAF.der.decode("latin-1")


class Socket:
    """Stand for the SSLSocket that gunicorn puts into the environ."""

    def __init__(self, der: bytes | None) -> None:
        self._der = der

    def getpeercert(self, binary_form: bool = False) -> bytes | None:
        assert binary_form
        return self._der


class NewSocket(Socket):
    """The same from Python 3.13 on, where a question for the chain fails if there is none (lesson 31)."""

    def __init__(self, *ders: bytes) -> None:
        super().__init__(ders[0] if ders else None)
        self._ders = list(ders)

    def get_unverified_chain(self) -> list[bytes]:
        if not self._ders:
            raise AttributeError("'NoneType' object has no attribute")
        return self._ders


class BrokenSocket:
    """A socket whose caller is gone."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def getpeercert(self, binary_form: bool = False) -> bytes | None:
        assert binary_form
        raise self._error


class TestKeysOfServers:
    @pytest.mark.parametrize(
        "keys",
        [
            pytest.param({"gunicorn.socket": Socket(LEAF.der)}, id="gunicorn"),
            pytest.param({"gunicorn.socket": NewSocket(LEAF.der)}, id="gunicorn-on-3.13"),
            pytest.param({"werkzeug.socket": Socket(LEAF.der), "SSL_CLIENT_CERT": LEAF.pem}, id="werkzeug"),
            pytest.param({"SSL_CLIENT_CERT": LEAF.pem}, id="pem-alone"),
            pytest.param({"SSL_CLIENT_CERT": LEAF.pem, "SSL_CLIENT_VERIFY": "SUCCESS"}, id="mod_ssl"),
            pytest.param({"SSL_CLIENT_CERT": LEAF.pem.strip(), "SSL_CLIENT_VERIFY": "SUCCESS"}, id="cheroot"),
            pytest.param({"SSL_CLIENT_CERT": LEAF.pem.replace("\n", "\r\n")}, id="crlf"),
            pytest.param({"SSL_CLIENT_CERT": LEAF.pem.replace("\n", "\n\t")}, id="nginx-with-tabs"),
            pytest.param({"HTTPS_CC": LEAF.pem}, id="uwsgi-pem"),
            pytest.param({"HTTPS_CLIENT_CERTIFICATE": RAW_DER}, id="uwsgi-der"),
            pytest.param({"asgi.scope": {"extensions": {"tls": tls_extension(LEAF)}}}, id="a2wsgi"),
        ],
    )
    def test_a_good_client_is_accepted(self, site: Site, keys: dict[str, Any]) -> None:
        assert wsgi(site.guard(), Case(environ=keys)).verdict == "accepted"

    @pytest.mark.parametrize(
        ("keys", "verdict"),
        [
            pytest.param({"gunicorn.socket": Socket(None)}, "certificate_missing", id="gunicorn-none"),
            pytest.param({"gunicorn.socket": NewSocket()}, "certificate_missing", id="lesson-31-none-on-3.13"),
            pytest.param({"gunicorn.socket": object()}, "certificate_missing", id="gunicorn-without-tls"),
            pytest.param({"gunicorn.socket": BrokenSocket(OSError())}, "certificate_missing", id="gone"),
            pytest.param({"gunicorn.socket": BrokenSocket(ssl.SSLError())}, "certificate_missing", id="tls-error"),
            pytest.param({"gunicorn.socket": BrokenSocket(ValueError())}, "certificate_missing", id="no-handshake"),
            pytest.param({"SSL_CLIENT_CERT": ""}, "certificate_missing", id="lesson-32-mod_wsgi-none"),
            pytest.param({"SSL_CLIENT_VERIFY": "NONE"}, "certificate_missing", id="cheroot-none"),
            pytest.param({"SSL_CLIENT_VERIFY": "SUCCESS"}, "certificate_missing", id="lesson-2-marker-alone"),
            pytest.param({"SSL_CLIENT_CERT": "", "SSL_CLIENT_VERIFY": "SUCCESS"}, "certificate_missing", id="lesson-2"),
            pytest.param({"SSL_CLIENT_S_DN": "CN=x", "HTTPS_DN": "CN=x"}, "certificate_missing", id="lesson-16-names"),
            pytest.param({"HTTPS_CC": ""}, "certificate_missing", id="uwsgi-none"),
            pytest.param({"werkzeug.socket": Socket(None)}, "certificate_missing", id="werkzeug-none"),
            pytest.param({"werkzeug.socket": object()}, "certificate_missing", id="werkzeug-without-tls"),
            pytest.param({"gunicorn.socket": "x", "werkzeug.socket": "x"}, "certificate_missing", id="no-socket"),
            pytest.param({"SSL_CLIENT_CERT": "", "SSL_CLIENT_VERIFY": "NONE"}, "certificate_missing", id="nginx-none"),
            pytest.param({"SSL_CLIENT_CERT": None}, "certificate_missing", id="null"),
            pytest.param({"ssl_client_cert": LEAF.pem}, "certificate_missing", id="lesson-33-other-case"),
            pytest.param({"REDIRECT_SSL_CLIENT_CERT": LEAF.pem}, "certificate_missing", id="lesson-33-other-name"),
            pytest.param({"HTTP_SSL_CLIENT_CERT": LEAF.pem}, "certificate_missing", id="a-header"),
            pytest.param({"HTTP_HTTPS_CC": LEAF.pem}, "certificate_missing", id="another-header"),
            pytest.param({"SSL_CLIENT_CERT": "x"}, "certificate_malformed", id="junk"),
            pytest.param({"HTTPS_CLIENT_CERTIFICATE": "x"}, "certificate_malformed", id="junk-der"),
            pytest.param({"HTTPS_CLIENT_CERTIFICATE": "\ud800"}, "certificate_malformed", id="no-latin"),
            pytest.param({"SSL_CLIENT_CERT": LEAF.pem * 2}, "certificate_malformed", id="two"),
            pytest.param({"SSL_CLIENT_CERT": "x" * 40000}, "certificate_too_large", id="large"),
        ],
    )
    def test_everybody_else_is_refused(self, site: Site, keys: dict[str, Any], verdict: str) -> None:
        assert wsgi(site.guard(), Case(environ=keys)).verdict == verdict

    @pytest.mark.parametrize(
        "says", ["NONE", "GENEROUS", "FAILED", "FAILED:certificate has expired", "success", "", "SUCCESS "]
    )
    def test_lesson_32_a_certificate_is_no_verification(self, site: Site, says: str) -> None:
        keys = {"SSL_CLIENT_CERT": LEAF.pem, "SSL_CLIENT_VERIFY": says}
        assert wsgi(site.guard(), Case(environ=keys)).verdict == "proxy_verification_failed"

    def test_lesson_15_a_server_s_success_is_judged_again(self, site: Site) -> None:
        keys = {"SSL_CLIENT_CERT": stranger_ca().client().pem, "SSL_CLIENT_VERIFY": "SUCCESS"}
        assert wsgi(site.guard(), Case(environ=keys)).verdict == "issuer_untrusted"

    def test_an_ssl_client_verify_of_a_header_proves_nothing(self, site: Site) -> None:
        case = Case(headers=(("SSL-Client-Cert", LEAF.pem.replace("\n", " ")), ("SSL-Client-Verify", "SUCCESS")))
        assert wsgi(site.guard(), case).verdict == "certificate_missing"


class TestChains:
    @pytest.fixture
    def lower(self) -> RegionalCA:
        return regional_ca().intermediate("Lower CA")

    def _custom(self, site: Site) -> Any:
        return site.guard(
            regions="us-east-1",
            authorities="genesys,custom",
            trust=f"us-east-1={site.root},custom={site.root}",
            cert_names="custom=caller.example.com",
        )

    def test_ssl_client_cert_chain_n(self, site: Site, lower: RegionalCA) -> None:
        client = lower.client(names=["caller.example.com"])
        leaf, chain = client.pems
        keys = {"SSL_CLIENT_CERT": leaf, "SSL_CLIENT_CERT_CHAIN_0": chain, "SSL_CLIENT_VERIFY": "SUCCESS"}
        assert wsgi(self._custom(site), Case(environ=keys)).verdict == "accepted"
        del keys["SSL_CLIENT_CERT_CHAIN_0"]
        assert wsgi(self._custom(site), Case(environ=keys)).verdict == "issuer_untrusted"

    def test_an_empty_place_in_it_is_passed_over(self, site: Site, lower: RegionalCA) -> None:
        leaf, chain = lower.client(names=["caller.example.com"]).pems
        keys = {"SSL_CLIENT_CERT": leaf, "SSL_CLIENT_CERT_CHAIN_0": "", "SSL_CLIENT_CERT_CHAIN_1": chain}
        assert wsgi(self._custom(site), Case(environ=keys)).verdict == "accepted"

    def test_a_long_one_is_too_large(self, site: Site) -> None:
        keys = {f"SSL_CLIENT_CERT_CHAIN_{place}": regional_ca().pem for place in range(8)}
        case = Case(environ={"SSL_CLIENT_CERT": LEAF.pem, **keys})
        assert wsgi(site.guard(), case).verdict == "certificate_too_large"

    @pytest.mark.parametrize("key", ["gunicorn.socket", "werkzeug.socket"])
    def test_that_of_a_socket_comes_along(self, site: Site, lower: RegionalCA, key: str) -> None:
        client = lower.client(names=["caller.example.com"])
        keys = {key: NewSocket(client.der, lower.der), "SSL_CLIENT_CERT": client.pem}
        assert wsgi(self._custom(site), Case(environ=keys)).verdict == "accepted"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("SSL_CLIENT_CERT", LEAF.pem),
        ("HTTPS_CC", LEAF.pem),
    ],
)
def test_lesson_33_a_copy_of_the_process_s_environment_is_no_certificate(
    site: Site, monkeypatch: pytest.MonkeyPatch, key: str, value: str
) -> None:
    monkeypatch.setenv(key, value)
    assert wsgi(site.guard(), Case(environ={key: value})).verdict == "certificate_missing"


def test_lesson_33_nor_is_its_word_of_a_verification(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CLIENT_CERT", LEAF.pem)
    monkeypatch.setenv("SSL_CERT_FILE", "/etc/ssl/cert.pem")
    keys = {"SSL_CLIENT_CERT": stranger_ca().client().pem, "SSL_CERT_FILE": "/etc/ssl/cert.pem"}
    assert wsgi(site.guard(), Case(environ=keys)).verdict == "issuer_untrusted"


class TestSpellings:
    """A key with something beside the name is another spelling: uWSGI passes it on as it came (seen)."""

    @pytest.mark.parametrize("blank", [" ", "\t", "\x0b", "\x0c", "\x1f", "\x85", "\xa0"], ids=repr)
    @pytest.mark.parametrize("name", ["HTTP_X_SSL_CLIENT_CERT", "HTTP_X_SSL_CLIENT_VERIFY", "HTTP_X_MTLS_PROXY_SECRET"])
    def test_lesson_3_a_blank_beside_a_name_makes_a_twin(self, site: Site, name: str, blank: str) -> None:
        guard = site.guard(NGINX, proxy_drops_underscores="yes")
        environ = wsgi_environ(through_nginx(good_client()))
        assert wsgi_outcome(guard, environ).verdict == "accepted"
        twin = {**environ, f"{name}{blank}": environ[name]}
        assert wsgi_outcome(guard, twin).verdict == "source_untrusted"
        del twin[name]
        assert wsgi_outcome(guard, twin).verdict == "source_untrusted"

    def test_lesson_1_the_application_sees_no_spelling_of_it(self, site: Site) -> None:
        environ = wsgi_environ(Case(path="/health")) | {"HTTP_X_SSL_CLIENT_CERT ": "x", "HTTP_ACCEPT": "*/*"}
        assert wsgi_outcome(site.guard(NGINX, exempt="/health"), environ).seen == {"accept"}

    @pytest.mark.parametrize(
        "key", ["HTTP_X_\xdfL_CLIENT_CERT", "HTTP_X_\u017f\u017fL_CLIENT_CERT", "HTTP_\u212a", "HTTP_"]
    )
    def test_a_strange_key_is_no_header_of_ours(self, site: Site, key: str) -> None:
        environ = wsgi_environ(Case()) | {key: "x"}
        assert wsgi_outcome(site.guard(NGINX), environ).verdict == "certificate_missing"


class TestSilentServers:
    """The log says once that a server hands over no certificates, and not where it does."""

    @pytest.mark.parametrize(
        ("keys", "said"),
        [
            pytest.param({}, True, id="waitress"),
            pytest.param({"gunicorn.socket": object()}, True, id="gunicorn-without-tls"),
            pytest.param({"werkzeug.socket": object()}, True, id="werkzeug-without-tls"),
            pytest.param({"gunicorn.socket": Socket(None)}, False, id="gunicorn"),
            pytest.param({"werkzeug.socket": Socket(None)}, False, id="werkzeug"),
            pytest.param({"SSL_CLIENT_VERIFY": "NONE"}, False, id="cheroot"),
            pytest.param({"SSL_CLIENT_CERT": ""}, False, id="mod_wsgi"),
        ],
    )
    def test_who_is_silent(
        self, site: Site, keys: dict[str, Any], said: bool, caplog: pytest.LogCaptureFixture
    ) -> None:
        wsgi(site.guard(), Case(environ=keys))
        assert ("no TLS extension" in caplog.text) is said


class TestBridge:
    """a2wsgi leaves the scope of the ASGI server in the environ."""

    def test_the_scope_s_extension_goes_before_other_keys(self, site: Site) -> None:
        keys = {"asgi.scope": {"extensions": {"tls": tls_extension(None)}}, "SSL_CLIENT_CERT": LEAF.pem}
        assert wsgi(site.guard(), Case(environ=keys)).verdict == "certificate_missing"

    @pytest.mark.parametrize("scope", [7, "x", [], {"extensions": None}, {"extensions": {"tls": 7}}], ids=repr)
    def test_a_scope_in_a_strange_shape_has_no_certificate(self, site: Site, scope: object) -> None:
        assert wsgi(site.guard(), Case(environ={"asgi.scope": scope})).verdict == "certificate_missing"

    def test_lesson_1_the_application_does_not_find_our_headers_there(self, site: Site) -> None:
        case = through_nginx(good_client())
        headers = [(name.lower().encode(), value.encode()) for name, value in case.headers]
        scope = {"headers": [*headers, (b"accept", b"*/*")]}
        app = WSGIApplication()
        run_wsgi(MTLSWSGIMiddleware(app, guard=site.guard(NGINX)), wsgi_environ(case) | {"asgi.scope": scope})
        assert app.environ is not None
        assert app.environ["asgi.scope"]["headers"] == [(b"accept", b"*/*")]
        assert len(scope["headers"]) == 4

    def test_lesson_24_the_scope_s_raw_path_counts(self, site: Site) -> None:
        guard = site.guard(protect="/actions", exempt="/health")
        environ = wsgi_environ(Case(path="/health/x"))
        del environ["RAW_URI"]
        environ["asgi.scope"] = {"raw_path": b"/health%2f..%2factions"}
        assert wsgi_outcome(guard, environ).verdict == "certificate_missing"


class TestStart:
    def test_a_configuration_error_is_raised_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MTLS_REGIONS", "us-east-11")
        with pytest.raises(ConfigurationError, match="did you mean 'us-east-1'"):
            MTLSWSGIMiddleware(WSGIApplication())

    def test_so_is_trust_that_cannot_be_used(self, site: Site) -> None:
        with pytest.raises(ConfigurationError, match=r"absent\.pem: does not exist"):
            MTLSWSGIMiddleware(
                WSGIApplication(), settings=site.settings({"MTLS_TRUST": str(site.folder / "absent.pem")})
            )

    def test_so_is_a_secret_that_cannot_be_read(self, site: Site) -> None:
        settings = site.settings({"MTLS_SOURCE": "nginx", "MTLS_PROXY_SECRET_FILE": str(site.folder / "absent")})
        with pytest.raises(ConfigurationError, match="MTLS_PROXY_SECRET_FILE"):
            MTLSWSGIMiddleware(WSGIApplication(), settings=settings)

    def test_it_starts_the_guard_it_has(self, site: Site) -> None:
        guard = site.new_guard()
        MTLSWSGIMiddleware(WSGIApplication(), guard=guard)
        assert guard.status().version == 1


class TestEnviron:
    def test_it_is_copied_never_changed(self, site: Site) -> None:
        environ = wsgi_environ(through_nginx(good_client()))
        before = dict(environ)
        app = WSGIApplication()
        run_wsgi(MTLSWSGIMiddleware(app, guard=site.guard(NGINX)), environ)
        assert environ == before
        assert app.environ is not environ
        assert type(app.environ) is dict

    @pytest.mark.parametrize("forged", ["x", good_client()], ids=["text", "object"])
    def test_no_key_injects_an_identity(self, site: Site, forged: object) -> None:
        case = over_tls(None, path="/health", environ={"mtls.identity": forged})
        assert wsgi(site.guard(exempt="/health"), case).identity is None

    def test_a_header_cannot_be_the_identity(self, site: Site) -> None:
        case = over_tls(None, path="/health").with_headers(("mtls.identity", "x"))
        assert wsgi(site.guard(exempt="/health"), case).identity is None

    @pytest.mark.parametrize(
        "keys", [{}, {"PATH_INFO": "/\xff"}, {"RAW_URI": "/\u20ac"}, {"SCRIPT_NAME": "/\xff"}], ids=repr
    )
    def test_odd_paths_are_judged(self, site: Site, keys: dict[str, str]) -> None:
        environ = {**wsgi_environ(over_tls(None)), **keys}
        assert wsgi_outcome(site.guard(exempt="/health"), environ).verdict == "certificate_missing"

    def test_the_least_environ_is_judged(self, site: Site) -> None:
        assert wsgi_outcome(site.guard(), {"REQUEST_METHOD": "GET"}).verdict == "certificate_missing"


class TestAnswers:
    def test_a_refusal_of_head_has_no_body(self, site: Site) -> None:
        environ = wsgi_environ(over_tls(None, method="HEAD"))
        (status, headers), body = run_wsgi(MTLSWSGIMiddleware(WSGIApplication(), guard=site.guard()), environ)
        assert (status, body) == ("403 Forbidden", b"")
        assert int(dict(headers)["Content-Length"]) > 0

    def test_a_refusal_names_its_headers_as_is_usual(self, site: Site) -> None:
        (status, headers), body = run_wsgi(
            MTLSWSGIMiddleware(WSGIApplication(), guard=site.new_guard()), wsgi_environ(over_tls(None))
        )
        assert status == "403 Forbidden"
        assert dict(headers) == {
            "Content-Type": "application/problem+json",
            "Content-Length": str(len(body)),
            "Cache-Control": "no-store",
        }
        assert json.loads(body)["reason"] == "certificate_missing"

    def test_lesson_25_an_accepted_protected_answer_is_not_stored(self, site: Site) -> None:
        (_, headers), _ = self._answered(site, "/")
        assert headers == [("Cache-Control", "no-store")]

    @pytest.mark.parametrize("name", ["Cache-Control", "cache-control"])
    def test_what_the_application_says_stays(self, site: Site, name: str) -> None:
        (_, headers), _ = self._answered(site, "/", (name, "private"))
        assert headers == [(name, "private")]

    def test_an_exempt_answer_may_be_stored(self, site: Site) -> None:
        (_, headers), _ = self._answered(site, "/health")
        assert headers == []

    def test_the_application_may_start_again_after_an_error(self, site: Site) -> None:
        started: list[Any] = []

        def app(_environ: Any, start_response: Any) -> Iterable[bytes]:
            start_response("200 OK", [])
            start_response("500 Oops", [], (LookupError, LookupError(), None))
            return []

        def start_response(*arguments: Any) -> Callable[[bytes], None]:
            started.append(arguments)
            return lambda _: None

        list(MTLSWSGIMiddleware(app, guard=site.guard())(wsgi_environ(over_tls(good_client())), start_response))
        assert [arguments[0] for arguments in started] == ["200 OK", "500 Oops"]
        assert [len(arguments) for arguments in started] == [2, 3]
        assert [arguments for arguments in started if ("Cache-Control", "no-store") not in arguments[1]] == []

    def test_the_application_s_iterable_is_handed_on_so_that_it_gets_closed(self, site: Site) -> None:
        body = [b"mine"]

        def app(_environ: Any, start_response: Any) -> Iterable[bytes]:
            start_response("200 OK", [])
            return body

        answer = MTLSWSGIMiddleware(app, guard=site.guard())(wsgi_environ(over_tls(good_client())), lambda *_: print)
        assert answer is body

    def _answered(self, site: Site, path: str, *headers: tuple[str, str]) -> Any:
        guard = site.guard(exempt="/health")
        environ = wsgi_environ(over_tls(good_client(), path=path))
        return run_wsgi(MTLSWSGIMiddleware(WSGIApplication(*headers), guard=guard), environ)


def test_a_flask_application(site: Site) -> None:
    flask = pytest.importorskip("flask")
    app = flask.Flask(__name__)
    app.add_url_rule("/", view_func=lambda: caller(flask.request).region)
    app.wsgi_app = MTLSWSGIMiddleware(app.wsgi_app, guard=site.guard())
    environ = {"SSL_CLIENT_CERT": LEAF.pem}
    assert app.test_client().get("/", environ_overrides=environ).text == "us-east-1"
    assert app.test_client().get("/").status_code == 403


def test_the_double_s_clock_stands_still(site: Site) -> None:
    assert site.clock() == NOW
