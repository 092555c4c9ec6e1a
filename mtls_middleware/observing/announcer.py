"""What is published, and how often: every hook gets each event, and a notice is logged once."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from types import MappingProxyType

from mtls_middleware._core.connection import Connection
from mtls_middleware._core.decision import Accepted, Decision, Reason, Rejected
from mtls_middleware._core.pin import Pin
from mtls_middleware._core.response import correlation_id
from mtls_middleware._core.trust import TrustSnapshot
from mtls_middleware.display import displayed
from mtls_middleware.identity import ClientIdentity
from mtls_middleware.observing.complaints import AcceptedAgain, Complaints
from mtls_middleware.observing.deployment import fault_of, trailers_as_headers
from mtls_middleware.observing.events import (
    CallAccepted,
    CallRejected,
    DecisionCounts,
    Event,
    EventName,
    Hook,
    Notice,
    RefreshFailed,
    Severity,
    TrustReplaced,
)
from mtls_middleware.observing.expiry import Expiry, ExpiryKind
from mtls_middleware.observing.handshake_counts import HANDSHAKES
from mtls_middleware.observing.history import Refusal
from mtls_middleware.observing.logging import LOGGER, named
from mtls_middleware.regions import of_certificate_names
from mtls_middleware.renewals import (
    caller_of_other_region,
    pin_came,
    pin_went,
    root_perhaps_renewed,
    root_renewed,
)

REPORT_EVERY = timedelta(minutes=1)
"""How often report mode says that it lets refusals through."""

_REPORT_MODE = "MTLS_MODE=report lets calls through that enforce would refuse: no call is refused"

_REPORT_WITHOUT_TRUST = "MTLS_MODE=report serves without trust: enforce would not start, and refuse every call"


class Announcer:
    """Publishes to the hooks of one guard. What fails there changes no decision."""

    def __init__(
        self,
        hooks: Iterable[Hook],
        *,
        source: str,
        genesys_names: Mapping[str, str] = MappingProxyType({}),
        forwarded_for: Callable[[Connection], str | None] = lambda _: None,
    ) -> None:
        """Prepare.

        Args:
            hooks: take the events.
            source: name of the configured source of certificates.
            forwarded_for: returns the caller that a trusted proxy names.
            genesys_names: the region of each certificate name (lower case) that a root of Genesys vouches for.
        """
        self._hooks = tuple(hooks)
        self._source = source
        self._genesys_names = genesys_names
        self._forwarded_for = forwarded_for
        self._published: set[str] = set()
        self._warned: set[tuple[str, str, datetime, int]] = set()
        self._failures = Complaints()
        self._start_failed = False
        self._state, self._renewed = Complaints(), set[str]()
        self._not_kept: dict[str, tuple[str, ...]] = {}
        self._calls = AcceptedAgain()
        self._last_report: datetime | None = None
        self._last_handshake: datetime | None = None
        self._last_rejected: CallRejected | None = None

    def publish(self, event: Event) -> None:
        """Give one event to every hook."""
        self._each(lambda hook: hook(event))

    @property
    def has_accept_listeners(self) -> bool:
        """Return whether any hook wants accepted calls now."""
        return any(hook.enabled for hook in self._hooks)

    def notify(self, event: EventName, severity: Severity, text: str) -> None:
        """Publish a notice."""
        self.publish(Notice(event=event, severity=severity, text=text))

    def publish_once(self, event: EventName, severity: Severity, text: str) -> None:
        """Publish a notice, unless it was published before."""
        if text not in self._published:
            self._published.add(text)
            self.notify(event, severity, text)

    def decision(self, connection: Connection, decision: Decision) -> None:
        """Publish a decision to the hooks."""
        if not decision.protected:
            return
        if isinstance(decision, Accepted):
            self.publish(CallAccepted(identity=decision.identity, cached=decision.cached))
        else:
            self._rejection(connection, decision)

    def counting(self, count: Callable[[], object], identity: ClientIdentity) -> Callable[[], object]:
        """Return what counts a repeated acceptance, and publishes it if any hook wants that now."""
        if not self.has_accept_listeners:
            return count
        return partial(self._counted, count, CallAccepted(identity=identity, cached=True))

    def _counted(self, count: Callable[[], object], event: CallAccepted) -> None:
        count()
        self.publish(event)

    def trust_replaced(self, snapshot: TrustSnapshot, warnings: tuple[str, ...]) -> None:
        """Publish that other trust is in force."""
        self.publish(
            TrustReplaced(
                version=snapshot.version,
                anchors=len(snapshot.anchors),
                pins=len(snapshot.pins),
                lists=len(snapshot.crls),
                warnings=warnings,
            )
        )

    def problems(self, problems: tuple[str, ...]) -> None:
        """Publish what failed in a refresh, unless the same failed in the one before, and what is good again."""
        new, ended = self._failures.update(problems)
        if new:
            self.publish(RefreshFailed(problems=new))
        if self._start_failed and not problems:
            self._start_failed, ended = False, ended or ("the start succeeded",)
        for about in ended:
            self.notify(EventName.TRUST_REFRESH, Severity.ERROR, f"trust is refreshed again: {displayed(about, 1024)}")

    def start_failed(self) -> None:
        """Remember that a start failed, so that its end is published; the start itself raises why."""
        self._start_failed = True

    def not_kept(self, who: str, complaints: Iterable[str]) -> None:
        """Publish what could not be kept, once, and that it can be again.

        Args:
            who: could not keep it: what one can write, another may not.
            complaints: one sentence each.
        """
        self._not_kept[who] = tuple(complaints)
        new, ended = self._state.update((text for texts in self._not_kept.values() for text in texts), is_news=False)
        for text in new:
            self.notify(EventName.STATE, Severity.WARNING, text)
        for about in ended:
            self.notify(EventName.STATE, Severity.WARNING, f"{about.replace(' cannot ', ' can ')} again")

    def handshakes(self, last: Refusal | None) -> None:
        """Publish what the last refused handshake tells of roots; somebody asks from time to time.

        Where TLS ends here, a caller that no root vouches for is refused there, and no call of it arrives.
        """
        if last is not None and last.at != self._last_handshake:
            self._last_handshake = last.at
            if last.reason == Reason.ISSUER_UNTRUSTED:
                self._issuer_untrusted(last.names)

    def accepted_again(self, decisions: DecisionCounts, now: datetime) -> None:
        """Publish whose calls are accepted again after they seemed to fail; somebody asks from time to time."""
        handshakes = (number for reason, number in HANDSHAKES.totals().items() if reason in frozenset(Reason))
        for region in self._calls.look(decisions, sum(handshakes), now):
            self.notify(EventName.CALLS_ACCEPTED, Severity.ERROR, f"calls of {region} are accepted again")
            self._published.discard(root_perhaps_renewed(region))

    def pins_changed(self, before: Iterable[Pin], after: Iterable[Pin], now: datetime) -> None:
        """Publish which pins came and which went: during a rotation, that is what an operator waits for."""
        old, new = ({pin.fingerprint_sha256: pin for pin in pins} for pins in (before, after))
        for digest in new.keys() - old.keys():
            self.notify(EventName.PIN_CHANGED, Severity.WARNING, pin_came(new[digest], now))
        for digest in old.keys() - new.keys():
            self.notify(EventName.PIN_CHANGED, Severity.WARNING, pin_went(old[digest], now))

    def roots_renewed(self, regions: Iterable[str]) -> None:
        """Publish, once, whose root does not verify what the certificates API lists, and that one does again."""
        regions = set(regions)
        for region in sorted(regions):
            self.publish_once(EventName.ROOT_RENEWED, Severity.ERROR, root_renewed(region))
        for region in sorted(self._renewed - regions):
            self._published.discard(root_renewed(region))
            text = f"a root in MTLS_TRUST signed what the certificates API lists for {region} again"
            self.notify(EventName.ROOT_RENEWED, Severity.ERROR, text)
        self._renewed = regions

    def expirations(self, found: Iterable[Expiry]) -> None:
        """Publish each expiry at each of its thresholds, once, and that it is far away again."""
        warned = {(kind, region): at for kind, region, at, _ in sorted(self._warned)}
        for expiry in found:
            key = (str(expiry.kind), expiry.region, expiry.at, expiry.threshold or 0)
            if expiry.threshold is not None and key not in self._warned:
                self._warned.add(key)
                self.notify(EventName.TRUST_EXPIRY, Severity.WARNING, expiry.text)
            before = warned.get((str(expiry.kind), expiry.region), expiry.at)
            if expiry.threshold is None and before < expiry.at:
                what = "root" if expiry.kind is ExpiryKind.ANCHOR else "pin"
                expires = f"the last one expires on {expiry.at:%Y-%m-%d}"
                self.notify(EventName.TRUST_EXPIRY, Severity.WARNING, f"{expiry.region} has a newer {what}: {expires}")
                self._warned = {one for one in self._warned if one[:2] != key[:2]}

    def no_trust(self) -> None:
        """Publish, once, that report mode accepts nobody."""
        self.publish_once(EventName.START, Severity.ERROR, _REPORT_WITHOUT_TRUST)

    def no_thread(self, why: str) -> None:
        """Publish, once, that trust is refreshed on demand only."""
        self.publish_once(EventName.DEPLOYMENT, Severity.INFO, f"{why}: let your schedule call guard.refresh()")

    def report_mode(self, now: datetime) -> None:
        """Say, now and then, that nobody is kept out."""
        if self._last_report is None or now - self._last_report >= REPORT_EVERY:
            self._last_report = now
            self.notify(EventName.REPORT_MODE, Severity.WARNING, _REPORT_MODE)

    def trailers(self) -> None:
        """Publish at start-up what to do where a server turns trailers into headers, before a caller is refused."""
        if text := trailers_as_headers():
            self.publish_once(EventName.DEPLOYMENT, Severity.WARNING, text)

    def last_rejected(self) -> CallRejected | None:
        """Return the last rejected call to a protected path."""
        return self._last_rejected

    def summarize(self, *, flush: bool = False) -> None:
        """Let every hook publish what it held back; called from time to time, and at the end with `flush`."""
        self._each(lambda hook: hook.summarize(flush=flush))

    def after_fork(self) -> None:
        """Leave to the parent what the hooks held back."""
        self._each(lambda hook: hook.after_fork())

    def _each(self, call: Callable[[Hook], None]) -> None:
        for hook in self._hooks:
            try:
                call(hook)
            except Exception:  # noqa: BLE001 - a decision stands and trust is refreshed, whatever fails in a hook
                LOGGER.exception("a hook failed", extra=named(EventName.HOOK))

    def _rejection(self, connection: Connection, rejected: Rejected) -> None:
        self._last_rejected = event = CallRejected(
            rejected=rejected,
            source=self._source,
            peer=_peer(connection),
            path=str(connection.path),
            correlation_id=_read(correlation_id, connection),
            forwarded_for=partial(_read, self._forwarded_for, connection),
        )
        self.publish(event)
        if rejected.reason is Reason.CERTIFICATE_MISSING and (fault := fault_of(connection, self._source)):
            self.publish_once(EventName.DEPLOYMENT, Severity.ERROR, fault)
        if rejected.reason is Reason.ISSUER_UNTRUSTED and rejected.evidence is not None:
            self._issuer_untrusted(rejected.evidence.dns_names)

    def _issuer_untrusted(self, bears: Iterable[str]) -> None:
        names = set(map(str.lower, bears))
        for name in sorted(names & self._genesys_names.keys()):
            region = self._genesys_names[name]
            self._calls.complained.add(region)
            self.publish_once(EventName.ROOT_RENEWED, Severity.ERROR, root_perhaps_renewed(region))
        configured = tuple(dict.fromkeys(self._genesys_names.values()))
        others = {region for name, region in of_certificate_names().items() if name in names} - set(configured)
        for region in sorted(others if configured else ()):
            self.publish_once(EventName.OTHER_REGION, Severity.WARNING, caller_of_other_region(region, configured))


def _read(what: Callable[[Connection], str | None], connection: Connection) -> str | None:
    try:
        return what(connection)
    except (
        AttributeError,
        TypeError,
        ValueError,
    ):  # no headers, and refused for that: the line is written all the same
        return None


def _peer(connection: Connection) -> str:
    peer = connection.transport.peer if connection.transport else connection.client
    return ":".join(map(str, peer)) if isinstance(peer, tuple) else repr(peer)
