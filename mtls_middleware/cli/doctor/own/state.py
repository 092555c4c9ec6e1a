"""The folder of what survives a restart: whose it is, what may be written, how much room is left, what is in it."""

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from mtls_middleware._io.store import Kind
from mtls_middleware.cli.doctor.own.finding import About, Check, Finding, Topic
from mtls_middleware.cli.doctor.own.keeping import ReadOnlyStore
from mtls_middleware.display import displayed
from mtls_middleware.settings import Settings

LEAST_BYTES = 100 * 1024 * 1024
"""Of free space: a few lists at their cap."""

_ABOUT = About(Topic.STATE)
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH

_WORDS = {
    Kind.CRL: "lists",
    Kind.CERTIFICATE: "certificates that name CRLs",
    Kind.API: "answers of the API",
    Kind.TALLY: "counts of workers",
}


def tell_state(settings: Settings, store: ReadOnlyStore | None) -> Iterator[Finding]:
    """Tell how the folder is.

    Args:
        settings: they name it.
        store: reads it; None where secrets are missing for that.
    """
    folder = settings.state
    if folder is None:
        yield _ABOUT.warning(
            Check.STATE_FOLDER,
            "MTLS_STATE=off: after a restart CRLs and pins are unknown until the network responds",
            "give MTLS_STATE a folder that only the application may write",
        )
        return
    shown = displayed(str(folder), 1_000)
    try:
        state = folder.lstat()
    except FileNotFoundError:
        yield from _missing(folder, shown)
        return
    except OSError as error:
        yield _ABOUT.error(Check.STATE_FOLDER, f"{shown}: {error.strerror or error}", "let the application reach it")
        return
    problem, cure = _problem(folder, state)
    if problem:
        yield _ABOUT.error(Check.STATE_FOLDER, f"{shown} {problem}: nothing is kept for a restart", cure)
    else:
        mode = stat.S_IMODE(state.st_mode)
        yield _ABOUT.ok(Check.STATE_FOLDER, f"{shown}, of user {state.st_uid}, mode {mode:04o}, writable")
    yield from _space(folder)
    if store is not None and not problem:
        yield from _entries(store)


def _problem(folder: Path, state: os.stat_result) -> tuple[str, str]:
    """Return why the application would not use a folder, and what to do; two empty texts where it would."""
    if not stat.S_ISDIR(state.st_mode):
        return "is not a folder, or only a link to one", "name the folder itself"
    if state.st_uid != os.geteuid():
        return f"belongs to user {state.st_uid}, not to {os.geteuid()}", f"chown {os.geteuid()} it, or name another"
    if state.st_mode & _OTHERS_MAY_WRITE:
        return "may be written by other users", "chmod 700 it"
    if not os.access(folder, os.W_OK | os.X_OK):
        return "may not be written by the application", "chmod 700 it, and see that it is not mounted read-only"
    return "", ""


def _missing(folder: Path, shown: str) -> Iterator[Finding]:
    parent = next(parent for parent in folder.absolute().parents if parent.exists())
    if os.access(parent, os.W_OK | os.X_OK):
        yield _ABOUT.ok(Check.STATE_FOLDER, f"{shown} is not there yet, and can be made")
        yield from _space(parent)
    else:
        yield _ABOUT.error(
            Check.STATE_FOLDER,
            f"{shown} is not there, and cannot be made in {displayed(str(parent))}",
            "make it, with mode 700 for the application's user, or name another in MTLS_STATE",
        )


def _space(folder: Path) -> Iterator[Finding]:
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return
    shown = f"{free // (1024 * 1024):,} MiB are free there"
    if free < LEAST_BYTES:
        yield _ABOUT.warning(Check.STATE_SPACE, shown, "make room: a list may have 20 MiB")
    else:
        yield _ABOUT.ok(Check.STATE_SPACE, shown)


def _entries(store: ReadOnlyStore) -> Iterator[Finding]:
    counts = {kind: len(list(store.entries(kind))) for kind in Kind}
    for problem in dict.fromkeys(store.problems):
        yield _ABOUT.warning(
            Check.STATE_ENTRIES, problem, "remove what cannot be read: everything there can be asked for again"
        )
    told = ", ".join(f"{count} {_WORDS[kind]}" for kind, count in counts.items())
    yield _ABOUT.ok(Check.STATE_ENTRIES, f"it holds {told}")
