"""Sessions: bounded in time and size, without memory, and with one kind of failure."""

import gzip
import socket
import ssl
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import chain, repeat
from pathlib import Path

import httpcore2
import pytest
import truststore
from hypothesis import given
from hypothesis import strategies as st

from mtls_middleware._io.fetch import AddressPolicy, open_session
from mtls_middleware._io.files import InputError
from mtls_middleware._io.forks import undisturbed
from mtls_middleware._io.http import Deadline, FailureKind, HTTPFailure, Response, look_up, proxy_of
from mtls_middleware._io.http_client import HTTPSession
from mtls_middleware._io.http_network import Network, tls_context
from tests.claims import raises_at_most, runs_through

URL = "https://host.example/path"
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


class Clock:
    """A clock that goes on by a step whenever it is asked."""

    def __init__(self, step: float = 0.0) -> None:
        self.now = 0.0
        self.step = step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


class Stream(httpcore2.NetworkStream):
    """A connection on which an answer waits, and what was written to it."""

    def __init__(self, answer: Iterable[bytes] = (), *, tls: Exception | None = None) -> None:
        self.tls = tls
        self.written = b""
        self.read_parts = 0
        self._answer = iter(answer)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - protocol
        self.read_parts += 1
        return next(self._answer, b"")

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 - protocol
        self.written += buffer

    def close(self) -> None:
        """Stay."""

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,  # noqa: ARG002 - protocol
        server_hostname: str | None = None,  # noqa: ARG002 - protocol
        timeout: float | None = None,  # noqa: ARG002 - protocol
    ) -> "Stream":
        if self.tls is not None:
            raise self.tls
        return self

    def get_extra_info(self, info: str) -> object:  # noqa: ARG002 - protocol
        return None


class Sockets(httpcore2.NetworkBackend):
    """Instead of the system's: each connection is the next of these, or fails like that."""

    def __init__(self, *connections: Stream | Exception) -> None:
        self._connections = list(connections)

    def connect_tcp(self, *_: object, **__: object) -> Stream:
        connection = self._connections.pop(0)
        if isinstance(connection, Exception):
            raise connection
        return connection


def answer(status: int = 200, body: bytes = b"", **headers: str) -> bytes:
    """Return an answer as it comes over the wire."""
    named = {"content-length": str(len(body))} | {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return f"HTTP/1.1 {status} Words\r\n{lines}\r\n".encode("latin-1") + body


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


def session(*connections: Stream | Exception, clock: Callable[[], float] = lambda: 0.0) -> HTTPSession:
    network = Network(Deadline(10.0, clock), lambda *_: ("192.0.2.1",), Sockets(*connections))
    return HTTPSession(Deadline(10.0, clock), network)


def exchange(*connections: Stream | Exception | bytes, url: str = URL, **more: object) -> Response:
    streams = [Stream([one]) if isinstance(one, bytes) else one for one in connections]
    return session(*streams).request("GET", url, **more)  # type: ignore[arg-type] # whatever the test gives


def failure(*connections: Stream | Exception | bytes, **more: object) -> HTTPFailure:
    with pytest.raises(HTTPFailure) as raised:
        exchange(*connections, **more)  # type: ignore[arg-type] # whatever the test gives
    return raised.value


def sent(url: str = URL, **more: object) -> str:
    stream = Stream([answer()])
    exchange(stream, url=url, **more)
    return stream.written.decode("latin-1").lower()


@pytest.fixture(autouse=True)
def no_proxy(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("no_proxy", "*")


def test_an_answer_has_status_headers_and_body() -> None:
    found = exchange(answer(418, b"short and stout", X_Tea="green"))
    assert (found.status, found.headers["x-tea"], found.body) == (418, "green", b"short and stout")


def test_repeated_headers_are_joined() -> None:
    found = exchange(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nX-A: 1\r\nx-a: 2\r\n\r\n")
    assert found.headers["x-a"] == "1, 2"


@pytest.mark.parametrize(
    ("url", "target", "host"),
    [
        ("https://host.example/a/b?c=d%20e&f#frag", "/a/b?c=d%20e&f", "host.example"),
        ("https://host.example", "/", "host.example"),
        ("https://host.example?q", "/?q", "host.example"),
        ("http://host.example:8080//double", "//double", "host.example:8080"),
        ("http://[2001:db8::1]/x", "/x", "[2001:db8::1]"),
    ],
)
def test_a_request_asks_for_what_the_address_says(url: str, target: str, host: str) -> None:
    lines = sent(url).split("\r\n")
    assert lines[0] == f"get {target} http/1.1"
    assert f"host: {host}" in lines


def test_a_request_says_who_asks_and_wants_nothing_compressed() -> None:
    lines = sent().split("\r\n")
    assert "user-agent: mtls-middleware" in lines
    assert "accept-encoding: identity" in lines


def test_a_request_carries_what_it_is_given() -> None:
    request = sent(headers={"Accept": "a/b"}, content=b"body")
    assert "accept: a/b\r\n" in request
    assert "content-length: 4\r\n" in request
    assert request.endswith("\r\n\r\nbody")


def test_a_cookie_is_forgotten() -> None:
    stream = Stream([answer(Set_Cookie="a=b"), answer()])
    it = session(stream)
    it.request("GET", URL)
    it.request("GET", URL)
    assert stream.written.count(b"GET ") == 2
    assert b"cookie" not in stream.written.lower()


def test_a_redirect_is_an_answer() -> None:
    found = exchange(answer(302, Location="https://elsewhere.example/"))
    assert (found.status, found.headers["location"]) == (302, "https://elsewhere.example/")


def test_a_body_of_the_longest_length_is_taken() -> None:
    assert exchange(answer(body=b"x" * 10), body_bytes=10).body == b"x" * 10


def test_a_longer_body_is_not_read_to_its_end() -> None:
    endless = Stream(chain([b"HTTP/1.1 200 OK\r\n\r\n"], repeat(b"x")))
    assert failure(endless, body_bytes=10).kind is FailureKind.TOO_LARGE
    assert endless.read_parts == 12


def test_gzip_is_taken_though_it_was_not_asked_for() -> None:
    assert exchange(answer(body=gzip.compress(b"body"), Content_Encoding="gzip")).body == b"body"


def test_a_gzip_bomb_is_too_large() -> None:
    bomb = answer(body=gzip.compress(bytes(50_000_000)), Content_Encoding="gzip")
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
    assert failure(answer(body=body, Content_Encoding=encoding)).kind is FailureKind.GARBLED


def test_a_drip_does_not_outlast_the_deadline() -> None:
    drip = Stream(chain([b"HTTP/1.1 200 OK\r\n\r\n"], repeat(b"x")))
    with pytest.raises(HTTPFailure) as raised:
        session(drip, clock=Clock(step=0.1)).request("GET", URL)
    assert raised.value.kind is FailureKind.TIMEOUT
    assert drip.read_parts < 110


def test_no_request_begins_after_the_deadline() -> None:
    clock = Clock()
    it = session(Stream([answer(), answer()]), clock=clock)
    it.request("GET", URL)
    clock.now = 10.0
    with pytest.raises(HTTPFailure, match="used up"):
        it.request("GET", URL)


def chained(cause: ssl.SSLError) -> Exception:
    """Return what httpcore2 makes of a failed handshake."""
    error = httpcore2.ConnectError("tls")
    error.__context__ = cause
    return error


def untrusted() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "unable to get local issuer certificate"
    return error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        pytest.param(httpcore2.ReadTimeout("slow"), FailureKind.TIMEOUT, id="timeout"),
        pytest.param(httpcore2.ConnectTimeout("slow"), FailureKind.TIMEOUT, id="no connection in time"),
        pytest.param(httpcore2.ConnectError("refused"), FailureKind.UNREACHABLE, id="refused"),
        pytest.param(httpcore2.ProxyError("407 Proxy"), FailureKind.PROXY, id="proxy"),
        pytest.param(httpcore2.RemoteProtocolError("cut off"), FailureKind.GARBLED, id="cut off"),
        pytest.param(httpcore2.ReadError("reset"), FailureKind.GARBLED, id="reset"),
        pytest.param(OSError("odd"), FailureKind.GARBLED, id="system"),
        pytest.param(Stream(tls=chained(untrusted())), FailureKind.TLS, id="untrusted"),
        pytest.param(Stream(tls=chained(ssl.SSLError(1, "odd"))), FailureKind.TLS, id="handshake"),
    ],
)
def test_every_failure_has_a_kind(error: Stream | Exception, kind: FailureKind) -> None:
    assert failure(error).kind is kind


def test_an_untrusted_certificate_names_the_trust_store_in_force(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("SSL_CERT_FILE", "/corporate.pem")
    environment.delenv("SSL_CERT_DIR", raising=False)
    told = failure(Stream(tls=chained(untrusted()))).detail
    assert told == (
        "the server's certificate is not trusted here (unable to get local issuer certificate); "
        "SSL_CERT_FILE=/corporate.pem say what is"
    )


@pytest.mark.parametrize(
    "url",
    [
        *("", "host", "ftp://host/", "gopher://host.example/", "//host/", "https://", "https://host:port/", "\0"),
        *(
            "https://host:0/",
            "https://user@host/",
            "https://user:secret@host/",
            "https://host/a b",
            "https://h\u00f6st/",
        ),
        *("https://host/\r\nX: y", "https://host/\x7f", "https://[::1", "https://host:99999/"),
    ],
)
def test_only_plain_http_addresses_are_contacted(url: str) -> None:
    assert failure(AssertionError("this was sent"), url=url).kind is FailureKind.URL


@given(
    url=st.text()
    | st.text().map("https://".__add__)
    | st.text(st.characters(max_codepoint=127)).map(f"{URL}/".__add__),
    body=st.binary(),
    encoding=st.sampled_from(["gzip", "", "x"]),
)
def test_whatever_comes_there_is_an_answer_or_a_failure(url: str, body: bytes, encoding: str) -> None:
    with suppress(HTTPFailure):
        assert exchange(answer(body=body, Content_Encoding=encoding), url=url).status == 200


@given(wire=st.lists(st.binary(), max_size=5))
def test_whatever_is_on_the_wire_there_is_an_answer_or_a_failure(wire: list[bytes]) -> None:
    raises_at_most(HTTPFailure, lambda: exchange(Stream([*wire, answer()])))


def test_httpcore2_is_imported_only_when_it_is_used() -> None:
    modules = "mtls_middleware._io.http, mtls_middleware._trust.genesys.client"
    code = f"import sys, {modules}; print('httpcore2' in sys.modules)"
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
    environment.delenv("no_proxy")
    for name, value in variables.items():
        environment.setenv(name.lower(), value)
    assert proxy_of(url) == proxy


@pytest.mark.parametrize("proxy", ["socks5://p:1", "http://", "http://p:port", "http://p:0"])
def test_a_proxy_that_cannot_be_used_is_told(proxy: str, environment: pytest.MonkeyPatch) -> None:
    environment.delenv("no_proxy")
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


def test_an_address_is_its_own_name() -> None:
    assert look_up("192.0.2.1", 80) == ("192.0.2.1",)


def test_lesson_a_resolver_that_hangs_holds_no_fork_up(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, answer, asked_in_vain = threading.Event(), threading.Event(), threading.Event()

    def hang(*_: object, **__: object) -> list[object]:
        asked.set()
        if not answer.wait(5):
            asked_in_vain.set()
        return []

    def refresh() -> None:
        with undisturbed(), suppress(InputError):
            AddressPolicy().resolve("hangs.example", 80)

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    thread = threading.Thread(target=refresh, daemon=True)
    thread.start()
    assert asked.wait(20)
    with undisturbed():  # as a fork must get it
        answer.set()
    thread.join(20)

    assert not asked_in_vain.is_set()


def test_servers_must_prove_their_names() -> None:
    context = tls_context()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_a_trust_store_that_is_named_is_the_only_one(tmp_path: Path, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("SSL_CERT_FILE", str(tmp_path / "absent.pem"))
    environment.setenv("SSL_CERT_DIR", str(tmp_path))
    assert tls_context().cert_store_stats()["x509_ca"] == 0


def test_without_such_a_name_the_system_decides(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("SSL_CERT_FILE", raising=False)
    environment.delenv("SSL_CERT_DIR", raising=False)
    assert isinstance(tls_context(), truststore.SSLContext)


def test_a_network_that_was_not_used_can_be_closed() -> None:
    runs_through(Network(Deadline(1.0, Clock()), None, httpcore2.SyncBackend()).close)
