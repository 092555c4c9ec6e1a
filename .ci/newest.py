"""Unpack newer programs than this machine has: CPython, proxies, Redis and Valkey from another suite of Debian.

    .ci/newest.py FOLDER SUITE              # makes FOLDER/SUITE/bin, to be put into PATH
    .ci/newest.py FOLDER SUITE RESULTS      # whether the run that wrote RESULTS (tests/e2e/matrix.py) used them

Nothing is installed, and root is not needed. apt resolves and verifies the packages with lists and a status of its own,
and each program runs by the loader and the libraries that were unpacked with it. A finished folder is used again.
Exit status 3 says that the programs cannot be had on this machine, and why.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CANNOT = 3
SECONDS = 180
"""How long one command of apt may take; all of them together take half a minute."""
KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
VERSIONS = "versions.json"
WHEELS = "/usr/share/python-wheels/"
"""Where CPython of Debian expects pip (sysconfig's WHEEL_PKG_DIR)."""
OWN = ("etc/sources.list", "lists/partial", "cache/archives/partial")
"""What apt expects in its own folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """What is taken from a suite."""

    packages: Sequence[str]
    programs: Sequence[str]


SUITES: Mapping[str, Suite] = {
    "sid": Suite(
        packages=("python3.14-venv", "python3.15-venv", "nginx", "haproxy", "caddy", "redis-server", "valkey-server"),
        programs=(
            "usr/bin/python3.14",
            "usr/bin/python3.15",
            "usr/sbin/nginx",
            "usr/sbin/haproxy",
            "usr/bin/caddy",
            "usr/bin/redis-server",
            "usr/bin/valkey-server",
        ),
    ),
    "trixie": Suite(packages=("nginx", "haproxy"), programs=("usr/sbin/nginx", "usr/sbin/haproxy")),
}


class CannotError(Exception):
    """Why the programs cannot be had."""


def main(folder: Path, name: str) -> int:
    """Make the folder, and return the exit status."""
    here = folder / name
    if not (here / VERSIONS).exists():
        shutil.rmtree(here, ignore_errors=True)
        try:
            make(here, name)
        except (CannotError, OSError, subprocess.TimeoutExpired) as error:
            print(error)
            return CANNOT
    print(f"{name}:", *(f"{one} {version}" for one, version in versions(here).items()))
    return 0


def make(here: Path, name: str) -> None:
    """Download, unpack, and ask each program for its version."""
    suite, root = SUITES[name], here / "root"
    apt = private_apt(here / "apt", name)
    run("apt-get", *apt, "update", "-qq")
    run("apt-get", *apt, "install", "-y", "-qq", "--download-only", "--no-install-recommends", *suite.packages)
    for part in ("lib", "lib64"):  # packages hold these below usr, and CPython looks for its library beside its folder
        (root / "usr" / part).mkdir(parents=True)
        (here / part).symlink_to(root / "usr" / part)
    for package in sorted((here / "apt" / "cache" / "archives").glob("*.deb")):
        run("dpkg-deb", "-x", str(package), str(root))
    shutil.rmtree(here / "apt")
    find_wheels(root)
    (here / "bin").mkdir()
    found = {Path(program).name: wrapped(here, root / program) for program in suite.programs}
    (here / VERSIONS).write_text(json.dumps({one: version_of(path) for one, path in found.items()}), encoding="utf-8")


def find_wheels(root: Path) -> None:
    """Tell each CPython where pip was unpacked, which it puts into new virtual environments."""
    for path in root.glob("usr/lib/python3*/_sysconfigdata_*.py"):
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace(f"'{WHEELS}'", repr(f"{root}{WHEELS}")), encoding="utf-8")


def private_apt(folder: Path, suite: str) -> list[str]:
    """Return the options of an apt that knows this suite alone, from where the machine's own packages come."""
    told = run("apt-get", "indextargets", "--format", "$(ORIGIN) $(LABEL) $(REPO_URI)", "Created-By: Packages")
    archives = re.findall(r"^Debian Debian (\S+)$", told, re.MULTILINE)
    if not archives or not Path(KEYS).exists():
        raise CannotError("apt of this machine knows no archive of Debian")
    for part in OWN:
        (folder / part).parent.mkdir(parents=True, exist_ok=True)
    for part in OWN[1:]:
        (folder / part).mkdir()
    (folder / "status").touch()
    (folder / OWN[0]).write_text(f"deb [signed-by={KEYS}] {archives[0]} {suite} main\n", encoding="ascii")
    settings = {
        "Dir::State::lists": folder / "lists",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder / "cache",
        "Dir::Etc::sourcelist": folder / OWN[0],
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
        "Debug::NoLocking": "true",
        "APT::Sandbox::User": "",
        "Acquire::Languages": "none",
        "Acquire::http::Timeout": "20",
        "Acquire::Retries": "1",
    }
    return [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]


def run(*command: str) -> str:
    """Run a command, and return what it printed."""
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=SECONDS)  # noqa: S603 - our own
    if done.returncode:
        raise CannotError(f"{command[0]} failed: {done.stderr.strip()}")
    return done.stdout


def wrapped(here: Path, program: Path) -> Path:
    """Write what starts a program with its own loader and libraries, and return it.

    It tells the program its own path, so a CPython in `bin` is one, and so is a link to it in a virtual environment.
    """
    (loader,) = (here / "lib64").glob("ld-linux-*")
    (libraries,) = (here / "lib").glob("*-linux-gnu")
    path = here / "bin" / program.name
    path.write_text(f'#!/bin/sh\nexec {loader} --argv0 "$0" --library-path {libraries} {program} "$@"\n', "utf-8")
    path.chmod(0o755)
    return path


def version_of(program: Path) -> str:
    """Return the version that a program tells, whichever way it wants to be asked."""
    for option in ("version", "-v", "--version"):
        done = subprocess.run([program, option], check=False, capture_output=True, text=True, timeout=30)  # noqa: S603
        if found := re.search(r"\d+\.\d+\.\d+", done.stdout + done.stderr):
            return found[0]
    raise CannotError(f"{program} does not run here")


def versions(here: Path) -> dict[str, str]:
    """Return the version of each program."""
    read: dict[str, str] = json.loads((here / VERSIONS).read_text(encoding="utf-8"))
    return read


def check(folder: Path, name: str, results: Path) -> int:
    """Fail if a program that the tests ran was another one than ours."""
    there = versions(folder / name)
    ran: dict[str, Any] = json.loads(results.read_text(encoding="utf-8"))["versions"]
    wrong = [f"{one} {ran[one]} was run, not {there[one]}" for one in there if ran.get(one, there[one]) != there[one]]
    print(*wrong, *(f"run: {one} {there[one]}" for one in there if one in ran), sep="\n")
    return 1 if wrong or not ran.keys() & there.keys() else 0


if __name__ == "__main__":
    where, suite, *results = sys.argv[1:]
    place = Path(where).resolve()
    sys.exit(check(place, suite, Path(results[0])) if results else main(place, suite))
