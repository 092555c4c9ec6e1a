"""Zips are unpacked in memory, within bounds, and never lead anywhere."""

import io
import stat
import struct
import zipfile
from collections.abc import Callable
from contextlib import suppress

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from mtls_middleware._io.files import InputError
from mtls_middleware._trust.files import archive
from mtls_middleware._trust.files.archive import ArchiveMember, is_zip, unpack
from tests.claims import raises_at_most

Zipped = Callable[..., bytes]


def test_files_in_folders_are_found(zipped: Zipped) -> None:
    data = zipped({"roots/": b"", "roots/a.pem": b"a", "roots/old/b.pem": b"b", "c.pem": b"c"})
    assert unpack(data) == (
        ArchiveMember(name="roots/a.pem", data=b"a"),
        ArchiveMember(name="roots/old/b.pem", data=b"b"),
        ArchiveMember(name="c.pem", data=b"c"),
    )


def test_backslashes_are_slashes_as_powershell_writes_them(zipped: Zipped) -> None:
    data = zipped({"roots\\": b"", "roots\\US-East-1\\a.pem": b"a", "roots\\.git\\b.pem": b"b"})
    assert unpack(data) == (ArchiveMember(name="roots/US-East-1/a.pem", data=b"a"),)


@pytest.mark.parametrize("name", ["__MACOSX/._a.pem", ".DS_Store", "roots/.DS_Store", "._a.pem", ".git/config"])
def test_debris_is_passed_over(name: str, zipped: Zipped) -> None:
    assert unpack(zipped({name: b"x", "a.pem": b"a"})) == (ArchiveMember(name="a.pem", data=b"a"),)


def test_two_entries_of_one_name_are_both_read() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        target.writestr("a.pem", b"first")
        with pytest.warns(UserWarning, match="Duplicate"):
            target.writestr("a.pem", b"second")
    assert [entry.data for entry in unpack(buffer.getvalue())] == [b"first", b"second"]


@pytest.mark.parametrize(
    "name",
    [
        "../a.pem",
        "roots/../../a.pem",
        "/etc/a.pem",
        "..\\a.pem",
        "roots\\..\\..\\a.pem",
        "\\a.pem",
        "c:\\a.pem",
        "C:/a.pem",
        "c:a.pem",
        "__MACOSX/../a.pem",
        "..",
    ],
)
def test_a_name_that_leads_outside_is_refused(name: str, zipped: Zipped) -> None:
    with pytest.raises(InputError, match="leads outside"):
        unpack(zipped({"a.pem": b"a", name: b"x"}))


def test_a_name_is_shown_without_its_control_characters(zipped: Zipped) -> None:
    with pytest.raises(InputError) as raised:
        unpack(zipped({"../\x1b[2J\u202e\n" + "x" * 1000: b"x"}))
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 400


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_links_and_devices_are_refused(kind: int, zipped: Zipped) -> None:
    info = zipfile.ZipInfo("a.pem")
    info.external_attr = (kind | 0o777) << 16
    with pytest.raises(InputError, match="a link or a device"):
        unpack(zipped({info: b"/etc/ssl/certs/ca.pem"}))


@pytest.mark.parametrize("flag", [0x1, 0x40, 0x2000], ids=["encrypted", "strong", "masked"])
def test_encrypted_entries_are_refused(flag: int, zipped: Zipped) -> None:
    data = bytearray(zipped({"a.pem": b"a"}))
    _patch_central_directory(data, 8, struct.pack("<H", flag))
    with pytest.raises(InputError, match="encrypted"):
        unpack(bytes(data))


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_unusual_compression_is_refused(method: int) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as target:
        target.writestr("a.pem", b"a" * 100)
    with pytest.raises(InputError, match="unusual"):
        unpack(buffer.getvalue())


def test_too_many_entries_are_refused(zipped: Zipped) -> None:
    with pytest.raises(InputError, match="257 entries; at most 256"):
        unpack(zipped({f"{number}.pem": b"" for number in range(archive.ENTRIES + 1)}))


def test_an_entry_that_is_too_large_is_refused(noise: bytes, zipped: Zipped) -> None:
    assert len(noise) > archive.ENTRY_BYTES
    (member,) = unpack(zipped({"a.pem": noise}))
    assert (member.data, member.problem) == (b"", "is larger than 262,144 bytes")


def test_entries_that_are_too_large_together_are_refused(noise: bytes, zipped: Zipped) -> None:
    count = archive.TOTAL_BYTES // archive.ENTRY_BYTES + 1
    with pytest.raises(InputError, match="more than 2,097,152 bytes"):
        unpack(zipped({f"{number}.pem": noise[: archive.ENTRY_BYTES] for number in range(count)}))


def test_a_bomb_is_refused(zipped: Zipped) -> None:
    (member,) = unpack(zipped({"a.pem": b"\0" * archive.ENTRY_BYTES}))
    assert (member.data, member.problem) == (b"", "inflates more than 100 times: it is no certificate")


@pytest.mark.parametrize("claimed", [0, 10, 2**32 - 2])
def test_a_lie_about_the_size_does_not_help_a_bomb(claimed: int, zipped: Zipped) -> None:
    data = bytearray(zipped({"a.pem": b"\0" * (64 * archive.ENTRY_BYTES)}))
    _patch_central_directory(data, 24, struct.pack("<I", claimed))
    with suppress(InputError):
        assert [member.data for member in unpack(bytes(data))] == [b""]


@pytest.mark.parametrize("cut", [5, 30, 60, -1, -10, -30])
def test_a_cut_off_zip_is_refused(cut: int, zipped: Zipped) -> None:
    with pytest.raises(InputError, match="not a readable zip"):
        unpack(zipped({"a.pem": b"a"})[:cut])


def test_a_wrong_checksum_is_refused(zipped: Zipped) -> None:
    data = bytearray(zipped({"a.pem": b"certificate"}))
    _patch_central_directory(data, 16, b"\1\2\3\4")
    with pytest.raises(InputError, match="not a readable zip"):
        unpack(bytes(data))


def test_an_empty_zip_is_refused(zipped: Zipped) -> None:
    assert is_zip(zipped({}))
    with pytest.raises(InputError, match="empty zip"):
        unpack(zipped({}))


@given(data=st.data())
def test_a_mutated_zip_gives_entries_or_unusable(data: st.DataObject, sample: bytes) -> None:
    content = bytearray(sample)
    for _ in range(data.draw(st.integers(1, 4))):
        offset = data.draw(st.integers(4, len(content)))
        content[offset : offset + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    try:
        entries = unpack(bytes(content))
    except InputError:
        return
    assert sum(len(entry.data) for entry in entries) <= archive.TOTAL_BYTES


@given(offset=st.integers(0, 45), value=st.integers(0, 255), second=st.booleans())
def test_each_byte_of_a_directory_may_lie(offset: int, value: int, second: bool, zipped: Zipped) -> None:
    content = bytearray(zipped({"a.pem": b"a" * 99, "b.pem": b"b"}))
    start = content.index(b"PK\1\2")
    start = content.index(b"PK\1\2", start + 4) if second else start
    content[start + offset] = value
    raises_at_most(InputError, lambda: unpack(bytes(content)))


@pytest.fixture(scope="module")
def sample(certify: Callable[..., x509.Certificate], pem: Callable[..., bytes], zipped: Zipped) -> bytes:
    return zipped({"roots/": b"", "roots/a.pem": pem(certify()), "README": b"read me"})


@pytest.fixture(scope="module")
def noise() -> bytes:
    """Make bytes that hardly shrink."""
    return b"".join(struct.pack("<I", number * 2654435761 % 2**32) for number in range(archive.ENTRY_BYTES // 4 + 1))


def _patch_central_directory(data: bytearray, offset: int, value: bytes) -> None:
    offset = data.index(b"PK\1\2") + offset
    data[offset : offset + len(value)] = value
