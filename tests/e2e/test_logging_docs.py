"""gunicorn.conf.py of docs/logging.md: our lines come once, with time and level, as gunicorn's own do."""

import re
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.callers import PKI
from tests.e2e.conftest import Start
from tests.e2e.processes import HOST, ROOT, free_port
from tests.e2e.test_wsgi_servers import call
from tests.e2e.wsgi_programs import SITE, Site

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SOON = 30.0


def test_gunicorn_writes_our_lines_in_its_own_form(start: Start, pki: PKI, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "logging.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"^```python\n(# gunicorn\.conf\.py\n.*?)^```", page, re.DOTALL | re.MULTILINE)
    configuration, port = tmp_path / "gunicorn.conf.py", free_port()
    configuration.write_text(text, encoding="utf-8")
    tls: list[str | Path] = [
        "--certfile",
        pki.certificate,
        "--keyfile",
        pki.key,
        "--ca-certs",
        pki.trust,
        "--cert-reqs",
        "1",
    ]
    argv = [sys.executable, "-m", "gunicorn", "-c", configuration, "--bind", f"{HOST}:{port}", *tls, SITE]
    server = start(argv, env=Site(start=start, pki=pki, folder=tmp_path).env, port=port)

    assert call(port, pki.caller())[0] == "certificate_missing"
    deadline = time.monotonic() + SOON
    while "certificate_missing" not in server.log and time.monotonic() < deadline:
        time.sleep(0.1)

    (refused,) = [line for line in server.log.splitlines() if "refused reason=" in line]
    assert re.match(r"\[\d{4}-\d\d-\d\d [\d:]+ [+]\d{4}\] \[\d+\] \[WARNING\] refused reason=", refused)
    assert server.log.count("Booting worker") == 1
