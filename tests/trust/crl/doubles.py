"""A CRL host and a store in memory, for the tests of revocation."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from mtls_middleware._core import chain as chains
from mtls_middleware._core.decision import Reason, RejectionError, RevocationState
from mtls_middleware._core.revocation import check
from mtls_middleware._core.trust import AuthorityTrust
from mtls_middleware._io.files import InputError
from mtls_middleware._io.store import Entry, Kind, NoStore
from mtls_middleware._trust.asking import Asker, answer_rounds
from mtls_middleware._trust.crl.revocations import Revocations
from mtls_middleware.testing import ClientCertificate
from tests.core.certs import NOW, presented

A = "http://crl.example/a.crl"
B = "http://crl.example/b.crl"
INTERVAL = 3600.0


@dataclass
class Host:
    """Answer with what stands under an address; None fails."""

    lists: dict[str, bytes | None] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    meet: Callable[[object], None] = lambda _: None

    def __call__(self, address: str) -> bytes:
        self.asked.append(address)
        self.meet(self)
        found = self.lists.get(address)
        if found is None:
            raise InputError("cannot be fetched: no connection")
        return found


@dataclass
class Memory(NoStore):
    """Keep entries by kind and key."""

    kept: dict[tuple[Kind, str], Entry] = field(default_factory=dict)

    def entries(self, kind: Kind) -> Iterable[Entry]:
        return [kept for (its, _), kept in self.kept.items() if its == kind]

    def put(self, kind: Kind, key: str, content: bytes, at: datetime) -> None:
        self.kept[kind, key] = Entry(key=key, digest=hashlib.sha256(content).digest(), at=at, read=lambda: content)


def refresh(revocations: Revocations, trust: AuthorityTrust, now: datetime, *, force: bool = False) -> None:
    """Do what a service does: ask for what is due, and wait for the answers."""
    ask = Asker().ask
    answer_rounds([revocations.ask_configured([trust], now, force=force)], ask)
    answer_rounds([revocations.ask_learned([trust], now, force=force)], ask)


@dataclass
class Bench:
    """Hold one worker: its knowledge of revocation, its trust, and its time."""

    trust: AuthorityTrust
    host: Host = field(default_factory=Host)
    memory: Memory = field(default_factory=Memory)
    origins: tuple[str, ...] = ()
    now: datetime = NOW
    woken: int = 0

    def __post_init__(self) -> None:
        self.revocations = Revocations(
            origins=self.origins,
            fetch=self.host,
            store=self.memory,
            interval=INTERVAL,
            draw=lambda _low, _high: 1.0,
            wake=self._wake,
        )

    def _wake(self) -> None:
        self.woken += 1

    def learn(self, client: ClientCertificate) -> None:
        self.revocations.learn(chains.verify(presented(client), self.trust, self.now).certificates)

    def refresh(self, *, force: bool = False) -> None:
        refresh(self.revocations, self.trust, self.now, force=force)

    def recall(self) -> None:
        self.revocations.recall([self.trust], self.now)

    def later(self, **span: float) -> None:
        self.now += timedelta(**span)

    @property
    def due(self) -> timedelta:
        """Return how long there is nothing to do."""
        return self.revocations.due(self.now) - self.now

    def verdict(self, client: ClientCertificate) -> Reason | RevocationState:
        """Return what a snapshot of this moment says."""
        chain = chains.verify(presented(client), self.trust, self.now)
        try:
            return check(chain, self.revocations.crls([self.trust]), self.now).state
        except RejectionError as rejection:
            return rejection.reason
