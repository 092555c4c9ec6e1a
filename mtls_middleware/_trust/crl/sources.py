"""The origins that CRLs come from: configured, or learned from certificates that passed everything else."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Container, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice, pairwise
from pathlib import Path

from cryptography import x509

from mtls_middleware._core.certificate import UNREADABLE, crl_addresses
from mtls_middleware._core.crl import CRL
from mtls_middleware._io import files
from mtls_middleware._io.fetch import CRL_BYTES, endpoint_of, is_followed
from mtls_middleware._io.files import InputError
from mtls_middleware._io.forks import follow_forks
from mtls_middleware._io.store import believed
from mtls_middleware._trust.attempts import Attempts
from mtls_middleware._trust.schedule import Attempt, Schedule
from mtls_middleware.display import displayed

ADDRESSES_AN_ANCHOR = 8
"""Addresses that are remembered for one anchor; with more, those that were learned longest ago are forgotten."""

REASONS_SHOWN = 3
"""Of one certificate."""

ADDRESS_SHOWN = 200
"""Characters."""

KEY_CHARACTERS = 2_048
"""Of the origins that one attempt is about."""

Chain = tuple[x509.Certificate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """A certificate, and the addresses at which its CRL is published.

    Attributes:
        addresses: alternatives; each is http or https. Empty where none of those that it names can be used.
        unusable: why none can be; empty where one can.
        certificate: it names them.
        issuer: signed it, and signs the CRL.
        is_ca: whether the certificate is an intermediate.
        path: the verified chain that it came in, leaf first, anchor last.
    """

    addresses: tuple[str, ...]
    certificate: x509.Certificate
    issuer: x509.Certificate
    is_ca: bool
    chain: Chain
    unusable: str = ""


class CRLSource:
    """One source of CRLs, asked again and again.

    Attributes:
        origins: addresses, any of which will do; or the one path.
        schedule: when to ask next.
        learned: where the addresses come from; None where the operator wrote them down.
        idle: a CRL of the operator's tells of the same, so nobody is asked.
        last_success: when a CRL came that was taken, UTC; None before the first.
        heard_at: the same by the clock of the process that asked, which may be ahead.
        held: that CRL; of a learned origin, the last one that can confirm that a certificate is good.
        last: the last one that its CA signed; it may only revoke.
        error: why the last attempt failed; empty where it did not.
    """

    def __init__(self, *, origins: tuple[str, ...], schedule: Schedule, learned: Learned | None = None) -> None:
        self.origins = origins
        self.schedule = schedule
        self.learned = learned
        self.idle = False
        self.last_success: datetime | None = None
        self.heard_at: datetime | None = None
        self.held: CRL | None = None
        self.last: CRL | None = None
        self.error = ""
        self._digest = b""

    @property
    def origin(self) -> str:
        """Return the first origin, for messages."""
        return self.origins[0]

    @property
    def key(self) -> str:
        """Return the name under which processes share attempts."""
        return " ".join(self.origins)[:KEY_CHARACTERS]

    @property
    def path(self) -> Path | None:
        """Return the path; None for addresses."""
        return None if "://" in self.origin else Path(self.origin)

    def parsed(self, content: bytes) -> CRL | None:
        """Return the last CRL if these are its bytes: reading a long one again costs."""
        return self.last if self._digest == hashlib.sha256(content).digest() else None

    def take(self, one: CRL, digest: bytes, *, only_revokes: bool = False) -> None:
        """Remember a CRL, made from bytes with this SHA-256."""
        self.last = one
        self._digest = digest
        if not only_revokes:
            self.held = one

    def succeeded(self, one: CRL, at: datetime, now: datetime) -> None:
        """Plan the next question: as usual, but well before the CRL ends.

        Args:
            one: the CRL.
            at: when it came, by the clock of the process that asked.
            now: by the clock of this one.
        """
        self.error, self.heard_at, self.last_success = "", at, (at := min(at, now))
        self.schedule.succeeded(at, expires=one.next_update)

    def hear(self, digest: bytes, at: datetime, now: datetime) -> None:
        """Plan as if asked, where another process, or an earlier one, received the CRL that is held later than this."""
        is_news = believed(at, now) is not None and (self.heard_at is None or self.heard_at < at)
        if is_news and self.held is not None and digest == self._digest:
            self.succeeded(self.held, at, now)

    def failed(self, error: str, now: datetime, *, is_shared: bool) -> Attempt:
        """Plan the next question after a failure, and return what other processes follow."""
        self.error = error
        return self.schedule.failed(now, error, is_shared=is_shared)

    def follow(self, attempts: Attempts) -> None:
        """Plan by what another process met at these origins."""
        attempt = attempts.of(self.key)
        if self.schedule.follow(attempt):
            self.error = "" if attempt is None else attempt.text


class LearnedAddresses:
    """The learned addresses, a few for each anchor. Threads share it."""

    def __init__(self) -> None:
        self._by_anchor: dict[x509.Certificate, OrderedDict[tuple[str, ...], Learned]] = {}
        self._unusable: dict[x509.Certificate, OrderedDict[str, Learned]] = {}
        self._lock = threading.Lock()
        follow_forks(self)

    def learn(self, chain: Chain) -> tuple[Learned, ...]:
        """Remember the addresses in a chain that was verified in everything but revocation; return the new ones."""
        new = []
        for learned in _read(chain):
            if learned.unusable:
                with self._lock:
                    _remember(self._unusable.setdefault(chain[-1], OrderedDict()), learned)
                continue
            with self._lock:
                known = self._by_anchor.setdefault(chain[-1], OrderedDict())
                if learned.addresses not in known:
                    new.append(learned)
                known[learned.addresses] = learned
                known.move_to_end(learned.addresses)
                while sum(map(len, known)) > ADDRESSES_AN_ANCHOR:
                    known.popitem(last=False)
        return tuple(new)

    def keep_only(self, anchors: Container[x509.Certificate]) -> None:
        """Forget what was learned below anchors that are none any more."""
        with self._lock:
            self._by_anchor = {anchor: known for anchor, known in self._by_anchor.items() if anchor in anchors}
            self._unusable = {anchor: known for anchor, known in self._unusable.items() if anchor in anchors}

    @property
    def all(self) -> tuple[Learned, ...]:
        """Return everything that is remembered."""
        with self._lock:
            return tuple(one for known in self._by_anchor.values() for one in known.values())

    @property
    def unusable(self) -> tuple[Learned, ...]:
        """Return what names addresses of which none can be used."""
        with self._lock:
            return tuple(one for known in self._unusable.values() for one in known.values())

    def after_fork(self) -> None:
        """Forget a lock that a thread of the parent may have held."""
        self._lock = threading.Lock()


def _remember(known: OrderedDict[str, Learned], learned: Learned) -> None:
    """Keep one for each way in which addresses are unusable; the other certificates of the CA say the same."""
    known[learned.unusable] = learned
    known.move_to_end(learned.unusable)
    while len(known) > ADDRESSES_AN_ANCHOR:
        known.popitem(last=False)


def _read(chain: Chain) -> list[Learned]:
    found = []
    for index, (certificate, issuer) in enumerate(pairwise(chain)):
        addresses = tuple(filter(is_followed, crl_addresses(certificate)))[:ADDRESSES_AN_ANCHOR]
        unusable = "" if addresses else _why_unusable(certificate)
        if addresses or unusable:
            found.append(
                Learned(
                    addresses=addresses,
                    certificate=certificate,
                    issuer=issuer,
                    is_ca=index > 0,
                    chain=chain,
                    unusable=unusable,
                )
            )
    return found


def _why_unusable(certificate: x509.Certificate) -> str:
    """Return what a certificate names in place of a CRL's address; empty where it names nothing."""
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except x509.ExtensionNotFound:
        return ""
    except UNREADABLE:
        return "its distribution points cannot be read"
    reasons = dict.fromkeys(reason for point in points for reason in _why_not_asked(point))
    return "; ".join((*islice(reasons, REASONS_SHOWN), *(["…"] if len(reasons) > REASONS_SHOWN else [])))


def _why_not_asked(point: x509.DistributionPoint) -> Iterator[str]:
    if point.crl_issuer:
        yield "its CRL is signed by another CA (cRLIssuer)"
    elif point.reasons:
        yield "its CRL covers only some reasons"
    elif not point.full_name:
        yield "its distribution point is a relative name"
    else:
        for name in point.full_name:
            if not isinstance(name, x509.UniformResourceIdentifier):
                yield "its distribution point is a name that is not an address"
                continue
            try:
                endpoint_of(name.value)
            except InputError as error:
                yield f"{displayed(name.value, ADDRESS_SHOWN)} {error}"


def read_file(origin: str) -> bytes:
    path_ = Path(origin)
    if files.is_folder(path_):
        files.list_folder(path_)  # says what is wrong with it
    return files.read(path_, CRL_BYTES)


def is_address(origin: str) -> bool:
    return "://" in origin


def files_of(origin: str) -> tuple[str, ...]:
    """Return the files of a folder, or the origin itself."""
    if not is_address(origin) and files.is_folder(Path(origin)):
        try:
            return tuple(map(str, files.list_folder(Path(origin))))
        except InputError:
            pass  # it is asked as a file, and that tells
    return (origin,)


def require_begun(found: CRL, now: datetime) -> None:
    if not found.is_usable(now):
        raise InputError(f"begins at {found.this_update:%Y-%m-%d %H:%M:%SZ}: not usable yet; is the clock right?")
