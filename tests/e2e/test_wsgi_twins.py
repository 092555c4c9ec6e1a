"""Header sources on every WSGI server: other spellings of our headers, sent to the real one (lessons 3 and 4)."""

import http.client
import itertools
import json
import socket
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from mtls_middleware.testing.encodings import b64_der, url_pem
from tests.e2e.callers import PKI, TIMEOUT
from tests.e2e.conftest import Start
from tests.e2e.processes import HOST, free_port
from tests.e2e.wsgi_programs import FOLDER, SITE, Site, apache, documented, skip_without, uwsgi
from tests.e2e.wsgi_servers import OVER_TLS
from tests.e2e.wsgi_tell import SECRET

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.matrix(
        table="wsgi",
        row="{name}",
        packages=["a2wsgi", "asgiref", "granian", "hypercorn", "starlette", "uvicorn", "waitress"],
    ),
]

APPLICATION = "wsgi_sources:application"

Header = tuple[bytes, bytes]
Ask = Callable[[str, str, Iterable[Header]], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    """Describe a server without TLS, behind some proxy.

    Attributes:
        run: starts it and returns its port.
        needs: the server of `OVER_TLS` whose programs it takes.
        without_marker: a certificate is believed that came without a marker.
        with_marker: one that came with a marker is.
    """

    run: Callable[[Site], int]
    needs: str | None = None
    without_marker: bool = False
    with_marker: bool = True

    def start(self, site: Site) -> int:
        """Start the server, or skip the test."""
        if self.needs:
            skip_without(OVER_TLS[self.needs].needs)
        return self.run(site)


def _module(name: str, *options: str) -> Callable[[Site], int]:
    def run(site: Site) -> int:
        port = free_port()
        bind = ["--host", HOST, "--port", str(port)] if name in {"granian", "uvicorn"} else ["--bind", f"{HOST}:{port}"]
        argv = [sys.executable, "-m", name, *bind, *options, *site.options]
        site.start(argv, env=site.env, port=port)
        return port

    return run


def _gunicorn(*options: str) -> Callable[[Site], int]:
    return _module("gunicorn", APPLICATION, "--graceful-timeout", "1", *options)


def _serve(site: Site) -> int:
    port = free_port()
    argv = [sys.executable, "-m", "mtls_middleware", "serve", APPLICATION, "--port", str(port), *site.options]
    site.start(argv, env={**site.env, "MTLS_SOURCE": "nginx", "MTLS_PROXY_SECRET": SECRET}, port=port)
    return port


def _run(name: str) -> Callable[[Site], int]:
    def run(site: Site) -> int:
        port = free_port()
        argv: list[str | Path] = [sys.executable, FOLDER / "wsgi_run.py", name, str(port), "wsgi_sources"]
        site.start(argv, env=site.env, port=port)
        return port

    return run


def _uwsgi(option: str) -> Callable[[Site], int]:
    def run(site: Site) -> int:
        port = free_port()
        command = documented("nginx in front of uWSGI", site, port, 1).replace(SITE, APPLICATION)
        says_so = '--add-header "Connection: close"'
        command = command.replace(f"--socket {site.folder}/uwsgi", f"{says_so} {option} {HOST}:{port}")
        site.start(uwsgi(site, command), env=site.env, port=port)
        return port

    return run


PLAIN: dict[str, Plain] = {
    "serve": Plain(run=_serve, without_marker=True),
    "gunicorn, sync": Plain(run=_gunicorn("-k", "sync"), without_marker=True),
    "gunicorn, gthread": Plain(run=_gunicorn("-k", "gthread", "--threads", "2"), without_marker=True),
    "gunicorn, gevent": Plain(run=_gunicorn("-k", "gevent"), without_marker=True),
    "waitress": Plain(run=_run("waitress"), without_marker=True),
    "werkzeug": Plain(run=_run("werkzeug"), without_marker=True),
    "mod_wsgi": Plain(
        run=lambda site: apache(site, "WSGIChunkedRequest On", "wsgi_sources.py"), needs="mod_wsgi", without_marker=True
    ),
    "granian": Plain(run=_module("granian", "--interface", "wsgi", APPLICATION), with_marker=False),
    "cheroot": Plain(run=_run("cheroot"), with_marker=False),
    "uWSGI, http": Plain(run=_uwsgi("--http-chunked-input --http"), needs="uWSGI, https"),
    "uWSGI, http-socket": Plain(run=_uwsgi("--http-socket"), needs="uWSGI, https"),
    "wsgiref": Plain(run=_run("wsgiref")),
    "uvicorn --interface wsgi": Plain(run=_module("uvicorn", "--interface", "wsgi", "--http", "h11", APPLICATION)),
    "hypercorn": Plain(run=_module("hypercorn", f"wsgi:{APPLICATION}")),
    "asgiref on uvicorn": Plain(run=_module("uvicorn", "--http", "h11", "wsgi_sources:by_asgiref")),
    "starlette on uvicorn": Plain(run=_module("uvicorn", "--http", "h11", "wsgi_sources:by_starlette")),
    "a2wsgi on uvicorn": Plain(run=_module("uvicorn", "--http", "h11", "wsgi_sources:by_a2wsgi")),
}


@pytest.fixture(scope="module")
def ask(start_for_module: Start, pki: PKI, tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """Return what sends headers to a server of the table, and tells how the call ended; each is started once."""

    @cache
    def running(name: str) -> int:
        return PLAIN[name].start(Site(start=start_for_module, pki=pki, folder=tmp_path_factory.mktemp("wsgi")))

    return lambda name, path, headers: ask_plain(running(name), path, headers)


def ask_plain(port: int, path: str, headers: Iterable[Header]) -> str:
    """Send headers as a proxy would, and return who has called, a reason, or how else it ended."""
    lines = b"".join(b"%s: %s\r\n" % header for header in headers)
    head = f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n".encode()
    with socket.create_connection((HOST, port), timeout=TIMEOUT) as connection:
        answer = http.client.HTTPResponse(connection)
        try:
            connection.sendall(head + lines + b"\r\n")
            answer.begin()
            content = answer.read()
        except (ConnectionError, http.client.HTTPException):
            return "the connection was ended"
    if "json" not in (answer.headers["content-type"] or ""):
        assert answer.status >= 400
        return str(answer.status)
    facts = json.loads(content)
    return str(facts.get("reason") or facts["caller"])


each_server = pytest.mark.parametrize("name", PLAIN)

WRONG_NAME = "dataactions.prod-euw1.eu-west-1.mypurecloud.com"
FROM_THE_PROXY = (b"X-MTLS-Proxy-Secret", SECRET.encode())


def certificate(path: str, pki: PKI, *, wrong: bool = False) -> bytes:
    """Return what the proxy of this path sends for a client, of the wrong name if asked."""
    client = pki.region.client(names=[WRONG_NAME]) if wrong else pki.region.client()
    return (b64_der if path.startswith("/caddy") else url_pem)(client).encode()


@pytest.mark.matrix(column="header sources")
@each_server
def test_a_proxy_is_believed_where_the_server_keeps_spellings_apart(name: str, ask: Ask, pki: PKI) -> None:
    verdicts = {True: "us-east-1", False: "source_untrusted"}
    verify = (b"X-SSL-Client-Verify", b"SUCCESS")
    seen = {
        path: ask(name, path, [(b"X-SSL-Client-Cert", certificate(path, pki)), verify, FROM_THE_PROXY])
        for path in ("/caddy", "/nginx", "/caddy-told", "/nginx-told")
    }

    assert seen == {
        "/caddy": verdicts[PLAIN[name].without_marker],
        "/nginx": verdicts[PLAIN[name].with_marker],
        "/caddy-told": "us-east-1",
        "/nginx-told": "us-east-1",
    }


TWINS: dict[str, Callable[[bytes], bytes]] = {
    "underscores": lambda name: name.replace(b"-", b"_"),
    "one underscore": lambda name: name.replace(b"-", b"_", 1),
    "last underscore": lambda name: b"_".join(name.rsplit(b"-", 1)),
    "lower case underscores": lambda name: name.replace(b"-", b"_").lower(),
    "dots": lambda name: name.replace(b"-", b"."),
    "tildes": lambda name: name.replace(b"-", b"~"),
    "a sharp s in latin-1": lambda name: name.replace(b"SS", b"\xdf"),
    "a sharp s in utf-8": lambda name: name.replace(b"SS", "ß".encode()),
    "a long s": lambda name: name.replace(b"SS", b"\xc5\xbf" * 2),
    "a blank behind": lambda name: name + b" ",
    "a tab behind": lambda name: name + b"\t",
    "a blank before": lambda name: b" " + name,
    "underscores and a blank": lambda name: name.replace(b"-", b"_") + b" ",
    "a vertical tab": lambda name: name + b"\x0b",
    "a no-break space": lambda name: name + b"\xa0",
}
"""Spellings that some server, bridge or gateway may take for the name itself."""


@pytest.mark.matrix(column="twins", gives="not believed")
@pytest.mark.parametrize("spelling", TWINS)
@each_server
def test_lesson_3_no_other_spelling_is_believed(name: str, spelling: str, ask: Ask, pki: PKI) -> None:
    believed = []
    for path in ("/caddy", "/nginx"):
        cert, verify = b"X-SSL-Client-Cert", b"X-SSL-Client-Verify"
        forged = [(TWINS[spelling](cert), certificate(path, pki)), (TWINS[spelling](verify), b"SUCCESS")]
        own = [(cert, certificate(path, pki, wrong=True)), (verify, b"SUCCESS")]
        nothing = [(verify, b"NONE")]
        empty = [(cert, b""), (verify, b"NONE")]
        for genuine, first in itertools.product((own, nothing, empty), (True, False)):
            headers = [*forged, *genuine] if first else [*genuine, *forged]
            verdict = ask(name, path, [*headers, FROM_THE_PROXY])
            if verdict == "us-east-1":
                believed.append((path, headers))

    assert believed == []


CHEROOT_MERGES = {"a sharp s in latin-1", "a blank behind", "a tab behind", "a vertical tab"}
"""What cheroot takes for the name itself; proxies drop such names, or refuse the request."""


@pytest.mark.matrix(column="twins", gives="not believed")
@pytest.mark.parametrize("spelling", [spelling for spelling in TWINS if "underscore" not in spelling])
@each_server
def test_lesson_3_a_proxy_has_to_drop_underscores_only(name: str, spelling: str, ask: Ask, pki: PKI) -> None:
    forged = (TWINS[spelling](b"X-SSL-Client-Cert"), certificate("/caddy", pki))

    verdict = ask(name, "/caddy-told", [forged, FROM_THE_PROXY])

    assert (verdict == "us-east-1") == (name == "cheroot" and spelling in CHEROOT_MERGES)


@pytest.mark.matrix(column="twins", gives="not believed")
@pytest.mark.parametrize("spelling", TWINS)
@each_server
def test_lesson_3_no_other_spelling_of_the_secret_is_believed(name: str, spelling: str, ask: Ask, pki: PKI) -> None:
    secret, _ = FROM_THE_PROXY
    headers = [(b"X-SSL-Client-Cert", certificate("/nginx", pki)), (b"X-SSL-Client-Verify", b"SUCCESS")]
    wrong = (secret, b"guessed-0123456789")

    verdicts = {
        ask(name, "/nginx-told", [*headers, *secrets])
        for secrets in (
            [wrong, (TWINS[spelling](secret), b"guessed-0123456789")],
            [(TWINS[spelling](secret), b"guessed-0123456789"), wrong],
        )
    }

    assert "us-east-1" not in verdicts


def test_lesson_3_gunicorn_s_dangerous_header_map_is_dangerous(start: Start, pki: PKI, tmp_path: Path) -> None:
    site = Site(start=start, pki=pki, folder=tmp_path, options=("--header-map", "dangerous"))
    twin = (b"X_SSL_Client_Cert", certificate("/caddy", pki))

    assert ask_plain(PLAIN["gunicorn, sync"].start(site), "/caddy", [twin, FROM_THE_PROXY]) == "us-east-1"


@pytest.mark.matrix(column="copies", gives="not believed")
@each_server
def test_lesson_4_of_two_copies_none_is_believed(name: str, ask: Ask, pki: PKI) -> None:
    for path in ("/caddy", "/nginx"):
        own = [(b"X-SSL-Client-Cert", certificate(path, pki, wrong=True)), (b"X-SSL-Client-Verify", b"SUCCESS")]
        forged = [(b"X-SSL-Client-Cert", certificate(path, pki)), (b"X-SSL-Client-Verify", b"SUCCESS")]
        for headers in ([*own, *forged], [*forged, *own]):
            assert ask(name, path, [*headers, FROM_THE_PROXY]) != "us-east-1"
