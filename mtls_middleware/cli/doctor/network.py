"""What is asked of the network: the certificates API, CRL hosts and the clocks of others; doctor writes nothing."""

import threading
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TypeVar
from urllib.parse import urlsplit

from mtls_middleware._core.revocation import RevocationMode
from mtls_middleware._io.fetch import AddressPolicy, Fetcher, open_session
from mtls_middleware._io.files import InputError
from mtls_middleware._io.http import OpenSession, within
from mtls_middleware._io.store import Entry, Kind, NoStore, Store
from mtls_middleware._trust.crl.lists import Revocations
from mtls_middleware._trust.gathering import Gatherer
from mtls_middleware._trust.genesys.client import Answer, CertificatesAPI
from mtls_middleware._trust.genesys.failure import FailureReason, GenesysFailure
from mtls_middleware._trust.genesys.source import APISource
from mtls_middleware.cli.doctor.finding import About, Check, Finding, Topic
from mtls_middleware.composition import (
    Secrets,
    store_of,  # the one place that knows what a state is about
    trust_sources,
)
from mtls_middleware.display import displayed
from mtls_middleware.identity import Authority
from mtls_middleware.regions import find
from mtls_middleware.settings import Settings

ANSWER_SECONDS = 5.0
"""For each."""

GRACE = 1.0
"""For what is bounded by itself to end in order; the system's resolver is not."""

Key = TypeVar("Key")
Told = TypeVar("Told")

_ABOUT_API = About(Topic.API)

_TEXT_LIMIT = 1_000
"""Characters of what went wrong."""

MAX_CLOCK_DIFFERENCE = timedelta(seconds=60)
"""By which a clock may be wrong without a word."""

HOSTS = 4
"""That are asked."""

_ABOUT_CLOCK = About(Topic.CLOCK)


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
            with within(ANSWER_SECONDS):
                return self.fetcher(address)
        if isinstance(content, Exception):
            raise content if isinstance(content, InputError) else InputError(f"cannot be fetched: {content}")
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
                FailureReason.TIMEOUT, f"no answer within {ANSWER_SECONDS:.0f} seconds", "let this machine reach it"
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

    keeper: Gatherer
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
    keeper = Gatherer(trust_sources(settings), store=store, apis=apis, revocations=revocations)
    return Kept(keeper=keeper, store=store, apis=apis, polls=polls, asked=asked)


def policy_of(settings: Settings) -> AddressPolicy:
    """Return where lists may be fetched from."""
    listed = [place for place in settings.crl_urls if "://" in place]
    return AddressPolicy(networks=settings.crl_networks, listed=listed)


class NotInTimeError(Exception):
    """Say that somebody was not waited for any longer."""


def ask_all(
    questions: Mapping[Key, Callable[[], Told]],
    *,
    seconds: float = ANSWER_SECONDS,
    tell: Callable[[str], None] = lambda _: None,
) -> dict[Key, Told | Exception]:
    """Ask all side by side, and return each answer, or what was raised instead.

    Args:
        questions: each may open sessions by `fetch.open_session`.
        seconds: for each.
        tell: is told how many are left.
    """
    told: dict[Key, Told | Exception] = {}

    def ask(key: Key, question: Callable[[], Told]) -> None:
        try:
            with within(seconds):
                told[key] = question()
        except Exception as error:  # noqa: BLE001 - it is told to whoever asked, like an answer
            told[key] = error

    # Daemons: a resolver that hangs must not keep the process.
    threads = [threading.Thread(target=ask, args=item, daemon=True) for item in questions.items()]
    for thread in threads:
        thread.start()
    end = time.monotonic() + seconds + GRACE
    for number, thread in enumerate(threads):
        tell(f"{len(threads) - number} to go")
        thread.join(max(0.0, end - time.monotonic()))
    answers = dict(told)
    return {key: answers.get(key, NotInTimeError("no answer in time")) for key in questions}


def tell_api(settings: Settings, kept: Kept, *, offline: bool) -> Iterator[Finding]:
    """Tell what each region's API answered."""
    if not kept.polls:
        yield _without_client(settings)
    for region in kept.polls:
        if offline:
            yield _ABOUT_API.not_checked(Check.API_ANSWERS, f"{region}: not asked")
            continue
        try:
            answer = AskedAPI(region=region, asked=kept.asked).poll()
        except GenesysFailure as failure:
            yield _failed(region, failure)
        else:
            yield from _answered(region, answer)


def _without_client(settings: Settings) -> Finding:
    if Authority.DIGICERT in settings.authorities:
        return _ABOUT_API.warning(
            Check.API_ANSWERS,
            "no OAuth client: pins are replaced by hand at each yearly rotation",
            "set MTLS_GENESYS_CLIENT_ID and MTLS_GENESYS_CLIENT_SECRET: then they rotate by themselves",
        )
    return _ABOUT_API.ok(Check.API_ANSWERS, "no OAuth client is configured, so the API is not used")


def _failed(region: str, failure: GenesysFailure) -> Finding:
    return _ABOUT_API.error(
        Check.API_ANSWERS, displayed(f"{region}: {failure.reason}: {failure.text}", _TEXT_LIMIT), failure.next_step
    )


def _answered(region: str, answer: Answer) -> Iterator[Finding]:
    if answer.failure is not None:
        yield _failed(region, answer.failure)
    listed = ", ".join(
        f"{one.authority} {one.status} until {one.leaf.not_valid_after_utc:%Y-%m-%d}" for one in answer.certificates
    )
    yield _ABOUT_API.ok(Check.API_ANSWERS, displayed(f"{region}: {listed or 'lists no certificate'}", _TEXT_LIMIT))
    for warning in answer.warnings:
        yield _ABOUT_API.warning(
            Check.API_UNDERSTOOD,
            displayed(f"{region}: {warning}", _TEXT_LIMIT),
            "if a newer version of mtls-middleware does not understand it either, report it",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Tell how far two clocks are apart.

    Attributes:
        host: whose clock it is compared with.
        seconds: by which this machine is fast; negative where it is slow.
    """

    host: str
    seconds: float


def ask_clocks(
    settings: Settings, clock: Callable[[], datetime], open_session: OpenSession = open_session
) -> list[Difference]:
    """Ask hosts that the deployment needs anyway for their time, side by side."""
    told = ask_all({url: partial(_ask, url, settings, clock, open_session) for url in _urls(settings)})
    return [difference for difference in told.values() if isinstance(difference, Difference)]


def tell_clock(differences: list[Difference] | None) -> Finding:
    """Tell how right the clock is; None where nobody was asked."""
    if differences is None:
        return _ABOUT_CLOCK.not_checked(Check.CLOCK_RIGHT, "no host was asked for the time")
    if not differences:
        return _ABOUT_CLOCK.not_checked(
            Check.CLOCK_RIGHT, "no host returned the time", "compare it by hand, or trust NTP"
        )
    # Of several, the most favourable: one host with a wrong clock must not accuse this one.
    least = min(differences, key=lambda difference: abs(difference.seconds))
    host, seconds = displayed(least.host), abs(round(least.seconds))
    if seconds <= MAX_CLOCK_DIFFERENCE.total_seconds():
        return _ABOUT_CLOCK.ok(Check.CLOCK_RIGHT, f"within {max(seconds, 1)} seconds of {host}")
    return _ABOUT_CLOCK.error(
        Check.CLOCK_RIGHT,
        f"{seconds:,} seconds {'fast' if least.seconds > 0 else 'slow'}, compared with {host}",
        "set it by NTP: certificates and lists are judged by it",
    )


def _urls(settings: Settings) -> Iterator[str]:
    regions = [find(name) for name in settings.regions]
    hosts = [f"https://{region.login_host}/" for region in regions if region is not None]
    hosts += [place for place in settings.crl_urls if "://" in place]
    yield from dict.fromkeys(hosts[:HOSTS])


def _ask(url: str, settings: Settings, clock: Callable[[], datetime], open_session: OpenSession) -> Difference | None:
    with open_session(resolve=policy_of(settings).resolve) as session:
        before = clock()
        response = session.request("HEAD", url)
        after = clock()
    try:
        told = parsedate_to_datetime(response.headers.get("date", ""))
    except ValueError:
        return None
    told = told.replace(tzinfo=told.tzinfo or UTC)
    middle = before + (after - before) / 2
    # A date is cut to its second, so half of one is added.
    return Difference(host=urlsplit(url).hostname or url, seconds=(middle - told).total_seconds() - 0.5)
