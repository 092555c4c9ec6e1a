"""Trust that is renewed while a WSGI server runs: its workers may be forks, and its threads may not run."""

import time
from pathlib import Path

import pytest

from mtls_middleware.testing import RegionalCA
from mtls_middleware.testing.encodings import b64_der
from tests.e2e.callers import PKI
from tests.e2e.conftest import Start
from tests.e2e.test_wsgi_twins import FROM_THE_PROXY, PLAIN, ask_plain
from tests.e2e.wsgi_programs import Site
from tests.slow import mostly_slow

pytestmark = [pytest.mark.e2e, pytest.mark.matrix(table="wsgi", row="{name}", column="new root")]

LIMIT = 20.0
"""Seconds after which a root is late."""

OPTIONS: dict[str, tuple[str, ...]] = {
    "gunicorn, sync": ("--preload", "--workers", "1"),
    "gunicorn, gthread": ("--preload", "--workers", "1"),
    "gunicorn, gevent": ("--workers", "1"),
    "serve": (),
    "waitress": (),
    "werkzeug": (),
    "cheroot": (),
    "granian": (),
    "mod_wsgi": (),
    "uWSGI, http": (),
}


@mostly_slow("name", OPTIONS, kept=["gunicorn, gthread", "mod_wsgi"])
def test_a_new_root_is_known_soon(name: str, start: Start, pki: PKI, tmp_path: Path) -> None:
    trust = tmp_path / "US-East-1.pem"
    trust.write_text(pki.region.pem, encoding="ascii")
    settings = {"MTLS_TRUST": f"us-east-1={trust},custom={pki.trust}", "MTLS_REFRESH_SECONDS": "1"}
    port = PLAIN[name].start(Site(start=start, pki=pki, folder=tmp_path, options=OPTIONS[name], environment=settings))
    renewed = RegionalCA("us-east-1")

    def verdict(root: RegionalCA) -> str:
        header = (b"X-SSL-Client-Cert", b64_der(root.client()).encode())
        return ask_plain(port, "/caddy-told", [header, FROM_THE_PROXY])

    assert (verdict(pki.region), verdict(renewed)) == ("us-east-1", "issuer_untrusted")
    trust.write_text(pki.region.pem + renewed.pem, encoding="ascii")
    deadline = time.monotonic() + LIMIT
    while (seen := verdict(renewed)) != "us-east-1" and time.monotonic() < deadline:
        time.sleep(0.1)  # nothing tells from outside

    assert (seen, verdict(pki.region)) == ("us-east-1", "us-east-1")
