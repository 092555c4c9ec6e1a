"""The lines of docs/telemetry.md keep secrets out of Sentry and OpenTelemetry; without them both record them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mtls_middleware import Settings
from mtls_middleware.testing import RegionalCA

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/telemetry.md").read_text(encoding="utf-8").partition("## Error trackers and header capture")[2]

PROXY_SECRET = "proxy-horse-battery-staple"
CALLER_SECRET = "caller-horse-battery-staple"

INIT = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0]
CAPTURE = dict(re.findall(r'^export (\w+)="(.*)"$', PAGE, re.MULTILINE))

DEFAULTS = 'import sentry_sdk\nsentry_sdk.init(dsn="https://public@sentry.example.com/1")\n'
WITH_LOCALS = INIT.replace("    include_local_variables=False,\n", "")


def settings_for(region: RegionalCA, folder: str) -> Settings:
    return Settings(
        regions="us-east-1",
        trust=region.write(Path(folder)),
        source="nginx",
        proxy_secret=PROXY_SECRET,
        caller_secret=CALLER_SECRET,
        revocation="off",
        state="off",
    )


def recorded(folder: Path, *arguments: str, **variables: str) -> str:
    """Return everything that was recorded of a call that failed in the application."""
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **variables}
    command = [sys.executable, "-m", "tests.observing.recorded", str(folder), *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, env=environ, timeout=240, check=False, cwd=ROOT)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_sentry_records_both_secrets_by_default(tmp_path: Path) -> None:
    events = recorded(tmp_path, "sentry", DEFAULTS)

    assert PROXY_SECRET in events
    assert CALLER_SECRET in events


def test_sentry_records_neither_with_the_documented_lines(tmp_path: Path) -> None:
    events = recorded(tmp_path, "sentry", INIT)

    assert "RuntimeError" in events
    assert PROXY_SECRET not in events
    assert CALLER_SECRET not in events


def test_the_scrubber_alone_leaves_them_in_local_variables(tmp_path: Path) -> None:
    """The day this fails, the documented lines can be shorter."""
    assert WITH_LOCALS != INIT
    assert PROXY_SECRET in recorded(tmp_path, "sentry", WITH_LOCALS)


def test_opentelemetry_records_no_header_by_default(tmp_path: Path) -> None:
    spans = recorded(tmp_path, "otel")

    assert "/actions" in spans
    assert PROXY_SECRET not in spans


@pytest.mark.parametrize("name", [name for name in CAPTURE if not name.endswith("SANITIZE_FIELDS")])
def test_opentelemetry_records_them_where_it_captures_all(name: str, tmp_path: Path) -> None:
    spans = recorded(tmp_path, "otel", **{name: CAPTURE[name]})

    assert PROXY_SECRET in spans
    assert CALLER_SECRET in spans


def test_opentelemetry_records_neither_with_the_documented_lines(tmp_path: Path) -> None:
    spans = recorded(tmp_path, "otel", **CAPTURE)

    assert "x_caller_secret" in spans
    assert PROXY_SECRET not in spans
    assert CALLER_SECRET not in spans
