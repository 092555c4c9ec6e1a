"""What the wheel and the sdist hold, and that the gate would notice anything else."""

import io
import tarfile
from pathlib import Path

import pytest

from tests.packaging.conftest import Script

KEY = b"-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMG"


def test_the_wheel_holds_what_is_listed(script: Script, wheel: Path) -> None:
    contents = script("contents")

    assert list(contents.compare(contents.files_of_wheel(wheel), contents.WHEEL)) == []


def test_the_sdist_holds_what_is_listed(script: Script, sdist: Path) -> None:
    contents = script("contents")

    assert list(contents.compare(contents.files_of_sdist(sdist), contents.SDIST)) == []


def test_no_private_key_is_published(script: Script, sdist: Path) -> None:
    contents = script("contents")

    assert [name for name, content in contents.files_of_sdist(sdist).items() if contents.PRIVATE_KEY in content] == []


def test_a_private_key_would_be_found(script: Script) -> None:
    assert script("contents").PRIVATE_KEY in KEY


def test_the_sdist_builds_the_same_wheel(wheel: Path, wheel_of_sdist: Path) -> None:
    assert wheel_of_sdist.read_bytes() == wheel.read_bytes()


@pytest.mark.parametrize(
    ("files", "faults"),
    [
        pytest.param(["a/one.py", "LICENSE"], [], id="as listed"),
        pytest.param(["a/one.py", "LICENSE", "a/b/two.py"], [], id="deeper"),
        pytest.param(["a/one.py", "LICENSE", "b/two.py"], ["does not belong there: b/two.py"], id="another folder"),
        pytest.param(["a/one.py", "LICENSE", "a/key.pem"], ["does not belong there: a/key.pem"], id="another kind"),
        pytest.param(
            ["a/one.py", "LICENSE", "a/LICENSE"], ["does not belong there: a/LICENSE"], id="the name in another place"
        ),
        pytest.param(["a/one.py"], ["missing: LICENSE"], id="one is missing"),
    ],
)
def test_whatever_is_not_listed_is_found(script: Script, files: list[str], faults: list[str]) -> None:
    contents = script("contents")

    assert list(contents.compare(dict.fromkeys(files, b""), ["a/**/*.py", "LICENSE"])) == faults


def member(name: str, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type = kind
    return made


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(member("elsewhere/one.py"), id="another folder"),
        pytest.param(member("one.py"), id="no folder"),
        pytest.param(member("a-1.0/empty", tarfile.DIRTYPE), id="a folder of its own"),
    ],
)
def test_whatever_is_not_a_file_of_this_version_is_found(
    script: Script, tmp_path: Path, wrong: tarfile.TarInfo
) -> None:
    with tarfile.open(tmp_path / "a-1.0.tar.gz", "w:gz") as archive:
        archive.addfile(member("a-1.0/good.py"), io.BytesIO())
        archive.addfile(wrong, io.BytesIO())

    with pytest.raises(ValueError, match=wrong.name):
        script("contents").files_of_sdist(tmp_path / "a-1.0.tar.gz")
