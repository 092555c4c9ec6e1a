"""A file for a proxy: replaced as a whole, and only where nothing else is lost."""

import os
import re
import stat
import tempfile
from pathlib import Path

EVERYBODY = 0o644
"""Permissions of a new file: certificates are public, and proxies run as somebody else."""

BYTES = 64 * 1_048_576
"""Looked at of a file that is there already; a revocation list may be long."""

_LABELS = re.compile(rb"-----BEGIN ([^-]*)-----")
_OURS = {b"CERTIFICATE", b"TRUSTED CERTIFICATE", b"X509 CRL"}


class NotOursError(Exception):
    """Say that a file holds something else than what is exported."""


def require_ours(path: Path) -> None:
    """Look at what would be replaced: nothing, an empty file, or certificates and revocation lists only.

    Raises:
        NotOursError: it holds something else, a private key perhaps.
        OSError: it cannot be read.
    """
    if not path.is_file():
        return
    with path.open("rb") as file:
        content = file.read(BYTES)
    labels = set(_LABELS.findall(content))
    if content.strip() and (not labels or not labels <= _OURS):
        raise NotOursError(f"{path} contains something other than certificates: use another name, or --force")


def write(text: str, path: Path) -> None:
    """Replace a file in one step, so that a proxy that reloads meanwhile reads the old one or the new one.

    A link stays, and what it leads to is replaced; a pipe or a device is written to. The permissions of a file that was
    there stay.

    Raises:
        OSError: it cannot be written; a file that was there is as it was.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        mode = stat.S_IFREG | EVERYBODY
    if not stat.S_ISREG(mode):
        path.write_text(text, encoding="ascii")
        return
    path = path.resolve()
    file = tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="ascii")  # noqa: SIM115 - just below
    temporary = Path(file.name)
    try:
        with file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(stat.S_IMODE(mode))
        temporary.replace(path)
    except OSError:
        temporary.unlink()
        raise
