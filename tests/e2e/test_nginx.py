"""A real nginx in front, with the very configuration of the README, and real servers behind it."""

import http.client
import json
import re
import socket
import ssl
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mtls_middleware.cli.dev_ca import CALLERS, DevCaller
from mtls_middleware.testing import ClientCertificate, nginx
from tests.e2e.callers import PKI, TIMEOUT
from tests.e2e.conftest import Start
from tests.e2e.processes import HOST, ROOT, free_port
from tests.e2e.proxies import FOLDER, PROXIES, SECRET, nginx_with
from tests.e2e.websocket import open_websocket

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(PROXIES["nginx"].program is None, reason="nginx is not installed"),
]


SERVERS: dict[str, list[str]] = {
    "our-httptools": ["uvicorn", "--http", "mtls_middleware.servers.uvicorn:HttpToolsProtocol", "protected:asgi"],
    "stock-h11": ["uvicorn", "--http", "h11", "--no-proxy-headers", "protected:asgi"],
    "gunicorn-wsgi": ["gunicorn", "protected:wsgi()"],
    "hypercorn": ["hypercorn", "protected:asgi"],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """Hold a running nginx and the application behind it."""

    port: int
    behind: int
    pki: PKI

    def call(
        self,
        client: ClientCertificate | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        path: str = "/actions/lookup",
        chunked: bool = False,
    ) -> tuple[int, dict[str, Any]]:
        """Call through nginx, as the data actions service would."""
        connection = http.client.HTTPSConnection(HOST, self.port, timeout=TIMEOUT, context=self.pki.caller(client))
        return _call(connection, path, headers or {}, chunked=chunked)

    def call_directly(self, headers: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        """Call the application past nginx."""
        return _call(http.client.HTTPConnection(HOST, self.behind, timeout=TIMEOUT), "/actions/lookup", headers)


def _call(
    connection: http.client.HTTPConnection, path: str, headers: Mapping[str, str], *, chunked: bool = False
) -> tuple[int, dict[str, Any]]:
    body = iter([b'{"phone": ', b'"+1"}']) if chunked else b"{}"
    try:
        connection.request("POST", path, body=body, headers=dict(headers), encode_chunked=chunked)
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    is_json = "json" in (answer.headers["content-type"] or "")
    return answer.status, json.loads(content) if is_json else {}


def of_the_readme(folder: Path, pki: PKI, port: int, behind: int, verify: str) -> list[str | Path]:
    """Return the arguments of an nginx with the README's configuration, with paths and ports of this test."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(r"```nginx\n(.*?)```", readme, re.DOTALL)
    assert found is not None
    block = found[1]
    for written, ours in {
        "listen 443 ssl": f"listen {HOST}:{port} ssl",
        "/etc/nginx/server.pem": str(pki.certificate),
        "/etc/nginx/server.key": str(pki.key),
        "/etc/genesys/us-east-1.pem": str(pki.trust),
        "ssl_verify_client      optional": f"ssl_verify_client {verify}",
        "the content of /etc/genesys/proxy-secret": SECRET,
        "127.0.0.1:8000": f"{HOST}:{behind}",
    }.items():
        assert written in block, written
        block = block.replace(written, ours)
    return nginx_with(folder, block)


@pytest.fixture(scope="module")
def deploy(start_for_module: Start, pki: PKI, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Deployment]:
    """Return what starts an nginx and a server behind it; the same pair once for all tests."""
    running: dict[tuple[str, str], Deployment] = {}

    def deployed(server: str = "our-httptools", verify: str = "optional") -> Deployment:
        if (server, verify) not in running:
            folder = tmp_path_factory.mktemp("nginx")
            secret = folder / "proxy-secret"
            secret.write_text(SECRET + "\n", encoding="ascii")
            port, behind = free_port(), free_port()
            environment = {
                "MTLS_REGIONS": "us-east-1",
                "MTLS_TRUST": str(pki.trust),
                "MTLS_EXEMPT": "/health",
                "MTLS_SOURCE": "nginx",
                "MTLS_TRUSTED_PROXIES": "127.0.0.1",
                "MTLS_PROXY_SECRET_FILE": str(secret),
                "PYTHONPATH": f"{ROOT}:{FOLDER}",
            }
            program, *options = SERVERS[server]
            bind = ["--port", str(behind)] if program == "uvicorn" else ["--bind", f"{HOST}:{behind}"]
            start_for_module([sys.executable, "-m", program, *bind, *options], env=environment, port=behind)
            arguments = of_the_readme(folder, pki, port, behind, verify)
            start_for_module([PROXIES["nginx"].installed(), *arguments], port=port)
            running[server, verify] = Deployment(port=port, behind=behind, pki=pki)
        return running[server, verify]

    return deployed


@pytest.mark.parametrize("server", SERVERS)
def test_the_region_reaches_the_handler(server: str, deploy: Callable[..., Deployment], pki: PKI) -> None:
    status, facts = deploy(server).call(pki.region.client(), {"ININ-Correlation-Id": "c-1"}, chunked=True)

    assert (status, facts["region"]) == (200, "us-east-1")


@pytest.mark.parametrize("server", SERVERS)
def test_the_application_sees_none_of_our_headers(server: str, deploy: Callable[..., Deployment], pki: PKI) -> None:
    _, facts = deploy(server).call(pki.region.client())

    assert not {"x-ssl-client-cert", "x-ssl-client-verify", "x-mtls-proxy-secret"} & set(facts["headers"])


@pytest.mark.parametrize("server", SERVERS)
def test_nobody_comes_in_without_a_certificate(server: str, deploy: Callable[..., Deployment]) -> None:
    status, problem = deploy(server).call()

    assert (status, problem["reason"]) == (403, "certificate_missing")


@pytest.mark.parametrize("server", SERVERS)
def test_a_health_check_needs_no_certificate(server: str, deploy: Callable[..., Deployment]) -> None:
    assert deploy(server).call(path="/health")[0] == 200


@pytest.mark.parametrize("server", SERVERS)
def test_the_name_of_another_region_is_refused(server: str, deploy: Callable[..., Deployment], pki: PKI) -> None:
    client = pki.region.client(names=["dataactions.prod-euw1.eu-west-1.mypurecloud.com"])

    status, problem = deploy(server).call(client)

    assert (status, problem["reason"]) == (403, "region_mismatch")


@pytest.mark.parametrize("server", SERVERS)
def test_lesson_1_a_perfect_header_past_the_proxy_is_refused(
    server: str, deploy: Callable[..., Deployment], pki: PKI
) -> None:
    status, problem = deploy(server).call_directly(dict(nginx(pki.region.client())))

    assert (status, problem["reason"]) == (403, "source_untrusted")


SPOOFS: dict[str, dict[str, str]] = {
    "headers": {},
    "marker alone": {"X-SSL-Client-Cert": ""},
    "lesson 3 underscore twin": {"X_SSL_Client_Cert": "", "X_SSL_Client_Verify": "SUCCESS"},
    "lesson 5 connection": {"Connection": "close, X-SSL-Client-Verify, X-MTLS-Proxy-Secret"},
    "lesson 20 forwarded": {"X-Forwarded-For": "127.0.0.1:4711", "Forwarded": "for=127.0.0.1"},
}


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("spoof", SPOOFS)
def test_no_spoofed_header_is_believed_through_the_proxy(
    server: str, spoof: str, deploy: Callable[..., Deployment], pki: PKI
) -> None:
    perfect = dict(nginx(pki.region.client()))
    headers = {**perfect, "X-MTLS-Proxy-Secret": "guessed-0123456789", **SPOOFS[spoof]}
    if "X_SSL_Client_Cert" in headers:
        headers["X_SSL_Client_Cert"] = perfect["X-SSL-Client-Cert"]

    status, problem = deploy(server).call(None, headers)

    assert status == 403
    assert problem["reason"] in {"certificate_missing", "source_untrusted"}


@pytest.mark.parametrize("server", SERVERS)
def test_lesson_6_a_trailer_is_no_header(server: str, deploy: Callable[..., Deployment], pki: PKI) -> None:
    deployment = deploy(server)
    trailers = "".join(f"{name}: {value}\r\n" for name, value in nginx(pki.region.client()))
    request = (
        f"POST /actions/lookup HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n"
        f"Trailer: X-SSL-Client-Cert\r\n\r\n2\r\n{{}}\r\n0\r\n{trailers}\r\n"
    )
    with (
        socket.create_connection((HOST, deployment.port), timeout=TIMEOUT) as plain,
        pki.caller().wrap_socket(plain, server_hostname=HOST) as connection,
    ):
        connection.sendall(request.encode("ascii"))
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        problem = json.loads(answer.read())

    assert (answer.status, problem["reason"]) == (403, "certificate_missing")


WITH_WEBSOCKETS = [server for server in SERVERS if "wsgi" not in server]


@pytest.mark.parametrize("server", WITH_WEBSOCKETS)
def test_a_websocket_gets_through(server: str, deploy: Callable[..., Deployment], pki: PKI) -> None:
    opened = open_websocket(deploy(server).port, pki.caller(pki.region.client()), "/actions/live")

    assert (opened.status, json.loads(opened.text)["region"]) == (101, "us-east-1")


@pytest.mark.parametrize("server", WITH_WEBSOCKETS)
def test_a_websocket_without_a_certificate_is_refused(server: str, deploy: Callable[..., Deployment], pki: PKI) -> None:
    assert open_websocket(deploy(server).port, pki.caller(), "/actions/live").status == 403


def test_no_other_protocol_gets_through(deploy: Callable[..., Deployment], pki: PKI) -> None:
    """hypercorn speaks h2c: behind an upgrade to it, a caller would send whatever headers it likes."""
    upgrade = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABkAAQAAP__"}

    status, facts = deploy("hypercorn").call(pki.region.client(), upgrade)

    assert (status, "upgrade" in facts["headers"]) == (200, False)


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("server", SERVERS)
def test_a_refused_post_is_answered_on_a_connection_that_is_kept(
    server: str, chunked: bool, deploy: Callable[..., Deployment], pki: PKI
) -> None:
    deployment, answers = deploy(server), []
    connection = http.client.HTTPSConnection(HOST, deployment.port, timeout=TIMEOUT, context=pki.caller())
    for size in (1_000, 20_000, 150_000, 400_000, 1_000_000):
        body = iter([b"x" * size]) if chunked else b"x" * size
        connection.request("POST", "/actions/lookup", body=body, encode_chunked=chunked)
        answer = connection.getresponse()
        answers.append((answer.status, json.loads(answer.read())["reason"]))
    connection.close()

    assert answers == [(403, "certificate_missing")] * 5


@pytest.mark.parametrize("verify", ["optional", "on"])
@pytest.mark.parametrize("caller", CALLERS, ids=lambda caller: caller.name)
def test_nginx_itself_turns_away_whom_dev_ca_says_and_nobody_else(
    verify: str, caller: DevCaller, deploy: Callable[..., Deployment], pki: PKI
) -> None:
    status, _ = deploy(verify=verify).call(caller.make(pki.region))

    assert (status != 400) == caller.is_verified


def test_required_nginx_turns_away_who_has_no_certificate(deploy: Callable[..., Deployment]) -> None:
    assert deploy(verify="on").call()[0] == 400


def test_required_nginx_lets_the_region_in(deploy: Callable[..., Deployment], pki: PKI) -> None:
    status, facts = deploy(verify="on").call(pki.region.client())

    assert (status, facts["region"]) == (200, "us-east-1")


def test_optional_no_ca_passes_strangers_on_and_the_gate_refuses_them(
    deploy: Callable[..., Deployment], pki: PKI
) -> None:
    status, problem = deploy(verify="optional_no_ca").call(pki.stranger.client())

    assert (status, problem["reason"]) == (403, "proxy_verification_failed")


def test_a_resumed_session_is_judged_again(deploy: Callable[..., Deployment], pki: PKI) -> None:
    deployment = deploy()
    context = pki.caller(pki.region.client(), version=ssl.TLSVersion.TLSv1_2)
    answers = []
    session = None
    for _ in range(2):
        plain = socket.create_connection((HOST, deployment.port), timeout=TIMEOUT)
        with context.wrap_socket(plain, server_hostname=HOST, session=session) as connection:
            connection.sendall(b"GET /actions/lookup HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            answers.append(json.loads(answer.read()))
            session = connection.session

    assert [facts["region"] for facts in answers] == ["us-east-1", "us-east-1"]
