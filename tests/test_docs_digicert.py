"""What the page about DigiCert mode says, held against what the code does."""

import re
from pathlib import Path

import pytest

from mtls_middleware import Settings, regions
from mtls_middleware._trust.genesys.client import POLL_SECONDS
from mtls_middleware._trust.genesys.failure import PERMISSION, FailureReason
from mtls_middleware._trust.genesys.known import GRACE
from mtls_middleware._trust.schedule import FIRST_RETRY, LONGEST_RETRY
from tests.claims import runs_through

PAGE = (Path(__file__).parents[1] / "docs" / "digicert.md").read_text(encoding="utf-8")
TEXT = " ".join(PAGE.split())


def fences(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("given", fences("ini"), ids=["api", "secrets", "files"])
def test_the_settings_are_accepted(given: str) -> None:
    runs_through(Settings.from_env, dict(line.split("=", 1) for line in given.split()))


def test_the_code_runs() -> None:
    (code,) = fences("python")
    runs_through(exec, compile(code, "digicert.md", "exec"), {"__name__": "digicert"})


def test_every_reason_of_a_failure_is_told() -> None:
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| [^|]+ \| [^|]+ \|$", PAGE, re.MULTILINE)
    assert {reason for row in rows for reason in re.findall(r"`(\w+)`", row)} == set(FailureReason)


def test_the_numbers_are_those_of_the_code() -> None:
    assert f"| {GRACE.days} days later | the new one |" in TEXT
    assert f"takes {POLL_SECONDS:.0f} seconds at most" in TEXT
    assert f"come after {FIRST_RETRY.seconds} seconds, then after twice as long each time, up to an hour" in TEXT
    assert LONGEST_RETRY.total_seconds() == 3600


def test_the_permission_is_the_one_that_is_told_of() -> None:
    assert TEXT.count(f"`{PERMISSION}`") == 2


def test_the_hosts_are_those_of_the_table() -> None:
    region = regions.find("us-east-1")
    assert region is not None
    assert f"such as `{region.login_host}` and `{region.api_host}`" in TEXT
