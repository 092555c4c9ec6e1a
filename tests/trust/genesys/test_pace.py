"""The pause that the API asks for is kept."""

from datetime import datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtls_middleware._io.http import Response
from mtls_middleware._trust.genesys.failure import FailureReason, GenesysFailure
from mtls_middleware._trust.genesys.pace import DEFAULT_PAUSE, LONGEST_PAUSE, Pace
from mtls_middleware.testing import APIAnswer
from tests.claims import runs_through
from tests.trust.genesys.region import NOW, Region, listing

SECOND = timedelta(seconds=1)


def pause(headers: dict[str, str], status: int = 429) -> timedelta:
    """Return how long the API is left alone after an answer."""
    pace = Pace()
    pace.note(Response(status=status, headers=headers, body=b""), NOW)
    return (pace.paused_until or NOW) - NOW


@pytest.mark.parametrize(
    ("headers", "length"),
    [
        pytest.param({"retry-after": "7"}, 7 * SECOND, id="seconds"),
        pytest.param({"retry-after": " 7 "}, 7 * SECOND, id="blanks"),
        pytest.param({"retry-after": "0"}, SECOND, id="zero"),
        pytest.param({"retry-after": "999999"}, LONGEST_PAUSE, id="days"),
        pytest.param({"retry-after": format_datetime(NOW + 9 * SECOND, usegmt=True)}, 9 * SECOND, id="date"),
        pytest.param({"retry-after": "Mon, 23 Nov 2026 12:00:09 -0000"}, 9 * SECOND, id="date without a zone"),
        pytest.param({"retry-after": "Mon, 23 Nov 2026 11:00:00 GMT"}, SECOND, id="past date"),
        pytest.param({"retry-after": "Mon, 23 Nov 9999 11:00:00 GMT"}, LONGEST_PAUSE, id="far date"),
        pytest.param({"retry-after": "9" * 5000}, DEFAULT_PAUSE, id="huge"),
        pytest.param({"retry-after": "soon"}, DEFAULT_PAUSE, id="odd"),
        pytest.param({"retry-after": "-1"}, DEFAULT_PAUSE, id="negative"),
        pytest.param({"retry-after": "\u0667"}, DEFAULT_PAUSE, id="other digits"),
        pytest.param({"inin-ratelimit-reset": "11"}, 11 * SECOND, id="reset"),
        pytest.param({"retry-after": "7", "inin-ratelimit-reset": "11"}, 7 * SECOND, id="both"),
        pytest.param({}, DEFAULT_PAUSE, id="nothing"),
    ],
)
def test_after_429_the_api_is_left_alone(headers: dict[str, str], length: timedelta) -> None:
    assert pause(headers) == length


@pytest.mark.parametrize(
    ("headers", "length"),
    [
        pytest.param({"count": "300", "allowed": "300", "reset": "20"}, 20 * SECOND, id="used up"),
        pytest.param({"count": "301", "allowed": "300"}, DEFAULT_PAUSE, id="used up, no reset"),
        pytest.param({"count": "299", "allowed": "300", "reset": "20"}, 0 * SECOND, id="one left"),
        pytest.param({"count": "300"}, 0 * SECOND, id="no limit told"),
        pytest.param({"count": "many", "allowed": "few", "reset": "x"}, 0 * SECOND, id="odd"),
    ],
)
def test_a_rate_limit_is_respected_before_it_bites(headers: dict[str, str], length: timedelta) -> None:
    assert pause({f"inin-ratelimit-{name}": value for name, value in headers.items()}, status=200) == length


def test_during_a_pause_nothing_is_sent() -> None:
    region = Region()
    region.server.answer_next(APIAnswer(status=429, headers={"retry-after": "60"}))
    assert region.failure().not_before == NOW + 60 * SECOND
    sent = len(region.server.calls)
    region.clock.advance(59 * SECOND)
    failure = region.failure()
    assert (failure.reason, len(region.server.calls)) == (FailureReason.RATE_LIMIT, sent)
    assert failure.not_before == NOW + 60 * SECOND
    assert "until 2026-11-23 12:01:00Z" in failure.text
    region.clock.advance(SECOND)
    assert region.poll().is_complete
    region.server.answer_next(APIAnswer(status=500))
    assert region.failure().not_before is None


def test_a_limit_that_is_used_up_within_a_poll_leaves_what_was_answered() -> None:
    region = Region()
    used_up = {"inin-ratelimit-count": "300", "inin-ratelimit-allowed": "300", "inin-ratelimit-reset": "30"}
    region.server.answer_next(None, APIAnswer(headers={**listing().headers, **used_up}, body=listing().body))
    assert region.failure().reason is FailureReason.RATE_LIMIT
    assert len(region.server.calls) == 2


def test_a_clock_that_went_back_ends_a_pause() -> None:
    pace = Pace()
    pace.note(Response(status=429, headers={}, body=b""), NOW)
    runs_through(pace.require_no_pause, "host", NOW - timedelta(days=1))


@given(
    st.sampled_from([200, 429]),
    st.dictionaries(
        st.sampled_from(["retry-after", "inin-ratelimit-count", "inin-ratelimit-allowed", "inin-ratelimit-reset"]),
        st.text() | st.integers().map(str) | st.datetimes().map(format_datetime),
    ),
)
def test_whatever_headers_come_the_pause_is_bounded(status: int, headers: dict[str, str]) -> None:
    pace = Pace()
    pace.note(Response(status=status, headers=headers, body=b""), NOW)
    try:
        pace.require_no_pause("host", NOW)
    except GenesysFailure:
        assert isinstance(pace.paused_until, datetime)
        assert NOW < pace.paused_until <= NOW + LONGEST_PAUSE
    pace.require_no_pause("host", NOW + LONGEST_PAUSE)
