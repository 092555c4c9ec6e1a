"""The command that adds an extra works from where the package runs: from the index, a clone, a file, a repository."""

import json
import shlex
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mtls_middleware import installation
from mtls_middleware.installation import install_command

INDEX = "mtls-middleware[cli]"


@pytest.fixture(autouse=True)
def pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a pip beside this Python, in a virtual environment that is active."""
    path = tmp_path / "my venv" / "pip"
    path.parent.mkdir()
    path.write_text("#!/bin/sh\n", encoding="utf-8")
    path.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(path.with_name("python")))
    monkeypatch.setenv("PATH", str(path.parent))
    return path


def installed(monkeypatch: pytest.MonkeyPatch, origin: Mapping[str, Any] | None) -> list[str]:
    """Return the words of the command where an installer recorded this origin."""
    recorded = None if origin is None else json.dumps(origin)
    monkeypatch.setattr(installation, "distribution", lambda _: SimpleNamespace(read_text=lambda _: recorded))
    return shlex.split(install_command("cli"))


def test_from_the_index_it_is_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert installed(monkeypatch, None) == ["pip", "install", INDEX]


def test_from_a_clone_it_is_the_clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clone = tmp_path / "my clone's"
    clone.mkdir()
    plain = {"url": clone.as_uri(), "dir_info": {}}
    editable = {"url": clone.as_uri(), "dir_info": {"editable": True}}

    assert installed(monkeypatch, plain) == ["pip", "install", f"{clone}[cli]"]
    assert installed(monkeypatch, editable) == ["pip", "install", "-e", f"{clone}[cli]"]


def test_from_a_file_it_is_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = tmp_path / "a.whl"
    wheel.touch()

    command = installed(monkeypatch, {"url": wheel.as_uri(), "archive_info": {}})

    assert command == ["pip", "install", f"{INDEX} @ {wheel.as_uri()}"]


def test_from_a_repository_it_is_the_same_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    vcs = {"vcs": "git", "requested_revision": "main", "commit_id": "0" * 40}

    command = installed(monkeypatch, {"url": "https://git.example/mtls.git", "vcs_info": vcs})

    assert command == ["pip", "install", f"{INDEX} @ git+https://git.example/mtls.git@{'0' * 40}"]


@pytest.mark.parametrize("info", [{"dir_info": {"editable": True}}, {"dir_info": {}}, {"archive_info": {}}])
def test_what_is_gone_is_not_named(info: Mapping[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = (tmp_path / "gone").as_uri()

    assert installed(monkeypatch, {"url": gone, **info}) == ["pip", "install", INDEX]


@pytest.mark.parametrize("is_clone", [True, False])
def test_without_an_installation_it_is_the_clone(
    is_clone: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none(name: str) -> None:
        raise PackageNotFoundError(name)

    if is_clone:
        (tmp_path / "pyproject.toml").touch()
    monkeypatch.setattr(installation, "distribution", none)
    monkeypatch.setattr(installation, "CLONE", tmp_path)

    expected = ["-e", f"{tmp_path}[cli]"] if is_clone else [INDEX]
    assert shlex.split(install_command("cli")) == ["pip", "install", *expected]


def test_the_pip_of_a_virtual_environment_that_is_not_active_is_named_by_its_path(
    pip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert installed(monkeypatch, None) == [str(pip), "install", INDEX]

    pip.unlink()  # uv makes environments without it
    assert installed(monkeypatch, None) == ["pip", "install", INDEX]


def test_the_origin_of_this_installation_can_be_read() -> None:
    assert "[redis]" in install_command("redis")
