"""Real proxies, each with the configuration that we print for it, in front of a real server; and calls through them."""

import http.client
import json
import os
import re
import shutil
import socket
import ssl
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from http.client import NOT_FOUND
from pathlib import Path

import pytest

from mtls_middleware.proxy_config import TABLE, Parameters, render
from mtls_middleware.testing import ClientCertificate, present
from mtls_middleware.testing.presentation import Headers
from tests.e2e.boundaries import OUR_HTTPTOOLS
from tests.e2e.callers import PKI, TIMEOUT
from tests.e2e.conftest import Start
from tests.e2e.processes import HOST, ROOT, Server, free_port

SECRET = "a-secret-of-the-proxy-0123456789"
NAME = "localhost"
FOLDER = Path(__file__).parent

ENDED = "the connection was ended"
"""How a caller fares whom the proxy turns away in the handshake."""

Outcome = int | str
"""A status without an answer of ours, a reason, or a region."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """Describe how one proxy is run, and where it differs.

    Attributes:
        programs: names of its executable.
        command: its arguments, from its folder and its configuration; writes there what it needs besides.
        paths: of the printed configuration, and where they are in the folder of a test.
        bad: what it does with a certificate that it does not believe.
        twin: how a caller without a certificate fares who writes our headers with underscores.
        environment: what it needs.
    """

    programs: tuple[str, ...]
    command: Callable[[Path, Path], list[str | Path]]
    paths: Mapping[str, str] = field(default_factory=dict)
    bad: Outcome = ENDED
    twin: Outcome = "certificate_missing"
    environment: Callable[[Path], dict[str, str]] = lambda _: {}

    def placed(self, configuration: str, folder: Path) -> str:
        """Return a configuration with the paths of a test."""
        for path, ours in self.paths.items():
            configuration = configuration.replace(path, f"{folder}/{ours}")
        return configuration

    @property
    def program(self) -> str | None:
        beside = str(Path(sys.executable).parent)  # a package of this environment may bring it
        path = os.pathsep.join((beside, os.environ["PATH"], "/usr/sbin"))
        return next(filter(None, (shutil.which(name, path=path) for name in self.programs)), None)

    def installed(self) -> str:
        """Return its executable, or skip the test."""
        if self.program is None:
            pytest.skip(f"{self.programs[0]} is not installed")
        return self.program


def nginx_with(folder: Path, inside_http: str) -> list[str | Path]:
    """Return the arguments of an nginx that writes into this folder only.

    Args:
        folder: of this run.
        inside_http: the block ``http``, without what is said of files.
    """
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    main = folder / "nginx-main.conf"
    user = "user root;\n" if os.geteuid() == 0 else ""  # bodies are kept in a folder of this run
    main.write_text(
        f"{user}daemon off;\nworker_processes 1;\npid {folder}/nginx.pid;\nerror_log stderr;\n"
        f"events {{ worker_connections 64; }}\nhttp {{\naccess_log off;\n{temporary}{inside_http}\n}}\n",
        encoding="utf-8",
    )
    return ["-c", main, "-p", folder, "-e", "stderr"]


def _apache(folder: Path, configuration: Path) -> list[str | Path]:
    modules = ["mpm_event", "authz_core", "headers", "proxy", "proxy_http", "setenvif", "ssl"]
    lines = [f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in modules]
    port = configuration.read_text(encoding="utf-8").partition(f"<VirtualHost {HOST}:")[2].partition(">")[0]
    user = ["User www-data", "Group www-data"] if os.geteuid() == 0 else []
    main = folder / "main.conf"
    main.write_text(
        "\n".join(
            [
                *lines,
                *user,
                f"ServerRoot {folder}",
                f"DefaultRuntimeDir {folder}",
                f"PidFile {folder}/pid",
                "ErrorLog /dev/stderr",
                f"ServerName {NAME}",
                f"Listen {HOST}:{port}",
                f"Include {configuration}",
                "",
            ]
        ),
        encoding="ascii",
    )
    return ["-D", "FOREGROUND", "-f", main]


PRINTED = "printed"
"""The folder of the configuration itself."""

FLUSHING = ("--file-flush-interval-msec", "100")
"""Envoy by itself writes its log every 10 s."""

PROXIES = {
    "nginx": Proxy(
        programs=("nginx",),
        command=lambda folder, file: nginx_with(folder, f"include {file};"),
        paths={"/var/log/nginx/": ""},
        bad=400,
    ),
    "apache": Proxy(programs=("apache2", "httpd"), command=_apache, twin=403),
    "haproxy": Proxy(
        programs=("haproxy",),
        command=lambda _, file: ["-db", "-f", file],
        paths={"/run/haproxy/": "", "/var/lib/haproxy": "chroot"},
    ),
    "caddy": Proxy(
        programs=("caddy",),
        command=lambda _, file: ["run", "--adapter", "caddyfile", "--config", file],
        environment=lambda folder: {"HOME": str(folder), "CADDY_ADMIN": f"unix/{folder}/admin"},
    ),
    "envoy": Proxy(
        programs=("envoy",),
        command=lambda _, file: ["-c", file, "--disable-hot-restart", "--concurrency", "1", "-l", "warning", *FLUSHING],
    ),
    "traefik": Proxy(
        programs=("traefik",),
        command=lambda folder, _: [f"--configFile={folder / TABLE['traefik-static'].file}"],
        paths={"/etc/traefik/dynamic": PRINTED},
    ),
}


def run_proxy(
    name: str,
    start: Start,
    pki: PKI,
    folder: Path,
    behind: int,
    *,
    crl: Path | None = None,
    change: Callable[[str], str] = str,
    change_part: Callable[[str], str] = str,
) -> tuple[int, Callable[[], str]]:
    """Start a proxy in front of an application, and return its port and its log; skip where it is not installed.

    Args:
        name: in `PROXIES`.
        start: starts processes.
        pki: the authorities.
        folder: for its files.
        behind: port of the application.
        crl: passed to it.
        change: of the configuration that we print.
        change_part: of what belongs to it in another file.
    """
    proxy, port = PROXIES[name], free_port()
    program = proxy.installed()
    certificate = folder / "server-with-key.pem"  # HAProxy wants them in one file; the others read what they need
    certificate.write_bytes(pki.certificate.read_bytes() + pki.key.read_bytes())
    parameters = Parameters(
        server_name=NAME,
        address=HOST,
        port=port,
        certificate=str(certificate),
        private_key=str(pki.key),
        trust=str(pki.trust),
        application=f"{HOST}:{behind}",
        secret=SECRET,
        crl=None if crl is None else str(crl),
    )
    configuration = folder / PRINTED / TABLE[name].file
    configuration.parent.mkdir()
    configuration.write_text(proxy.placed(change(render(name, parameters)), folder), encoding="utf-8")
    for part in [part for part, template in TABLE.items() if template.part_of == name]:
        text = proxy.placed(change_part(render(part, parameters)), folder)
        (folder / TABLE[part].file).write_text(text, encoding="utf-8")
    logs = _syslog(name, start, folder, configuration)
    argv, serves = [program, *proxy.command(folder, configuration)], partial(_serves, port, pki)
    logs.append(start(argv, env=proxy.environment(folder), ready=serves).output)

    def log() -> str:
        found = (path.read_text(encoding="utf-8", errors="replace") for path in (*logs, *folder.glob("*.log")))
        return "".join(found)

    return port, log


def _syslog(name: str, start: Start, folder: Path, configuration: Path) -> list[Path]:
    """Receive what HAProxy sends to ``/dev/log`` inside of its chroot, and return the file that has it."""
    if name != "haproxy":
        return []
    socket_path = folder / "chroot" / "dev" / "log"
    socket_path.parent.mkdir(parents=True)
    if os.geteuid() != 0:  # what only root may do
        text = re.sub(r"^ +(chroot|user|group) .*\n", "", configuration.read_text(encoding="utf-8"), flags=re.MULTILINE)
        configuration.write_text(text.replace("/dev/log", str(socket_path)), encoding="utf-8")
    return [start([sys.executable, FOLDER / "syslog.py", socket_path], ready=socket_path.exists).output]


def _serves(port: int, pki: PKI) -> bool:
    """Return whether the proxy answers: Traefik listens before it has read its configuration, and answers 404."""
    connection = http.client.HTTPSConnection(NAME, port, timeout=TIMEOUT, context=pki.caller())
    try:
        connection.request("GET", "/")
        return connection.getresponse().status != NOT_FOUND
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def run_application(
    name: str, start: Start, pki: PKI, *, http_class: str = OUR_HTTPTOOLS, **variables: str
) -> tuple[int, Server]:
    """Start uvicorn with an application that believes this proxy, and return its port."""
    port = free_port()
    boundary = {
        "MTLS_REGIONS": "us-east-1",
        "MTLS_TRUST": str(pki.trust),
        "MTLS_SOURCE": TABLE[name].source,
        "MTLS_TRUSTED_PROXIES": HOST,
        "MTLS_PROXY_SECRET": SECRET,
        "PYTHONPATH": f"{ROOT}:{FOLDER}",
    }
    argv = [sys.executable, "-m", "uvicorn", "--http", http_class, "--port", str(port), "protected:asgi"]
    return port, start(argv, env=boundary | variables, port=port)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A running proxy, with the source that its application reads, the application behind it, and the proxy's log."""

    source: str
    port: int
    behind: int
    pki: PKI
    log: Callable[[], str] = str

    @property
    def forged(self) -> Headers:
        """Return what the proxy would send for the genuine client, whose certificate is public; the secret is not."""
        return [*present(self.source, self.pki.region.client()).headers, ("X-MTLS-Proxy-Secret", "guessed-0123456789")]

    def call(
        self,
        client: ClientCertificate | None = None,
        headers: Iterable[tuple[str, str]] = (),
        *,
        trailers: Iterable[tuple[str, str]] = (),
    ) -> Outcome:
        """Call as the data actions service would, chunked, and return how it ended."""
        try:
            with (
                socket.create_connection((HOST, self.port), timeout=TIMEOUT) as plain,
                self.pki.caller(client).wrap_socket(plain, server_hostname=NAME) as connection,
            ):
                return _ask(connection, headers, trailers)
        except (ssl.SSLError, ConnectionError):
            return ENDED

    def call_directly(self, headers: Headers) -> Outcome:
        """Call the application past the proxy."""
        with socket.create_connection((HOST, self.behind), timeout=TIMEOUT) as connection:
            return _ask(connection, headers, ())


def _ask(connection: socket.socket, headers: Iterable[tuple[str, str]], trailers: Iterable[tuple[str, str]]) -> Outcome:
    own = [("Host", NAME), ("Transfer-Encoding", "chunked")]
    head, tail = ("".join(f"{name}: {value}\r\n" for name, value in pairs) for pairs in ([*own, *headers], trailers))
    request = f"POST /actions/lookup HTTP/1.1\r\n{head}\r\n2\r\n{{}}\r\n0\r\n{tail}\r\n"
    connection.sendall(request.encode("ascii"))
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    content = answer.read()
    if "json" not in (answer.headers["content-type"] or ""):
        return answer.status
    facts = json.loads(content)
    return str(facts["region"] if answer.status == 200 else facts["reason"])
