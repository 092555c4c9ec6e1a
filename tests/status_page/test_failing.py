"""Whether calls fail since trust changed, or the processes started."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mtls_middleware.observing.history import Minute, Refusal
from mtls_middleware.status_page.decisions import decisions_of
from mtls_middleware.status_page.steps import Urgency, steps_of
from mtls_middleware.status_page.workers import combined
from tests.status_page.scenes import ACCEPTED, NOW, counted, loaded, worker

HOUR = timedelta(hours=1)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
TURNS: Mapping[str, tuple[datetime, datetime, datetime | None, datetime | None, str]] = {
    # name: started, accepted last, refused last, trust changed; since when calls fail
    "other trust, and only refusals since": (
        NOW - HOUR, NOW - 6 * MINUTE, NOW - MINUTE, NOW - 5 * MINUTE, "other roots or pins came into force at 11:55:00",
    ),
    "counted at the change": (NOW - HOUR, NOW - 5 * MINUTE, NOW - MINUTE, NOW - 5 * MINUTE, "came into force"),
    "accepted just after the change": (NOW - HOUR, NOW - 5 * MINUTE + SECOND, NOW - MINUTE, NOW - 5 * MINUTE, ""),
    "accepted under the new trust": (NOW - HOUR, NOW - 4 * MINUTE, NOW - MINUTE, NOW - 5 * MINUTE, ""),
    "accepted just after the start": (NOW - 12 * SECOND, NOW - 4 * SECOND, NOW - SECOND, None, ""),
    "refused before the change": (NOW - HOUR, NOW - 7 * MINUTE, NOW - 6 * MINUTE, NOW - 5 * MINUTE, ""),
    "nothing refused": (NOW - HOUR, NOW - 6 * MINUTE, None, NOW - 5 * MINUTE, ""),
    "no other trust": (NOW - HOUR, NOW - 6 * MINUTE, NOW - MINUTE, None, ""),
    "restarted, and only refusals since": (
        NOW - 5 * MINUTE, NOW - 6 * MINUTE, NOW - MINUTE, None, "the processes started at 11:55:00",
    ),
    "restarted since the change": (
        NOW - 2 * MINUTE, NOW - 6 * MINUTE, NOW - MINUTE, NOW - 5 * MINUTE, "the processes started at 11:58:00",
    ),
    "started by a clock that is fast": (NOW + HOUR, NOW - 6 * MINUTE, NOW - MINUTE, None, ""),
}  # fmt: skip


@pytest.mark.parametrize(("started", "accepted", "refused", "changed", "since"), TURNS.values(), ids=TURNS)
@pytest.mark.parametrize("where", ["last_refused", "last_handshake"])
def test_calls_that_were_accepted_before_a_change_hide_no_failure(
    tmp_path: Path, where: str, started: datetime, accepted: datetime, refused: datetime, changed: datetime, since: str
) -> None:
    status = loaded(tmp_path).status()
    last: dict[str, Any] = {where: Refusal(at=refused, reason="issuer_untrusted", detail="")} if refused else {}
    minute = int(NOW.timestamp()) // 60
    fleet = counted(
        {ACCEPTED: 1},
        worker(replace(status, changed_at=changed), started_at=started),
        last_by_reason={"accepted": accepted},
        trend=(Minute(minute - 6, 1, 0, 0), Minute(minute - 1, 0, 3, 0)),
        **last,
    )
    steps = steps_of(combined(status, fleet, NOW), fleet, decisions_of(fleet, NOW), NOW)
    found = [step for step in steps if "no call was accepted" in step.matter]

    assert [(step.urgency, since in step.matter) for step in found] == [(Urgency.PROBLEM, True)] * bool(since)
