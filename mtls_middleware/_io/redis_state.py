"""The state of one deployment in an engine: one hash, so that an eviction takes all of it or nothing."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from mtls_middleware._io import redis_scripts as scripts
from mtls_middleware._io.files import InputError
from mtls_middleware._io.http import left_of
from mtls_middleware._io.redis_client import Doing, EngineClient
from mtls_middleware._io.redis_connections import CALL_SECONDS
from mtls_middleware._io.redis_entries import HEADER_BYTES, Header, entry_of
from mtls_middleware._io.sealing import Seal
from mtls_middleware._io.store import MAX_ENTRIES, Kind, believed

KEPT_SECONDS = 90 * 24 * 3600
"""What nobody put anew for so long tells of nothing that still counts."""


class UnfinishedError(Exception):
    """The time for one reading is used up. The next one goes on where it ended."""


def is_late() -> bool:
    """Return whether what this thread does has less time left than a call over a slow line takes."""
    return left_of(CALL_SECONDS) < CALL_SECONDS / 2


@dataclass(frozen=True, slots=True)
class Glance:
    """What tells one moment of the state from another.

    Attributes:
        epoch: changes when the engine lost everything; empty where nothing is kept.
        version: changes when anybody puts something.
        fence: the highest number that was given out.
        is_leased: somebody asks the network now.
    """

    epoch: bytes
    version: bytes
    fence: int
    is_leased: bool


class EngineState:
    """The entries in an engine. Every method may raise `AwayError`.

    Attributes:
        damage: what was passed over at the last reading; empty where nothing was.
    """

    def __init__(self, client: EngineClient, seal: Seal) -> None:
        self.damage = ""
        self._client = client
        self._seal = seal
        self._begun: tuple[Header, bytearray] | None = None
        self._state, self._lease = f"{seal.base}state", f"{seal.base}lease"

    def glance(self) -> Glance:
        """Return what tells whether there is something new; it is asked every few seconds."""
        return self._client.call(
            Doing.READ, lambda client: _glance(client.eval(scripts.GLANCE, 2, self._state, self._lease))
        )

    def headers(self, now: datetime) -> list[Header]:
        """Return the headers that can be believed.

        Args:
            now: by our clock. What was put later by more than the tolerance is left out: its clock is wrong, or ours.
        """
        listed = self._client.call(
            Doing.READ, lambda client: client.eval(scripts.LIST, 1, self._state, MAX_ENTRIES, HEADER_BYTES)
        )
        found, damage = [], dict[str, None]()
        for name, whole in zip(listed[::2], listed[1::2], strict=True):
            try:
                header = Header.read(self._seal, bytes(name).decode("ascii"), bytes(whole))
            except InputError as error:
                damage[str(error)] = None
                continue
            if believed(header.at, now) is not None:
                found.append(header)
        self.damage = "; ".join(damage)
        return found

    def content(self, header: Header) -> bytes | None:
        """Return the content of an entry, slice by slice; None where it is another's, or damaged.

        Raises:
            UnfinishedError: it takes longer than this thread has; at least one slice more is here.
        """
        if self._begun is None or self._begun[0] != header:
            self._begun = header, bytearray()
        stored = self._begun[1]
        while len(stored) < header.stored:
            slice_ = self._client.call(
                Doing.READ, partial(_slice, state=self._state, arguments=header.slice_at(len(stored)))
            )
            if not slice_:
                break
            stored += slice_
            if len(stored) < header.stored and is_late():
                raise UnfinishedError
        self._begun = None
        try:
            return header.content_of(bytes(stored))
        except InputError as error:
            self.damage = str(error)
            return None

    def write(
        self, kind: Kind, key: str, content: bytes, at: datetime, *, fence: int, dropped: Iterable[str] = ()
    ) -> bool:
        """Put an entry, and return whether nobody with a higher fence has put it.

        Args:
            kind: of the entry.
            key: of the entry.
            content: of the entry.
            at: when it was made.
            fence: of this process.
            dropped: names of entries that make room.
        """
        header, parts = entry_of(kind, key, content, at, fence)
        names = tuple(dropped)
        arguments = (header.name, header.write(self._seal), fence, KEPT_SECONDS, len(names), *names, *parts)
        written = self._client.call(
            Doing.WRITE,
            lambda client: client.eval(scripts.PUT, 1, self._state, *arguments),
            seconds=CALL_SECONDS * max(1, len(parts)),
        )
        return bool(written)


def _slice(client: Any, *, state: str, arguments: tuple[str, int, int]) -> bytes:  # noqa: ANN401 - one of three
    return bytes(client.eval(scripts.SLICE, 1, state, *arguments))


def _glance(seen: Any) -> Glance:  # noqa: ANN401 - the library's
    epoch, version, fence, is_leased = seen
    return Glance(bytes(epoch), bytes(version), int(fence), bool(is_leased))
