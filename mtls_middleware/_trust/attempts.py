"""Failed attempts, which all processes share: one of them asks a source that is out of order, and not each of them.

An attempt that cannot be read is none: then each process asks for itself. It decides when a source is asked, within the
bounds of `Schedule`, and nothing else.
"""

import hashlib
import json
from datetime import datetime, timedelta

from mtls_middleware._io.files import InputError, parse_object
from mtls_middleware._io.store import CLOCKS_DIFFER, Entry, Kind, Store, believed
from mtls_middleware._trust.schedule import LONGEST_RETRY, Attempt
from mtls_middleware.display import sentence

VERSION = 1

TEXT_CHARACTERS = 512
"""Of what failed."""

ATTEMPT_BYTES = 8_192

MOST_FAILURES = 1_000


class Attempts:
    """The last failed attempt for each source, in a store. Not for several threads at once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seen: dict[str, tuple[bytes, datetime]] = {}
        self._known: dict[str, Attempt | None] = {}

    def recall(self, now: datetime) -> None:
        """Read what other processes have written since the last time."""
        for entry in self._store.entries(Kind.ATTEMPT):
            mark, at = (entry.digest, entry.at), believed(entry.at, now)
            if at is None or self._seen.get(entry.key) == mark:
                continue
            if now - at <= CLOCKS_DIFFER:  # perhaps it was just now
                at = now
            self._seen[entry.key] = mark
            try:
                self._known[entry.key] = None if entry.is_empty else _read(entry, at)
            except InputError:
                continue

    def of(self, source: str) -> Attempt | None:
        """Return the last attempt for a source; None where it did not fail, or nobody knows."""
        return self._known.get(source)

    def failed(self, source: str, attempt: Attempt) -> None:
        """Publish an attempt of this process."""
        self._put(source, attempt, _to_bytes(attempt), attempt.at)

    def succeeded(self, source: str, now: datetime) -> None:
        """Publish that a source answered, if somebody's last attempt failed."""
        if self._known.get(source) is not None:
            self._put(source, None, b"", now)

    def _put(self, source: str, attempt: Attempt | None, content: bytes, at: datetime) -> None:
        self._known[source] = attempt
        self._seen[source] = (hashlib.sha256(content).digest(), at)
        self._store.put(Kind.ATTEMPT, source, content, at)


def _to_bytes(attempt: Attempt) -> bytes:
    payload = {
        "version": VERSION,
        "text": attempt.text[:TEXT_CHARACTERS],
        "failures": attempt.failures,
        "wait": None if attempt.wait is None else attempt.wait.total_seconds(),
        "pause": attempt.pause.total_seconds(),
    }
    return json.dumps(payload).encode("ascii")


def _read(entry: Entry, at: datetime) -> Attempt:
    """Read what `_to_bytes` wrote.

    Raises:
        InputError: it is anything else.
    """
    content = entry.read()
    if len(content) > ATTEMPT_BYTES:
        raise InputError("is too large")
    payload = parse_object(content)
    text, failures, wait = payload.get("text"), payload.get("failures"), payload.get("wait")
    if payload.get("version") != VERSION or not isinstance(text, str):
        raise InputError("is of another version")
    if type(failures) is not int or not failures > 0:
        raise InputError("has no number of failures")
    return Attempt(
        at=at,
        text=sentence(text[:TEXT_CHARACTERS]),
        failures=min(failures, MOST_FAILURES),
        wait=None if wait is None else _span(wait),
        pause=_span(payload.get("pause")),
    )


def _span(value: object) -> timedelta:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LONGEST_RETRY.total_seconds():
        raise InputError("has no time to wait")
    return timedelta(seconds=value)
