"""Addresses of revocation lists, learned from certificates that passed everything else."""

import threading
from collections import OrderedDict
from collections.abc import Container
from dataclasses import dataclass
from itertools import pairwise

from cryptography import x509

from mtls_middleware._core.certificate import crl_addresses
from mtls_middleware._trust.addresses import is_followed
from mtls_middleware._trust.forks import follow_forks

ADDRESSES_AN_ANCHOR = 8
"""Addresses that are remembered for one anchor; with more, those that were learned longest ago are forgotten."""

Path = tuple[x509.Certificate, ...]


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
    path: Path


class LearnedAddresses:
    """Hold a few for each anchor. Threads share it."""

    def __init__(self) -> None:
        self._by_anchor: dict[x509.Certificate, OrderedDict[tuple[str, ...], Learned]] = {}
        self._lock = threading.Lock()
        follow_forks(self)

    def learn(self, path: Path) -> tuple[Learned, ...]:
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


def _read(path: Path) -> list[Learned]:
    found = []
    for place, (certificate, issuer) in enumerate(pairwise(path)):
        addresses = tuple(filter(is_followed, crl_addresses(certificate)))[:ADDRESSES_AN_ANCHOR]
        if addresses:
            found.append(
                Learned(addresses=addresses, certificate=certificate, issuer=issuer, is_ca=place > 0, path=path)
            )
    return found
