"""Write the bill of materials of a release: CycloneDX 1.5, the core and all that it brings, from uv.lock."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from email.parser import BytesHeaderParser
from hashlib import sha256
from importlib.metadata import distributions
from os import environ
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5
from zipfile import ZipFile

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.markers import Marker
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
MARKER = "uv:package:marker"
"""The property in which uv says where a component is needed at all."""


def main(folder: Path, target: Path, environment: Path | None = None) -> int:
    """Return the exit status.

    Args:
        folder: holds the one wheel.
        target: what is written.
        environment: site-packages where the wheel alone was installed, to compare with.
    """
    (wheel,) = folder.glob("*.whl")
    bill = complete(exported(), wheel)
    text = json.dumps(bill, indent=2) + "\n"
    fault = JsonStrictValidator(SchemaVersion.V1_5).validate_str(text)
    if fault is not None:
        print(f"FAILED: not CycloneDX 1.5: {fault}")
        return 1
    target.write_text(text, encoding="utf-8")
    print(f"{target.name}: {len(bill['components'])} components")
    failures = [] if environment is None else list(compare(bill, environment))
    for failure in failures:
        print(f"FAILED: {failure}")
    return 1 if failures else 0


def exported() -> dict[str, Any]:
    """Return what uv says of the lock file, without groups and extras."""
    command = [sys.executable, "-m", "uv", "export", "--frozen", "--no-default-groups", "--quiet"]
    command += ["--format", "cyclonedx1.5", "--preview-features", "sbom-export"]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)  # noqa: S603 - our own command
    bill: dict[str, Any] = json.loads(done.stdout)
    return bill


def complete(bill: dict[str, Any], wheel: Path) -> dict[str, Any]:
    """Say which release it is about, and make it the same whenever it is made from the same files."""
    content = wheel.read_bytes()
    with ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        about = BytesHeaderParser().parsebytes(archive.read(name))
    component = bill["metadata"]["component"]
    component |= {
        "version": about["Version"],
        "description": about["Summary"],
        "licenses": [{"expression": about["License-Expression"]}],
        "purl": f"pkg:pypi/{about['Name']}@{about['Version']}",
        "hashes": [{"alg": "SHA-256", "content": sha256(content).hexdigest()}],
    }
    if "SOURCE_DATE_EPOCH" in environ:
        bill["metadata"]["timestamp"] = f"{datetime.fromtimestamp(int(environ['SOURCE_DATE_EPOCH']), UTC):%FT%TZ}"
    bill["serialNumber"] = uuid5(NAMESPACE_URL, f"{component['purl']}#{sha256(content).hexdigest()}").urn
    return bill


def compare(bill: dict[str, Any], environment: Path) -> Iterator[str]:
    """Yield each difference from what the wheel alone really brought here."""
    named = {canonicalize_name(component["name"]) for component in bill["components"] if needed_here(component)}
    brought = {canonicalize_name(one.name) for one in distributions(path=[str(environment)])}
    brought.remove(canonicalize_name(bill["metadata"]["component"]["name"]))
    yield from (f"installed, but not in the bill: {name}" for name in sorted(brought - named))
    yield from (f"in the bill, but not installed: {name}" for name in sorted(named - brought))


def needed_here(component: dict[str, Any]) -> bool:
    """Tell whether this Python on this system needs it."""
    markers = [one["value"] for one in component.get("properties", ()) if one["name"] == MARKER]
    return all(Marker(marker).evaluate() for marker in markers)


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
