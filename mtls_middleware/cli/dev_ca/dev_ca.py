"""The command ``dev-ca``."""

import os
import sys
from pathlib import Path
from shlex import quote

from mtls_middleware.cli.dev_ca.contents import EXPORTS, README, WARNING, Item, call_command, contents, serve_command
from mtls_middleware.display import displayed
from mtls_middleware.errors import ConfigurationError, MTLSError
from mtls_middleware.regions import find, nearest

_OWNER_ONLY = 0o700
_PATH_CHARACTERS = 4_096
"""PATH_MAX of Linux."""


def run_dev_ca(folder: Path, *, region: str, force: bool) -> int:
    """Write a folder, print what to do with it, and return the exit status.

    Raises:
        MTLSError: nothing was written; or, where the system refused, not all.
    """
    known = find(region)
    if known is None:
        close = nearest(region)
        raise MTLSError(
            f"--region {displayed(region)!r} is not a region of Genesys Cloud"
            + (f": did you mean {close}?" if close else "")
        )
    absolute = folder.absolute()
    if "," in str(absolute) or displayed(str(absolute), _PATH_CHARACTERS) != str(absolute):
        raise MTLSError(
            f"{displayed(str(absolute))}: settings cannot name a folder with a comma or a control character"
        )
    items = contents(absolute, known.aws_region)
    try:
        write(absolute, items, force=force)
    except OSError as error:
        raise MTLSError(f"{displayed(error.filename or str(absolute))}: {error.strerror or error}") from error
    sys.stdout.write(_next_steps(folder, known.aws_region, len(items)))
    sys.stderr.write(f"{WARNING}\n")
    return 0


def write(folder: Path, items: tuple[Item, ...], *, force: bool) -> None:
    """Write files, each new: what is there is never written into, so that no link leads elsewhere.

    Raises:
        ConfigurationError: something is there already, and nothing was written.
        OSError: the system refused.
    """
    there = [item.name for item in items if os.path.lexists(folder / item.name)]
    if there and not force:
        raise ConfigurationError(
            [f"{displayed(str(folder))} holds {', '.join(there)} already: choose another folder, or give --force"]
        )
    folder.mkdir(mode=_OWNER_ONLY, parents=True, exist_ok=True)
    for item in items:
        path = folder / item.name
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, item.mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(item.content)


def _next_steps(folder: Path, region: str, count: int) -> str:
    """Return what to do next. Commands name the folder as it was given, unless that were a bare name for `.`."""
    named = folder if folder.parts else folder.absolute()
    exports = str(named / EXPORTS)
    return f"""\
Wrote {count} files to {folder}: a root that plays {region}, and callers good and bad.

Beside your application:

  . {quote(exports)}
  {serve_command(named)}

In another terminal:

  {call_command(named)}

{named / README} tells the rest.
"""
