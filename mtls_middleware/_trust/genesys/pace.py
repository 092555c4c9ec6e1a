"""The pause that the certificates API asked for, in its headers about rates."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from mtls_middleware._io.http import Response
from mtls_middleware._trust.genesys.failure import FailureReason, GenesysFailure

LONGEST_PAUSE = timedelta(hours=1)
"""Whatever a server asks for: certificates rotate within days."""

DEFAULT_PAUSE = timedelta(seconds=60)
"""After 429 without a readable header: the limits of Genesys Cloud count minutes."""


class Pace:
    """The pause that the API asked for.

    Attributes:
        paused_until: when it may be asked again; None where it asked for no pause.
    """

    def __init__(self) -> None:
        self.paused_until: datetime | None = None

    def require_no_pause(self, host: str, now: datetime) -> None:
        """Check that the API did not ask to be left alone.

        Raises:
            GenesysFailure: it did.
        """
        if self.paused_until is None:
            return
        left = self.paused_until - now
        if left <= timedelta() or left > LONGEST_PAUSE:  # over, or the clock went back
            self.paused_until = None
            return
        raise GenesysFailure(
            FailureReason.RATE_LIMIT,
            f"{host} asked to be left alone until {self.paused_until:%Y-%m-%d %H:%M:%SZ}",
            "nothing has to be done; if it lasts, give this application an OAuth client of its own",
        )

    def note(self, response: Response, now: datetime) -> None:
        """Read the headers with the number of requests that are left."""
        headers = response.headers
        if response.status == HTTPStatus.TOO_MANY_REQUESTS:
            self.paused_until = now + (
                _retry_after(headers.get("retry-after"), now)
                or _seconds(headers.get("inin-ratelimit-reset"))
                or DEFAULT_PAUSE
            )
            return
        count, allowed = (_number(headers.get(f"inin-ratelimit-{name}")) for name in ("count", "allowed"))
        if count is not None and allowed is not None and count >= allowed:
            self.paused_until = now + (_seconds(headers.get("inin-ratelimit-reset")) or DEFAULT_PAUSE)


def _retry_after(value: str | None, now: datetime) -> timedelta | None:
    """Read both forms of RFC 9110 §10.2.3."""
    seconds = _seconds(value)
    if seconds is not None or value is None:
        return seconds
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return min(max(at - now, timedelta(seconds=1)), LONGEST_PAUSE)


def _seconds(value: str | None) -> timedelta | None:
    number = _number(value)
    return None if number is None else min(timedelta(seconds=max(number, 1)), LONGEST_PAUSE)


def _number(value: str | None) -> int | None:
    """Return a whole number of at most six digits."""
    text = (value or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 6 else None  # noqa: PLR2004 - said above
