"""``dev-ca``: what it writes, and what it never writes over."""

import shlex
import stat
import subprocess
from pathlib import Path

import pytest

from mtls_middleware import Accepted, Guard, Settings, regions
from mtls_middleware.cli.dev_ca import CALLERS, DevCaller, run_dev_ca
from mtls_middleware.errors import MTLSError
from tests.cli.test_main import run
from tests.core.requests import request


def made(tmp_path: Path, region: str = "us-east-1") -> Path:
    folder = tmp_path / "dev"
    assert run_dev_ca(folder, region=region, force=False) == 0
    return folder


def environ(folder: Path) -> dict[str, str]:
    lines = (folder / "dev.env").read_text(encoding="ascii").splitlines()
    return dict(line.split("=", 1) for line in lines if not line.startswith("#"))


@pytest.mark.parametrize("caller", CALLERS, ids=lambda caller: caller.name)
def test_each_caller_ends_as_the_readme_says(caller: DevCaller, tmp_path: Path) -> None:
    folder = made(tmp_path)
    guard = Guard.silent(Settings.from_env(environ(folder)))
    guard.refresh()
    pem = (folder / f"{caller.name}.pem").read_text(encoding="ascii")

    decision = guard.decide(request(tls={"client_cert_chain": [pem]}))
    guard.close()

    ending = "let in" if isinstance(decision, Accepted) else f"`{decision.reason}`"
    assert caller.ending == ending
    assert f"\n{caller.row}\n" in (folder / "README.md").read_text("utf-8")


@pytest.mark.parametrize("region", [region.aws_region for region in regions.table()])
def test_each_region_can_be_played(region: str, tmp_path: Path) -> None:
    assert Settings.from_env(environ(made(tmp_path, region))).regions == (region,)


def test_only_the_owner_reads_keys(tmp_path: Path) -> None:
    folder = made(tmp_path)

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.glob("*.key")} == {0o600}


def test_nothing_is_written_over(tmp_path: Path) -> None:
    folder = made(tmp_path)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    with pytest.raises(MTLSError, match=r"holds root\.pem, .*--force"):
        run_dev_ca(folder, region="us-east-1", force=False)

    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_by_force_everything_is_new(tmp_path: Path) -> None:
    folder = made(tmp_path)
    before = (folder / "root.pem").read_bytes()

    assert run_dev_ca(folder, region="us-east-1", force=True) == 0

    assert (folder / "root.pem").read_bytes() != before


def test_by_force_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    folder = made(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("precious", encoding="ascii")
    (folder / "good.key").unlink()
    (folder / "good.key").symlink_to(elsewhere)

    run_dev_ca(folder, region="us-east-1", force=True)

    assert elsewhere.read_text("ascii") == "precious"


def test_the_shell_reads_what_was_written(tmp_path: Path) -> None:
    folder = tmp_path / "a b"
    run_dev_ca(folder, region="eu-west-1", force=False)

    told = subprocess.run(
        ["/bin/sh", "-c", f". {shlex.quote(str(folder / 'dev.sh'))}; echo $MTLS_TRUST"],
        capture_output=True,
        text=True,
        check=True,
        timeout=10,
    )

    assert told.stdout == f"eu-west-1={folder / 'root.pem'}\n"


@pytest.mark.parametrize(
    ("folder", "region", "words"),
    [
        ("dev", "us-east-11", "did you mean us-east-1?"),
        ("dev", "nowhere at all", "is not a region"),
        ("a,b", "us-east-1", "cannot name a folder"),
        ("a\nb", "us-east-1", "cannot name a folder"),
        ("file/dev", "us-east-1", "Not a directory"),
    ],
)
def test_what_cannot_be_done_is_told(tmp_path: Path, folder: str, region: str, words: str) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(MTLSError) as raised:
        run_dev_ca(tmp_path / folder, region=region, force=False)

    assert words in str(raised.value)


def test_it_says_loudly_what_it_is_for(tmp_path: Path) -> None:
    ended = run("dev-ca", str(tmp_path / "dev"))

    assert ended.returncode == 0
    assert "FOR DEVELOPMENT ONLY" in ended.stderr
    assert "FOR DEVELOPMENT ONLY" in (tmp_path / "dev" / "README.md").read_text("utf-8")


def test_here_is_a_folder_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    run_dev_ca(Path(), region="us-east-1", force=False)

    assert "  . ./dev.sh\n" in capsys.readouterr().out


def test_paths_are_as_they_were_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder may be moved with what is around it, into a container too."""
    monkeypatch.chdir(tmp_path)
    run_dev_ca(Path("dev"), region="us-east-1", force=False)
    (tmp_path / "moved").mkdir()
    (tmp_path / "dev").rename(tmp_path / "moved" / "dev")
    monkeypatch.chdir(tmp_path / "moved")

    assert str(tmp_path) not in "".join(path.read_text("utf-8") for path in Path("dev").glob("[dR]*"))
    with Guard.silent(Settings.from_env(environ(Path("dev")))) as guard:
        assert guard.snapshot is not None


def test_git_commits_none_of_it(tmp_path: Path) -> None:
    folder = made(tmp_path)
    subprocess.run(["git", "init", "-q", tmp_path], check=True, timeout=30)

    done = subprocess.run(
        ["git", "-C", tmp_path, "status", "--porcelain", folder], check=True, capture_output=True, timeout=30
    )

    assert done.stdout == b""
