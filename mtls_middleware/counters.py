"""Counters that threads raise without waiting for each other."""

from collections.abc import Callable, Hashable
from itertools import count
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Counters(Generic[Key]):
    """Count by key. Raising an `itertools.count` is one step of the interpreter: nothing is lost or locked."""

    __slots__ = ("_by_key",)

    def __init__(self) -> None:
        self._by_key: dict[Key, count[int]] = {}

    def add(self, key: Key) -> None:
        """Raise one counter by one."""
        self.of(key)()

    def of(self, key: Key) -> Callable[[], object]:
        """Return what raises one counter by one."""
        return self._by_key.setdefault(key, count()).__next__

    def totals(self) -> dict[Key, int]:
        """Return every counter."""
        # Its text is all that tells the value of a count without raising it.
        values = {key: int(repr(counter)[len("count(") : -1]) for key, counter in tuple(self._by_key.items())}
        return {key: value for key, value in values.items() if value}
