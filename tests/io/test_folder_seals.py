"""With a secret of the state, everything in the folder has an HMAC: nothing there can be put by somebody else."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mtls_middleware._io.folder import FolderStore
from mtls_middleware._io.store import Kind

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
OLD, NEW, OTHER = b"the-old-secret-0123", b"the-new-secret-0123", b"another-secret-0123"
SHARED = [kind for kind in Kind if kind is not Kind.TALLY]
"""Kinds whose entries decide what is asked."""


def store(folder: Path, *keys: bytes, seals_all: bool = True) -> FolderStore:
    return FolderStore(folder / "state", purpose="us-east-1", keys=keys, seals_all=seals_all)


def keys_in(found: FolderStore, kind: Kind) -> list[str]:
    return [entry.key for entry in found.entries(kind) if entry.read() == b"content"]


def file_of(folder: Path) -> Path:
    (found,) = (folder / "state").rglob("*.entry")
    return found


def edit(file: Path, **changed: object) -> None:
    """Change the line of an entry; None removes a fact."""
    line, _, content = file.read_bytes().partition(b"\n")
    payload = {name: value for name, value in {**json.loads(line), **changed}.items() if value is not None}
    file.write_bytes(json.dumps(payload).encode() + b"\n" + content)


@pytest.mark.parametrize("kind", SHARED, ids=str)
@pytest.mark.parametrize(
    ("keys", "is_believed"),
    [((NEW,), True), ((OTHER, NEW), True), ((NEW, OTHER), True), ((OTHER,), False)],
    ids=["the same", "being rotated", "to be rotated", "another"],
)
def test_an_entry_of_any_kind_is_believed_by_its_hmac(
    tmp_path: Path, kind: Kind, keys: tuple[bytes, ...], is_believed: bool
) -> None:
    store(tmp_path, NEW).put(kind, "key", b"content", NOW)
    found = store(tmp_path, *keys)

    assert keys_in(found, kind) == (["key"] if is_believed else [])
    assert ("was written with another secret" in "".join(found.problems)) is not is_believed


@pytest.mark.parametrize("kind", SHARED, ids=str)
@pytest.mark.parametrize(
    "changed",
    [
        {"at": (NOW + timedelta(days=1)).isoformat()},
        {"key": "another"},
        {"sha256": "00" * 32},
        {"hmac": "00" * 32},
        {"hmac": 5},
        {"hmac": "\ud800"},
        {"hmac": ""},
        {"version": 2},
    ],
    ids=lambda changed: "-".join(changed) + f"-{str(next(iter(changed.values())))!a:.9}",
)
def test_nothing_in_its_line_can_be_changed(tmp_path: Path, kind: Kind, changed: dict[str, object]) -> None:
    store(tmp_path, NEW).put(kind, "key", b"content", NOW)
    edit(file_of(tmp_path), **changed)
    found = store(tmp_path, NEW)

    assert list(found.entries(kind)) == []
    assert found.problems


def test_an_entry_cannot_be_moved_to_another_kind(tmp_path: Path) -> None:
    store(tmp_path, NEW).put(Kind.ATTEMPT, "key", b"content", NOW)
    file = file_of(tmp_path)
    edit(file, kind="crl")
    other = file.parents[1] / "crl"
    other.mkdir(mode=0o700)
    file.rename(other / file.name)

    assert list(store(tmp_path, NEW).entries(Kind.CRL)) == []


@pytest.mark.parametrize("kind", [kind for kind in SHARED if kind is not Kind.API], ids=str)
def test_what_an_earlier_release_wrote_without_hmac_is_passed_over_in_silence(tmp_path: Path, kind: Kind) -> None:
    store(tmp_path, NEW, seals_all=False).put(kind, "key", b"content", NOW)
    found = store(tmp_path, NEW)
    before = list(found.entries(kind))
    found.put(kind, "key", b"content", NOW)

    assert (before, keys_in(found, kind), found.problems) == ([], ["key"], ())


def test_an_earlier_release_reads_what_has_an_hmac(tmp_path: Path) -> None:
    store(tmp_path, NEW).put(Kind.CRL, "key", b"content", NOW)

    assert keys_in(store(tmp_path, NEW, seals_all=False), Kind.CRL) == ["key"]


@pytest.mark.parametrize("kind", SHARED, ids=str)
def test_after_a_rotation_in_two_steps_everything_is_still_there(tmp_path: Path, kind: Kind) -> None:
    store(tmp_path, OLD).put(kind, "key", b"content", NOW)
    both = store(tmp_path, NEW, OLD)
    with both.refreshing():
        assert keys_in(both, kind) == ["key"]
    last = store(tmp_path, NEW)
    (entry,) = last.entries(kind)

    assert (keys_in(last, kind), entry.at, last.problems) == (["key"], NOW, ())


def test_who_only_looks_writes_nothing(tmp_path: Path) -> None:
    store(tmp_path, OLD).put(Kind.CRL, "key", b"content", NOW)
    before = file_of(tmp_path).read_bytes()
    list(store(tmp_path, NEW, OLD).entries(Kind.CRL))

    assert file_of(tmp_path).read_bytes() == before


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100, deadline=None)
def test_no_byte_of_a_line_can_be_changed(tmp_path: Path, data: st.DataObject) -> None:
    store(tmp_path, NEW).put(Kind.CRL, "key", b"content", NOW)
    file = file_of(tmp_path)
    whole = bytearray(file.read_bytes())
    whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    file.write_bytes(whole)

    for entry in store(tmp_path, NEW).entries(Kind.CRL):
        assert (entry.key, entry.at) == ("key", NOW)
