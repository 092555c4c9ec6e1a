"""All sources of trust together: files, the certificates API, CRLs. Each keeps its own last good answer."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509

from mtls_middleware._core.crl import CRLSet
from mtls_middleware._core.pin import Pin
from mtls_middleware._core.trust import AuthorityTrust
from mtls_middleware._io.fetch import prepare
from mtls_middleware._io.http import within
from mtls_middleware._io.store import Store
from mtls_middleware._trust.asking import Asker, Asking, answer_rounds
from mtls_middleware._trust.crl.revocations import Revocations
from mtls_middleware._trust.crl.sources import is_address
from mtls_middleware._trust.crl.views import CRLView
from mtls_middleware._trust.files.loading import (
    LoadedTrust,
    ReadFiles,
    TrustSources,
    build_trusts,
    fingerprint_of_files,
    no_files,
    read_files,
)
from mtls_middleware._trust.genesys.source import APISource
from mtls_middleware._trust.judging import flaws_of, has_new_root
from mtls_middleware.errors import TrustError
from mtls_middleware.identity import Authority
from mtls_middleware.observing.events import Refreshed, RefreshResult, RefreshSource
from mtls_middleware.observing.status import APIStatus, CRLStatus
from mtls_middleware.renewals import no_digicert_listed

WITHOUT_PIN = timedelta(minutes=1)
"""Between two questions to the certificates API while no pin of its region is valid: every call is refused."""

LEADER_TIMEOUT = timedelta(minutes=5)
"""After which a worker that asks, and found nothing yet, may be stuck: the others ask without it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatheredTrust:
    """The trust of one moment.

    Attributes:
        trusts: one for each configured authority.
        crls: CRLs.
        warnings: what was left out, and why.
        pin_warnings: those of them that are about pins, and what the certificates API lists.
        problems: what failed; its last good is in here.
        complaints: what could not be kept for a restart; this process goes on without.
        renewed: regions whose root does not verify what the certificates API crls.
    """

    trusts: tuple[AuthorityTrust, ...]
    crls: CRLSet
    warnings: tuple[str, ...]
    pin_warnings: tuple[str, ...]
    problems: tuple[str, ...]
    complaints: tuple[str, ...]
    renewed: tuple[str, ...]


class Gatherer:
    """All sources of trust. Not for several threads at once, but for `learn`, `has_changed` and the statuses."""

    def __init__(
        self,
        sources: TrustSources,
        *,
        store: Store,
        apis: Sequence[APISource] = (),
        revocations: Revocations | None = None,
        asker: Asker | None = None,
    ) -> None:
        """Prepare; nothing is read before `load`."""
        self._asker = asker or Asker()
        self._sources = sources
        self._store = store
        self.close = store.close  # ends connections
        self._apis = tuple(apis)
        self._revocations = revocations
        self._read: ReadFiles | None = None
        self._pins: tuple[Pin, ...] = ()
        self._files: Hashable = None
        self._stored: Hashable = None
        self._file_problems: tuple[str, ...] = ()
        self._following_since: datetime | None = None

    # --- on any thread --------------------------------------------------------------------------------------------

    def learn(self, verified: Sequence[x509.Certificate]) -> None:
        """Remember the addresses of CRLs in a chain that passed everything but revocation."""
        if self._revocations is not None:
            self._revocations.learn(verified)

    def has_changed(self, now: datetime) -> bool:
        """Return whether a refresh has something to do before its time. It costs a few stats, or a small read."""
        return (
            fingerprint_of_files(self._sources) != self._files
            or (self._revocations is not None and self._revocations.files_changed)
            or self._store.view() != self._stored
            or (not self._is_waiting(now) and self._is_due(now))
        )

    @property
    def lacks_answers(self) -> bool:
        """Return whether a source has neither answered nor failed yet: another worker may be asking it."""
        return (self._revocations is not None and self._revocations.lacks_answers) or any(
            api.known.answered_at is None and not api.problem for api in self._apis
        )

    @property
    def crl_views(self) -> tuple[CRLView, ...]:
        """Return a view of each origin that CRLs come from."""
        return self._revocations.views if self._revocations is not None else ()

    @property
    def crl_statuses(self) -> tuple[CRLStatus, ...]:
        """Return the status of each origin that CRLs come from."""
        return tuple(view.status for view in self.crl_views)

    @property
    def api_statuses(self) -> tuple[APIStatus, ...]:
        """Return the status of the certificates API of each region."""
        return tuple(api.status for api in self._apis)

    @property
    def apis(self) -> tuple[APISource, ...]:
        """Return the source of each region with an OAuth client."""
        return self._apis

    @property
    def results(self) -> tuple[Refreshed, ...]:
        """Return for each kind of source whether the last refresh found it good."""
        found = {RefreshSource.FILES: bool(self._file_problems)}
        if self._apis:
            found[RefreshSource.API] = any(api.problem for api in self._apis)
        if self.crl_views and self._revocations is not None:
            found[RefreshSource.LISTS] = bool(self._revocations.problems)
        return tuple(
            Refreshed(source, RefreshResult.FAILURE if failed else RefreshResult.SUCCESS)
            for source, failed in found.items()
        )

    # --- one thread at a time -------------------------------------------------------------------------------------

    def load(self, now: datetime, *, lenient: bool = False) -> GatheredTrust:
        """Read files and what was kept; it asks nobody.

        Args:
            now: aware, UTC.
            lenient: begin without any anchor and pin where the files cannot be used; the problems say so.

        Raises:
            TrustError: a file cannot be used, or nothing is valid now.
        """
        files, problems = fingerprint_of_files(self._sources), tuple[str, ...]()
        try:
            self._read = read_files(self._sources, now)
        except TrustError as error:
            if not lenient:
                raise
            self._read, problems = no_files(self._sources), error.problems
        self._files, self._file_problems = files, problems
        self._recall(now)
        if self._apis or any(is_address(view.origin) for view in self.crl_views):
            prepare()  # here, before there is a thread that would do it while a server forks
        return self._gathered(now)

    def refresh(self, now: datetime, clock: Callable[[], datetime], *, force: bool = False) -> GatheredTrust:
        """Read files again, and ask who is due; of several workers of a machine, one asks, and all learn from it.

        Args:
            now: aware, UTC.
            clock: returns the time after the wait for the network.
            force: ask all, due or not, whoever else asks.

        Raises:
            TrustError: nothing was ever loaded, and cannot be now.
        """
        files = fingerprint_of_files(self._sources)
        try:
            self._read = read_files(self._sources, now)
            self._file_problems = ()
        except TrustError as error:
            if self._read is None:
                raise
            self._file_problems = error.problems
        self._files = files
        with self._store.refreshing() as is_mine:
            has_news = self._store.view() != self._stored
            self._recall(now)
            if is_mine or self._following_since is None or has_news or self._following_since > now:
                self._following_since = None if is_mine else now
            is_stuck = self._following_since is not None and now - self._following_since >= LEADER_TIMEOUT
            if is_mine or is_stuck or force:
                self._ask(now, force=force)
                self._stored = self._store.view()  # what it wrote itself is no news
        return self._gathered(clock())

    def why_not_kept(self) -> tuple[str, ...]:
        """Return why nothing can be kept for a restart, found out by trying, but not over the network; empty else."""
        with within(0), self._store.refreshing():
            return self._store.problems

    def ask_apis(self, now: datetime) -> None:
        """Ask the certificates APIs alone, due or not: for a deployment whose files cannot be used."""
        answer_rounds([self._apis_asking(now, force=True)], self._asker.ask)

    def _is_due(self, now: datetime) -> bool:
        crls = self._revocations
        return any(self._is_api_due(api, now) for api in self._apis) or (crls is not None and crls.due(now) <= now)

    def _is_api_due(self, api: APISource, now: datetime) -> bool:
        has_pin = any(pin.region == api.region and pin.can_pass(now) for pin in self._pins)
        needs_one = Authority.DIGICERT in self._sources.authorities and not has_pin
        return api.schedule.is_due(now, at_most=WITHOUT_PIN if needs_one else timedelta.max)

    def _is_waiting(self, now: datetime) -> bool:
        """Return whether another worker asks the network. What it finds, and its end, change the view of the store."""
        since = self._following_since
        return since is not None and since <= now < since + LEADER_TIMEOUT

    def _recall(self, now: datetime) -> None:
        self._stored = self._store.view()
        for api in self._apis:
            api.recall(now)
        trusts = self._trust(now).trusts
        self._pins = _pins_of(trusts)
        if self._revocations is not None:
            self._revocations.recall(trusts, now)

    def _ask(self, now: datetime, *, force: bool) -> None:
        """Ask who is due side by side; then the addresses of CRLs that nobody has made needless."""
        crls = self._revocations
        configured = () if crls is None else (crls.ask_configured(self._trust(now).trusts, now, force=force),)
        answer_rounds([self._apis_asking(now, force=force), *configured], self._asker.ask)
        if crls is None:
            return
        trusts = self._trust(now).trusts
        for api in self._apis:
            for leaf in api.known.genesys_leaves(now):
                crls.learn_unverified((leaf,), trusts, now)
        answer_rounds([crls.ask_learned(trusts, now, force=force)], self._asker.ask)

    def _apis_asking(self, now: datetime, *, force: bool) -> Asking:
        due = {f"API {api.region}": api for api in self._apis if force or self._is_api_due(api, now)}
        if due:
            found = yield {key: api.question for key, api in due.items()}
            for key, api in due.items():
                api.take(found[key], now)

    def _trust(self, now: datetime) -> LoadedTrust:
        assert self._read is not None  # noqa: S101 - `load` or `refresh` came first
        return build_trusts(self._sources, self._read, now, (api.known for api in self._apis))

    def _without_digicert(self) -> Iterator[str]:
        """Say which API lists nothing that could be pinned: so would the end of this mode look."""
        for api in self._apis:
            since = api.known.no_digicert_since
            if since is not None and Authority.DIGICERT in self._sources.authorities:
                yield no_digicert_listed(api.region, f"{since:%Y-%m-%d}")

    def _gathered(self, now: datetime) -> GatheredTrust:
        loaded = self._trust(now)
        self._pins = _pins_of(loaded.trusts)
        crls = self._revocations.crls(loaded.trusts) if self._revocations is not None else CRLSet()
        pin_warnings = (
            *flaws_of(self._pins),
            *(warning for api in self._apis for warning in api.warnings),
            *self._without_digicert(),
        )
        return GatheredTrust(
            trusts=loaded.trusts,
            crls=crls,
            pin_warnings=pin_warnings,
            warnings=(
                *loaded.warnings,
                *pin_warnings,
                *(self._revocations.warnings if self._revocations is not None else ()),
            ),
            problems=(
                *self._file_problems,
                *(api.problem for api in self._apis if api.problem),
                *(self._revocations.problems if self._revocations is not None else ()),
            ),
            complaints=self._store.problems,
            renewed=tuple(
                api.region
                for api in self._apis
                if has_new_root(api.region, api.known.genesys_leaves(now), loaded.trusts, now)
            ),
        )


def _pins_of(trusts: Sequence[AuthorityTrust]) -> tuple[Pin, ...]:
    return tuple(pin for trust in trusts for pin in trust.pins.values())
