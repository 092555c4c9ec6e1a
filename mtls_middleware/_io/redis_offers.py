"""What an engine has, as far as one process knows: what it lacks is offered, and what it refused rightly is let be."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from mtls_middleware._io.redis_entries import Header
from mtls_middleware._io.store import MAX_ENTRIES, Entry, Kind, believed

Place = tuple[Kind, str]


class Offers:
    """The entries of an engine, and those that it was offered since it last lost everything.

    Attributes:
        refused: entries that the engine did not take, with the fence that each was offered under.
    """

    def __init__(self) -> None:
        self.refused: dict[Place, int] = {}
        self._there: dict[Place, datetime] = {}
        self._offered: dict[Place, datetime] = {}

    def begin(self) -> bool:
        """Offer everything anew, because the engine lost everything; return whether anything was offered before."""
        was_offered = bool(self._offered)
        self.refused, self._offered, self._there = {}, {}, {}
        return was_offered

    def look(self, headers: Iterable[Header], here: Mapping[Place, Entry]) -> None:
        """Take note of what lies there, and let be what was refused rightly.

        That is what is newer there, or was written by somebody who proves a higher fence.

        Args:
            headers: of everything there that can be believed.
            here: everything that this process has.
        """
        found = {(header.kind, header.key): header for header in headers}
        self._there = {place: header.at for place, header in found.items()}
        for place, fence in tuple(self.refused.items()):
            header, mine = found.get(place), here.get(place)
            if mine is None or (header is not None and (header.fence > fence or header.at >= mine.at)):
                del self.refused[place]
                if mine is not None:
                    self._offered[place] = mine.at

    def room_for(self, place: Place) -> list[Place]:
        """Return what must go from there, so that there is room for an entry: what was put longest ago."""
        others = sorted((at, other) for other, at in self._there.items() if other[0] is place[0] and other != place)
        return [other for _, other in others[: max(0, len(others) - MAX_ENTRIES + 1)]]

    def taken(self, place: Place, at: datetime, gone: Iterable[Place]) -> None:
        """Take note that an entry lies there now, and that others do no more."""
        self.refused.pop(place, None)
        self._offered[place] = self._there[place] = at
        for other in gone:
            del self._there[other]

    def lost(self, here: Mapping[Place, Entry], now: datetime) -> dict[Place, Entry]:
        """Return what is newer here, was not offered yet, and has room there.

        Args:
            here: everything that this process has.
            now: by our clock.
        """
        lost = dict[Place, Entry]()
        for kind in {kind for kind, _ in here}:
            mine = {place: entry for place, entry in here.items() if place[0] is kind}
            newest = {place: entry.at for place, entry in mine.items()}
            for place, at in self._there.items():
                if place[0] is kind:
                    newest[place] = max(at, newest.get(place, at))
            room = sorted(newest.values(), reverse=True)[:MAX_ENTRIES]
            for place, entry in mine.items():
                is_newer = place not in self._there or self._there[place] < entry.at
                is_new = self._offered.get(place) != entry.at and believed(entry.at, now) is not None
                if is_newer and is_new and entry.at >= room[-1]:
                    lost[place] = entry
        return lost
