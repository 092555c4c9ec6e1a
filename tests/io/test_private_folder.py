"""The state on a mount point that others may write to: in a folder of ours, whatever others put in its place.

With real users: each store lives in a child process that became somebody else.
"""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory

import pytest

from mtls_middleware._io import folder as folders
from mtls_middleware._io.folder import FolderStore
from mtls_middleware._io.folder_lock import Taken
from mtls_middleware._io.private_folder import write_file
from mtls_middleware._io.store import Kind

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may become other users"),
]

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
KEY = "http://crl.example/a.crl"
US, MALLORY, GROUP = 54_321, 54_322, 54_400

MOUNTS = {
    "empty-dir": (0, 0, 0o777, (US, US, [])),
    "empty-dir-of-root": (0, 0, 0o777, (0, 0, [])),
    "like-tmp": (0, 0, 0o1777, (US, US, [])),
    "fs-group": (0, GROUP, 0o2775, (US, US, [GROUP])),
    "openshift": (0, 0, 0o775, (1_000_680_000, 0, [])),
    "group-of-ours": (US, GROUP, 0o770, (US, US, [GROUP])),
    "everybody-may-write-to-ours": (US, US, 0o777, (US, US, [])),
}
"""Owner, group and mode of the mount point; user, group and other groups of the process."""

Who = tuple[int, int, list[int]]


def run_as(who: Who, act: Callable[[], object]) -> str:
    """Return what somebody else gets."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            user, group, groups = who
            os.setgroups(groups)
            os.setgid(group)
            os.setuid(user)
            os.write(writing, repr(act()).encode())
        except BaseException as error:  # noqa: BLE001 - the parent shows it
            os.write(writing, repr(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        told = answer.read().decode()
    os.waitpid(child, 0)
    return told


def keep(root: Path, content: bytes = b"a CRL") -> tuple[list[bytes], tuple[str, ...]]:
    """Put an entry, take the lock and read what there is, as the workers of an application do."""
    store = FolderStore(root, purpose="us-east-1")
    with store.refreshing() as is_mine:
        store.put(Kind.CRL, KEY, content, NOW)
    assert is_mine
    lock = store.lock("process-00")
    with suppress(Exception):
        assert lock.take() is Taken.OURS
        assert FolderStore(root, purpose="us-east-1").locked_since("process-00") is not None
    lock.release()
    assert store.view() == FolderStore(root, purpose="us-east-1").view()
    return [entry.read() for entry in store.entries(Kind.CRL)], store.problems


def read(root: Path) -> tuple[list[bytes], tuple[str, ...]]:
    store = FolderStore(root, purpose="us-east-1")
    return [entry.read() for entry in store.entries(Kind.CRL)], store.problems


def own(root: Path, user: int = US) -> Path:
    return root / f"mtls-middleware-{user}"


@pytest.fixture
def mount() -> Iterator[Path]:
    """Make an emptyDir that everybody can reach, which pytest's own folders are not."""
    with TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        root = Path(name) / "state"
        root.mkdir()
        root.chmod(0o777)
        yield root


def us(act: Callable[[], object]) -> str:
    return run_as((US, US, []), act)


@pytest.mark.parametrize("kind", MOUNTS)
def test_a_folder_of_ours_is_made_and_used(mount: Path, kind: str) -> None:
    user, group, mode, who = MOUNTS[kind]
    os.chown(mount, user, group)
    mount.chmod(mode)

    assert run_as(who, lambda: keep(mount)) == repr(([b"a CRL"], ()))
    assert run_as(who, lambda: read(mount)) == repr(([b"a CRL"], ()))
    assert [path.name for path in mount.iterdir()] == [f"mtls-middleware-{who[0]}"]
    for path in (own(mount, who[0]), *own(mount, who[0]).rglob("*")):
        state = path.stat()
        assert (state.st_uid, stat.S_IMODE(state.st_mode) & 0o777) == (who[0], 0o700 if path.is_dir() else 0o600)


def test_two_users_share_a_mount_and_nothing_in_it(mount: Path) -> None:
    us(lambda: keep(mount, b"ours"))
    other = run_as((MALLORY, MALLORY, []), lambda: keep(mount, b"theirs"))

    assert other == repr(([b"theirs"], ()))
    assert us(lambda: read(mount)) == repr(([b"ours"], ()))


def test_what_kubernetes_gave_to_the_group_is_taken_back_and_read(mount: Path) -> None:
    us(lambda: keep(mount))
    for path in (own(mount), *own(mount).rglob("*")):  # as the kubelet does for fsGroup, at each mount
        os.chown(path, US, GROUP)
        path.chmod(0o2770 if path.is_dir() else 0o660)

    assert us(lambda: read(mount)) == repr(([b"a CRL"], ()))
    assert us(lambda: keep(mount, b"new")) == repr(([b"new"], ()))
    assert stat.S_IMODE(own(mount).stat().st_mode) & 0o077 == 0


def test_a_mount_into_which_the_user_may_not_write_is_told(mount: Path) -> None:
    mount.chmod(0o755)
    told = us(lambda: keep(mount))

    assert "[]" in told
    assert "belongs to another user" in told


def copy(source: Path, target: Path, user: int) -> None:
    """Copy a tree, and give it away."""
    copytree(source, target, dirs_exist_ok=True)
    for path in (target, *target.rglob("*")):
        os.chown(path, user, user)


ATTACKS: dict[str, Callable[[Path, Path], object]] = {
    "folder": lambda place, _: place.mkdir(),
    "open-folder": lambda place, _: place.mkdir(0o777),
    "file": lambda place, _: place.write_bytes(b""),
    "fifo": lambda place, _: os.mkfifo(place),
    "link-to-a-folder-of-theirs": lambda place, victim: place.symlink_to(victim.with_name("theirs")),
    "link-to-a-folder-of-ours": lambda place, victim: place.symlink_to(victim),
    "link-to-nowhere": lambda place, _: place.symlink_to("/nowhere"),
    "link-to-itself": lambda place, _: place.symlink_to(place),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_somebody_else_put_in_its_place_is_not_believed(mount: Path, attack: str) -> None:
    """Each would hold a whole and right entry, if it were followed."""
    victim, theirs = mount.with_name("victim"), mount.with_name("theirs")
    victim.mkdir()
    os.chown(victim, US, US)
    us(lambda: keep(victim, b"Mallory's"))
    copy(victim, theirs, MALLORY)
    before = sorted(path.name for path in victim.rglob("*"))
    run_as((MALLORY, MALLORY, []), lambda: ATTACKS[attack](own(mount), victim))
    if "folder" in attack and not own(mount).is_symlink():
        copy(theirs, own(mount), MALLORY)
    told = us(lambda: keep(mount, b"new"))

    assert told.startswith("([], ('state in "), told
    assert sorted(path.name for path in victim.rglob("*")) == before


@pytest.mark.parametrize("before", ["write", "list"])
def test_a_folder_that_is_swapped_meanwhile_changes_nothing_elsewhere(
    mount: Path, before: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim = mount.with_name("victim")
    us(lambda: keep(mount, b"old"))
    hidden = mount / "hidden"
    copy(own(mount), victim, US)
    was = {path: path.read_bytes() for path in victim.rglob("*") if path.is_file()}

    def swap() -> None:
        own(mount).rename(hidden)
        own(mount).symlink_to(victim)

    def written_after_the_swap(folder: int, name: str, content: bytes) -> None:
        if content.endswith(b"new"):  # guards that other tests left go on in the child, and write into their own
            swap()
        write_file(folder, name, content)

    def pruned_after_the_swap(folder: int, now: float) -> None:
        swap()
        prune(folder, now + 1e9)

    prune = folders._prune
    if before == "write":
        monkeypatch.setattr(folders, "write_file", written_after_the_swap)
    else:
        monkeypatch.setattr(folders, "_prune", pruned_after_the_swap)
    assert us(lambda: FolderStore(mount, purpose="us-east-1").put(Kind.CRL, KEY, b"new", NOW)) == "None"

    assert own(mount).is_symlink()
    assert {path: path.read_bytes() for path in victim.rglob("*") if path.is_file()} == was
    assert (b"new" in b"".join(path.read_bytes() for path in hidden.rglob("*.entry"))) == (before == "write")
