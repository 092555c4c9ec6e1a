"""The product's own keeper of trust, over a store that is read and never written: doctor changes nothing."""

from collections.abc import Callable, Hashable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from mtls_middleware._core.revocation import RevocationMode
from mtls_middleware._io.fetch import AddressPolicy, Fetcher, open_session
from mtls_middleware._io.files import Unusable
from mtls_middleware._io.http import OpenSession, within
from mtls_middleware._io.store import Entry, Kind, NoStore, Store
from mtls_middleware._trust.crl.lists import Revocations
from mtls_middleware._trust.genesys.client import Answer, CertificatesAPI
from mtls_middleware._trust.genesys.failure import FailureReason, GenesysFailure
from mtls_middleware._trust.genesys.source import APISource
from mtls_middleware._trust.service import Keeper
from mtls_middleware.cli.doctor.own.asking import SECONDS, ask_all
from mtls_middleware.composition import (
    Secrets,
    store_of,  # the one place that knows what a state is about
    trust_sources,
)
from mtls_middleware.regions import find
from mtls_middleware.settings import Settings


@dataclass(frozen=True, slots=True)
class ReadOnlyStore:
    """Read what another store keeps, and keep nothing.

    Attributes:
        store: the other one.
    """

    store: Store

    @property
    def problems(self) -> tuple[str, ...]:
        """Return what could not be read."""
        return self.store.problems

    def entries(self, kind: Kind) -> Iterable[Entry]:
        """Return everything of a kind."""
        return self.store.entries(kind)

    def put(self, kind: Kind, key: str, content: bytes, at: datetime) -> None:
        """Keep nothing."""

    def view(self) -> Hashable:
        """Return what changes when anybody puts something."""
        return self.store.view()

    def refreshing(self) -> AbstractContextManager[bool]:
        """Enter always; the lock would be a file."""
        return nullcontext(enter_result=True)


@dataclass(slots=True, kw_only=True)
class Asked:
    """Hand over what was asked side by side to those who ask one after the other.

    Attributes:
        fetcher: asks for what nobody asked before.
        contents: of lists by address, or why there is none.
        answers: of the certificates API by region, or why there is none.
    """

    fetcher: Fetcher
    contents: dict[str, bytes | Exception] = field(default_factory=dict)
    answers: dict[str, Answer | Exception] = field(default_factory=dict)

    def fetch(self, address: str) -> bytes:
        """Return the content of an address.

        Raises:
            Unusable: there is none.
        """
        content = self.contents.get(address)
        if content is None:
            with within(SECONDS):
                return self.fetcher(address)
        if isinstance(content, Exception):
            raise content if isinstance(content, Unusable) else Unusable(f"cannot be fetched: {content}")
        return content


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedAPI:
    """Play the API of one region: it says again what it said."""

    region: str
    asked: Asked

    def poll(self) -> Answer:
        """Return the answer.

        Raises:
            GenesysFailure: there was none.
        """
        answer = self.asked.answers[self.region]
        if isinstance(answer, GenesysFailure):
            raise answer
        if isinstance(answer, Exception):
            raise GenesysFailure(
                FailureReason.TIMEOUT, f"no answer within {SECONDS:.0f} seconds", "let this machine reach it"
            )
        return answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Hold the parts that keep trust, wired as a guard wires them.

    Attributes:
        keeper: of trust.
        store: what is kept, to be read.
        apis: one for each region with an OAuth client.
        polls: ask these, by region.
        asked: what was told so far.
    """

    keeper: Keeper
    store: ReadOnlyStore
    apis: tuple[APISource, ...]
    polls: dict[str, Callable[[], Answer]]
    asked: Asked

    def ask(self, places: Iterable[str], tell: Callable[[str], None]) -> None:
        """Ask for lists and certificates, side by side."""
        fetches = {place: partial(self.asked.fetcher, place) for place in places}
        questions: dict[tuple[str, str], Callable[[], bytes | Answer]] = {
            **{("list", place): fetch for place, fetch in fetches.items()},
            **{("api", region): poll for region, poll in self.polls.items()},
        }
        for (kind, key), told in ask_all(questions, tell=tell).items():
            if kind == "list":
                self.asked.contents[key] = told if isinstance(told, bytes | Exception) else b""
            else:
                self.asked.answers[key] = told if isinstance(told, Answer | Exception) else Exception()


def kept_of(
    settings: Settings,
    secrets: Secrets,
    clock: Callable[[], datetime],
    open_session: OpenSession = open_session,
) -> Kept:
    """Wire the parts; nothing is read or asked yet.

    Args:
        settings: what the operator wants.
        secrets: as they were read.
        clock: the present, aware, UTC.
        open_session: the way to the network.
    """
    store = ReadOnlyStore(store_of(settings, secrets) if settings.state is not None else NoStore())
    asked = Asked(fetcher=Fetcher(policy_of(settings), open_session=open_session))
    interval = float(settings.refresh_seconds)
    polls: dict[str, Callable[[], Answer]] = {}
    for name, client_id in settings.genesys_client_id.items():
        region = find(name)
        if region is not None:
            polls[name] = CertificatesAPI(
                region, client_id, *secrets.clients.get(name, ()), open_session=open_session, clock=clock
            ).poll
    apis = tuple(
        APISource(name, AskedAPI(region=name, asked=asked), store, interval=interval, now=clock()) for name in polls
    )
    revocations = None
    if settings.revocation is not RevocationMode.OFF:
        revocations = Revocations(places=settings.crl_urls, fetch=asked.fetch, store=store, interval=interval)
    keeper = Keeper(trust_sources(settings), store=store, apis=apis, revocations=revocations)
    return Kept(keeper=keeper, store=store, apis=apis, polls=polls, asked=asked)


def policy_of(settings: Settings) -> AddressPolicy:
    """Return where lists may be fetched from."""
    listed = [place for place in settings.crl_urls if "://" in place]
    return AddressPolicy(networks=settings.crl_networks, listed=listed)
