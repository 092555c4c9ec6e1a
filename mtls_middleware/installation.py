"""How an extra is installed where the package runs: from the index, or from the clone or file that it came from."""

import json
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from shlex import quote
from shutil import which
from typing import Any
from urllib.parse import unquote, urlsplit

NAME = "mtls-middleware"

CLONE = Path(__file__).parents[1]
"""Where the package runs without having been installed; otherwise the folder of all packages."""


def install_command(extra: str) -> str:
    """Return the command that installs an extra beside the package as it is installed."""
    return f"{_pip()} install {_requirement(extra, _origin())}"


def _pip() -> str:
    """Return the pip of this Python, by its path if another one or none comes first on `PATH`."""
    beside, found = Path(sys.executable).with_name("pip"), which("pip")
    return quote(str(beside)) if beside.exists() and (found is None or Path(found) != beside) else "pip"


def _requirement(extra: str, origin: Mapping[str, Any]) -> str:
    """Return what pip is told; an origin that is gone is none."""
    url = str(origin.get("url", ""))
    path = unquote(urlsplit(url).path) if url.startswith("file:") else ""
    match origin:
        case _ if path and not Path(path).exists():
            return quote(f"{NAME}[{extra}]")
        case {"dir_info": {"editable": True}}:
            return f"-e {quote(f'{path}[{extra}]')}"
        case {"dir_info": _}:
            return quote(f"{path}[{extra}]")
        case {"vcs_info": {"vcs": vcs, "commit_id": commit}}:
            return quote(f"{NAME}[{extra}] @ {vcs}+{url}@{commit}")
        case {"archive_info": _}:
            return quote(f"{NAME}[{extra}] @ {url}")
        case _:
            return quote(f"{NAME}[{extra}]")


def _origin() -> Mapping[str, Any]:
    """Return what the installer recorded (PEP 610); nothing for a package from the index."""
    try:
        recorded = distribution(NAME).read_text("direct_url.json")
    except PackageNotFoundError:
        is_clone = (CLONE / "pyproject.toml").exists()
        return {"url": CLONE.as_uri(), "dir_info": {"editable": True}} if is_clone else {}
    origin: Mapping[str, Any] = json.loads(recorded or "{}")
    return origin
