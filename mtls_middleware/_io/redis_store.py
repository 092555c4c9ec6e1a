"""The store of a fleet: all that is read lies here, in a folder or in memory, and an engine is compared with it."""

import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime

from mtls_middleware._io.files import InputError
from mtls_middleware._io.folder_lock import FolderLock, Taken
from mtls_middleware._io.memory import MemoryStore
from mtls_middleware._io.redis_client import AwayError, EngineClient
from mtls_middleware._io.redis_entries import PLAIN_BYTES, Header, name_of
from mtls_middleware._io.redis_lease import EngineLease, Lease
from mtls_middleware._io.redis_state import KEPT_SECONDS, EngineState
from mtls_middleware._io.sealing import Seal
from mtls_middleware._io.store import MAX_ENTRIES, Entry, Kind, Store, believed

RESEED_SECONDS = 30.0
"""Between two attempts to put back what the engine has lost, where the first did not succeed."""

SHARED = tuple(kind for kind in Kind if kind is not Kind.TALLY)
"""Kinds that the engine has; for reports there is a board."""

_Place = tuple[Kind, str]


class EngineStore:
    """A store of two levels. Without the engine it is its local level."""

    def __init__(
        self,
        client: EngineClient,
        seals: Sequence[Seal],
        *,
        local: Store,
        lock: FolderLock | None = None,
        reads_only: bool = False,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare; nothing is read before it is used.

        Args:
            client: the way to the engine.
            seals: the first one is written with; what lies under the others is read once.
            local: all that is read.
            lock: of several processes with the same local level, whoever has it fetches long contents.
            reads_only: for who only looks: nothing is written, neither here nor there.
            clock: returns the time, aware, UTC.
            seconds: never go back.
        """
        self._client = client
        self._state, *others = (EngineState(client, seal, seconds=seconds) for seal in seals)
        self._earlier = others
        self._lease = EngineLease(client, seals[0].base, KEPT_SECONDS)
        self._local = local
        self._spare = MemoryStore()
        self._lock = lock
        self._reads_only = reads_only
        self._clock = clock
        self._seconds = seconds
        self._fence = 0
        self._epoch = self._version = b""
        self._remote: dict[_Place, datetime] = {}
        self._fetched: dict[_Place, datetime] = {}
        self._offered: dict[_Place, datetime] = {}
        self._compared: Hashable = None
        self._offers_from = float("-inf")
        self._was_busy = self._is_blind = False
        self._wakes = 0

    @property
    def problems(self) -> tuple[str, ...]:
        """Return what does not work, here or in the engine."""
        return (*self._local.problems, *self._troubles)

    def entries(self, kind: Kind) -> Iterator[Entry]:
        """Return what is kept here, also what a folder did not take."""
        spare = {entry.key: entry for entry in self._spare.entries(kind)}
        for entry in self._local.entries(kind):
            other = spare.get(entry.key)
            if other is None or other.at <= entry.at:
                spare.pop(entry.key, None)
                yield entry
        yield from spare.values()

    def put(self, kind: Kind, key: str, content: bytes, at: datetime) -> None:
        """Keep something here, and then in the engine."""
        self._keep(kind, key, content, at)
        if kind in SHARED and not self._reads_only:
            with suppress(AwayError):
                self._write((kind, key), content, at)

    def view(self) -> Hashable:
        """Bring here what is newer in the engine, and put back there what it has lost."""
        self._is_blind = True
        try:
            self._pull()
            self._is_blind = False
            self._reseed()
        except AwayError:
            self._wake()  # nobody can say who asks now, so this machine does
        return self._local_view(), self._wakes, self._troubles  # so it is told within seconds, and that it is over

    @contextmanager
    def refreshing(self) -> Iterator[bool]:
        """Enter as the one process of the fleet; without an engine, of this machine."""
        with nullcontext(enter_result=False) if self._reads_only else self._local.refreshing() as is_mine:
            taken = self._lease.take() if is_mine else None
            if taken is Lease.BUSY and self._is_blind:
                taken = Lease.AWAY  # what another process finds could not be read
            self._was_busy = False
            if taken is Lease.OURS:
                self._fence = self._lease.fence
                with self._lease.renewed():
                    yield True
            else:
                yield taken is Lease.AWAY
                self._was_busy = taken is Lease.BUSY  # from now on: a wake in a view before this one would be in it

    def close(self) -> None:
        """Release the lease, and end the connections."""
        self._lease.release()
        self._client.close()
        self._local.close()

    @property
    def _troubles(self) -> tuple[str, ...]:
        """Return what does not work in the engine."""
        damage = self._state.damage
        passed = (f"state in {self._client.shown} cannot be read: an entry {damage}",) if damage else ()
        return (*self._client.problems, *passed)

    # --- the local level ------------------------------------------------------------------------------------------

    def _local_view(self) -> Hashable:
        return self._local.view(), self._spare.view()

    def _here(self, *kinds: Kind) -> dict[_Place, Entry]:
        return {(kind, entry.key): entry for kind in kinds or SHARED for entry in self.entries(kind)}

    def _keep(self, kind: Kind, key: str, content: bytes, at: datetime) -> None:
        if not self._reads_only:
            self._local.put(kind, key, content, at)
        if not any(entry.key == key and entry.at == at for entry in self._local.entries(kind)):
            self._spare.put(kind, key, content, at)  # a folder that cannot be written, as in a read-only container

    # --- from the engine ------------------------------------------------------------------------------------------

    def _pull(self) -> None:
        while self._earlier:  # under the secret before this one
            self._fetch(self._earlier[0], self._earlier[0].headers(self._clock()))
            del self._earlier[0]
        seen = self._state.glance()
        self._fence = max(self._fence, seen.fence)
        if not seen.is_leased:
            self._wake()
        if seen.epoch != self._epoch:  # a flush, an eviction, or another server
            self._epoch, self._offered, self._offers_from = seen.epoch, {}, float("-inf")
        if seen.version != self._version:
            headers = [header for header in self._state.headers(self._clock()) if header.kind in SHARED]
            self._remote = {(header.kind, header.key): header.at for header in headers}
            if self._fetch(self._state, headers):
                self._version = seen.version

    def _wake(self) -> None:
        """Let the view change, where another process asked the network: it does no more."""
        if self._was_busy:
            self._was_busy = False
            self._wakes += 1

    def _fetch(self, state: EngineState, headers: Iterable[Header]) -> bool:
        """Bring here what is newer, and return whether that is all; long contents may be left to another process."""
        here = self._here()
        wanted = [header for header in headers if self._is_wanted(header, here)]
        may_be_long = not any(header.length > PLAIN_BYTES for header in wanted) or self._take_lock()
        try:
            for header in wanted:
                is_allowed = may_be_long or header.length <= PLAIN_BYTES
                if is_allowed and self._is_wanted(header, self._here(header.kind)):  # no other process was faster
                    content = state.content(header)
                    self._fetched[header.kind, header.key] = header.at
                    if content is not None:
                        self._keep(header.kind, header.key, content, header.at)
        finally:
            if self._lock is not None:
                self._lock.release()
        return may_be_long

    def _is_wanted(self, header: Header, here: dict[_Place, Entry]) -> bool:
        place = header.kind, header.key
        return (place not in here or here[place].at < header.at) and self._fetched.get(place) != header.at

    def _take_lock(self) -> bool:
        try:
            return self._lock is None or self._lock.take() is Taken.OURS
        except (OSError, InputError):  # without a folder each process fetches for itself
            return True

    # --- to the engine --------------------------------------------------------------------------------------------

    def _write(self, place: _Place, content: bytes, at: datetime) -> None:
        kind, key = place
        others = sorted((was, other) for other, was in self._remote.items() if other[0] is kind and other != place)
        dropped = [other for _, other in others[: max(0, len(others) - MAX_ENTRIES + 1)]]
        names = [name_of(*other) for other in dropped]
        self._state.write(kind, key, content, at, fence=self._fence, dropped=names)
        self._offered[place] = self._remote[place] = at
        for other in dropped:
            del self._remote[other]

    def _reseed(self) -> None:
        """Put back what lies here and not there: after a flush, an eviction, or a write that failed."""
        state = self._epoch, self._version, self._local_view()
        if self._reads_only or state == self._compared or self._seconds() < self._offers_from:
            return
        if not self._lost():
            self._compared = state
            return
        self._offers_from = self._seconds() + RESEED_SECONDS
        is_held = self._lease.is_held
        taken = Lease.OURS if is_held else self._lease.take()
        if taken is Lease.OURS:
            try:
                self._fence = self._lease.fence
                if not is_held:
                    self._pull()  # what another process put back just now
                for place, entry in self._lost().items():
                    with suppress(InputError):  # it is gone from here, too
                        self._write(place, entry.read(), entry.at)
                self._offers_from = float("-inf")
            finally:
                if not is_held:
                    self._lease.release()
        elif taken is Lease.BUSY:
            self._offers_from = float("-inf")

    def _lost(self) -> dict[_Place, Entry]:
        """Return what is newer here, as far as there is room for it."""
        now, lost = self._clock(), dict[_Place, Entry]()
        for kind in SHARED:
            here = self._here(kind)
            newest = {**{place: entry.at for place, entry in here.items()}}
            for place, at in self._remote.items():
                if place[0] is kind:
                    newest[place] = max(at, newest.get(place, at))
            room = sorted(newest.values(), reverse=True)[:MAX_ENTRIES]
            for place, entry in here.items():
                is_newer = place not in self._remote or self._remote[place] < entry.at
                is_new = self._offered.get(place) != entry.at and believed(entry.at, now) is not None
                if is_newer and is_new and entry.at >= room[-1]:
                    lost[place] = entry
        return lost
