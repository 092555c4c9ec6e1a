"""Files are opened without being held up, read within bounds, and watched for changes."""

import os
import socket
from pathlib import Path

import pytest

from mtls_middleware._io.files import FILE_BYTES, FOLDER_FILES, InputError, is_folder, list_folder, read, view


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.pem"
    path.write_bytes(b"x" * FILE_BYTES)
    assert read(path) == b"x" * FILE_BYTES


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "a.pem").write_bytes(b"a")
    (tmp_path / "b.pem").symlink_to("a.pem")
    assert read(tmp_path / "b.pem") == b"a"


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pem"
    path.write_bytes(b"x" * (FILE_BYTES + 1))
    with pytest.raises(InputError, match="larger than 1,048,576 bytes"):
        read(path)


def test_a_missing_file_is_named_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read(tmp_path / "a.pem")


def test_a_broken_link_is_named_missing(tmp_path: Path) -> None:
    (tmp_path / "a.pem").symlink_to("nowhere")
    with pytest.raises(InputError, match="does not exist"):
        read(tmp_path / "a.pem")


def test_a_loop_of_links_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "a.pem").symlink_to("a.pem")
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path / "a.pem")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "a.pem"
    path.write_bytes(b"a")
    path.chmod(0)
    with pytest.raises(InputError, match="permission denied"):
        read(path)


@pytest.mark.timeout(60)
def test_a_fifo_without_a_writer_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.pem")
    with pytest.raises(InputError, match="not a regular file"):
        read(tmp_path / "a.pem")


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null"])
def test_a_device_is_refused(device: str) -> None:
    with pytest.raises(InputError, match="not a regular file"):
        read(Path(device))


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a regular file"):
        read(tmp_path)


def test_a_socket_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("a.pem")
        with pytest.raises(InputError, match="cannot be read"):
            read(tmp_path / "a.pem")


def test_a_path_with_a_nul_is_unreadable() -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read(Path("a\0b"))
    assert not is_folder(Path("a\0b"))


def test_a_folder_is_listed_in_order_without_dot_names_and_folders(tmp_path: Path) -> None:
    for name in ("b.pem", "a.pem", ".hidden", "..data"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "sub").mkdir()
    (tmp_path / "link").symlink_to("sub")
    assert list_folder(tmp_path) == (tmp_path / "a.pem", tmp_path / "b.pem")


def test_a_kubernetes_mount_shows_each_file_once(tmp_path: Path) -> None:
    mount(tmp_path, "..2026_11_23", {"us-east-1.pem": b"a", "eu-west-1.pem": b"b"})
    assert [path.name for path in list_folder(tmp_path)] == ["eu-west-1.pem", "us-east-1.pem"]


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a folder without files"):
        list_folder(tmp_path)


def test_a_folder_that_is_too_full_is_refused(tmp_path: Path) -> None:
    for number in range(FOLDER_FILES + 1):
        (tmp_path / f"{number}.pem").touch()
    with pytest.raises(InputError, match="more than 1,000 files"):
        list_folder(tmp_path)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        list_folder(tmp_path / "a")


class TestView:
    """The view changes exactly where a file did."""

    def test_it_stays_while_nothing_changes(self, tmp_path: Path) -> None:
        (tmp_path / "a.pem").write_bytes(b"a")
        paths = [tmp_path, tmp_path / "a.pem", tmp_path / "missing"]
        assert view(paths) == view(paths)
        assert hash(view(paths)) == hash(view(paths))

    def test_a_file_that_comes_is_seen(self, tmp_path: Path) -> None:
        before = view([tmp_path / "a.pem"])
        (tmp_path / "a.pem").write_bytes(b"a")
        assert view([tmp_path / "a.pem"]) != before

    def test_a_file_that_goes_is_seen(self, tmp_path: Path) -> None:
        (tmp_path / "a.pem").write_bytes(b"a")
        before = view([tmp_path / "a.pem"])
        (tmp_path / "a.pem").unlink()
        assert view([tmp_path / "a.pem"]) != before

    def test_a_file_that_is_replaced_by_its_like_is_seen(self, tmp_path: Path) -> None:
        path, other = tmp_path / "a.pem", tmp_path / "b.pem"
        path.write_bytes(b"a")
        other.write_bytes(b"b")
        os.utime(path, ns=(1, 1))
        os.utime(other, ns=(1, 1))
        before = view([path])
        other.replace(path)
        assert view([path]) != before

    def test_a_file_rewritten_in_place_is_seen(self, tmp_path: Path) -> None:
        path = tmp_path / "a.pem"
        path.write_bytes(b"a")
        os.utime(path, ns=(1, 1))
        before = view([path])
        path.write_bytes(b"b")
        assert view([path]) != before

    def test_a_file_in_a_folder_is_seen(self, tmp_path: Path) -> None:
        before = view([tmp_path])
        (tmp_path / "a.pem").write_bytes(b"a")
        assert view([tmp_path]) != before

    @pytest.mark.parametrize("name", ["", "ca.pem"], ids=["folder", "file"])
    def test_the_swap_of_a_kubernetes_mount_is_seen(self, name: str, tmp_path: Path) -> None:
        mount(tmp_path, "..1", {"ca.pem": b"a"})
        before = view([tmp_path / name])
        mount(tmp_path, "..2", {"ca.pem": b"b"})
        assert view([tmp_path / name]) != before

    @pytest.mark.parametrize(
        "path", [Path("a\0b"), Path("x" * 5000), Path("/dev/null/a")], ids=["nul", "long", "under-a-file"]
    )
    def test_an_impossible_path_is_part_of_it(self, path: Path) -> None:
        assert view([path]) == ((str(path),),)


def mount(folder: Path, version: str, files: dict[str, bytes]) -> None:
    """Do as the kubelet does: write a dated folder, then swap the link ``..data`` to it at once."""
    (folder / version).mkdir()
    for name, content in files.items():
        (folder / version / name).write_bytes(content)
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")
    (folder / "..data_tmp").symlink_to(version)
    (folder / "..data_tmp").replace(folder / "..data")
