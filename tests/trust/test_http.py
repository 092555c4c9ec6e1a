"""Sessions: bounded in time and size, without memory, and with one kind of failure."""

import gzip
import ssl
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpcore2
import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtls_middleware._trust.http import Deadline, FailureKind, HTTPFailure, Response, open_session, proxy_of
from mtls_middleware._trust.http_network import Network, has_roots, tls_context

URL = "https://host.example/path"
NOWHERE = ssl.get_default_verify_paths()._replace(openssl_cafile="/absent", openssl_capath="/absent")
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


class Clock:
    """A clock that goes on by a step whenever it is asked."""

    def __init__(self, step: float = 0.0) -> None:
        self.now = 0.0
        self.step = step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


class Dripping(httpx2.SyncByteStream):
    """A body of single bytes, without end."""

    def __init__(self) -> None:
        self.sent = 0

    def __iter__(self) -> Iterator[bytes]:
        while True:
            self.sent += 1
            yield b"x"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


def exchange(
    answer: httpx2.Response | Callable[[httpx2.Request], httpx2.Response],
    *,
    url: str = URL,
    clock: Callable[[], float] = lambda: 0.0,
    **more: object,
) -> Response:
    handler = (lambda _: answer) if isinstance(answer, httpx2.Response) else answer
    with open_session(seconds=10, transport=httpx2.MockTransport(handler), clock=clock) as session:
        return session.request("GET", url, **more)  # type: ignore[arg-type] # whatever the test gives


def failure(answer: httpx2.Response | Callable[[httpx2.Request], httpx2.Response], **more: object) -> HTTPFailure:
    with pytest.raises(HTTPFailure) as raised:
        exchange(answer, **more)  # type: ignore[arg-type] # whatever the test gives
    return raised.value


def raising(error: Exception) -> Callable[[httpx2.Request], httpx2.Response]:
    def handler(_: httpx2.Request) -> httpx2.Response:
        raise error

    return handler


def sent(**more: object) -> httpx2.Request:
    requests: list[httpx2.Request] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        requests.append(request)
        return httpx2.Response(200)

    exchange(handler, **more)  # type: ignore[arg-type] # whatever the test gives
    return requests[0]


def streamed(body: bytes, **headers: str) -> httpx2.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx2.Response(200, headers=named, stream=httpx2.ByteStream(body))


def test_an_answer_has_status_headers_and_body() -> None:
    answer = exchange(httpx2.Response(418, headers={"X-Tea": "green"}, content=b"short and stout"))
    assert (answer.status, answer.headers["x-tea"], answer.body) == (418, "green", b"short and stout")


def test_a_request_says_who_asks_and_wants_nothing_compressed() -> None:
    headers = sent().headers
    assert (headers["user-agent"], headers["accept-encoding"]) == ("mtls-middleware", "identity")


def test_a_request_carries_what_it_is_given() -> None:
    request = sent(headers={"Accept": "a/b"}, content=b"body")
    assert (request.headers["accept"], request.headers["content-length"]) == ("a/b", "4")


def test_a_cookie_is_forgotten() -> None:
    requests: list[httpx2.Request] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        requests.append(request)
        return httpx2.Response(200, headers={"Set-Cookie": "a=b"})

    with open_session(transport=httpx2.MockTransport(handler)) as session:
        session.request("GET", URL)
        session.request("GET", URL)
    assert "cookie" not in requests[1].headers


def test_a_redirect_is_an_answer() -> None:
    answer = exchange(httpx2.Response(302, headers={"Location": "https://elsewhere.example/"}))
    assert (answer.status, answer.headers["location"]) == (302, "https://elsewhere.example/")


def test_a_body_of_the_longest_length_is_taken() -> None:
    assert exchange(streamed(b"x" * 10), body_bytes=10).body == b"x" * 10


def test_a_longer_body_is_not_read_to_its_end() -> None:
    dripping = Dripping()
    assert failure(httpx2.Response(200, stream=dripping), body_bytes=10).kind is FailureKind.TOO_LARGE
    assert dripping.sent == 11


def test_gzip_is_taken_though_it_was_not_asked_for() -> None:
    assert exchange(streamed(gzip.compress(b"body"), Content_Encoding="gzip")).body == b"body"


def test_a_gzip_bomb_is_too_large() -> None:
    bomb = streamed(gzip.compress(bytes(50_000_000)), Content_Encoding="gzip")
    tracemalloc.start()
    assert failure(bomb, body_bytes=100_000).kind is FailureKind.TOO_LARGE
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        pytest.param(b"plain", "gzip", id="no gzip"),
        pytest.param(gzip.compress(b"body")[:-4], "gzip", id="cut off"),
        pytest.param(gzip.compress(b"body") + b"more", "gzip", id="followed by something"),
        pytest.param(b"", "gzip", id="empty"),
        pytest.param(b"body", "br", id="unknown encoding"),
        pytest.param(gzip.compress(gzip.compress(b"body")), "gzip, gzip", id="twice"),
    ],
)
def test_an_encoding_that_cannot_be_undone_is_garbled(body: bytes, encoding: str) -> None:
    assert failure(streamed(body, Content_Encoding=encoding)).kind is FailureKind.GARBLED


def test_a_drip_does_not_outlast_the_deadline() -> None:
    dripping = Dripping()
    told = failure(httpx2.Response(200, stream=dripping), clock=Clock(step=0.1))
    assert told.kind is FailureKind.TIMEOUT
    assert dripping.sent < 110


def test_no_request_begins_after_the_deadline() -> None:
    clock = Clock()
    with open_session(seconds=10, transport=httpx2.MockTransport(lambda _: httpx2.Response(200)), clock=clock) as it:
        it.request("GET", URL)
        clock.now = 10.0
        with pytest.raises(HTTPFailure, match="used up"):
            it.request("GET", URL)


def chained(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def untrusted() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "unable to get local issuer certificate"
    return error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        pytest.param(httpx2.ReadTimeout("slow"), FailureKind.TIMEOUT, id="timeout"),
        pytest.param(httpcore2.ConnectTimeout("slow"), FailureKind.TIMEOUT, id="timeout below"),
        pytest.param(httpx2.ConnectError("refused"), FailureKind.UNREACHABLE, id="refused"),
        pytest.param(httpcore2.ConnectError("refused"), FailureKind.UNREACHABLE, id="refused below"),
        pytest.param(httpcore2.ProxyError("407 Proxy"), FailureKind.PROXY, id="proxy"),
        pytest.param(httpx2.RemoteProtocolError("cut off"), FailureKind.GARBLED, id="cut off"),
        pytest.param(httpcore2.ReadError("reset"), FailureKind.GARBLED, id="reset"),
        pytest.param(OSError("odd"), FailureKind.GARBLED, id="system"),
        pytest.param(httpx2.InvalidURL("odd"), FailureKind.URL, id="address"),
        pytest.param(chained(httpcore2.ConnectError("tls"), untrusted()), FailureKind.TLS, id="untrusted"),
        pytest.param(chained(httpcore2.ConnectError("tls"), ssl.SSLError(1, "odd")), FailureKind.TLS, id="handshake"),
    ],
)
def test_every_failure_has_a_kind(error: Exception, kind: FailureKind) -> None:
    assert failure(raising(error)).kind is kind


def test_an_untrusted_certificate_names_the_trust_store_in_force(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("SSL_CERT_FILE", "/corporate.pem")
    environment.delenv("SSL_CERT_DIR", raising=False)
    told = failure(raising(chained(httpcore2.ConnectError("tls"), untrusted()))).detail
    assert told == (
        "the server's certificate is not trusted here (unable to get local issuer certificate); "
        "SSL_CERT_FILE=/corporate.pem say what is"
    )


@pytest.mark.parametrize(
    "url",
    ["", "host", "ftp://host/", "gopher://host.example/", "//host/", "https://", "https://host:port/", "\0"],
)
def test_only_http_addresses_are_contacted(url: str) -> None:
    def handler(_: httpx2.Request) -> httpx2.Response:
        raise AssertionError("this was sent")

    assert failure(handler, url=url).kind is FailureKind.URL


@given(url=st.text() | st.text().map("https://".__add__), body=st.binary(), encoding=st.sampled_from(["gzip", "", "x"]))
def test_whatever_comes_there_is_an_answer_or_a_failure(url: str, body: bytes, encoding: str) -> None:
    with suppress(HTTPFailure):
        assert exchange(streamed(body, Content_Encoding=encoding), url=url).status == 200


def test_httpx2_is_imported_only_when_it_is_used() -> None:
    code = "import sys, mtls_middleware._trust.http, mtls_middleware._trust.genesys_api; print('httpx2' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert told.stdout == "False\n"


def test_a_deadline_gives_no_more_than_is_left() -> None:
    clock = Clock()
    deadline = Deadline(10.0, clock)
    clock.now = 8.0
    assert (deadline.bound(5), deadline.bound(1)) == (2, 1)


@pytest.mark.parametrize(
    ("variables", "url", "proxy"),
    [
        pytest.param({}, URL, None, id="none"),
        pytest.param({"HTTPS_PROXY": "http://p:1"}, URL, "http://p:1", id="for https"),
        pytest.param({"HTTPS_PROXY": "http://p:1"}, "http://host.example/", None, id="not for http"),
        pytest.param({"ALL_PROXY": "http://p:1"}, URL, "http://p:1", id="for all"),
        pytest.param({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "host.example"}, URL, None, id="not for the host"),
        pytest.param({"HTTPS_PROXY": "http://p:1", "NO_PROXY": ".example"}, URL, None, id="not for the domain"),
        pytest.param({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*"}, URL, None, id="for nobody"),
        pytest.param({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "other"}, URL, "http://p:1", id="not for another"),
        pytest.param({"HTTPS_PROXY": "http://p:1"}, "https:///path", None, id="no host"),
        pytest.param({"HTTPS_PROXY": "http://p:1"}, "https://[", None, id="no address"),
    ],
)
def test_the_environment_names_the_proxy(
    variables: dict[str, str], url: str, proxy: str | None, environment: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        environment.setenv(name.lower(), value)
    assert proxy_of(url) == proxy


@pytest.mark.parametrize("proxy", ["socks5://p:1", "http://", "http://p:port", "http://p:0"])
def test_a_proxy_that_cannot_be_used_is_told(proxy: str, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("https_proxy", proxy)
    with open_session() as session, pytest.raises(HTTPFailure, match="no http:// or https:// address") as raised:
        session.request("GET", URL)
    assert raised.value.kind is FailureKind.PROXY


def test_a_rule_may_refuse_an_address(environment: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int]] = []

    def resolve(host: str, port: int) -> tuple[str, ...]:
        asked.append((host, port))
        raise HTTPFailure(FailureKind.ADDRESS_REFUSED, "not there")

    environment.setenv("no_proxy", "*")
    with open_session(resolve=resolve) as session, pytest.raises(HTTPFailure, match="not there") as raised:
        session.request("GET", URL)
    assert (asked, raised.value.kind) == ([("host.example", 443)], FailureKind.ADDRESS_REFUSED)


def test_a_host_without_addresses_is_unreachable(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("no_proxy", "*")
    with open_session(resolve=lambda *_: ()) as session, pytest.raises(HTTPFailure) as raised:
        session.request("GET", URL)
    assert raised.value.kind is FailureKind.UNREACHABLE


def test_a_name_that_cannot_be_looked_up_is_unknown(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("no_proxy", "*")
    with open_session() as session, pytest.raises(HTTPFailure) as raised:
        session.request("GET", f"http://{'a' * 64}.example/")  # longer than a label may be: no resolver is asked
    assert raised.value.kind is FailureKind.UNKNOWN_HOST


def test_servers_must_prove_their_names() -> None:
    context = tls_context()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_a_trust_store_that_is_named_is_the_only_one(tmp_path: Path, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("SSL_CERT_FILE", str(tmp_path / "absent.pem"))
    environment.setenv("SSL_CERT_DIR", str(tmp_path))
    environment.setattr(ssl, "get_default_verify_paths", lambda: NOWHERE)
    assert tls_context().cert_store_stats()["x509_ca"] == 0


def test_without_a_trust_store_certifi_serves(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("SSL_CERT_FILE", raising=False)
    environment.delenv("SSL_CERT_DIR", raising=False)
    environment.setattr(ssl, "get_default_verify_paths", lambda: NOWHERE)
    assert tls_context().cert_store_stats()["x509_ca"] > 50


def test_roots_are_a_file_or_a_hashed_folder(tmp_path: Path) -> None:
    file = tmp_path / "roots.pem"
    assert not has_roots(file, tmp_path)
    (tmp_path / "0a1b2c3d.0").touch()
    assert has_roots(file, tmp_path)
    file.touch()
    assert has_roots(file, tmp_path / "absent")


def test_a_network_that_was_not_used_can_be_closed() -> None:
    Network(Deadline(1.0, Clock()), None).close()
