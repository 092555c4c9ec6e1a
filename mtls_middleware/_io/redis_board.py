"""The board of a fleet: one report for each process, and one sum of those that ended, by the engine's clock alone."""

import hashlib
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from mtls_middleware._io import redis_scripts as scripts
from mtls_middleware._io.board import Posted
from mtls_middleware._io.files import InputError
from mtls_middleware._io.redis_client import AwayError, Doing, EngineClient
from mtls_middleware._io.sealing import Seal

KEPT_SECONDS = 90 * 24 * 3600

FOLD_SECONDS = 30
"""Between two walks over all reports, by whichever process."""

ENDED_SECONDS = 3600
"""After which a process that was killed is part of the past; until then it is shown as such."""

REPORT_BYTES = 70_000
"""Of one process, with its HMAC."""

REPORTS_BYTES = 16_000_000
"""Of all that are read at once: 5,000 usual ones."""

END_SECONDS = 7 * 24 * 3600
"""After which a process that was folded and comes back counts anew what it had counted."""

MOST_SENT = 16
"""Reports that may have been written, although nothing said so."""

_PAST = "past"

_DIGITS = 15
"""Of a time in seconds."""


class EngineBoard:
    """A board in an engine.

    Attributes:
        is_away: whether the reports could not be read the last time.
    """

    def __init__(
        self,
        client: EngineClient,
        seal: Seal,
        *,
        fold: Callable[[Sequence[bytes]], bytes],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        seconds: Callable[[], float] = time.monotonic,
        ended_seconds: int = ENDED_SECONDS,
        fold_seconds: int = FOLD_SECONDS,
    ) -> None:
        """Prepare; nothing is read before it is used.

        Args:
            client: the way to the engine.
            seal: of the deployment.
            fold: returns the sum of reports, as a report of no process, or raises `ValueError`: one is none.
            clock: returns the time, aware, UTC.
            seconds: never go back.
            ended_seconds: after which a process that was killed is part of the past.
            fold_seconds: between two walks over all reports.
        """
        self._client = client
        self._seal = seal
        self._keys = f"{seal.base}members", f"{seal.base}past"
        self._fold = fold
        self._clock = clock
        self._seconds = seconds
        self._ended_seconds, self._fold_seconds = ended_seconds, fold_seconds
        self.is_away = False
        self._id = ""
        self._sent: dict[str, bytes] = {}
        self._folded: bytes | None = None
        self._walked = float("-inf")
        self._spoiled = 0

    @property
    def problems(self) -> tuple[str, ...]:
        """Return what could not be read or written."""
        spoiled = f"{self._spoiled} reports in the engine were not written with MTLS_STATE_SECRET: they are passed over"
        return (*self._client.problems, *((spoiled,) if self._spoiled else ()))

    def join(self) -> bytes | None:
        """Take a name that nobody has; nothing is continued, because the past is a report of its own."""
        self._id = secrets.token_hex(16)
        return b""

    def publish(self, content: bytes, at: datetime) -> bool:  # noqa: ARG002 - the engine's clock counts
        """Write a report, and add to the past, from time to time, those of processes that ended."""
        try:
            is_written = self._write(content, is_running=True)
        except AwayError:
            return False
        with suppress(AwayError):
            self._fold_ended()
        self._client.rest()
        return is_written

    def folded(self) -> bytes | None:
        """Return the report that became part of the past, once."""
        folded, self._folded = self._folded, None
        return folded

    def leave(self) -> None:
        """Let the last report count at once as one of a process that ended."""
        with suppress(AwayError):
            if self._sent:
                self._write(next(reversed(self._sent.values())), is_running=False)
                self._fold_ended()
        self._client.close()

    def reports(self) -> Iterator[Posted]:
        """Return the report of each process, and the sum of those that ended."""
        try:
            now, past, *members = self._client.call(
                Doing.READ,
                lambda client: client.eval(scripts.REPORTS, 2, *self._keys, REPORT_BYTES, REPORTS_BYTES),
            )
        except AwayError:
            self.is_away = True
            return
        finally:
            if not self._id:  # it only looks
                self._client.close()
        self.is_away = False
        self._spoiled, here = 0, self._clock()
        if past and (content := self._opened(_PAST, past)) is not None:
            yield Posted(content=content, at=None, is_running=False)
        for name, whole in zip(members[::2], members[1::2], strict=True):
            if (found := self._report(name, whole)) is not None:
                written, is_running, content = found
                at = here - timedelta(seconds=max(0, int(now) - written))
                yield Posted(content=content, at=at, is_running=None if is_running else False)

    def _end_key(self, name: str) -> str:
        return f"{self._keys[0]}:{name}"

    def _write(self, content: bytes, *, is_running: bool) -> bool:
        """Write a report, unless this process seemed to have ended: then go on under another name."""
        digest = hashlib.sha256(content).hexdigest()
        self._sent.pop(digest, None)
        self._sent[digest] = content  # before it is written: the answer may be lost
        while len(self._sent) > MOST_SENT:  # the first one was acknowledged
            del self._sent[next(islice(self._sent, 1, None))]
        keys = self._keys[0], self._end_key(self._id)

        def publish(client: Any) -> Any:  # noqa: ANN401 - one of three clients of the library, and its answer
            now = int(client.eval(scripts.NOW, 1, keys[0]))
            report = self._seal.sealed(_place(self._id.encode()), b"%d %d %s" % (now, is_running, content))
            return client.eval(scripts.PUBLISH, 2, *keys, self._id, report, KEPT_SECONDS)

        folded = self._client.call(Doing.WRITE, publish)
        if folded:
            self._folded = self._sent.get(bytes(folded).decode("ascii", "replace"), next(iter(self._sent.values())))
            self._id, self._sent = secrets.token_hex(16), {}
            return False
        self._sent = {digest: content}
        return True

    def _fold_ended(self) -> None:
        if self._seconds() - self._walked < self._fold_seconds:
            return
        self._walked = self._seconds()
        self._spoiled = 0
        arguments = *self._keys, self._fold_seconds, self._ended_seconds, REPORT_BYTES
        found = self._client.call(Doing.WRITE, lambda client: client.eval(scripts.ENDED, 2, *arguments))
        if not found:
            return
        past, *members = map(bytes, found)
        reports: dict[bytes, tuple[bytes, bytes]] = {}
        for name, whole in zip(members[::2], members[1::2], strict=True):
            found_here = self._report(name, whole)
            if found_here is None:  # else forged ones would take the places of all others for good
                self._drop(name, whole)
            elif self._is_readable(found_here[2]):
                reports[name] = whole, found_here[2]
        before = self._opened(_PAST, past) if past else None
        if not reports or (before is not None and not self._is_readable(before)):
            return
        total = self._fold([*([before] if before is not None else []), *(content for _, content in reports.values())])
        self._replace(past, total, reports)

    def _drop(self, name: bytes, whole: bytes) -> None:
        keys = self._keys
        self._client.call(Doing.WRITE, lambda client: client.eval(scripts.DROP, 1, keys[0], name, whole))

    def _replace(self, past: bytes, total: bytes, reports: Mapping[bytes, tuple[bytes, bytes]]) -> None:
        """Put the new sum in place of the old one and of these reports, unless any of them changed meanwhile."""
        ends = [self._end_key(name.decode("ascii", "replace")) for name in reports]
        members = (
            part
            for name, (whole, content) in reports.items()
            for part in (name, whole, hashlib.sha256(content).hexdigest())
        )
        arguments = (past, self._seal.sealed(_PAST, total), KEPT_SECONDS, END_SECONDS, *members)
        self._client.call(
            Doing.WRITE,
            lambda client: client.eval(scripts.FOLD, 2 + len(ends), *self._keys, *ends, *arguments),
        )

    def _report(self, name: bytes, whole: bytes) -> tuple[int, bool, bytes] | None:
        """Return when a report was written, whether its process ran on, and the report; None where it is none."""
        sealed = self._opened(_place(name), whole) or b""
        at, runs, content = [*sealed.split(b" ", 2), b"", b"", b""][:3]
        return (int(at), runs == b"1", content) if at.isdigit() and len(at) <= _DIGITS else None

    def _opened(self, what: str, whole: bytes) -> bytes | None:
        try:
            return self._seal.opened(what, bytes(whole))
        except InputError:
            self._spoiled += 1
            return None

    def _is_readable(self, content: bytes) -> bool:
        """Return whether this release can add it up: another one may have written it, and will fold it."""
        try:
            self._fold([content])
        except ValueError:
            return False
        return True


def _place(name: bytes) -> str:
    return f"member {name.decode('ascii', 'replace')}"
