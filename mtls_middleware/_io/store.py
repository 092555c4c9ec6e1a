"""What outlives a process: the last good CRLs, the certificates that taught their addresses, and answers of the API.

A store keeps bytes, and vouches for none of them. What comes out of it is judged like anything else from outside.
"""

from collections.abc import Hashable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class Kind(StrEnum):
    """The kind of an entry. Roots and secrets are never kept."""

    CRL = "crl"
    """The key is the address or path; its CA's signature makes it believed."""
    CERTIFICATE = "certificate"
    """The key is the leaf's fingerprint; it is verified again before anything is learned from it."""
    API = "api"
    """The key is the region; only a store that can authenticate what it keeps keeps these."""
    TALLY = "tally"
    """The key is a process's slot; in a folder of their own, so that no worker takes them for news of trust."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An entry of a store.

    Attributes:
        key: its name.
        content: the bytes that were put there.
        at: when they were put there, UTC.
    """

    key: str
    content: bytes
    at: datetime


class Store(Protocol):
    """A store that outlives a process, for all workers of one deployment. It raises nothing: see `problems`."""

    @property
    def problems(self) -> tuple[str, ...]:
        """Return one sentence for each thing that could not be kept or read."""

    def entries(self, kind: Kind) -> Iterable[Entry]:
        """Return everything of a kind."""

    def put(self, kind: Kind, key: str, content: bytes, at: datetime) -> None:
        """Keep something in place of what had the same key."""

    def view(self) -> Hashable:
        """Return what changes when anybody puts something. It is asked often."""

    def refreshing(self) -> AbstractContextManager[bool]:
        """Enter as the one worker that asks the network now; yields False, at once, where another one does."""


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
