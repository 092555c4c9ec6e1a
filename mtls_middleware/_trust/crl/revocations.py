"""CRLs of all authorities: learned of, fetched in the background, kept, and handed over for a snapshot."""

from collections.abc import Callable, Generator, Hashable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from itertools import chain
from pathlib import Path

from cryptography import x509

from mtls_middleware._core import chain as chains
from mtls_middleware._core import policy
from mtls_middleware._core.certificate import parse_chain
from mtls_middleware._core.crl import CRL, CRLSet
from mtls_middleware._core.decision import RejectionError
from mtls_middleware._core.trust import AuthorityTrust
from mtls_middleware._io import files
from mtls_middleware._io.fetch import CRL_SECONDS, OverloadedError
from mtls_middleware._io.files import InputError
from mtls_middleware._io.store import NoStore, Store
from mtls_middleware._trust.asking import Asking, Question, ask_in_rounds
from mtls_middleware._trust.attempts import Attempts
from mtls_middleware._trust.crl.known import CRLStore, KeptCRL, KnownCRLs, require_true
from mtls_middleware._trust.crl.origins import Origins
from mtls_middleware._trust.crl.parsing import parse_crl
from mtls_middleware._trust.crl.sources import CRLSource, is_address, read_file, require_begun
from mtls_middleware._trust.crl.views import CRLView, is_covered, problem_of, shortcoming_of, warnings_of
from mtls_middleware._trust.schedule import Draw, jittered

Trusts = Sequence[AuthorityTrust]


class Revocations:
    """All CRLs: where they come from, which are due, and which are held.

    `learn`, `due`, `views` and `problems` are for any thread; the others for one at a time, in the background.
    """

    def __init__(
        self,
        *,
        origins: Sequence[str] = (),
        fetch: Callable[[str], bytes],
        store: Store | None = None,
        interval: float = 3600.0,
        draw: Draw = jittered,
        wake: Callable[[], object] = lambda: None,
    ) -> None:
        """Prepare; nothing is read before `recall` or `ask_configured`.

        Args:
            origins: of MTLS_CRL_URLS: addresses, files and folders.
            fetch: returns what is behind an address, or raises `InputError`: a `Fetcher`.
            store: where last good CRLs are kept; None for nowhere.
            interval: seconds between two questions to the same origin.
            draw: for jitter.
            wake: called on the thread of a request when there is a new address to ask; it must not wait.
        """
        store = store or NoStore()
        self._origins = Origins(origins, interval=timedelta(seconds=interval), draw=draw)
        self._fetch = fetch
        self._store = CRLStore(store)
        self._attempts = Attempts(store)
        self._wake = wake
        self._known = KnownCRLs()
        self._files: Hashable = None
        self._current = CRLSet()
        self._issuers: tuple[x509.Certificate, ...] = ()
        self._warnings: tuple[str, ...] = ()

    # --- on the threads of requests -------------------------------------------------------------------------------

    def learn(self, verified: Sequence[x509.Certificate]) -> None:
        """Remember the addresses in a chain that passed everything but revocation: leaf first, anchor last."""
        if len(verified) > 1 and self._origins.addresses.learn(tuple(verified)):
            self._wake()

    # --- in the background, one at a time -----------------------------------------------------------------------

    def recall(self, trusts: Trusts, now: datetime) -> None:
        """Read what needs no network: the operator's files, and what is kept of earlier processes and of others."""
        self._prepare(trusts, now)
        self._files = self._files_view()
        for source in self._origins.sources:
            if source.path is not None:
                list(self._steps(source, now))  # it asks no question: it is a file
        self._warn(now)

    def ask_configured(self, trusts: Trusts, now: datetime, *, force: bool = False) -> Asking:
        """Ask the operator's origins that are due, or all with `force`. What fails keeps the last good CRL."""
        self._prepare(trusts, now)
        changed, self._files = self.files_changed, self._files_view()
        yield from self._ask(
            [
                source
                for source in self._origins.configured
                if force or source.schedule.is_due(now) or (changed and source.path is not None)
            ],
            now,
        )

    def ask_learned(self, trusts: Trusts, now: datetime, *, force: bool = False) -> Asking:
        """Ask the addresses that are due and that no CRL of the operator's makes needless; after `ask_configured`."""
        self._know(trusts)
        self._origins.plan(now)
        due = []
        for source, learned in self._origins.learned:
            self._store.keep_chain(learned.chain, now)
            source.idle = is_covered(self._origins.configured, learned)
            if not source.idle and (force or source.schedule.is_due(now)):
                due.append(source)
        for learned in self._origins.addresses.unusable:
            self._store.keep_chain(learned.chain, now)
        yield from self._ask(due, now)
        self._warn(now)

    def learn_unverified(self, ders: Sequence[bytes], trusts: Trusts, now: datetime) -> bool:
        """Judge a chain, leaf first, as if it came with a call, and learn from it; return whether it passed."""
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

    def crls(self, trusts: Trusts) -> CRLSet:
        """Return the CRLs for a snapshot: the same object for as long as nothing changes."""
        self._know(trusts)
        if (set(self._known.all), self._issuers) != (set(self._current.crls), self._current.issuers):
            self._current = CRLSet(self._known.all, self._issuers)
        return self._current

    @property
    def files_changed(self) -> bool:
        """Return whether a file of MTLS_CRL_URLS changed since `recall` read it. It costs one stat a file."""
        return self._files_view() != self._files

    def _files_view(self) -> Hashable:
        return files.view(Path(origin) for origin in self._origins.named if not is_address(origin))

    # --- on any thread --------------------------------------------------------------------------------------------

    def due(self, now: datetime) -> datetime:
        """Return when there is something to ask: at once where a new address was learned."""
        return self._origins.due(now)

    @property
    def lacks_answers(self) -> bool:
        """Return whether an origin has neither given a CRL nor failed yet."""
        return any(source.last is source.held is None and not source.error for source in self._origins.sources)

    @property
    def problems(self) -> tuple[str, ...]:
        """Return one sentence for each origin that does not give a good CRL."""
        return tuple(problem_of(source) for source in self._origins.sources if source.error and not source.idle)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return one sentence for each CRL that can only revoke, and each certificate whose CRL cannot be fetched."""
        return self._warnings

    @property
    def views(self) -> tuple[CRLView, ...]:
        """Return each origin that is asked."""
        return tuple(map(CRLView.of, (source for source in self._origins.sources if not source.idle)))

    # --- the steps of a refresh -----------------------------------------------------------------------------------

    def _prepare(self, trusts: Trusts, now: datetime) -> None:
        """Bring CAs, origins and CRLs up to what is known in this process and in others."""
        for name, ders in self._store.chains():
            if self.learn_unverified(ders, trusts, now):  # else trust, or the clock, may be another the next time
                self._store.learned(name)
        self._know(trusts)
        self._origins.plan(now)
        self._merge(now)
        self._attempts.recall(now)
        for source in self._origins.sources:
            if source.path is None:  # each process reads files itself, and tells of nobody's
                source.follow(self._attempts)

    def _warn(self, now: datetime) -> None:
        found = warnings_of(self._origins.configured, self._origins.addresses.unusable, now)
        self._warnings = tuple(dict.fromkeys(found))

    def _know(self, trusts: Trusts) -> None:
        anchors = [anchor.certificate for trust in trusts for anchor in trust.anchors]
        self._origins.addresses.keep_only(frozenset(anchors))
        intermediates = (certificate for trust in trusts for certificate in trust.intermediates)
        learned = (certificate for one in self._origins.addresses.all for certificate in one.chain[1:])
        self._issuers = tuple(dict.fromkeys(chain(anchors, intermediates, learned)))
        self._known.review(self._issuers)

    def _merge(self, now: datetime) -> None:
        """Add the CRLs that were kept. A bad one is no problem: its origin will be asked."""
        for kept in self._store.crls():
            source = self._origins.of(kept.origin)
            if kept.entry.is_empty:
                if kept.is_new:
                    self._known.forget_number(kept.origin)
                    if source is not None:
                        source.schedule.restart(now)
                continue
            is_believed = not kept.is_new or self._offer_kept(kept, source, now)
            if is_believed and source is not None and not kept.is_beside:
                source.hear(kept.entry.digest, kept.entry.at, now)

    def _offer_kept(self, kept: KeptCRL, source: CRLSource | None, now: datetime) -> bool:
        """Add a CRL that was kept, and return whether it was believed."""
        try:
            found = parse_crl(self._store.content(kept), kept.origin, believe=self._believing(source))
            if not found.is_usable(now):  # as long as the clock is wrong
                self._store.show_again(kept)
                return False
            self._known.offer(found, self._issuers)
        except InputError:
            return False
        if source is not None and not kept.is_beside:
            source.take(found, kept.entry.digest)
        return True

    def _ask(self, sources: Iterable[CRLSource], now: datetime) -> Asking:
        """Ask the next address of each source in each round; results are taken in the order of the sources."""
        return ask_in_rounds(
            (self._steps(source, now) for source in sources),
            lambda origin: Question(partial(self._fetch, origin), CRL_SECONDS),
        )

    def _steps(self, source: CRLSource, now: datetime) -> Generator[str, bytes, None]:
        """Ask for one address after the other, and be sent its content, until a fresh CRL comes."""
        errors, is_shared = [], True
        for origin in source.origins:
            try:
                content = (yield origin) if is_address(origin) else read_file(origin)
                found = source.parsed(content) or parse_crl(content, origin, believe=self._believing(source))
                require_begun(found, now)
                self._known.offer(found, self._issuers)
            except InputError as error:
                errors.append(f"{origin}: {error}")
                is_shared = is_shared and isinstance(error, OverloadedError)
                continue
            is_shared = False
            shortcoming = shortcoming_of(found, source)
            source.take(found, sha256(content).digest(), only_revokes=bool(shortcoming) and source.learned is not None)
            self._store.keep_crl(origin, content, now, beside=found if shortcoming else None)
            if shortcoming and source.learned is not None:
                errors.append(f"{origin}: {shortcoming}")
            elif found.next_update is not None and not found.is_fresh(now):
                errors.append(f"{origin}: expired at {found.next_update:%Y-%m-%d %H:%M:%SZ}")
            else:
                source.succeeded(found, now, now)
                self._attempts.succeeded(source.key, now)
                return
        attempt = source.failed("; ".join(errors), now, is_shared=is_shared)
        if source.path is None:
            self._attempts.failed(source.key, attempt)

    def _believing(self, source: CRLSource | None) -> Callable[[CRL], None]:
        """Return what a CRL has to pass before its entries are read; only the operator's may be a later CA's."""
        may_wait = source is None or source.learned is None
        return partial(require_true, issuers=self._issuers, may_wait=may_wait)
