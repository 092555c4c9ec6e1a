"""Newer programs than the machine has: where they come from, how they are run, and that they were run."""

import json
import runpy
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.packaging.conftest import Script

MADE = {"nginx": "1.30.6", "caddy": "2.11.4"}


@pytest.fixture
def newest(script: Script) -> ModuleType:
    return script("newest")


def results(folder: Path, **versions: str) -> Path:
    """Write what a run of tests used, beside a folder that was made."""
    (folder / "sid").mkdir()
    (folder / "sid" / "versions.json").write_text(json.dumps(MADE), encoding="utf-8")
    path = folder / "results.json"
    path.write_text(json.dumps({"versions": versions}), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ("Ubuntu Ubuntu http://archive.invalid/ubuntu/", "knows no archive of Debian"),
        ("", "knows no archive of Debian"),
    ],
    ids=["another system", "no archive"],
)
def test_without_an_archive_of_debian_they_cannot_be_had(
    newest: ModuleType,
    told: str,
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(newest, "run", lambda *_: told)

    assert newest.main(tmp_path, "sid") == newest.CANNOT
    assert reason in capsys.readouterr().out


def test_without_apt_they_cannot_be_had(
    newest: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")

    assert newest.main(tmp_path, "sid") == newest.CANNOT
    assert "apt-get" in capsys.readouterr().out


def test_what_was_not_finished_is_made_anew(
    newest: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sid" / "bin").mkdir(parents=True)

    def make(here: Path, _: str) -> None:
        assert not here.exists()
        here.mkdir()
        (here / "versions.json").write_text(json.dumps(MADE), encoding="utf-8")

    monkeypatch.setattr(newest, "make", make)

    assert newest.main(tmp_path, "sid") == 0


def test_a_program_runs_by_the_loader_beside_it_and_knows_its_own_path(newest: ModuleType, tmp_path: Path) -> None:
    for part in ("bin", "lib/x86_64-linux-gnu", "lib64"):
        (tmp_path / part).mkdir(parents=True)
    loader = tmp_path / "lib64" / "ld-linux-x86-64.so.2"
    loader.write_text(f"#!{sys.executable}\nimport sys\nprint(*sys.argv[1:])\n", encoding="utf-8")
    loader.chmod(0o755)

    program = tmp_path / "unpacked" / "caddy"

    path = newest.wrapped(tmp_path, program)

    said = subprocess.run([path, "run", "a b"], capture_output=True, text=True, check=True, timeout=30).stdout
    libraries = tmp_path / "lib" / "x86_64-linux-gnu"
    assert said == f"--argv0 {path} --library-path {libraries} {program} run a b\n"


def test_a_python_finds_pip_where_it_was_unpacked(newest: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "usr" / "lib" / "python3.15" / "_sysconfigdata__linux.py"
    path.parent.mkdir(parents=True)
    built = {
        "WHEEL_PKG_DIR": "/usr/share/python-wheels/",
        "CONFIG_ARGS": "--with-wheel-pkg-dir=/usr/share/python-wheels/",
    }
    path.write_text(f"build_time_vars = {built}", encoding="utf-8")

    newest.find_wheels(tmp_path)

    found = runpy.run_path(str(path))["build_time_vars"]
    assert found == {**built, "WHEEL_PKG_DIR": f"{tmp_path}/usr/share/python-wheels/"}


@pytest.mark.parametrize(
    ("ran", "status"),
    [
        ({"nginx": "1.30.6", "caddy": "2.11.4", "envoy": "1.40.0"}, 0),
        ({"nginx": "1.30.6"}, 0),
        ({"nginx": "1.30.6", "caddy": "2.6.2"}, 1),
        ({"envoy": "1.40.0"}, 1),
    ],
    ids=["all of them", "one of them", "another one", "none of them"],
)
def test_a_run_with_the_programs_of_the_machine_is_none(
    newest: ModuleType, ran: dict[str, str], status: int, tmp_path: Path
) -> None:
    assert newest.check(tmp_path, "sid", results(tmp_path, **ran)) == status


def test_the_tests_that_need_them_are_said_not_to_have_run(
    script: Script, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tests, coverage = tmp_path / "tests.xml", tmp_path / "coverage.json"
    tests.write_text('<testsuite><testcase classname="tests.e2e.one" name="test"/></testsuite>', encoding="utf-8")
    summary = {"covered_lines": 1, "covered_branches": 0, "num_statements": 1, "num_branches": 0}
    file = {"summary": {**summary, "percent_covered": 100.0}}
    coverage.write_text(json.dumps({"files": {"mtls_middleware/_core/a.py": file}}), encoding="utf-8")

    assert script("report").main(tests, coverage, tmp_path / "newer.xml") == 0
    assert "NOT RUN: the tests with newer proxies" in capsys.readouterr().out
