"""Counters that threads raise without waiting for each other."""

from collections.abc import Callable
from itertools import count


class Counters:
    """Count by name. Raising an `itertools.count` is one step of the interpreter: nothing is lost or locked."""

    __slots__ = ("_by_name",)

    def __init__(self) -> None:
        self._by_name: dict[str, count[int]] = {}

    def add(self, name: str) -> None:
        """Raise one counter by one."""
        self.of(name)()

    def of(self, name: str) -> Callable[[], object]:
        """Return what raises one counter by one."""
        return self._by_name.setdefault(name, count()).__next__

    def totals(self) -> dict[str, int]:
        """Return every counter."""
        # Its text is all that tells the value of a count without raising it.
        values = {name: int(repr(counter)[len("count(") : -1]) for name, counter in tuple(self._by_name.items())}
        return {name: value for name, value in values.items() if value}
