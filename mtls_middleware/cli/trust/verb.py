"""What ``trust show``, ``trust refresh`` and ``trust export`` do."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from mtls_middleware.cli.console import console_for
from mtls_middleware.cli.extras import WRONG
from mtls_middleware.cli.trust.changes import changes
from mtls_middleware.cli.trust.export import Format, bundle, lists_of
from mtls_middleware.cli.trust.facts import facts
from mtls_middleware.cli.trust.table import show, show_refresh
from mtls_middleware.cli.trust.writing import NotOursError, require_ours, write
from mtls_middleware.cli.waiting import waiting
from mtls_middleware.display import displayed
from mtls_middleware.guard import Guard, utc_now
from mtls_middleware.observing.status import Life, Status
from mtls_middleware.settings import Settings

FAILED = 1
"""Exit status: something could not be refreshed, or callers of some region cannot be accepted now."""


def run_show(*, as_json: bool, console: Console | None = None) -> int:
    """Print the trust that files and state give, and return the exit status. Nobody is asked."""
    guard = Guard.silent(Settings.from_env())
    guard.load()
    return _print(guard.status(), as_json=as_json, console=console)


def run_refresh(*, as_json: bool, console: Console | None = None) -> int:
    """Ask every source once, keep what came in the state, print what changed, and return the exit status."""
    settings = Settings.from_env()
    guard = Guard.silent(settings)
    guard.load()
    before = guard.status()
    with waiting("asking every source …"):
        after = guard.refresh()
    changed = changes(before, after)
    if as_json:
        _as_json(facts(after, utc_now()) | {"changed": list(changed)})
    else:
        show_refresh(after, changed, keeps=settings.state is not None, console=console_for(console))
    return FAILED if after.problems else _exit_status(after)


def run_export(form: Format, output: Path | None, crl: Path | None, *, force: bool) -> int:
    """Write anchors, and lists if they are wanted, and return the exit status.

    Args:
        form: who is to read it.
        output: a file for the anchors; None for standard output.
        crl: a file for the revocation lists; None for none.
        force: also replace a file that holds something else.
    """
    settings = Settings.from_env()
    guard = Guard.silent(settings)
    guard.load()
    snapshot, now = guard.snapshot, utc_now()
    text = bundle(snapshot, form, now) if snapshot is not None else ""
    if not text:
        sys.stderr.write("There is no anchor to export: all have expired.\n")
        return FAILED
    lists = ""
    if crl is not None and snapshot is not None:
        lists = lists_of(settings, snapshot)
        if not lists:
            sys.stderr.write("No CRL is known yet: run mtls-middleware trust refresh.\n")
            return FAILED
    try:
        _write({output: text, crl: lists} if output is not None else {crl: lists}, force=force)
    except (OSError, NotOursError) as error:
        sys.stderr.write(f"cannot be written: {displayed(str(error), 1_024)}\n")
        return WRONG
    if output is None:
        sys.stdout.write(text)
    return 0


def _write(contents: Mapping[Path | None, str], *, force: bool) -> None:
    """Look at every file before the first one is replaced."""
    wanted = {path: text for path, text in contents.items() if path is not None}
    if not force:
        for path in wanted:
            require_ours(path)
    for path, text in wanted.items():
        write(text, path)


def _print(status: Status, *, as_json: bool, console: Console | None) -> int:
    now = utc_now()
    if as_json:
        _as_json(facts(status, now))
    else:
        show(status, now, console_for(console))
    return _exit_status(status)


def _as_json(told: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(told, indent=2) + "\n")


def _exit_status(status: Status) -> int:
    is_right = status.life is Life.FRESH and all(region.available for region in status.regions)
    return 0 if is_right else FAILED
