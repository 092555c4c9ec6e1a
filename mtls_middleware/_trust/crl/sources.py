"""The places that CRLs come from: configured, or learned from certificates that passed everything else."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from cryptography import x509

from mtls_middleware._core.certificate import crl_addresses
from mtls_middleware._core.crl import RevocationList
from mtls_middleware._io.fetch import is_followed
from mtls_middleware._io.forks import follow_forks
from mtls_middleware._trust.schedule import Schedule

ADDRESSES_AN_ANCHOR = 8
"""Addresses that are remembered for one anchor; with more, those that were learned longest ago are forgotten."""

Chain = tuple[x509.Certificate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """Remember where the list that tells of a certificate is published.

    Attributes:
        addresses: alternatives; each is http or https.
        certificate: it names them.
        issuer: signed it, and signs the list.
        is_ca: whether the certificate is an intermediate.
        path: the verified chain that it came in, leaf first, anchor last.
    """

    addresses: tuple[str, ...]
    certificate: x509.Certificate
    issuer: x509.Certificate
    is_ca: bool
    path: Chain


class CRLSource:
    """Ask one place, again and again.

    Attributes:
        places: addresses, any of which will do; or the one path.
        schedule: when to ask next.
        learned: where the addresses come from; None where the operator wrote them down.
        idle: a list of the operator's tells of the same, so nobody is asked.
        last_success: when a list came that was taken, UTC; None before the first.
        held: that list.
        error: why the last attempt failed; empty where it did not.
    """

    def __init__(self, *, places: tuple[str, ...], schedule: Schedule, learned: Learned | None = None) -> None:
        self.places = places
        self.schedule = schedule
        self.learned = learned
        self.idle = False
        self.last_success: datetime | None = None
        self.held: RevocationList | None = None
        self.error = ""
        self._digest = b""

    @property
    def origin(self) -> str:
        """Return the first place, for messages."""
        return self.places[0]

    @property
    def path(self) -> Path | None:
        """Return the path; None for addresses."""
        return None if "://" in self.origin else Path(self.origin)

    def parsed(self, content: bytes) -> RevocationList | None:
        """Return the list that is held if these are its bytes: reading a long one again costs."""
        return self.held if self._digest == hashlib.sha256(content).digest() else None

    def take(self, one: RevocationList, content: bytes) -> None:
        """Hold a list, made from these bytes."""
        self.held = one
        self._digest = hashlib.sha256(content).digest()

    def succeeded(self, one: RevocationList, at: datetime) -> None:
        """Plan the next question: as usual, but well before the list ends."""
        self.error, self.last_success = "", at
        self.schedule.succeeded(at, expires=one.next_update)

    def failed(self, error: str, now: datetime) -> None:
        """Plan the next question after a failure."""
        self.error = error
        self.schedule.failed(now)


class LearnedAddresses:
    """Hold a few for each anchor. Threads share it."""

    def __init__(self) -> None:
        self._by_anchor: dict[x509.Certificate, OrderedDict[tuple[str, ...], Learned]] = {}
        self._lock = threading.Lock()
        follow_forks(self)

    def learn(self, path: Chain) -> tuple[Learned, ...]:
        """Take the addresses out of a chain that was verified in everything but revocation; return the new ones."""
        new = []
        for learned in _read(path):
            with self._lock:
                known = self._by_anchor.setdefault(path[-1], OrderedDict())
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

    @property
    def all(self) -> tuple[Learned, ...]:
        """Return everything that is remembered."""
        with self._lock:
            return tuple(one for known in self._by_anchor.values() for one in known.values())

    def after_fork(self) -> None:
        """Forget a lock that a thread of the parent may have held."""
        self._lock = threading.Lock()


def _read(path: Chain) -> list[Learned]:
    found = []
    for place, (certificate, issuer) in enumerate(pairwise(path)):
        addresses = tuple(filter(is_followed, crl_addresses(certificate)))[:ADDRESSES_AN_ANCHOR]
        if addresses:
            found.append(
                Learned(addresses=addresses, certificate=certificate, issuer=issuer, is_ca=place > 0, path=path)
            )
    return found
