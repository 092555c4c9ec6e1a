"""Every configuration that we print for a proxy, run by the real proxy in front of a real server, and attacked."""

import http.client
import json
import os
import pwd
import re
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mtls_middleware.proxy_config import TABLE
from mtls_middleware.testing.presentation import Headers
from tests.e2e.callers import PKI, TIMEOUT
from tests.e2e.conftest import Start
from tests.e2e.matrix import record_version
from tests.e2e.processes import HOST, free_port, version_of
from tests.e2e.proxies import NAME, PROXIES, Deployment, run_application, run_proxy
from tests.e2e.websocket import open_websocket

pytestmark = [pytest.mark.e2e, pytest.mark.matrix(table="proxies", row="{name}")]

REASONS = {
    "nginx": (r'verify="FAILED:unable to verify the first certificate"', r'verify="FAILED:certificate has expired"'),
    "apache": (
        r"AH02276: .*Error \(20\): unable to get local issuer",
        r"AH02276: .*Error \(10\): certificate has expired",
    ),
    "haproxy": (
        r"SSL client certificate not trusted: .*certificate verify failed, verify=20 ",
        r"SSL client certificate not trusted: .*certificate verify failed, verify=10 .*mypurecloud",
    ),
    "caddy": (r"TLS handshake error .*certificate signed by unknown authority", r"TLS handshake error .*has expired"),
    "envoy": (r"handshake failed: .*unable_to_get_local_issuer", r"handshake failed: .*certificate_has_expired"),
    "traefik": (r"TLS handshake error .*certificate signed by unknown authority", r"TLS handshake error .*has expired"),
}
"""What docs/proxies.md says of each log: of a stranger's certificate, and of an expired one."""

LOG_SECONDS = 30

WRONG_NAME = "dataactions.prod-euw1.eu-west-1.mypurecloud.com"

Deploy = Callable[..., Deployment]

each_proxy = pytest.mark.parametrize("name", PROXIES)


@pytest.fixture(scope="module")
def deploy(start_for_module: Start, pki: PKI, tmp_path_factory: pytest.TempPathFactory) -> Deploy:
    """Return what starts a proxy and the application behind it; each proxy once for all tests."""

    @cache
    def deployed(name: str, crl: Path | None = None) -> Deployment:
        record_version(name, version_of(PROXIES[name].installed()))
        behind, _ = run_application(name, start_for_module, pki)
        port, log = run_proxy(name, start_for_module, pki, tmp_path_factory.mktemp(name), behind, crl=crl)
        return Deployment(source=TABLE[name].source, port=port, behind=behind, pki=pki, log=log)

    return deployed


UNTOUCHED: dict[str, Headers] = {
    "nothing": [],
    "connection": [("Connection", "X-SSL-Client-Cert, X-SSL-Client-Verify, X-Forwarded-Client-Cert")],
    "connection with the secret": [("Connection", "close, X-MTLS-Proxy-Secret")],
    "forwarded for": [("X-Forwarded-For", HOST)],
    "forwarded for with port": [("X-Forwarded-For", f"{HOST}:4711"), ("Forwarded", f'for="{HOST}:4711"')],
}
"""What changes nothing for a caller with a good certificate, nor for one with none."""


def test_every_configuration_that_claims_it_is_run() -> None:
    assert set(PROXIES) == {name for name, template in TABLE.items() if template.run and template.part_of is None}


@pytest.mark.matrix(column="good")
@each_proxy
@pytest.mark.parametrize("headers", UNTOUCHED.values(), ids=UNTOUCHED)
def test_the_region_reaches_the_handler(name: str, headers: Headers, deploy: Deploy, pki: PKI) -> None:
    assert deploy(name).call(pki.region.client(), headers) == "us-east-1"


@pytest.mark.matrix(column="none", gives="certificate_missing")
@each_proxy
@pytest.mark.parametrize("headers", UNTOUCHED.values(), ids=UNTOUCHED)
def test_nobody_comes_in_without_a_certificate(name: str, headers: Headers, deploy: Deploy) -> None:
    assert deploy(name).call(None, headers) == "certificate_missing"


@pytest.mark.matrix(column="WebSocket")
@each_proxy
def test_a_websocket_gets_through(name: str, deploy: Deploy, pki: PKI) -> None:
    port = deploy(name).port

    known = open_websocket(port, pki.caller(pki.region.client()), "/actions/live", host=NAME)
    nobody = open_websocket(port, pki.caller(), "/actions/live", host=NAME)

    assert (json.loads(known.text)["region"], nobody.status) == ("us-east-1", 403)


@pytest.mark.matrix(column="a refused POST is answered")
@each_proxy
@pytest.mark.parametrize("size", [1_000, 150_000, 1_000_000, 2_000_000])
def test_a_refused_post_is_answered(name: str, size: int, deploy: Deploy, pki: PKI) -> None:
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
def test_the_proxy_itself_turns_bad_certificates_away(name: str, bad: str, deploy: Deploy, pki: PKI) -> None:
    client = {
        "stranger": pki.stranger.client(),
        "expired": pki.region.client(expired=True),
        "not yet valid": pki.region.client(not_yet_valid=True),
        "server only": pki.region.client(server_only=True),
    }[bad]

    assert deploy(name).call(client) == PROXIES[name].bad


def _at_debug(static: str) -> str:
    return static.replace("level: INFO", "level: DEBUG")


def _log_with(deployment: Deployment, expected: Iterable[str]) -> str:
    """Return the log as soon as all that is expected is in it, or after a while: lines come after the answer."""
    deadline = time.monotonic() + LOG_SECONDS
    while not all(re.search(pattern, deployment.log()) for pattern in expected) and time.monotonic() < deadline:
        time.sleep(0.05)
    return deployment.log()


@each_proxy
def test_the_log_says_why_a_handshake_failed(name: str, start: Start, pki: PKI, tmp_path: Path, deploy: Deploy) -> None:
    """Traefik does so at the level DEBUG only, as its first lines say."""
    deployment = deploy(name)
    if name == "traefik":
        port, log = run_proxy(name, start, pki, tmp_path, deployment.behind, change_part=_at_debug)
        deployment = replace(deployment, port=port, log=log)
    deployment.call(pki.stranger.client())
    deployment.call(pki.region.client(expired=True))

    told = _log_with(deployment, REASONS[name])
    assert [reason for reason in REASONS[name] if not re.search(reason, told)] == []


@pytest.mark.skipif(os.geteuid() != 0, reason="who is not root has nothing to give up")
def test_haproxy_gives_root_up_and_answers_its_operator(start: Start, pki: PKI, tmp_path: Path) -> None:
    run_proxy("haproxy", start, pki, tmp_path, free_port())

    with socket.socket(socket.AF_UNIX) as admin:
        admin.settimeout(TIMEOUT)
        admin.connect(str(tmp_path / "admin.sock"))
        admin.sendall(b"show info\n")
        told = b"".join(iter(lambda: admin.recv(65_536), b"")).decode()
    (pid,) = re.findall(r"^Pid: (\d+)", told, re.MULTILINE)

    assert pwd.getpwuid(Path(f"/proc/{pid}").stat().st_uid).pw_name == "haproxy"
    assert Path(f"/proc/{pid}/root").readlink() == tmp_path / "chroot"


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
def test_the_name_of_another_region_is_refused(name: str, deploy: Deploy, pki: PKI) -> None:
    assert deploy(name).call(pki.region.client(names=[WRONG_NAME])) == "region_mismatch"


@pytest.mark.matrix(column="forged header", gives="not believed")
@each_proxy
def test_a_forged_header_is_not_believed(name: str, deploy: Deploy) -> None:
    deployment = deploy(name)

    assert deployment.call(None, deployment.forged) == "certificate_missing"


@pytest.mark.matrix(column="forged header", gives="not believed")
@each_proxy
def test_a_forged_header_does_not_replace_the_own_certificate(name: str, deploy: Deploy, pki: PKI) -> None:
    deployment = deploy(name)

    assert deployment.call(pki.region.client(names=[WRONG_NAME]), deployment.forged) == "region_mismatch"


@pytest.mark.matrix(column="twin", gives="not believed")
@each_proxy
def test_lesson_3_an_underscore_twin_is_not_believed(name: str, deploy: Deploy) -> None:
    deployment = deploy(name)
    twins = [(header.replace("-", "_"), value) for header, value in deployment.forged]

    assert deployment.call(None, twins) == PROXIES[name].twin


@pytest.mark.matrix(column="twin", gives="not believed")
@each_proxy
def test_lesson_3_half_a_twin_is_not_believed(name: str, deploy: Deploy) -> None:
    deployment = deploy(name)
    twins = [("_".join(header.rsplit("-", 1)).upper(), value) for header, value in deployment.forged]

    assert deployment.call(None, twins) == PROXIES[name].twin


@pytest.mark.matrix(column="doubled", gives="not believed")
@each_proxy
def test_lesson_4_a_doubled_header_is_not_believed(name: str, deploy: Deploy) -> None:
    deployment = deploy(name)
    lower = [(header.lower(), value) for header, value in deployment.forged]

    assert deployment.call(None, [*deployment.forged, *lower]) == "certificate_missing"


@pytest.mark.matrix(column="Connection", gives="not believed")
@each_proxy
def test_lesson_5_a_forged_header_named_in_connection_is_not_believed(name: str, deploy: Deploy) -> None:
    deployment = deploy(name)
    connection = ", ".join(["close", *(header for header, _ in deployment.forged)])

    assert deployment.call(None, [("Connection", connection), *deployment.forged]) == "certificate_missing"


@pytest.mark.matrix(column="trailer", gives="not believed")
@each_proxy
def test_lesson_6_a_trailer_is_no_header(name: str, deploy: Deploy) -> None:
    deployment = deploy(name)

    assert deployment.call(None, trailers=deployment.forged) == "certificate_missing"


@pytest.mark.matrix(column="past the proxy", gives="refused")
@each_proxy
def test_lesson_1_a_perfect_header_past_the_proxy_is_refused(name: str, deploy: Deploy) -> None:
    deployment = deploy(name)
    without_secret = deployment.forged[:-1]

    assert deployment.call_directly(without_secret) == "source_untrusted"
    assert deployment.call_directly(deployment.forged) == "source_untrusted"
