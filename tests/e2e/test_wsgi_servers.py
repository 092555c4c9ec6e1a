"""Every WSGI server that hands over client certificates, with real callers."""

import http.client
import json
import ssl
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from mtls_middleware.testing import ClientCertificate
from mtls_middleware.testing.encodings import b64_der, pem_spaces, url_pem
from tests.e2e.callers import CUSTOM_NAME, PKI, connect
from tests.e2e.conftest import Start
from tests.e2e.http2 import ask_http2
from tests.e2e.processes import HOST, free_port
from tests.e2e.wsgi_programs import SITE, Site, apache, documented, nginx, record_versions, skip_without
from tests.e2e.wsgi_servers import OVER_TLS, uwsgi_https

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.matrix(table="wsgi", row="{name}", packages=["cheroot", "gevent", "gunicorn", "werkzeug"]),
]

ENDED = "the connection was ended"
"""How a caller fares whom the server turns away in the handshake."""

Headers = Mapping[str, str]
Run = Callable[..., int]


@pytest.fixture(scope="module")
def run(start_for_module: Start, pki: PKI, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return what starts a server of the table; each once for all tests."""
    record_versions()

    @cache
    def running(name: str, verify: str = "optional") -> int:
        folder = tmp_path_factory.mktemp("wsgi")
        return OVER_TLS[name].start(Site(start=start_for_module, pki=pki, folder=folder, verify=verify))

    return running


def call(
    port: int,
    context: ssl.SSLContext,
    headers: Headers | None = None,
    *,
    session: ssl.SSLSession | None = None,
) -> tuple[Any, dict[str, Any]]:
    """Return who has called, or a reason, a status without an answer of ours, or `ENDED`; and more facts."""
    try:
        with connect(port, context, session=session) as connection:
            own, reused = connection.getsockname(), connection.session_reused
            lines = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
            request = f"GET /actions/lookup HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n{lines}\r\n"
            connection.sendall(request.encode("latin-1"))
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            content = answer.read()
            more = {"own": [own[0], str(own[1])], "reused": reused, "session": connection.session}
    except (ssl.SSLError, ConnectionError, http.client.RemoteDisconnected):
        return ENDED, {}
    if "json" not in (answer.headers["content-type"] or ""):
        return answer.status, more
    facts = json.loads(content)
    return facts.get("reason") or facts["caller"], {**facts, **more}


def through_intermediates(pki: PKI, number: int = 1) -> ClientCertificate:
    """Return a caller of the authority ``custom``."""
    authority = pki.region
    for index in range(number):
        authority = authority.intermediate(f"Lower CA {index}")
    return authority.client(names=[CUSTOM_NAME])


each_server = pytest.mark.parametrize("name", OVER_TLS)
each_lax_server = pytest.mark.parametrize("name", [name for name, server in OVER_TLS.items() if server.lax])


@pytest.mark.matrix(column="certificate")
@each_server
def test_the_region_reaches_the_handler(name: str, run: Run, pki: PKI) -> None:
    client = pki.region.client()

    caller, facts = call(run(name), pki.caller(client))

    assert (caller, facts["fingerprint"]) == ("us-east-1", client.fingerprint_sha256)


@pytest.mark.matrix(column="intermediates")
@pytest.mark.parametrize("name", [name for name, server in OVER_TLS.items() if server.intermediates])
def test_intermediates_come_along(name: str, run: Run, pki: PKI) -> None:
    assert call(run(name), pki.caller(through_intermediates(pki)))[0] == "custom"


@pytest.mark.matrix(column="intermediates", gives="lost")
@pytest.mark.parametrize("name", [name for name, server in OVER_TLS.items() if not server.intermediates])
def test_intermediates_get_lost_and_must_be_configured(name: str, run: Run, pki: PKI) -> None:
    assert call(run(name), pki.caller(through_intermediates(pki)))[0] == "issuer_untrusted"


@pytest.mark.matrix(column="no certificate")
@each_server
def test_nobody_comes_in_without_a_certificate(name: str, run: Run, pki: PKI) -> None:
    assert call(run(name), pki.caller())[0] == "certificate_missing"


@pytest.mark.matrix(column="certificate")
@pytest.mark.parametrize("bad", ["stranger", "expired", "not yet valid", "server only"])
@each_server
def test_the_server_turns_bad_certificates_away(name: str, bad: str, run: Run, pki: PKI) -> None:
    client = {
        "stranger": pki.stranger.client(),
        "expired": pki.region.client(expired=True),
        "not yet valid": pki.region.client(not_yet_valid=True),
        "server only": pki.region.client(server_only=True),
    }[bad]

    assert call(run(name), pki.caller(client))[0] == OVER_TLS[name].turned_away


@pytest.mark.matrix(column="certificate")
@each_server
def test_the_name_of_another_region_is_refused(name: str, run: Run, pki: PKI) -> None:
    client = pki.region.client(names=["dataactions.prod-euw1.eu-west-1.mypurecloud.com"])

    assert call(run(name), pki.caller(client))[0] == "region_mismatch"


@pytest.mark.matrix(column="certificate")
@each_server
def test_two_callers_are_not_mixed_up(name: str, run: Run, pki: PKI) -> None:
    port, callers = run(name), [pki.region.client() for _ in range(3)]
    contexts = [pki.caller(client) for client in callers]

    seen = [call(port, contexts[index])[1]["fingerprint"] for index in (0, 1, 2, 0, 1, 2)]

    assert seen == [client.fingerprint_sha256 for client in callers] * 2


def _versions(gives: str, *, resumed: bool) -> pytest.MarkDecorator:
    """Return each server with each version of TLS of which it resumes sessions, or does not, with the cell."""
    versions = {"TLS 1.2": ssl.TLSVersion.TLSv1_2, "TLS 1.3": ssl.TLSVersion.TLSv1_3}
    return pytest.mark.parametrize(
        ("name", "version"),
        [
            pytest.param(
                server,
                version,
                id=f"{server}-{name}",
                marks=pytest.mark.matrix(column=f"resumed {name}", gives=gives),
            )
            for server, facts in OVER_TLS.items()
            for name, version in versions.items()
            if (name in facts.resumes) == resumed
        ],
    )


@_versions("yes", resumed=True)
def test_a_resumed_session_keeps_the_leaf(name: str, version: ssl.TLSVersion, run: Run, pki: PKI) -> None:
    port, context = run(name), pki.caller(pki.region.client(), version=version)
    _, first = call(port, context)

    caller, facts = call(port, context, session=first["session"])

    assert (caller, facts["reused"]) == ("us-east-1", True)


@_versions("never resumes", resumed=False)
def test_a_server_that_resumes_no_session_shakes_hands_again(
    name: str, version: ssl.TLSVersion, run: Run, pki: PKI
) -> None:
    port, context = run(name), pki.caller(through_intermediates(pki), version=version)
    _, first = call(port, context)

    caller, facts = call(port, context, session=first["session"])

    assert (caller, facts["reused"]) == ("custom", False)


SPOOFS: dict[str, Callable[[ClientCertificate], Headers]] = {
    "SSL-Client-Cert": lambda good: {"SSL-Client-Cert": pem_spaces(good), "SSL-Client-Verify": "SUCCESS"},
    "SSL_CLIENT_CERT": lambda good: {"SSL_CLIENT_CERT": pem_spaces(good), "SSL_CLIENT_VERIFY": "SUCCESS"},
    "HTTPS-CC": lambda good: {"HTTPS-CC": pem_spaces(good), "HTTPS_CC": pem_spaces(good)},
    "HTTPS-Client-Certificate": lambda good: {
        "HTTPS-Client-Certificate": b64_der(good),
        "HTTPS_CLIENT_CERTIFICATE": b64_der(good),
    },
    "S-Client-Cert": lambda good: {"S-Client-Cert": url_pem(good), "S_CC": url_pem(good)},
    "sockets": lambda _: {"gunicorn.socket": "x", "werkzeug.socket": "x", "mtls.identity": "x", "asgi.scope": "{}"},
}
"""Headers that name the keys of environ in which servers hand over certificates."""


@pytest.mark.matrix(column="headers as keys", gives="not believed")
@pytest.mark.parametrize("spoof", SPOOFS)
@each_server
def test_lesson_1_no_header_is_a_key_of_the_server(name: str, spoof: str, run: Run, pki: PKI) -> None:
    headers = SPOOFS[spoof](pki.region.client())
    wrong = pki.region.client(names=["dataactions.prod-euw1.eu-west-1.mypurecloud.com"])

    assert call(run(name), pki.caller(), headers)[0] == "certificate_missing"
    assert call(run(name), pki.caller(wrong), headers)[0] == "region_mismatch"


@pytest.mark.matrix(column="real peer")
@pytest.mark.parametrize(
    ("header", "value"),
    [
        pytest.param("X-Forwarded-For", "10.0.0.5:4711", id="X-Forwarded-For"),
        pytest.param("Forwarded", 'for="10.0.0.5:4711"', id="Forwarded"),
        pytest.param("X-Real-IP", "10.0.0.5", id="X-Real-IP"),
        pytest.param("Remote-Addr", "10.0.0.5", id="Remote-Addr"),
    ],
)
@each_server
def test_the_peer_is_the_real_one(name: str, header: str, value: str, run: Run, pki: PKI) -> None:
    _, facts = call(run(name), pki.caller(pki.region.client()), {header: value})

    (host, port), (own_host, own_port) = facts["peer"], facts["own"]
    swapped = int.from_bytes(int(own_port).to_bytes(2, "big"), "little")  # uWSGI's https router forgets ntohs
    assert host == own_host
    assert port == (str(swapped) if name == "uWSGI, https" else own_port)


@pytest.mark.matrix(column="certificate")
@each_lax_server
def test_lesson_32_a_server_that_lets_every_certificate_through(name: str, run: Run, pki: PKI) -> None:
    port = run(name, "optional_no_ca")

    callers = [pki.region.client(), pki.stranger.client(), None]

    verdicts = [call(port, pki.caller(client))[0] for client in callers]
    assert verdicts == ["us-east-1", "proxy_verification_failed", "certificate_missing"]


@pytest.mark.matrix(row="gunicorn, gthread", column="HTTP/2")
def test_gunicorn_over_http_2(start: Start, pki: PKI, tmp_path: Path) -> None:
    options = ("--worker-class", "gthread", "--http-protocols", "h2,h1")
    port = OVER_TLS["gunicorn, gthread"].start(Site(start=start, pki=pki, folder=tmp_path, options=options))

    assert ask_http2(port, pki.caller(through_intermediates(pki)))[0]["caller"] == "custom"
    assert ask_http2(port, pki.caller())[0]["reason"] == "certificate_missing"


def test_uwsgi_s_https_socket_hands_over_nothing(start: Start, pki: PKI, tmp_path: Path) -> None:
    skip_without(OVER_TLS["uWSGI, https"].needs)
    port = uwsgi_https(Site(start=start, pki=pki, folder=tmp_path), ("--https ", "--https-socket "))

    assert call(port, pki.caller(pki.region.client()))[0] == "certificate_missing"


def test_uwsgi_requires_certificates_by_an_exclamation_mark(start: Start, pki: PKI, tmp_path: Path) -> None:
    skip_without(OVER_TLS["uWSGI, https"].needs)
    port = uwsgi_https(Site(start=start, pki=pki, folder=tmp_path), ("HIGH,", "HIGH,!"))

    assert call(port, pki.caller(pki.region.client()))[0] == "us-east-1"
    assert call(port, pki.caller())[0] == ENDED


def test_gunicorn_takes_no_certificate_from_uwsgi_param(start: Start, pki: PKI, tmp_path: Path) -> None:
    skip_without(OVER_TLS["nginx, uWSGI"].needs)
    site, behind = Site(start=start, pki=pki, folder=tmp_path), free_port()
    plain = [sys.executable, "-m", "gunicorn", "--bind", f"{HOST}:{behind}", "--protocol", "uwsgi", SITE]
    start(plain, env=site.env, port=behind)
    location = documented("nginx in front of uWSGI", site, 0).replace(f"unix:{tmp_path}/uwsgi", f"{HOST}:{behind}")

    assert call(nginx(site, location), pki.caller(pki.region.client()))[0] == "certificate_missing"


def test_apache_asks_in_vain_in_a_location(start: Start, pki: PKI, tmp_path: Path) -> None:
    skip_without(OVER_TLS["mod_wsgi"].needs)
    site = Site(start=start, pki=pki, folder=tmp_path)
    directives = documented("Apache with mod_wsgi", site, 0)
    asking = "SSLVerifyClient       optional"
    assert asking in directives
    directives = directives.replace(asking, f"<Location />\n{asking}\n</Location>")

    assert call(apache(site, directives), pki.caller(pki.region.client()))[0] == 403
