"""Every configuration that we print for a proxy, run by the real proxy in front of a real server, and attacked."""

import http.client
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mtls_middleware.proxy_config import TABLE, Parameters, render
from mtls_middleware.testing import ClientCertificate, present
from mtls_middleware.testing.presentation import Headers
from tests.e2e.callers import PKI, TIMEOUT
from tests.e2e.conftest import Start
from tests.e2e.matrix import record_version
from tests.e2e.processes import HOST, ROOT, free_port
from tests.e2e.websocket import open_websocket

pytestmark = [pytest.mark.e2e, pytest.mark.matrix(table="proxies", row="{name}")]

SECRET = "a-secret-of-the-proxy-0123456789"
NAME = "localhost"
FOLDER = Path(__file__).parent
WRONG_NAME = "dataactions.prod-euw1.eu-west-1.mypurecloud.com"

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
        bad: what it does with a certificate that it does not believe.
        twin: how a caller without a certificate fares who writes our headers with underscores.
        environment: what it needs.
    """

    programs: tuple[str, ...]
    command: Callable[[Path, Path], list[str | Path]]
    bad: Outcome = ENDED
    twin: Outcome = "certificate_missing"
    environment: Callable[[Path], dict[str, str]] = lambda _: {}

    @property
    def program(self) -> str | None:
        beside = str(Path(sys.executable).parent)  # a package of this environment may bring it
        path = os.pathsep.join((beside, os.environ["PATH"], "/usr/sbin"))
        return next(filter(None, (shutil.which(name, path=path) for name in self.programs)), None)


def _nginx(folder: Path, configuration: Path) -> list[str | Path]:
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    main = folder / "main.conf"
    user = "user root;\n" if os.geteuid() == 0 else ""  # bodies are kept in a folder of this run
    main.write_text(
        f"{user}daemon off;\nworker_processes 1;\npid {folder}/pid;\nevents {{ worker_connections 64; }}\n"
        f"http {{\naccess_log off;\n{temporary}include {configuration};\n}}\n",
        encoding="ascii",
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


PROXIES = {
    "nginx": Proxy(programs=("nginx",), command=_nginx, bad=400),
    "apache": Proxy(programs=("apache2", "httpd"), command=_apache, twin=403),
    "haproxy": Proxy(programs=("haproxy",), command=lambda _, file: ["-db", "-f", file]),
    "caddy": Proxy(
        programs=("caddy",),
        command=lambda _, file: ["run", "--adapter", "caddyfile", "--config", file],
        environment=lambda folder: {"HOME": str(folder), "CADDY_ADMIN": f"unix/{folder}/admin"},
    ),
    "envoy": Proxy(
        programs=("envoy",),
        command=lambda _, file: ["-c", file, "--disable-hot-restart", "--concurrency", "1", "-l", "warning"],
    ),
}


each_proxy = pytest.mark.parametrize("name", PROXIES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A running proxy, with the source that its application reads, and the application behind it."""

    proxy: Proxy
    source: str
    port: int
    behind: int
    pki: PKI

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


@pytest.fixture(scope="module")
def deploy(start_for_module: Start, pki: PKI, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Deployment]:
    """Return what starts a proxy and the application behind it; each proxy once for all tests."""

    @cache
    def deployed(name: str, crl: Path | None = None) -> Deployment:
        proxy = PROXIES[name]
        program = proxy.program
        if program is None:
            pytest.skip(f"{name} is not installed")
        record_version(name, _version_of(program))
        folder = tmp_path_factory.mktemp(name)
        port, behind = free_port(), free_port()
        certificate = folder / "server-with-key.pem"  # HAProxy wants them in one file; the others read what they need
        certificate.write_bytes(pki.certificate.read_bytes() + pki.key.read_bytes())
        configuration = folder / TABLE[name].file
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
        configuration.write_text(render(name, parameters), encoding="utf-8")
        _start_application(start_for_module, behind, TABLE[name].source, pki)
        command = [program, *proxy.command(folder, configuration)]
        start_for_module(command, env=proxy.environment(folder), port=port)
        return Deployment(proxy=proxy, source=TABLE[name].source, port=port, behind=behind, pki=pki)

    return deployed


def _version_of(program: str) -> str:
    """Return the version that a proxy tells, whichever way it wants to be asked."""
    for option in ("version", "-v", "--version"):
        told = subprocess.run([program, option], capture_output=True, text=True, check=False, timeout=30)
        if found := re.search(r"\d+\.\d+\.\d+", told.stdout + told.stderr):
            return found[0]
    raise AssertionError(f"{program} tells no version")


def _start_application(start: Start, port: int, source: str, pki: PKI) -> None:
    http_class = "mtls_middleware.servers.uvicorn:HttpToolsProtocol"
    start(
        [sys.executable, "-m", "uvicorn", "--http", http_class, "--port", str(port), "protected:asgi"],
        env={
            "MTLS_REGIONS": "us-east-1",
            "MTLS_TRUST": str(pki.trust),
            "MTLS_SOURCE": source,
            "MTLS_TRUSTED_PROXIES": HOST,
            "MTLS_PROXY_SECRET": SECRET,
            "PYTHONPATH": f"{ROOT}:{FOLDER}",
        },
        port=port,
    )


UNTOUCHED: dict[str, Headers] = {
    "nothing": [],
    "connection": [("Connection", "X-SSL-Client-Cert, X-SSL-Client-Verify, X-Forwarded-Client-Cert")],
    "connection with the secret": [("Connection", "close, X-MTLS-Proxy-Secret")],
    "forwarded for": [("X-Forwarded-For", HOST)],
    "forwarded for with port": [("X-Forwarded-For", f"{HOST}:4711"), ("Forwarded", f'for="{HOST}:4711"')],
}
"""What changes nothing for a caller with a good certificate, nor for one with none."""


def test_every_configuration_that_claims_it_is_run() -> None:
    assert set(PROXIES) == {name for name, template in TABLE.items() if template.run}


@pytest.mark.matrix(column="good")
@each_proxy
@pytest.mark.parametrize("headers", UNTOUCHED.values(), ids=UNTOUCHED)
def test_the_region_reaches_the_handler(
    name: str, headers: Headers, deploy: Callable[[str], Deployment], pki: PKI
) -> None:
    assert deploy(name).call(pki.region.client(), headers) == "us-east-1"


@pytest.mark.matrix(column="none", gives="certificate_missing")
@each_proxy
@pytest.mark.parametrize("headers", UNTOUCHED.values(), ids=UNTOUCHED)
def test_nobody_comes_in_without_a_certificate(
    name: str, headers: Headers, deploy: Callable[[str], Deployment]
) -> None:
    assert deploy(name).call(None, headers) == "certificate_missing"


def test_a_websocket_gets_through_nginx(deploy: Callable[[str], Deployment], pki: PKI) -> None:
    port = deploy("nginx").port

    known = open_websocket(port, pki.caller(pki.region.client()), "/actions/live")
    nobody = open_websocket(port, pki.caller(), "/actions/live")

    assert (json.loads(known.text)["region"], nobody.status) == ("us-east-1", 403)


@pytest.mark.matrix(column="a refused POST is answered")
@each_proxy
@pytest.mark.parametrize("size", [1_000, 150_000, 1_000_000, 2_000_000])
def test_a_refused_post_is_answered(name: str, size: int, deploy: Callable[[str], Deployment], pki: PKI) -> None:
    """nginx takes bodies of 1 MB by itself."""
    deployment = deploy(name)
    if name == "nginx":
        size = min(size, 1_000_000)
    body = iter([b"x" * 10_000] * (size // 10_000 or 1))
    connection = http.client.HTTPSConnection(NAME, deployment.port, timeout=TIMEOUT, context=pki.caller())
    connection.request("POST", "/actions/lookup", body=body, encode_chunked=True)
    answer = connection.getresponse()
    content = json.loads(answer.read())
    connection.close()

    assert (answer.status, content["reason"]) == (403, "certificate_missing")


@pytest.mark.matrix(column="stranger, expired", gives="refused")
@each_proxy
@pytest.mark.parametrize("bad", ["stranger", "expired", "not yet valid", "server only"])
def test_the_proxy_itself_turns_bad_certificates_away(
    name: str, bad: str, deploy: Callable[[str], Deployment], pki: PKI
) -> None:
    client = {
        "stranger": pki.stranger.client(),
        "expired": pki.region.client(expired=True),
        "not yet valid": pki.region.client(not_yet_valid=True),
        "server only": pki.region.client(server_only=True),
    }[bad]

    assert deploy(name).call(client) == PROXIES[name].bad


@pytest.mark.matrix(column="revoked, by --with-crl", gives="refused")
@pytest.mark.parametrize("name", [name for name in PROXIES if TABLE[name].takes_crl])
def test_a_revocation_list_is_taken(
    name: str, deploy: Callable[..., Deployment], pki: PKI, tmp_path_factory: pytest.TempPathFactory
) -> None:
    revoked = pki.region.client()
    crl = tmp_path_factory.mktemp("crl") / "region.crl.pem"
    crl.write_bytes(_pem(pki.region.crl([revoked])))

    deployment = deploy(name, crl)

    assert deployment.call(pki.region.client()) == "us-east-1"
    assert deployment.call(revoked) == PROXIES[name].bad


def _pem(der: bytes) -> bytes:
    return x509.load_der_x509_crl(der).public_bytes(Encoding.PEM)


@pytest.mark.matrix(column="another region", gives="refused")
@each_proxy
def test_the_name_of_another_region_is_refused(name: str, deploy: Callable[[str], Deployment], pki: PKI) -> None:
    assert deploy(name).call(pki.region.client(names=[WRONG_NAME])) == "region_mismatch"


@pytest.mark.matrix(column="forged header", gives="not believed")
@each_proxy
def test_a_forged_header_is_not_believed(name: str, deploy: Callable[[str], Deployment]) -> None:
    deployment = deploy(name)

    assert deployment.call(None, deployment.forged) == "certificate_missing"


@pytest.mark.matrix(column="forged header", gives="not believed")
@each_proxy
def test_a_forged_header_does_not_replace_the_own_certificate(
    name: str, deploy: Callable[[str], Deployment], pki: PKI
) -> None:
    deployment = deploy(name)

    assert deployment.call(pki.region.client(names=[WRONG_NAME]), deployment.forged) == "region_mismatch"


@pytest.mark.matrix(column="twin", gives="not believed")
@each_proxy
def test_lesson_3_an_underscore_twin_is_not_believed(name: str, deploy: Callable[[str], Deployment]) -> None:
    deployment = deploy(name)
    twins = [(header.replace("-", "_"), value) for header, value in deployment.forged]

    assert deployment.call(None, twins) == PROXIES[name].twin


@pytest.mark.matrix(column="twin", gives="not believed")
@each_proxy
def test_lesson_3_half_a_twin_is_not_believed(name: str, deploy: Callable[[str], Deployment]) -> None:
    deployment = deploy(name)
    twins = [("_".join(header.rsplit("-", 1)).upper(), value) for header, value in deployment.forged]

    assert deployment.call(None, twins) == PROXIES[name].twin


@pytest.mark.matrix(column="doubled", gives="not believed")
@each_proxy
def test_lesson_4_a_doubled_header_is_not_believed(name: str, deploy: Callable[[str], Deployment]) -> None:
    deployment = deploy(name)
    lower = [(header.lower(), value) for header, value in deployment.forged]

    assert deployment.call(None, [*deployment.forged, *lower]) == "certificate_missing"


@pytest.mark.matrix(column="Connection", gives="not believed")
@each_proxy
def test_lesson_5_a_forged_header_named_in_connection_is_not_believed(
    name: str, deploy: Callable[[str], Deployment]
) -> None:
    deployment = deploy(name)
    connection = ", ".join(["close", *(header for header, _ in deployment.forged)])

    assert deployment.call(None, [("Connection", connection), *deployment.forged]) == "certificate_missing"


@pytest.mark.matrix(column="trailer", gives="not believed")
@each_proxy
def test_lesson_6_a_trailer_is_no_header(name: str, deploy: Callable[[str], Deployment]) -> None:
    deployment = deploy(name)

    assert deployment.call(None, trailers=deployment.forged) == "certificate_missing"


@pytest.mark.matrix(column="past the proxy", gives="refused")
@each_proxy
def test_lesson_1_a_perfect_header_past_the_proxy_is_refused(name: str, deploy: Callable[[str], Deployment]) -> None:
    deployment = deploy(name)
    without_secret = deployment.forged[:-1]

    assert deployment.call_directly(without_secret) == "source_untrusted"
    assert deployment.call_directly(deployment.forged) == "source_untrusted"
