"""Counters that threads raise without waiting for each other."""

from collections import Counter
from threading import get_ident


class Counters:
    """Count by name. Each thread has a cell of its own, so no count is lost, and no lock can survive a fork."""

    __slots__ = ("_cells",)

    def __init__(self) -> None:
        self._cells: dict[int, dict[str, int]] = {}

    def add(self, name: str) -> None:
        """Raise one counter by one."""
        cell = self._cells.get(get_ident())
        if cell is None:
            cell = self._cells.setdefault(get_ident(), {})
        cell[name] = cell.get(name, 0) + 1

    def totals(self) -> dict[str, int]:
        """Return every counter."""
        totals: Counter[str] = Counter()
        for cell in tuple(self._cells.values()):
            totals.update(dict(cell))
        return dict(totals)
