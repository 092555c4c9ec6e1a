"""What the documentation says, held against what the code does."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from mtls_middleware import ConfigurationError, Reason, Settings
from mtls_middleware._core.response import refusal
from mtls_middleware._core.sources.presets import NAMES
from mtls_middleware.settings.keywords import VARIABLES
from tests.claims import runs_through

ROOT = Path(__file__).parents[1]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def fences(name: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", read(name), re.DOTALL | re.MULTILINE)


def test_the_first_two_fences_of_the_readme_are_the_two_commands() -> None:
    first, second = re.findall(r"^```(\w*)\n(.*?)^```", read("README.md"), re.DOTALL | re.MULTILINE)[:2]

    assert first[0] == second[0] == "sh"
    assert first[1].strip().endswith("mtls-middleware demo")
    assert second[1].partition("/pytest")[2].split() == ["-n", "auto", "--dist", "worksteal"]
    assert [command for _, command in (first, second) if command.count("\n") != 1 or command.startswith("$")] == []


def test_the_mistake_in_the_readme_is_told_as_shown() -> None:
    (shown,) = fences("README.md", "text")

    with pytest.raises(ConfigurationError) as failure:
        Settings.from_env({"MTLS_REGIONS": "us-east-11", "MTLS_TRUST": "/etc/genesys/US-East-1.zip"})

    assert str(failure.value) == shown.strip()


@pytest.mark.parametrize("number", range(2))
def test_the_settings_in_the_readme_are_accepted(number: int) -> None:
    given = "\n".join(fences("README.md", "ini")[: number + 1])

    runs_through(Settings.from_env, dict(line.split("=", 1) for line in given.split()))


@pytest.mark.parametrize("code", fences("README.md", "python")[:2], ids=["asgi", "wsgi"])
def test_the_code_in_the_readme_runs(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mtls_middleware.testing import RegionalCA  # noqa: PLC0415 - beside its only user

    pytest.importorskip("fastapi" if "fastapi" in code else "flask")
    monkeypatch.setenv("MTLS_REGIONS", "us-east-1")
    monkeypatch.setenv("MTLS_TRUST", str(RegionalCA().write(tmp_path)))

    runs_through(exec, compile(code, "README.md", "exec"), {"__name__": "readme"})


def test_the_code_in_the_readme_answers_in_report_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fastapi")
    from mtls_middleware.testing import MTLSTestClient, RegionalCA  # noqa: PLC0415 - beside its only user

    ca = RegionalCA()
    for name, value in {"REGIONS": "us-east-1", "TRUST": ca.write(tmp_path), "MODE": "report", "STATE": "off"}.items():
        monkeypatch.setenv(f"MTLS_{name}", str(value))
    service: dict[str, Any] = {"__name__": "readme"}
    exec(compile(fences("README.md", "python")[0], "README.md", "exec"), service)
    client = MTLSTestClient(service["app"], ca)

    assert client.post("/actions/lookup").json() == {"caller": "us-east-1"}
    assert client.without_certificate().post("/actions/lookup").json() == {"caller": None}


def test_the_test_in_the_readme_passes(tmp_path: Path) -> None:
    service, _, test = fences("README.md", "python")
    (tmp_path / "my_service").mkdir()
    (tmp_path / "my_service" / "main.py").write_text(service, encoding="utf-8")
    (tmp_path / "test_readme.py").write_text(test, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_readme.py"]

    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=240, env=_without_pytest()
    )

    assert "1 passed" in done.stdout, done.stdout


def _without_pytest() -> dict[str, str]:
    """Return the environment without the options of this run."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    return {**environ, "PYTHONPATH": ""}


def test_every_reason_is_explained_in_the_order_in_which_reasons_are_told() -> None:
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| ([\d, ]+) \|", read("docs/refusals.md"), re.MULTILINE)
    named = [reason for names, _ in rows for reason in re.findall(r"`(\w+)`", names)]

    assert named == [str(reason) for reason in Reason], "docs/refusals.md needs a row for each reason, in this order"


def test_every_reason_has_the_status_that_is_documented() -> None:
    for names, statuses in re.findall(
        r"^\| ((?:`\w+`(?:, )?)+) \| ([\d, ]+) \|", read("docs/refusals.md"), re.MULTILINE
    ):
        reasons = re.findall(r"`(\w+)`", names)
        documented = re.findall(r"\d+", statuses)
        for reason, status in zip(reasons, documented * (len(reasons) // len(documented)), strict=True):
            assert refusal(Reason(reason), None).status == int(status)


@pytest.mark.parametrize("name", [name for name in VARIABLES if not name.endswith("_FILE")])
def test_every_variable_is_documented_with_its_default(name: str) -> None:
    rows = re.findall(rf"^\|[^|]*`MTLS_{name}`[^|]*\|([^|]*)\|", read("docs/settings.md"), re.MULTILINE)
    default = VARIABLES[name].default

    assert len(rows) == 1, f"docs/settings.md needs one row for MTLS_{name}, with default and meaning"
    assert not default or f"`{default}`" in rows[0], (
        f"docs/settings.md must give the default of MTLS_{name}: `{default}`"
    )


def test_no_variable_is_documented_that_does_not_exist() -> None:
    documented = set(re.findall(r"^\| (`MTLS_.*?) \|", read("docs/settings.md"), re.MULTILINE))
    names = {name for cell in documented for name in re.findall(r"`MTLS_(\w+)`", cell)}

    assert names <= set(VARIABLES)


def test_every_source_is_documented() -> None:
    (row,) = re.findall(r"^\| `MTLS_SOURCE` \|.*$", read("docs/settings.md"), re.MULTILINE)

    missing = [name for name in NAMES if f"`{name}`" not in row]
    assert missing == [], "add it to the row MTLS_SOURCE of docs/settings.md"


def test_the_floors_in_the_picture_are_those_that_are_held() -> None:
    contracts = tomllib.loads(read("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    pictures = ["\n".join(contract["layers"]) for contract in contracts]

    drawn = [fence.strip() for fence in fences("docs/architecture.md", "")]

    assert drawn[1:] == pictures
