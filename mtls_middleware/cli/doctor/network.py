"""What is asked of the network: the certificates API, CRL hosts and the clocks of others; doctor writes nothing."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from urllib.parse import urlsplit

from mtls_middleware._core.pin import Pin
from mtls_middleware._io.fetch import open_session
from mtls_middleware._io.http import OpenSession
from mtls_middleware._io.store import Entry, Kind, Store
from mtls_middleware._trust.asking import Asker, Question
from mtls_middleware._trust.gathering import GatheredTrust
from mtls_middleware._trust.genesys.client import APIResponse
from mtls_middleware._trust.genesys.source import APISource
from mtls_middleware.cli.doctor.finding import About, Check, Finding, Topic
from mtls_middleware.composition import address_policy
from mtls_middleware.display import displayed
from mtls_middleware.identity import Authority
from mtls_middleware.regions import find
from mtls_middleware.renewals import no_digicert_listed
from mtls_middleware.settings import Settings

ANSWER_SECONDS = 5.0
"""For each."""

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
    """A view of another store that writes nothing.

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

    def close(self) -> None:
        """Give back what the other store holds."""
        self.store.close()


def check_api(
    settings: Settings, apis: Sequence[APISource], trust: GatheredTrust | None, now: datetime, *, offline: bool
) -> Iterator[Finding]:
    """Return what each region's API answered, and whether calls go on where it did not.

    Args:
        settings: they say whether callers need it.
        apis: they were asked.
        trust: what is trusted since; None where that is not known.
        now: aware, UTC.
        offline: whether they were not asked.
    """
    if not apis:
        yield _without_client(settings)
    for api in apis:
        if offline:
            yield _ABOUT_API.not_checked(Check.API_ANSWERS, f"{api.region}: not asked")
            continue
        if api.failure is not None:
            seen = displayed(f"{api.region}: {api.failure.reason}: {api.failure.text}", _TEXT_LIMIT)
            if trust is not None and Authority.DIGICERT in settings.authorities:
                pins = (pin for one in trust.trusts for pin in one.pins.values() if pin.region == api.region)
                seen += f". {_until_it_answers([pin for pin in pins if pin.can_pass(now)])}"
            yield _ABOUT_API.error(Check.API_ANSWERS, seen, api.failure.next_step)
        if api.answer is not None:
            yield from _answered(api.region, api.answer)
        since = api.known.no_digicert_since
        if since is not None and Authority.DIGICERT in settings.authorities:
            seen, _, fix = no_digicert_listed(api.region, f"{since:%Y-%m-%d}").partition(". ")
            yield _ABOUT_API.warning(Check.API_LISTS, seen, fix)


def _without_client(settings: Settings) -> Finding:
    if Authority.DIGICERT in settings.authorities:
        return _ABOUT_API.warning(
            Check.API_ANSWERS,
            "no OAuth client: pins are replaced by hand at each yearly rotation",
            "set MTLS_GENESYS_CLIENT_ID and MTLS_GENESYS_CLIENT_SECRET: then they rotate by themselves",
        )
    return _ABOUT_API.ok(Check.API_ANSWERS, "no OAuth client is configured, so the API is not used")


def _until_it_answers(pins: Sequence[Pin]) -> str:
    """Return what becomes of DigiCert's callers of a region while its API does not answer."""
    if not pins:
        return "No pin is in force, so callers with a certificate of DigiCert are refused"
    ends = [pin.ends for pin in pins if pin.ends is not None]
    until = f" until {max(ends):%Y-%m-%d}" if len(ends) == len(pins) else ""
    stay = "The pin that is known stays" if len(pins) == 1 else f"The {len(pins)} pins that are known stay"
    return f"{stay} in force{until}; the next certificate is refused until it is listed"


def _answered(region: str, answer: APIResponse) -> Iterator[Finding]:
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
    """The difference between two clocks.

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
    questions = {
        url: Question(partial(_ask, url, settings, clock, open_session), ANSWER_SECONDS) for url in _urls(settings)
    }
    found = Asker().ask(questions).values()
    return [difference for difference in found if isinstance(difference, Difference)]


def check_clock(differences: list[Difference] | None) -> Finding:
    """Check the clock; None where nobody was asked."""
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
        "set it by NTP: certificates and CRLs are judged by it",
    )


def _urls(settings: Settings) -> Iterator[str]:
    regions = [find(name) for name in settings.regions]
    hosts = [f"https://{region.login_host}/" for region in regions if region is not None]
    hosts += [origin for origin in settings.crl_urls if "://" in origin]
    yield from dict.fromkeys(hosts[:HOSTS])


def _ask(url: str, settings: Settings, clock: Callable[[], datetime], open_session: OpenSession) -> Difference | None:
    with open_session(resolve=address_policy(settings).resolve) as session:
        before = clock()
        response = session.request("HEAD", url)
        after = clock()
    try:
        served = parsedate_to_datetime(response.headers.get("date", ""))
    except ValueError:
        return None
    served = served.replace(tzinfo=served.tzinfo or UTC)
    middle = before + (after - before) / 2
    # A date is cut to its second, so half of one is added.
    return Difference(host=urlsplit(url).hostname or url, seconds=(middle - served).total_seconds() - 0.5)
