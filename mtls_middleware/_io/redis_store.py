"""The store of a fleet: all that is read lies here, in a folder or in memory, and an engine is compared with it."""

import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from operator import attrgetter

from mtls_middleware._io.files import InputError
from mtls_middleware._io.folder_lock import FolderLock, Taken
from mtls_middleware._io.http import within
from mtls_middleware._io.memory import MemoryStore
from mtls_middleware._io.redis_client import AwayError, EngineClient
from mtls_middleware._io.redis_connections import CALL_SECONDS
from mtls_middleware._io.redis_entries import PLAIN_BYTES, Header, name_of
from mtls_middleware._io.redis_lease import EngineLease, Lease
from mtls_middleware._io.redis_offers import Offers, Place
from mtls_middleware._io.redis_state import KEPT_SECONDS, EngineState, UnfinishedError, is_late
from mtls_middleware._io.sealing import Seal
from mtls_middleware._io.store import Entry, Kind, Store

RESEED_SECONDS = 30.0
"""Between two attempts to put back what the engine has lost, where the first did not succeed, or did not last."""

SHARED = tuple(kind for kind in Kind if kind is not Kind.TALLY)
"""Kinds that the engine has; for reports there is a board."""


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
        self._state, *others = (EngineState(client, seal) for seal in seals)
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
        self._fetched: dict[Place, datetime] = {}
        self._offers = Offers()
        self._compared: Hashable = None
        self._offers_from = float("-inf")
        self._was_busy = self._is_blind = self._has_begun = self._is_leading = False
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
        self._has_begun = True
        self._keep(kind, key, content, at)
        if kind in SHARED and not self._reads_only:
            with suppress(AwayError):
                self._write((kind, key), content, at)
            self._rest()

    def view(self) -> Hashable:
        """Bring here what is newer in the engine, and put back there what it has lost; the first time, only the former.

        It takes a second at most, unless a long CRL must be put back. What is not here by then comes the next time.
        """
        self._is_blind, is_first, self._has_begun = True, not self._has_begun, True
        try:
            with within(CALL_SECONDS):
                self._pull()
                self._is_blind = False
                may_write = not is_first and self._may_put_back()
            if may_write:
                self._put_back()
        except AwayError:
            self._wake()  # nobody can say who asks now, so this machine does
        self._rest()
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
                self._fence, self._is_leading = self._lease.fence, True
                try:
                    with self._lease.renewed():
                        yield True
                finally:
                    self._is_leading = False
            else:
                yield taken is Lease.AWAY
                self._was_busy = taken is Lease.BUSY  # from now on: a wake in a view before this one would be in it
        self._rest()

    def _rest(self) -> None:
        if not self._is_leading:
            self._client.rest()

    def close(self) -> None:
        """Release the lease, and end the connections."""
        self._lease.release()
        self._client.close()
        self._local.close()

    @property
    def _troubles(self) -> tuple[str, ...]:
        """Return what does not work in the engine."""
        damage, refused = self._state.damage, len(self._offers.refused)
        where = f"state in {self._client.shown} cannot be"
        passed = (f"{where} read: an entry {damage}",) if damage else ()
        mark = f"{where} written: {refused} of its entries are marked as newer by somebody without MTLS_STATE_SECRET"
        return (*self._client.problems, *passed, *((mark,) if refused else ()))

    # --- the local level ------------------------------------------------------------------------------------------

    def _local_view(self) -> Hashable:
        return self._local.view(), self._spare.view()

    def _here(self, *kinds: Kind) -> dict[Place, Entry]:
        return {(kind, entry.key): entry for kind in kinds or SHARED for entry in self.entries(kind)}

    def _keep(self, kind: Kind, key: str, content: bytes, at: datetime) -> None:
        if not self._reads_only:
            self._local.put(kind, key, content, at)
        if not any(entry.key == key and entry.at == at for entry in self._local.entries(kind)):
            self._spare.put(kind, key, content, at)  # a folder that cannot be written, as in a read-only container

    # --- from the engine ------------------------------------------------------------------------------------------

    def _pull(self) -> None:
        while self._earlier and self._fetch(self._earlier[0], self._earlier[0].headers(self._clock())):
            del self._earlier[0]  # under the secret before this one
        seen = self._state.glance()
        if not self._is_leading:  # what a leader that slept writes late must bear its own number
            self._fence = max(self._fence, seen.fence)
        if not seen.is_leased:
            self._wake()
        if seen.epoch != self._epoch:  # a flush, an eviction, or another server
            self._offers.begin()
            self._fetched = {}  # what was not whole while it was lost, may be now
            self._epoch, self._version, self._offers_from = seen.epoch, b"", float("-inf")
        elif not seen.epoch and self._offers.begin():  # what was written there since the last look is gone already
            self._compared, self._offers_from = None, self._seconds() + RESEED_SECONDS
        if seen.version != self._version:
            headers = [header for header in self._state.headers(self._clock()) if header.kind in SHARED]
            self._offers.look(headers, self._here())
            if self._fetch(self._state, headers):
                self._version = seen.version

    def _wake(self) -> None:
        """Let the view change, where another process asked the network: it does no more."""
        if self._was_busy:
            self._was_busy = False
            self._wakes += 1

    def _fetch(self, state: EngineState, headers: Iterable[Header]) -> bool:
        """Bring here what is newer, and return whether that is all: there may be no time, or another process has it."""
        here = self._here()
        wanted = sorted((header for header in headers if self._is_wanted(header, here)), key=attrgetter("length"))
        may_be_long = not any(header.length > PLAIN_BYTES for header in wanted) or self._take_lock()
        try:
            for index, header in enumerate(wanted):
                if index and is_late():
                    return False
                is_allowed = may_be_long or header.length <= PLAIN_BYTES
                if is_allowed and self._is_wanted(header, self._here(header.kind)):  # no other process was faster
                    content = state.content(header)
                    self._fetched[header.kind, header.key] = header.at
                    if content is not None:
                        self._keep(header.kind, header.key, content, header.at)
        except UnfinishedError:
            return False
        finally:
            if self._lock is not None:
                self._lock.release()
        return may_be_long

    def _is_wanted(self, header: Header, here: dict[Place, Entry]) -> bool:
        place = header.kind, header.key
        return (place not in here or here[place].at < header.at) and self._fetched.get(place) != header.at

    def _take_lock(self) -> bool:
        try:
            return self._lock is None or self._lock.take() is Taken.OURS
        except (OSError, InputError):  # without a folder each process fetches for itself
            return True

    # --- to the engine --------------------------------------------------------------------------------------------

    def _write(self, place: Place, content: bytes, at: datetime) -> None:
        kind, key = place
        gone = self._offers.room_for(place)
        names = [name_of(*other) for other in gone]
        if self._state.write(kind, key, content, at, fence=self._fence, dropped=names):
            self._offers.taken(place, at, gone)
        else:
            self._offers.refused[place] = self._fence
            self._version = b""  # what lies there is read again, and says who is right

    def _may_put_back(self) -> bool:
        """Take the lease, if something lies here and not there: after a flush, an eviction, or a write that failed."""
        state = self._epoch, self._version, self._local_view()
        if self._reads_only or state == self._compared or self._seconds() < self._offers_from or is_late():
            return False
        if not self._lost():
            self._compared = state
            return False
        if self._is_leading:
            return True
        self._offers_from = self._seconds() + RESEED_SECONDS
        taken = self._lease.take()
        if taken is Lease.BUSY:
            self._offers_from = float("-inf")
        elif taken is Lease.OURS:
            self._fence = self._lease.fence
            try:
                self._pull()  # what another process put back just now
            except AwayError:
                self._lease.release()
                raise
        return taken is Lease.OURS

    def _put_back(self) -> None:
        """Write what is lost, as far as there is time; what was refused waits for another number."""
        end = self._seconds() + CALL_SECONDS
        try:
            for place, entry in self._lost().items():
                if self._seconds() < end and self._offers.refused.get(place) != self._fence:
                    with suppress(InputError):  # it is gone from here, too
                        self._write(place, entry.read(), entry.at)
            if not self._offers.refused:
                self._offers_from = float("-inf")
        finally:
            if not self._is_leading:
                self._lease.release()

    def _lost(self) -> dict[Place, Entry]:
        return self._offers.lost(self._here(), self._clock())
