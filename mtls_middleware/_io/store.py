"""What outlives a process: the last good CRLs, the certificates that taught their addresses, and answers of the API.

A store keeps bytes, and vouches for none of them. What comes out of it is judged like anything else from outside.
"""

import hashlib
from collections.abc import Callable, Hashable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

MAX_ENTRIES = 64
"""Entries of one kind; those that were put longest ago make room."""


class Kind(StrEnum):
    """The kind of an entry. Roots and secrets are never kept."""

    CRL = "crl"
    """The key is the address or path; its CA's signature makes it believed."""
    CERTIFICATE = "certificate"
    """The key is the leaf's fingerprint; it is verified again before anything is learned from it."""
    API = "api"
    """The key is the region; only a store that can authenticate what it keeps keeps these."""
    ATTEMPT = "attempt"
    """The key is a source; the content says how it failed, and is empty since it answered again."""
    TALLY = "tally"
    """The key is a process's slot; in a folder of their own, so that no worker takes them for news of trust."""


CLOCKS_DIFFER = timedelta(minutes=5)
"""By which the clock of another machine may be ahead. What claims to be of a later time is not believed."""


def believed(at: datetime, now: datetime) -> datetime | None:
    """Return a time by another machine's clock as one of ours: a little ahead counts as now, further ahead is None."""
    return min(at, now) if at <= now + CLOCKS_DIFFER else None


_EMPTY = hashlib.sha256(b"").digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An entry of a store. Listing entries reads no content, because a CRL may have 20 MB.

    Attributes:
        key: its name.
        digest: SHA-256 of the content.
        at: when it was put there, UTC, by the clock of whoever did.
        read: returns the content, which has this digest, or raises `InputError`: it is gone, replaced or damaged.
    """

    key: str
    digest: bytes
    at: datetime
    read: Callable[[], bytes] = field(repr=False, compare=False)

    @property
    def is_empty(self) -> bool:
        """Return whether there is no content."""
        return self.digest == _EMPTY


class Store(Protocol):
    """A store that outlives a process, for all workers of one deployment. It raises nothing: see `problems`.

    For one thread at a time, but for `problems`. Every method may take a second, so none is called for a request.
    """

    @property
    def problems(self) -> tuple[str, ...]:
        """Return one sentence for each thing that could not be kept or read."""

    def entries(self, kind: Kind) -> Iterable[Entry]:
        """Return everything of a kind."""

    def put(self, kind: Kind, key: str, content: bytes, at: datetime) -> None:
        """Keep something in place of what had the same key."""

    def view(self) -> Hashable:
        """Return what changes when anybody puts something. It is asked often.

        It changes, too, once nobody else asks the network any more, if `refreshing` yielded False before; after that
        block, so that a view taken inside it differs.
        """

    def refreshing(self) -> AbstractContextManager[bool]:
        """Enter as the one worker that asks the network now; yields False, at once, where another one does."""

    def close(self) -> None:
        """Give back what is held, such as connections. What is called afterwards takes it again."""


@dataclass(kw_only=True)
class NoStore:
    """A store that keeps nothing: each process asks for itself."""

    problems: tuple[str, ...] = ()

    def entries(self, kind: Kind) -> Iterable[Entry]:  # noqa: ARG002 - the protocol's
        """Return nothing."""
        return ()

    def put(self, kind: Kind, key: str, content: bytes, at: datetime) -> None:
        """Keep nothing."""

    def view(self) -> Hashable:
        """Return always the same."""
        return None

    def refreshing(self) -> AbstractContextManager[bool]:
        """Enter always."""
        return nullcontext(enter_result=True)

    def close(self) -> None:
        """Give nothing back."""
