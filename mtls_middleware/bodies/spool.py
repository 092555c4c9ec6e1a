"""A body that is kept until its length is known: in memory, a longer one on disk, or in memory where that is full."""

from contextlib import suppress
from io import BufferedReader, BytesIO, FileIO
from tempfile import TemporaryFile
from typing import IO

SPOOL_BYTES = 1_048_576
"""That are kept in memory; a longer body is kept in a temporary file."""


def extended(body: IO[bytes], piece: bytes) -> IO[bytes]:
    """Return a body with a piece more, in a file from `SPOOL_BYTES` on, or in memory where there is no room for it."""
    # Not a SpooledTemporaryFile: it fails without a disk, and test clients that close no answers would be warned.
    before = body.tell()
    if isinstance(body, BytesIO) and before <= SPOOL_BYTES < before + len(piece):
        with suppress(OSError):  # a container whose root may only be read, or a full disk
            body = _on_disk(body.getvalue())
    try:
        _write(body, piece)
    except OSError:  # the disk is full now, or a quota or limit is reached
        return _in_memory(body, before, piece)
    return body


def readable(body: IO[bytes]) -> IO[bytes]:
    """Return a body at its beginning."""
    body.seek(0)
    # A file without a buffer reads lines byte by byte.
    return BufferedReader(body) if isinstance(body, FileIO) else body


def forget(body: IO[bytes]) -> None:
    """Close a body; what its disk has to say is of no importance any more."""
    with suppress(OSError):
        body.close()


def _on_disk(content: bytes) -> IO[bytes]:
    # Without a buffer: what a full disk did not take would stay in it, and could not be read back.
    file = TemporaryFile(buffering=0)  # noqa: SIM115 - closed by whoever has the body
    try:
        _write(file, content)
    except OSError:
        forget(file)
        raise
    return file


def _write(body: IO[bytes], piece: bytes) -> None:
    left = memoryview(piece)
    while left:  # a disk takes a part of it before it is full
        left = left[body.write(left) :]


def _in_memory(file: IO[bytes], length: int, piece: bytes) -> IO[bytes]:
    file.seek(0)
    body = BytesIO()
    body.write(file.read(length))
    body.write(piece)
    forget(file)
    return body
