"""The store in memory: the local level of a process that has no folder, or none that can be written."""

import hashlib
from collections.abc import Callable, Hashable, Iterable
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime

from mtls_middleware._io.store import MAX_ENTRIES, Entry, Kind


class MemoryStore:
    """A store that ends with its process. A child of a fork goes on with a copy.

    Attributes:
        problems: none.
    """

    problems: tuple[str, ...] = ()

    def __init__(self) -> None:
        self._kept: dict[Kind, dict[str, Entry]] = {}
        self._version = 0

    def entries(self, kind: Kind) -> Iterable[Entry]:
        """Return everything of a kind."""
        return tuple(self._kept.get(kind, {}).values())

    def put(self, kind: Kind, key: str, content: bytes, at: datetime) -> None:
        """Keep something; of too much, what was put longest ago makes room."""
        kept = self._kept.setdefault(kind, {})
        kept.pop(key, None)
        kept[key] = Entry(key=key, digest=hashlib.sha256(content).digest(), at=at, read=_returns(content))
        while len(kept) > MAX_ENTRIES:
            del kept[next(iter(kept))]
        self._version += 1

    def view(self) -> Hashable:
        """Return how often something was put."""
        return self._version

    def refreshing(self) -> AbstractContextManager[bool]:
        """Enter always: nobody else has this memory."""
        return nullcontext(enter_result=True)

    def close(self) -> None:
        """Give nothing back."""


def _returns(content: bytes) -> Callable[[], bytes]:
    return lambda: content
