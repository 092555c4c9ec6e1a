"""What the index and installers are told."""

import re
from configparser import ConfigParser
from email.message import Message
from email.parser import BytesHeaderParser
from pathlib import Path
from zipfile import ZipFile

import pytest

from mtls_middleware import __version__
from tests.packaging.conftest import ROOT

EXTRAS = {"cli", "serve", "demo", "fastapi", "testing", "status", "otel", "redis", "all"}
CORE = {"asgiref", "cryptography", "httpcore2", "platformdirs", "starlette", "truststore"}


def of_wheel(wheel: Path, name: str) -> bytes:
    with ZipFile(wheel) as archive:
        return archive.read(f"mtls_middleware-{__version__}.dist-info/{name}")


@pytest.fixture
def metadata(wheel: Path) -> Message:
    return BytesHeaderParser().parsebytes(of_wheel(wheel, "METADATA"))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("Name", "mtls-middleware"),
        ("Version", __version__),
        ("Requires-Python", ">=3.11"),
        ("License-Expression", "Apache-2.0"),
        ("License-File", "LICENSE"),
        ("Description-Content-Type", "text/markdown"),
    ],
)
def test_each_field_says_what_is_promised(metadata: Message, field: str, value: str) -> None:
    assert metadata[field] == value


@pytest.mark.parametrize("field", ["Summary", "Author", "Keywords"])
def test_the_index_has_something_to_show(metadata: Message, field: str) -> None:
    assert metadata[field]


def test_it_is_said_to_be_typed(metadata: Message) -> None:
    assert "Typing :: Typed" in metadata.get_all("Classifier", [])


def test_the_extras_are_those_that_are_promised(metadata: Message) -> None:
    assert set(metadata.get_all("Provides-Extra", [])) == EXTRAS


def requirements(metadata: Message, extra: str | None) -> set[str]:
    """Return what an extra, or the core, asks for, without its marker."""
    asked = [one.partition(";") for one in metadata.get_all("Requires-Dist", [])]
    wanted = "" if extra is None else f"extra == '{extra}'"
    return {name for name, _, marker in asked if (marker.strip().endswith(wanted) if wanted else not marker)}


def test_the_core_asks_for_little(metadata: Message) -> None:
    assert {name.partition(">=")[0] for name in requirements(metadata, None)} == CORE


def test_every_requirement_has_a_floor_and_no_ceiling(metadata: Message) -> None:
    asked = {name.partition(";")[0] for name in metadata.get_all("Requires-Dist", [])}

    assert [one for one in asked if ">=" not in one or "<" in one or "," in one] == []


def test_all_is_all_of_them(metadata: Message) -> None:
    others = EXTRAS - {"all"}

    assert requirements(metadata, "all") == {one for extra in others for one in requirements(metadata, extra)}


def test_the_entry_points_are_the_program_and_the_plugin(wheel: Path) -> None:
    found = ConfigParser()
    found.read_string(of_wheel(wheel, "entry_points.txt").decode())

    assert {section: dict(found[section]) for section in found.sections()} == {
        "console_scripts": {"mtls-middleware": "mtls_middleware.__main__:main"},
        "pytest11": {"mtls_middleware": "mtls_middleware.testing.plugin"},
    }


def test_no_link_of_the_description_needs_a_file_beside_it(wheel: Path) -> None:
    """The page of an index shows the text alone."""
    _, _, description = of_wheel(wheel, "METADATA").decode().partition("\n\n")

    assert re.findall(r"\]\((?!https?://|#)[^)]*\)", description) == []
    assert "](https://github.com/mtls-middleware/mtls-middleware/blob/v" in description


@pytest.mark.parametrize("name", ["Documentation", "Source", "Changelog", "Issues", "Security"])
def test_the_index_links_to_the_project(metadata: Message, name: str) -> None:
    labels = [line.partition(", ")[0] for line in metadata.get_all("Project-URL", [])]

    assert name in labels


READABLE = {"v1.14.2": "2.5"}
"""The newest Metadata-Version that each version of the action that uploads can read: see the notes of its releases."""


def test_the_action_that_uploads_can_read_the_metadata(metadata: Message) -> None:
    workflow = (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
    (version,) = re.findall(r"gh-action-pypi-publish@[0-9a-f]{40} # (v[\d.]+)", workflow)

    assert metadata["Metadata-Version"] <= READABLE[version]
