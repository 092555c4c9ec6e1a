"""Hold a built wheel and sdist against the list of what belongs into them, and build both again, byte for byte."""

import os
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from zipfile import ZipFile

WHEEL = (
    "mtls_middleware/**/*.py",
    "mtls_middleware/py.typed",
    "mtls_middleware/regions.csv",
    "mtls_middleware/proxy_config/templates/*",
    "mtls_middleware/status_page/page.css",
    "mtls_middleware/status_page/page.html.j2",
    "*.dist-info/METADATA",
    "*.dist-info/RECORD",
    "*.dist-info/WHEEL",
    "*.dist-info/entry_points.txt",
    "*.dist-info/licenses/LICENSE",
)
"""Patterns of the files of the wheel. Each file has one, and each has a file."""
SDIST = (
    ".ci/*.py",
    ".ci/run",
    ".editorconfig",
    ".github/**/*.md",
    ".github/**/*.yml",
    ".gitignore",
    ".pre-commit-config.yaml",
    ".readthedocs.yaml",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "PKG-INFO",
    "README.md",
    "SECURITY.md",
    "docs/**/*.md",
    "docs/*.svg",
    "docs/prometheus/*",
    "docs/site/*.py",
    "docs/site/static/*.css",
    "example_app/*.py",
    "example_app/Dockerfile",
    "example_app/Dockerfile.dockerignore",
    "example_app/compose*.yaml",
    "example_app/kubernetes/*.yaml",
    "noxfile.py",
    *(pattern for pattern in WHEEL if pattern.startswith("mtls_middleware/")),
    "pyproject.toml",
    "tests/**/*.py",
    "tests/README.md",
    "tests/benchmarks/express.js",
    "tests/mutants/results.json",
    "tests/vectors/README.md",
    "tests/vectors/cas/*.pem",
    "tests/vectors/crls/*",
    "tests/vectors/pki/*.pem",
    "tests/vectors/proxies/*.jsonl",
    "tests/vectors/xfcc/*.txt",
    "uv.lock",
)
"""Patterns of the files of the sdist, below its one folder."""
PRIVATE_KEY = b"PRIVATE KEY-----\nMI"
"""How the base64 of each unencrypted DER key goes on: a SEQUENCE. Words about keys do not."""


def main(folder: Path) -> int:
    """Return the exit status."""
    failures = list(examine(folder))
    for failure in failures:
        print(f"FAILED: {failure}")
    return 1 if failures else 0


def examine(folder: Path) -> Iterator[str]:
    """Yield what is wrong with the one wheel and the one sdist in a folder."""
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    in_wheel, in_sdist = files_of_wheel(wheel), files_of_sdist(sdist)
    print(f"{wheel.name}: {len(in_wheel)} files; {sdist.name}: {len(in_sdist)} files")
    yield from (f"{wheel.name}: {fault}" for fault in compare(in_wheel, WHEEL))
    yield from (f"{sdist.name}: {fault}" for fault in compare(in_sdist, SDIST))
    for name, content in (in_wheel | in_sdist).items():
        if PRIVATE_KEY in content:
            yield f"a private key: {name}"
    with TemporaryDirectory() as elsewhere:
        rebuild(sdist, Path(elsewhere))
        for one in (wheel, sdist):
            if digest(one) != digest(Path(elsewhere) / one.name):
                yield f"{one.name}: built again, it has other bytes"


def files_of_wheel(path: Path) -> dict[str, bytes]:
    """Return name and content of each file."""
    with ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def files_of_sdist(path: Path) -> dict[str, bytes]:
    """Return name and content of each file, the name without the folder that all of them are in."""
    found: dict[str, bytes] = {}
    with tarfile.open(path) as archive:
        for member in archive:
            content = archive.extractfile(member)
            if content is None:
                raise ValueError(f"not a file: {member.name}")
            top, _, name = member.name.partition("/")
            if f"{top}.tar.gz" != path.name:
                raise ValueError(f"outside of the folder of this version: {member.name}")
            found[name] = content.read()
    return found


def compare(files: Mapping[str, bytes], patterns: Iterable[str]) -> Iterator[str]:
    """Yield each file that no pattern expects, and each pattern without a file."""
    patterns = tuple(patterns)
    for name in files:
        if not any(matches(name, pattern) for pattern in patterns):
            yield f"does not belong there: {name}"
    for pattern in patterns:
        if not any(matches(name, pattern) for name in files):
            yield f"missing: {pattern}"


def matches(name: str, pattern: str) -> bool:
    """Tell whether a pattern means a file; `**` stands for any number of folders, also none."""
    head, deep, tail = pattern.partition("**/")
    if not deep:
        return name.count("/") == pattern.count("/") and PurePosixPath(name).match(pattern)
    return name.startswith(head) and PurePosixPath(name).match(tail)


def rebuild(sdist: Path, folder: Path) -> None:
    """Build both from what the sdist holds: in another folder, with another umask and another time of day."""
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    tree = folder / sdist.name.removesuffix(".tar.gz")
    for path in tree.rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(tree)]
    subprocess.run(command, check=True, capture_output=True, umask=0o077)  # noqa: S603 - our own command


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, nothing if there is none."""
    return sha256(path.read_bytes()).hexdigest() if path.exists() else ""


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
