"""A Dockerfile, built without a container engine: each line does in a folder what it would do in an image.

The folder is entered with chroot. Of this machine it has the programs and the Python that runs the tests, read-only;
packages are not downloaded: those that the tests were installed with are found there.
"""

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from pathlib import Path

import cryptography

from tests.containers.rooms import Mount, Room
from tests.e2e.processes import ROOT

PACKAGES = "/packages"
"""Where an image finds what it would download."""

BASE = {"PATH": f"{sys.base_prefix}/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"}
"""The environment of python:3.13-slim, with the Python of this machine."""

OFFLINE = {
    "PYTHONPATH": PACKAGES,
    "PIP_NO_INDEX": "1",
    "PIP_NO_BUILD_ISOLATION": "0",  # what pip takes for "no isolation"
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_QUIET": "1",
}

MACHINE = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib64"),
    *("/etc/alternatives", "/etc/hosts", "/etc/ld.so.cache", "/etc/nsswitch.conf", "/etc/ssl"),
)
"""What an image has of this machine."""

BUILD_SECONDS = 300

_CONTINUED = re.compile(r"\\\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """What a Dockerfile makes.

    Attributes:
        root: the folder with its files.
        environ: its variables.
        workdir: where its programs start.
        user: number and group of the user.
        command: what it runs.
    """

    root: Path
    environ: dict[str, str] = field(default_factory=lambda: dict(BASE))
    workdir: str = "/"
    user: str = "0:0"
    command: tuple[str, ...] = ()

    def room(self, *mounts: Mount, **changes: object) -> Room:
        """Return a container of this image."""
        mounts = (*machine(), *mounts)
        uid, _, gid = self.user.partition(":")
        made = Room(
            root=self.root, mounts=mounts, environ=self.environ | OFFLINE, cwd=self.workdir, uid=int(uid), gid=int(gid)
        )
        return replace(made, **changes)  # type: ignore[arg-type]  # the fields of a room


def machine() -> tuple[Mount, ...]:
    """Return what each image has of this machine, read-only, in its own place."""
    system = [Path(name) for name in MACHINE if Path(name).exists()]
    # Beside cryptography lies everything that the tests were installed with.
    packages = Mount(Path(cryptography.__file__).parents[1], PACKAGES)
    return (*(Mount(path, str(path)) for path in (*system, Path(sys.base_prefix))), packages)


def instructions(dockerfile: str) -> Iterator[tuple[str, str]]:
    """Yield each instruction, and what follows it."""
    lines = [line for line in dockerfile.splitlines() if not line.lstrip().startswith("#")]
    for line in _CONTINUED.sub(" ", "\n".join(lines)).splitlines():
        if line.strip():
            name, _, rest = line.strip().partition(" ")
            yield name, rest.strip()


def build(dockerfile: Path, context: Path, folder: Path) -> Image:
    """Build the last stage of a Dockerfile.

    Raises:
        ValueError: an instruction that this reader does not know; none is passed over.
    """
    stages: dict[str, Image] = {}
    image = Image(root=folder)
    for name, rest in instructions(dockerfile.read_text(encoding="utf-8")):
        match name:
            case "FROM":
                base, _, alias = rest.partition(" AS ")
                assert base.startswith("python:"), base
                image = Image(root=folder / (alias or "last"))
                image.root.mkdir(parents=True)
                stages[alias or "last"] = image
            case "WORKDIR":
                image = replace(image, workdir=rest)
                inside(image, rest).mkdir(parents=True, exist_ok=True)
            case "COPY":
                _copy(image, rest, context, stages)
            case "RUN":
                room = image.room(cwd=image.workdir)
                subprocess.run(
                    room.command("/bin/sh", "-c", rest), check=True, timeout=BUILD_SECONDS, stdin=subprocess.DEVNULL
                )
            case "ENV":
                pairs = (pair.split("=", 1) for pair in shlex.split(rest))
                expanded = {key: value.replace("$PATH", image.environ["PATH"]) for key, value in pairs}
                image = replace(image, environ=image.environ | expanded)
            case "USER":
                image = replace(image, user=rest)
            case "CMD":
                image = replace(image, command=tuple(json.loads(rest)))
            case "EXPOSE":
                pass
            case unknown:
                raise ValueError(f"what does {unknown} do?")
    return image


def inside(image: Image, path: str) -> Path:
    """Return where a path of an image is on this machine."""
    return image.root / path.lstrip("/")


def _copy(image: Image, rest: str, context: Path, stages: dict[str, Image]) -> None:
    *sources, target = rest.split()
    origin = context
    if sources[0].startswith("--from="):
        origin = stages[sources.pop(0).removeprefix("--from=")].root
    for source in sources:
        found, goal = origin / source.lstrip("/"), inside(image, target)
        if found.is_dir():
            shutil.copytree(found, goal, symlinks=True, dirs_exist_ok=True)
        else:
            goal = goal / found.name if target.endswith("/") else goal
            goal.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(found, goal)


def context_of(folder: Path, ignored: Path) -> Path:
    """Return a copy of this repository without what a .dockerignore keeps out, as a builder gets it."""
    patterns = [line for line in ignored.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    for path in sorted(ROOT.rglob("*")):
        name = path.relative_to(ROOT).as_posix()
        if name.startswith((".git/", ".venv")) or not path.is_file() or is_left_out(name, patterns):
            continue
        goal = folder / name
        goal.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, goal)
    return folder


def is_left_out(name: str, patterns: list[str]) -> bool:
    """Return whether a file does not reach the builder: the last pattern that means it decides."""
    parts = name.split("/")
    beginnings = ["/".join(parts[: end + 1]) for end in range(len(parts))]
    left_out = False
    for pattern in patterns:
        meant = pattern.removeprefix("!")
        anywhere = meant.startswith("**/") and any(fnmatch(part, meant.removeprefix("**/")) for part in parts)
        if anywhere or any(fnmatch(one, meant) and one.count("/") == meant.count("/") for one in beginnings):
            left_out = not pattern.startswith("!")
    return left_out
