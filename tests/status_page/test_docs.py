"""What docs/status.md and docs/rollout.md say, held against what the code does."""

import re
import shlex
from datetime import timedelta
from pathlib import Path

import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient
from typer.main import get_group

from mtls_middleware import Guard, MTLSMiddleware, Settings
from mtls_middleware._io.board import SLOTS
from mtls_middleware._io.folder import KEPT_FOR
from mtls_middleware.cli.app import app as command_line
from mtls_middleware.observing.complaints import OWN_FAULTS
from mtls_middleware.observing.counting import DecisionSeries
from mtls_middleware.observing.fleet import ALIVE
from mtls_middleware.observing.report import MAX_REPORT_BYTES
from mtls_middleware.observing.reporting import ALIVE_SECONDS, PUBLISH_SECONDS
from mtls_middleware.observing.status import TrustState
from mtls_middleware.status_page.document import REFRESH_SECONDS
from mtls_middleware.status_page.failing import RECENT_MINUTES
from mtls_middleware.status_page.steps import SOON_DAYS
from mtls_middleware.status_page.view import Conclusion
from mtls_middleware.testing import MTLSTestClient, RegionalCA
from tests.claims import runs_through
from tests.status_page.scenes import ACCEPTED, counted, document, loaded, view

DOCS = Path(__file__).parents[2] / "docs"
STATUS = (DOCS / "status.md").read_text(encoding="utf-8")
ROLLOUT = (DOCS / "rollout.md").read_text(encoding="utf-8")


def fences(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def one_line(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("command", sorted({*re.findall(r"^\$ mtls-middleware (.+)$", STATUS + ROLLOUT, re.MULTILINE)}))
def test_each_command_is_one_that_there_is(command: str) -> None:
    verb, *arguments = shlex.split(command)

    runs_through(get_group(command_line).commands[verb].make_context, verb, arguments)


def test_the_application_in_status_md_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = RegionalCA("us-east-1")
    for name, value in {
        "MTLS_REGIONS": "us-east-1",
        "MTLS_TRUST": str(root.write(tmp_path)),
        "MTLS_STATE": "off",
        "MTLS_REVOCATION": "off",
        "MTLS_EXEMPT": "/mtls-status",
    }.items():
        monkeypatch.setenv(name, value)
    _, code = fences(STATUS, "python")
    names: dict[str, object] = {"__name__": "service"}
    exec(compile(code, "docs/status.md", "exec"), names)
    app, guard = names["app"], names["guard"]
    assert isinstance(guard, Guard)
    caller = MTLSTestClient(app, ca=root)

    operator = TestClient(app, client=("10.0.0.7", 40_000))  # type: ignore[arg-type]  # it is a FastAPI
    known, stranger = operator.get("/mtls-status/"), caller.get("/mtls-status/")
    told = operator.get("/mtls-status/status.json").json()
    guard.close()

    assert (known.status_code, stranger.status_code, told["life"]) == (200, 403, "fresh")


@pytest.mark.parametrize(
    ("revocation", "mode", "status"),
    [
        pytest.param("off", "enforce", 200, id="trust"),
        pytest.param("require", "enforce", 503, id="no CRL has come yet"),
        pytest.param("require", "report", 200, id="report mode lets calls through"),
    ],
)
def test_the_endpoint_in_status_md_says_whether_good_calls_get_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, revocation: str, mode: str, status: int
) -> None:
    root = RegionalCA("us-east-1")
    settings = {"REGIONS": "us-east-1", "TRUST": str(root.write(tmp_path)), "EXEMPT": "/ready", "STATE": "off"}
    for name, value in {**settings, "REVOCATION": revocation, "MODE": mode}.items():
        monkeypatch.setenv(f"MTLS_{name}", value)
    names: dict[str, object] = {"__name__": "service"}
    exec(compile(fences(STATUS, "python")[0], "docs/status.md", "exec"), names)
    guard = names["guard"]
    assert isinstance(guard, Guard)

    told = MTLSTestClient(names["app"], ca=root).without_certificate().get("/ready").status_code
    guard.close()

    assert told == status


def test_the_numbers_in_status_md_are_those_of_the_code() -> None:
    text = one_line(STATUS)

    assert f"counts every {PUBLISH_SECONDS:.0f} seconds if they changed, and every {ALIVE_SECONDS:.0f} seconds" in text
    assert f"in its last {PUBLISH_SECONDS:.0f} seconds" in text
    assert timedelta(minutes=2) == ALIVE
    assert f"at most {MAX_REPORT_BYTES // 1024} kB" in text
    assert f"in the last {RECENT_MINUTES} minutes for `{OWN_FAULTS[0]}`, `{OWN_FAULTS[1]}` or `{OWN_FAULTS[2]}`" in text
    assert timedelta(days=90) == KEPT_FOR
    assert "not changed for 90 days are removed" in text
    assert f"At most {len(SLOTS)} processes" in text
    assert f"each expiry within {SOON_DAYS} days" in text
    assert f"again every {REFRESH_SECONDS} seconds" in text
    assert [verdict.exit_status for verdict in Conclusion] == [0, 1, 2]


def test_each_life_is_documented() -> None:
    assert [life for life in TrustState if f"`{life}`" not in STATUS] == []


def test_the_parts_in_status_md_are_the_headings_of_the_page(tmp_path: Path) -> None:
    table = STATUS[STATUS.index("| part |") :].partition("\n\n")[0]
    parts = [row.split("|")[1].strip() for row in table.splitlines()[3:]]
    headings = [one.text for one in document(view(loaded(tmp_path))).all("h2")]

    assert [part.partition(",")[0] for part in parts] == headings


def test_the_settings_in_rollout_md_are_accepted() -> None:
    (given,) = fences(ROLLOUT, "ini")

    assert Settings.from_env(dict(line.split("=", 1) for line in given.split())).mode == "report"


def test_report_mode_lets_everybody_through_without_trust_too(tmp_path: Path) -> None:
    settings = Settings(regions="us-east-1", trust=tmp_path / "none.pem", state="off", mode="report")
    guard = Guard.silent(settings)

    answer = TestClient(MTLSMiddleware(PlainTextResponse("reached"), guard=guard)).get("/")
    guard.close()

    assert (answer.status_code, answer.text) == (200, "reached")


def test_what_the_page_says_when_it_is_time_is_what_rollout_md_says(tmp_path: Path) -> None:
    seen = view(loaded(tmp_path, mode="report"), counted({ACCEPTED: 1}))
    (step,) = seen.steps

    assert "No call would have been refused so far" in ROLLOUT
    assert step.cure.startswith("No call would have been refused so far")


def test_the_metrics_have_the_mode() -> None:
    assert 'mode="report"' in ROLLOUT
    assert "mode" in DecisionSeries._fields
