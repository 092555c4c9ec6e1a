"""Revocation lists of all authorities: learned of, fetched aside, kept, and handed over for a snapshot."""

import random
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import chain
from pathlib import Path

from cryptography import x509

from mtls_middleware._core import chain as chains
from mtls_middleware._core import policy
from mtls_middleware._core.certificate import parse_chain
from mtls_middleware._core.crl import CRLSet, RevocationList
from mtls_middleware._core.decision import RejectionError
from mtls_middleware._core.trust import AuthorityTrust
from mtls_middleware._io import files
from mtls_middleware._io.fetch import CRL_BYTES, CRL_SECONDS
from mtls_middleware._io.files import InputError
from mtls_middleware._io.store import NoStore, Store
from mtls_middleware._trust.asking import Asking, Question
from mtls_middleware._trust.crl.known import CRLStore, KnownCRLs, require_true
from mtls_middleware._trust.crl.parsing import parse_list
from mtls_middleware._trust.crl.sources import CRLSource, Learned, LearnedAddresses
from mtls_middleware._trust.schedule import Draw, Schedule
from mtls_middleware.display import displayed

Trusts = Sequence[AuthorityTrust]


@dataclass(frozen=True, slots=True, kw_only=True)
class CRLView:
    """One source of CRLs, and the last CRL from it.

    Attributes:
        origin: address or path.
        held: the list; None where none came.
        last_success: when it came last, UTC.
        error: why the last attempt failed; empty where it did not.
        is_learned: whether a certificate named the address, and not the operator.
    """

    origin: str
    held: RevocationList | None
    last_success: datetime | None
    error: str
    is_learned: bool


class Revocations:
    """All CRLs: where they come from, which are due, and which are held.

    `learn`, `due`, `views` and `problems` may be called from any thread; the others from one at a time, aside.
    """

    def __init__(
        self,
        *,
        places: Sequence[str] = (),
        fetch: Callable[[str], bytes],
        store: Store | None = None,
        interval: float = 3600.0,
        draw: Draw = random.uniform,
        wake: Callable[[], object] = lambda: None,
    ) -> None:
        """Prepare; nothing is read before `recall` or `ask_configured`.

        Args:
            places: of MTLS_CRL_URLS: addresses, files and folders.
            fetch: returns what is behind an address, or raises `InputError`: a `Fetcher`.
            store: where last good lists are kept; None for nowhere.
            interval: seconds between two questions to the same place.
            draw: for jitter.
            wake: called on the thread of a request when there is a new address to ask; it must not wait.
        """
        self._places = tuple(places)
        self._fetch = fetch
        self._store = CRLStore(store or NoStore())
        self._interval = timedelta(seconds=interval)
        self._draw = draw
        self._wake = wake
        self._learned = LearnedAddresses()
        self._known = KnownCRLs()
        self._sources: dict[tuple[str, ...], CRLSource] = {}
        self._files: Hashable = None
        self._current = CRLSet()
        self._issuers: tuple[x509.Certificate, ...] = ()
        self._warnings: tuple[str, ...] = ()

    # --- on the threads of requests -------------------------------------------------------------------------------

    def learn(self, verified: Sequence[x509.Certificate]) -> None:
        """Take note of the addresses in a chain that passed everything but revocation.

        Args:
            verified: leaf first, anchor last; of an acceptance or of ``revocation_unknown``.
        """
        if len(verified) > 1 and self._learned.learn(tuple(verified)):
            self._wake()

    # --- aside, one at a time -------------------------------------------------------------------------------------

    def recall(self, trusts: Trusts, now: datetime) -> None:
        """Take in what needs no network: the operator's files, and what is kept of earlier processes and of others."""
        self._prepare(trusts, now)
        self._files = self.files_view()
        for source in self._sources.values():
            if source.path is not None:
                list(self._steps(source, now))  # it asks no question: it is a file
        self._warn(now)

    def ask_configured(self, trusts: Trusts, now: datetime, *, force: bool = False) -> Asking:
        """Ask the operator's places that are due. What fails keeps the last good CRL; see `problems`.

        Args:
            trusts: of this moment: they say which CAs are known.
            now: aware, UTC.
            force: also what is not due.
        """
        self._prepare(trusts, now)
        seen, self._files = self._files, self.files_view()
        changed = seen != self._files
        configured = [source for source in self._sources.values() if source.learned is None]
        yield from self._ask(
            [
                source
                for source in configured
                if force or source.schedule.is_due(now) or (changed and source.path is not None)
            ],
            now,
        )

    def ask_learned(self, trusts: Trusts, now: datetime, *, force: bool = False) -> Asking:
        """Ask the addresses that are due and that no CRL of the operator's makes needless; after `ask_configured`.

        Args:
            trusts: as for `ask_configured`.
            now: aware, UTC.
            force: also what is not due.
        """
        self._know(trusts)
        self._sources = dict(self._planned(now))
        configured = [source for source in self._sources.values() if source.learned is None]
        due = []
        for source in self._sources.values():
            if source.learned is None:
                continue
            self._store.keep_chain(source.learned.path, now)
            source.idle = _is_told_by(configured, source.learned)
            if not source.idle and (force or source.schedule.is_due(now)):
                due.append(source)
        for learned in self._learned.unusable:
            self._store.keep_chain(learned.path, now)
        yield from self._ask(due, now)
        self._warn(now)

    def learn_unverified(self, ders: Sequence[bytes], trusts: Trusts, now: datetime) -> bool:
        """Judge a chain as if it came with a call, learn from it if it passes, and return whether it did.

        Args:
            ders: leaf first.
            trusts: of this moment.
            now: aware, UTC.
        """
        try:
            presented = parse_chain(ders)
        except RejectionError:
            return False
        for trust in trusts:
            try:
                verified = chains.verify(presented, trust, now)
                policy.identify(verified, trust, "")
            except RejectionError:
                continue
            self.learn(verified.certificates)
            return True
        return False

    def lists(self, trusts: Trusts) -> CRLSet:
        """Return the lists for a snapshot: the same object for as long as nothing changes."""
        self._know(trusts)
        if (set(self._known.all), self._issuers) != (set(self._current.lists), self._current.issuers):
            self._current = CRLSet(self._known.all, self._issuers)
        return self._current

    def files_view(self) -> Hashable:
        """Return what would change if a file of MTLS_CRL_URLS did. It costs one stat a file."""
        return files.view(Path(place) for place in self._places if not _is_address(place))

    # --- on any thread --------------------------------------------------------------------------------------------

    def due(self, now: datetime) -> datetime:
        """Return when there is something to ask: at once where a new address was learned."""
        sources = self._sources.copy()
        if any(learned.addresses not in sources and self._is_asked(learned, now) for learned in self._learned.all):
            return now
        times = [
            now if source.schedule.is_due(now) else source.schedule.due
            for source in sources.values()
            if not source.idle
        ]
        return min(times, default=now + self._interval)

    @property
    def problems(self) -> tuple[str, ...]:
        """Return one sentence for each place that does not give a good list."""
        return tuple(_problem(source) for source in self._sources.copy().values() if source.error and not source.idle)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return one sentence for each CRL that can only revoke, and each certificate whose CRL cannot be fetched."""
        return self._warnings

    @property
    def views(self) -> tuple[CRLView, ...]:
        """Describe each place that is asked."""
        return tuple(
            CRLView(
                origin=source.origin,
                held=source.held,
                last_success=source.last_success,
                error=source.error,
                is_learned=source.learned is not None,
            )
            for source in self._sources.copy().values()
            if not source.idle
        )

    # --- the steps of a refresh -----------------------------------------------------------------------------------

    def _prepare(self, trusts: Trusts, now: datetime) -> None:
        """Bring CAs, places and lists up to what is known in this process and in others."""
        for name, ders in self._store.chains():
            if self.learn_unverified(ders, trusts, now):  # else trust, or the clock, may be another the next time
                self._store.learned(name)
        self._know(trusts)
        self._sources = dict(self._planned(now))
        self._merge(now)

    def _warn(self, now: datetime) -> None:
        configured = [source for source in self._sources.values() if source.learned is None]
        self._warnings = tuple(dict.fromkeys(_warnings_of(configured, self._learned.unusable, now)))

    def _know(self, trusts: Trusts) -> None:
        anchors = [anchor.certificate for trust in trusts for anchor in trust.anchors]
        self._learned.keep_only(frozenset(anchors))
        intermediates = (certificate for trust in trusts for certificate in trust.intermediates)
        learned = (certificate for one in self._learned.all for certificate in one.path[1:])
        self._issuers = tuple(dict.fromkeys(chain(anchors, intermediates, learned)))
        self._known.review(self._issuers)

    def _planned(self, now: datetime) -> Iterator[tuple[tuple[str, ...], CRLSource]]:
        """Go through the places to ask: the operator's first, each as it was left, or new and due."""
        known = self._sources
        for place in chain.from_iterable(map(_files_of, self._places)):
            source = known.get((place,))
            if source is None or source.learned is not None:
                source = CRLSource(places=(place,), schedule=self._schedule(now))
            yield source.places, source
        for learned in self._learned.all:
            if not self._is_asked(learned, now):
                continue
            source = known.get(learned.addresses)
            if source is None:
                source = CRLSource(places=learned.addresses, schedule=self._schedule(now), learned=learned)
            yield source.places, source

    def _schedule(self, now: datetime) -> Schedule:
        return Schedule(interval=self._interval, now=now, draw=self._draw)

    def _is_asked(self, learned: Learned, now: datetime) -> bool:
        """Return whether the network is asked: not for the operator's places, nor for what only the past named."""
        is_configured = any(address in self._places for address in learned.addresses)
        return not is_configured and now <= learned.certificate.not_valid_after_utc

    def _merge(self, now: datetime) -> None:
        """Take in the lists that were kept. A bad one is nobody's problem: its place will be asked."""
        for kept in self._store.lists():
            source = next((one for one in self._sources.values() if kept.origin in one.places), None)
            if kept.is_new and not kept.content:
                self._known.forget_number(kept.origin)
                if source is not None:
                    source.schedule = self._schedule(now)
                continue
            if not kept.content:
                continue
            if kept.is_new:
                try:
                    found = parse_list(kept.content, kept.origin, believe=self._believing(source))
                    if not found.is_usable(now):  # as long as the clock is wrong
                        self._store.show_again(kept)
                        continue
                    self._known.offer(found, self._issuers)
                except InputError:
                    continue
                if source is not None and kept.key == kept.origin:
                    source.held = found
            if (
                source is not None
                and kept.key == kept.origin
                and source.held is not None
                and _is_news(kept.at, source, now)
            ):
                source.succeeded(source.held, min(kept.at, now))

    def _ask(self, sources: Iterable[CRLSource], now: datetime) -> Asking:
        """Ask the next address of each source in each round; results are taken in the order of the sources."""
        steps = [(step, next(step, None)) for step in (self._steps(source, now) for source in sources)]
        while any(place is not None for _, place in steps):
            asked = [(step, place) for step, place in steps if place is not None]
            found = yield {place: Question(partial(self._fetch, place), CRL_SECONDS) for _, place in asked}
            steps = [(step, _continue(step, found[place])) for step, place in asked]

    def _steps(self, source: CRLSource, now: datetime) -> Generator[str, bytes, None]:
        """Ask for one address after the other, and be sent its content, until a fresh CRL comes."""
        errors = []
        for place in source.places:
            try:
                content = (yield place) if _is_address(place) else _read(place)
                found = source.parsed(content) or parse_list(content, place, believe=self._believing(source))
                _require_begun(found, now)
                self._known.offer(found, self._issuers)
            except InputError as error:
                errors.append(f"{place}: {error}")
                continue
            shortcoming = _shortcoming(found, source)
            source.take(found, content, only_revokes=bool(shortcoming) and source.learned is not None)
            self._store.keep_list(place, content, now, beside=found if shortcoming else None)
            if shortcoming and source.learned is not None:
                errors.append(f"{place}: {shortcoming}")
            elif found.next_update is not None and not found.is_fresh(now):
                errors.append(f"{place}: expired at {found.next_update:%Y-%m-%d %H:%M:%SZ}")
            else:
                source.succeeded(found, now)
                return
        source.failed("; ".join(errors), now)

    def _believing(self, source: CRLSource | None) -> Callable[[RevocationList], None]:
        """Return what a list has to pass before its entries are read; only the operator's may be a later CA's."""
        may_wait = source is None or source.learned is None
        return partial(require_true, issuers=self._issuers, may_wait=may_wait)


def _read(place: str) -> bytes:
    path_ = Path(place)
    if files.is_folder(path_):
        files.list_folder(path_)  # says what is wrong with it
    return files.read(path_, CRL_BYTES)


def _continue(step: Generator[str, bytes, None], found: object) -> str | None:
    """Hand over what an address gave, and return the next one; None after the last."""
    try:
        if isinstance(found, bytes):
            return step.send(found)
        return step.throw(found if isinstance(found, InputError) else InputError(f"cannot be fetched: {found}"))
    except StopIteration:
        return None


def _is_address(place: str) -> bool:
    return "://" in place


def _files_of(place: str) -> tuple[str, ...]:
    """Return the files of a folder, or the place itself."""
    if not _is_address(place) and files.is_folder(Path(place)):
        try:
            return tuple(map(str, files.list_folder(Path(place))))
        except InputError:
            pass  # it is asked as a file, and that tells
    return (place,)


def _is_news(at: datetime, source: CRLSource, now: datetime) -> bool:
    """Return whether another process, or an earlier one, asked later than this one."""
    return source.last_success is None or source.last_success < at <= now


def _require_begun(found: RevocationList, now: datetime) -> None:
    if not found.is_usable(now):
        raise InputError(f"begins at {found.this_update:%Y-%m-%d %H:%M:%SZ}: not usable yet; is the clock right?")


def _shortcoming(found: RevocationList, source: CRLSource) -> str:
    """Return why a CRL can only revoke; empty where it can also confirm that a certificate is good."""
    limit = _limit(found, source)
    return f"{limit}: it can revoke, but cannot confirm that a certificate is good" if limit else ""


def _limit(found: RevocationList, source: CRLSource) -> str:
    if found.limit:
        return str(found.limit)
    if found.next_update is None:
        return "has no nextUpdate"
    if source.learned is not None and found.addresses is not None and found.addresses.isdisjoint(source.places):
        return "is bound to other addresses than this one"  # a swap would hide what the right one names
    return ""


def _is_told_by(configured: Iterable[CRLSource], learned: Learned) -> bool:
    """Return whether a list of the operator's tells of this certificate, so that nobody else need be asked."""
    lists = (source.held for source in configured if source.held is not None)
    return any(
        one.next_update is not None
        and one.covers(learned.certificate, is_ca=learned.is_ca)
        and one.is_signed_by(learned.issuer)
        for one in lists
    )


def _problem(source: CRLSource) -> str:
    held = source.held
    if held is None:
        return f"CRL {source.error}; none{' that can' if source.last is not None else ''} is known from there"
    number = "the last" if held.number is None else f"number {held.number}"
    until = "" if held.next_update is None else f" until {held.next_update:%Y-%m-%d %H:%M:%SZ},"
    return f"CRL {source.error}; {number},{until} stays"


def _warnings_of(configured: Sequence[CRLSource], unusable: Iterable[Learned], now: datetime) -> Iterator[str]:
    """Go through what an operator can do better: CRLs that can only revoke, and certificates whose CRL nobody finds."""
    for source in configured:
        shortcoming = _shortcoming(source.held, source) if source.held is not None else ""
        if shortcoming:
            yield f"CRL {source.origin}: {shortcoming}"
    for learned in unusable:
        if now <= learned.certificate.not_valid_after_utc and not _is_told_by(configured, learned):
            issuer = displayed(learned.issuer.subject.rfc4514_string())
            yield f"no CRL is fetched for a certificate of {issuer}: {learned.unusable}; name its CRL in MTLS_CRL_URLS"
