"""A chain of four RSA-4096 links on every WSGI server, and what must be set for it."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from mtls_middleware.testing.encodings import xfcc_element
from mtls_middleware.testing.leaves import ClientCertificate
from tests.e2e.callers import PKI
from tests.e2e.conftest import Start
from tests.e2e.test_wsgi_servers import ENDED, call
from tests.e2e.test_wsgi_twins import FROM_THE_PROXY, PLAIN, ask_plain
from tests.e2e.wsgi_programs import Site, skip_without
from tests.e2e.wsgi_servers import OVER_TLS, uwsgi_https
from tests.slow import mostly_slow

pytestmark = [pytest.mark.e2e, pytest.mark.matrix(table="wsgi", row="{name}")]

HEADER_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "gunicorn, sync": ("--limit-request-field_size", "65535"),
    "gunicorn, gthread": ("--limit-request-field_size", "65535"),
    "gunicorn, gevent": ("--limit-request-field_size", "65535"),
    "mod_wsgi": ("LimitRequestFieldSize 65535",),
    "uWSGI, http": ("--buffer-size", "65535", "--http-buffer-size", "65535"),
    "uWSGI, http-socket": ("--buffer-size", "65535"),
}
"""What must be set on which server; on the others nothing."""


@pytest.mark.matrix(column="four RSA-4096 links over TLS")
@mostly_slow("name", [name for name, server in OVER_TLS.items() if server.intermediates], kept=["gunicorn, sync"])
def test_a_long_chain_over_tls(name: str, start: Start, big: PKI, caller: ClientCertificate, tmp_path: Path) -> None:
    site = Site(start=start, pki=big, folder=tmp_path)

    assert call(OVER_TLS[name].start(site), big.caller(caller))[0] == "custom"


@pytest.mark.matrix(column="four RSA-4096 links over TLS", gives="with its issuer as anchor")
@mostly_slow("name", [name for name, server in OVER_TLS.items() if not server.intermediates], kept=["uWSGI, https"])
def test_a_long_chain_over_tls_where_intermediates_get_lost(
    name: str, start: Start, big: PKI, caller: ClientCertificate, tmp_path: Path
) -> None:
    issuer = tmp_path / "issuer.pem"
    issuer.write_text(caller.pems[1], encoding="ascii")
    trust = {"MTLS_TRUST": f"us-east-1={big.trust},custom={issuer}"}
    site = Site(start=start, pki=big, folder=tmp_path, environment=trust)

    assert call(OVER_TLS[name].start(site), big.caller(caller))[0] == "custom"


@pytest.mark.slow
def test_uwsgi_needs_its_depth(start: Start, big: PKI, caller: ClientCertificate, tmp_path: Path) -> None:
    skip_without(OVER_TLS["uWSGI, https"].needs)
    site = Site(start=start, pki=big, folder=tmp_path)

    port = uwsgi_https(site, ("--ssl-verify-depth=5 ", ""))

    assert call(port, big.caller(caller))[0] == ENDED


@pytest.mark.matrix(column="four RSA-4096 links in a header")
@mostly_slow("name", PLAIN, kept=["waitress"])
def test_a_long_chain_in_a_header(name: str, start: Start, big: PKI, caller: ClientCertificate, tmp_path: Path) -> None:
    site = Site(start=start, pki=big, folder=tmp_path, options=HEADER_OPTIONS.get(name, ()))

    assert _in_a_header(name, site, caller) == "custom"


@mostly_slow("name", HEADER_OPTIONS, kept=["gunicorn, sync"])
def test_without_the_option_it_does_not_get_through(
    name: str, start: Start, big: PKI, caller: ClientCertificate, tmp_path: Path
) -> None:
    assert _in_a_header(name, Site(start=start, pki=big, folder=tmp_path), caller) != "custom"


def _in_a_header(name: str, site: Site, caller: ClientCertificate) -> str:
    header = (b"X-Forwarded-Client-Cert", xfcc_element(caller, *caller.chain).encode())
    return ask_plain(PLAIN[name].start(site), "/envoy-told", [header, FROM_THE_PROXY])
