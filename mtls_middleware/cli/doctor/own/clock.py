"""The clock of this machine, held against those of others: certificates are judged by it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from urllib.parse import urlsplit

from mtls_middleware._io.fetch import open_session
from mtls_middleware._io.http import OpenSession
from mtls_middleware.cli.doctor.own.asking import ask_all
from mtls_middleware.cli.doctor.own.finding import About, Check, Finding, Topic
from mtls_middleware.cli.doctor.own.keeping import policy_of
from mtls_middleware.display import displayed
from mtls_middleware.regions import find
from mtls_middleware.settings import Settings

MOST = timedelta(seconds=60)
"""By which a clock may be wrong without a word."""

HOSTS = 4
"""That are asked."""

_ABOUT = About(Topic.CLOCK)


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
        return _ABOUT.not_checked(Check.CLOCK_RIGHT, "no host was asked for the time")
    if not differences:
        return _ABOUT.not_checked(Check.CLOCK_RIGHT, "no host returned the time", "compare it by hand, or trust NTP")
    # Of several, the most favourable: one host with a wrong clock must not accuse this one.
    least = min(differences, key=lambda difference: abs(difference.seconds))
    host, seconds = displayed(least.host), abs(round(least.seconds))
    if seconds <= MOST.total_seconds():
        return _ABOUT.ok(Check.CLOCK_RIGHT, f"within {max(seconds, 1)} seconds of {host}")
    return _ABOUT.error(
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
