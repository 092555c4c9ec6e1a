"""The state folder and the CRLs: what is there, how old it is, and until when it counts."""

import os
import shutil
import stat
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from mtls_middleware._core.revocation import RevocationMode
from mtls_middleware._io.files import InputError
from mtls_middleware._io.private_folder import home_of
from mtls_middleware._io.store import Entry, Kind
from mtls_middleware._trust.crl.views import CRLView, fix_of
from mtls_middleware.cli.doctor.finding import About, Check, Finding, Topic
from mtls_middleware.cli.doctor.network import ReadOnlyStore
from mtls_middleware.cli.doctor.settings import ROOT
from mtls_middleware.display import displayed
from mtls_middleware.identity import Authority
from mtls_middleware.settings import Settings

LEAST_BYTES = 100 * 1024 * 1024
"""Of free space: a few CRLs at their cap."""

_ABOUT_STATE = About(Topic.STATE)

_WORDS = {
    Kind.CRL: "CRLs",
    Kind.CERTIFICATE: "certificates that name CRLs",
    Kind.API: "answers of the API",
    Kind.ATTEMPT: "sources that failed once",
    Kind.TALLY: "counts of workers",
}

_ABOUT_REVOCATION = About(Topic.REVOCATION)

_TEXT_LIMIT = 1_000
"""Characters of a problem, which names an address and what was wrong with it."""


def check_state(settings: Settings, store: ReadOnlyStore | None) -> Iterator[Finding]:
    """Check the state folder."""
    if settings.state_folder is None and settings.state is not None:
        yield _ABOUT_STATE.warning(
            Check.STATE_FOLDER,
            "there is no folder beside Valkey or Redis: a process that starts while it is away knows nothing",
            "write ,PATH behind the address in MTLS_STATE, a folder that only the application may write",
        )
        return
    if settings.state_folder is None:
        homeless = "this user has no home folder, and MTLS_STATE is not set"
        why = homeless if settings.lacks_state_folder else "MTLS_STATE=off"
        yield _ABOUT_STATE.warning(
            Check.STATE_FOLDER,
            f"{why}: after a restart CRLs and pins are unknown until the network responds",
            "give MTLS_STATE a folder that only the application may write",
        )
        return
    folder = home_of(settings.state_folder)
    yield from _secret(settings)
    shown = displayed(str(folder), 1_000)
    try:
        state = folder.lstat()
    except FileNotFoundError:
        yield from _missing(folder, shown)
        return
    except OSError as error:
        yield _ABOUT_STATE.error(
            Check.STATE_FOLDER, f"{shown}: {error.strerror or error}", "let the application reach it"
        )
        return
    problem, cure = _problem(folder, state)
    if problem:
        yield _ABOUT_STATE.error(Check.STATE_FOLDER, f"{shown} {problem}: nothing is kept for a restart", cure)
    elif state.st_uid != os.geteuid():
        seen = f"{shown} belongs to user {state.st_uid}: right, if that is the application's user"
        yield _ABOUT_STATE.not_checked(Check.STATE_FOLDER, seen)
    else:
        mode = stat.S_IMODE(state.st_mode)
        yield _ABOUT_STATE.ok(Check.STATE_FOLDER, f"{shown}, of user {state.st_uid}, mode {mode:04o}, writable")
    yield from _space(folder)
    if store is not None and not problem and state.st_uid == os.geteuid():
        yield from _entries(store)


def _secret(settings: Settings) -> Iterator[Finding]:
    """Say what happens when the OAuth secret is replaced, before it happens."""
    if Authority.DIGICERT in settings.authorities and settings.genesys_client_id and settings.state_secret is None:
        yield _ABOUT_STATE.warning(
            Check.STATE_KEYED,
            "what is kept of pins is authenticated by the OAuth secret: if that is replaced alone, a restart during an "
            "outage of Genesys Cloud knows no pin",
            "set MTLS_STATE_SECRET; or, to replace the OAuth secret, give both for a day, the new one first",
        )


def _problem(folder: Path, state: os.stat_result) -> tuple[str, str]:
    """Return why the application would not use a folder, and what to do; two empty texts where it would."""
    if not stat.S_ISDIR(state.st_mode):
        return "is not a folder, or only a link to one", "name the folder itself"
    if os.geteuid() not in {state.st_uid, ROOT}:  # the application's folder is not root's
        return (
            f"belongs to user {state.st_uid}, not to {os.geteuid()}",
            f"run doctor as the application's user; if this is it, chown {os.geteuid()} the folder, or name another",
        )
    if state.st_mode & stat.S_IWOTH:
        return "may be written by everybody", "chmod 700 it"
    if not os.access(folder, os.W_OK | os.X_OK):
        return "may not be written by the application", "chmod 700 it, and see that it is not mounted read-only"
    return "", ""


def _missing(folder: Path, shown: str) -> Iterator[Finding]:
    parent = next(parent for parent in folder.absolute().parents if parent.exists())
    if os.access(parent, os.W_OK | os.X_OK):
        yield _ABOUT_STATE.ok(Check.STATE_FOLDER, f"{shown} is not there yet, and can be made")
        yield from _space(parent)
    else:
        yield _ABOUT_STATE.error(
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
        yield _ABOUT_STATE.warning(Check.STATE_SPACE, shown, "make room: a CRL may have 20 MiB")
    else:
        yield _ABOUT_STATE.ok(Check.STATE_SPACE, shown)


def _entries(store: ReadOnlyStore) -> Iterator[Finding]:
    counts = {kind: sum(map(_is_whole, store.entries(kind))) for kind in Kind}
    for problem in dict.fromkeys(store.problems):
        yield _ABOUT_STATE.warning(
            Check.STATE_ENTRIES, problem, "remove what cannot be read: everything there can be asked for again"
        )
    shown = ", ".join(f"{count} {_WORDS[kind]}" for kind, count in counts.items())
    yield _ABOUT_STATE.ok(Check.STATE_ENTRIES, f"it holds {shown}")


def _is_whole(entry: Entry) -> bool:
    try:
        entry.read()
    except InputError:  # it is among the store's problems
        return False
    return True


def check_revocation(
    views: tuple[CRLView, ...], mode: RevocationMode, now: datetime, *, offline: bool
) -> Iterator[Finding]:
    """Check what is known of revocation."""
    if mode is RevocationMode.OFF:
        yield _ABOUT_REVOCATION.warning(
            Check.REVOCATION_ON,
            "MTLS_REVOCATION=off: a stolen and revoked certificate is accepted until it expires",
            "set MTLS_REVOCATION=check",
        )
        return
    yield _ABOUT_REVOCATION.ok(Check.REVOCATION_ON, f"MTLS_REVOCATION={mode}")
    for view in views:
        yield _of(view, mode, now, offline=offline)
    if views:
        return
    if mode is RevocationMode.REQUIRE:
        yield _ABOUT_REVOCATION.warning(
            Check.REVOCATION_LIST,
            "no CRL is known yet: the first caller is refused (revocation_unknown), and its certificate has the URL",
            "name the CRLs in MTLS_CRL_URLS",
        )
    else:
        yield _ABOUT_REVOCATION.not_checked(
            Check.REVOCATION_LIST,
            "no CRL is known yet: the certificate of the first caller has its address",
            "name one in MTLS_CRL_URLS to have it before that",
        )


def _of(view: CRLView, mode: RevocationMode, now: datetime, *, offline: bool) -> Finding:
    origin = displayed(view.origin, _TEXT_LIMIT)
    cure = fix_of(view.origin, view.error)
    learned = ", learned from a certificate" if view.is_learned else ""
    finding = _ABOUT_REVOCATION.error if mode is RevocationMode.REQUIRE else _ABOUT_REVOCATION.warning
    held = view.held
    if held is None and not view.error:
        return _ABOUT_REVOCATION.not_checked(
            Check.REVOCATION_LIST, f"{origin}{learned}: {'not asked' if offline else 'no CRL'}"
        )
    if held is None:
        return finding(Check.REVOCATION_LIST, f"{displayed(view.error, _TEXT_LIMIT)}{learned}", cure)
    age = now - held.this_update
    seen = (
        f"{origin}{learned}: {'no number' if held.number is None else f'number {held.number}'}, "
        f"{len(held.serial_numbers)} entries, {age.days} days old, "
        + ("no nextUpdate" if held.next_update is None else f"until {held.next_update:%Y-%m-%d %H:%M:%SZ}")
    )
    if held.next_update is not None and not held.is_fresh(now):
        return finding(Check.REVOCATION_LIST, f"{seen}, which is over", cure)
    if view.error:
        return _ABOUT_REVOCATION.warning(
            Check.REVOCATION_LIST,
            f"{displayed(view.error, _TEXT_LIMIT)}; the last good CRL stays. {seen}",
            cure,
        )
    if held.limit or held.next_update is None:
        return finding(Check.REVOCATION_LIST, f"{seen}: it can revoke, but cannot confirm", cure)
    return _ABOUT_REVOCATION.ok(Check.REVOCATION_LIST, seen)
