"""What ``trust show``, ``trust refresh`` and ``trust export`` do."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from mtls_middleware.cli.console import console_for
from mtls_middleware.cli.extras import WRONG
from mtls_middleware.cli.trust.export import Format, bundle, lists_of, write
from mtls_middleware.cli.trust.facts import facts
from mtls_middleware.cli.trust.table import show
from mtls_middleware.display import displayed
from mtls_middleware.guard import Guard, utc_now
from mtls_middleware.reporting import Life, Status
from mtls_middleware.settings import Settings

FAILED = 1
"""Exit status: something could not be refreshed, or callers of some region cannot be accepted now."""


def run_show(*, as_json: bool, console: Console | None = None) -> int:
    """Print the trust that files and state give, and return the exit status. Nobody is asked."""
    guard = Guard.silent(Settings.from_env())
    guard.load()
    return _print(guard.status(), as_json=as_json, console=console)


def run_refresh(*, as_json: bool, console: Console | None = None) -> int:
    """Ask every source once, keep what came in the state, print what is in force then, and return the exit status."""
    guard = Guard.silent(Settings.from_env())
    guard.load()
    with _progress("asking every source …"):
        status = guard.refresh()
    return _print(status, as_json=as_json, console=console)


def run_export(form: Format, output: Path | None, crl: Path | None) -> int:
    """Write anchors, and lists if they are wanted, and return the exit status.

    Args:
        form: who is to read it.
        output: a file for the anchors; None for standard output.
        crl: a file for the revocation lists; None for none.
    """
    settings = Settings.from_env()
    guard = Guard.silent(settings)
    guard.load()
    snapshot, now = guard.snapshot, utc_now()
    text = bundle(snapshot, form, now) if snapshot is not None else ""
    if not text:
        sys.stderr.write("There is no anchor to export: every one of them has ended.\n")
        return FAILED
    lists = ""
    if crl is not None and snapshot is not None:
        lists = lists_of(settings, snapshot)
        if not lists:
            sys.stderr.write("No revocation list is known yet: mtls-middleware trust refresh asks for them.\n")
            return FAILED
    try:
        if output is None:
            sys.stdout.write(text)
        else:
            write(text, output)
        if crl is not None:
            write(lists, crl)
    except OSError as error:
        sys.stderr.write(f"cannot be written: {displayed(str(error))}\n")
        return WRONG
    return 0


def _print(status: Status, *, as_json: bool, console: Console | None) -> int:
    now = utc_now()
    if as_json:
        sys.stdout.write(json.dumps(facts(status, now), indent=2) + "\n")
    else:
        show(status, now, console_for(console))
    is_right = status.life is Life.FRESH and all(region.available for region in status.regions)
    return 0 if is_right else FAILED


@contextmanager
def _progress(text: str) -> Iterator[None]:
    """Show on a terminal that something is waited for."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(text):
        yield
