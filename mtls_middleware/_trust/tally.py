"""What was counted, as a value, and as bytes of which nothing is believed that is not of a closed set."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from mtls_middleware._core.decision import Reason
from mtls_middleware._core.gate import Mode
from mtls_middleware._io.files import Unusable, parse_object
from mtls_middleware.events import ACCEPTED, NOBODY, Decided
from mtls_middleware.identity import Authority
from mtls_middleware.regions import table

VERSION = 1

BYTES = 65_536
"""Of one process; with every series that there is, about 20,000."""

LARGEST = 2**63 - 1

Numbers = Mapping[Decided, int]


class Scope(StrEnum):
    """Say whose decisions are counted."""

    MACHINE = "machine"
    """Of every process that shares the state folder."""
    PROCESS = "process"
    """Of this one alone, because there is no state folder."""
    NOTHING = "nothing"
    """Nothing is known: there is no state folder, and this process judges no calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Tell how often each decision was made on protected paths.

    Attributes:
        numbers: by decision.
        scope: whose decisions.
        since: when the first process began to count, UTC.
        written_at: when one of them last wrote, UTC.
        processes: how many counted within the last two minutes.
        problems: what could not be read, one sentence each.
    """

    numbers: Numbers
    scope: Scope
    since: datetime | None = None
    written_at: datetime | None = None
    processes: int = 0
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Hold what was counted in one place."""

    since: datetime
    numbers: Numbers = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """Write it down."""
        rows = [[*decided, number] for decided, number in sorted(self.numbers.items())]
        return json.dumps({"version": VERSION, "since": self.since.isoformat(), "numbers": rows}).encode("ascii")

    @classmethod
    def from_bytes(cls, data: bytes) -> "Tally | None":
        """Read what `to_bytes` wrote; None where it is anything else."""
        try:
            told = parse_object(data) if len(data) <= BYTES else {}
            since = _moment(told.get("since"))
        except (Unusable, ValueError, OverflowError):
            return None
        rows = told.get("numbers")
        if since is None or type(told.get("version")) is not int or told["version"] != VERSION:
            return None
        if not isinstance(rows, list):
            return None
        numbers = dict(filter(None, map(_series, rows)))
        return cls(since=since, numbers=numbers) if len(numbers) == len(rows) else None


def summed(*parts: Numbers) -> dict[Decided, int]:
    """Return the sum of each series; a number that no process can have counted stays in its bounds."""
    sums: Counter[Decided] = Counter()
    for part in parts:
        sums.update(part)
    return {decided: min(number, LARGEST) for decided, number in sums.items() if number}


_REASONS = frozenset({ACCEPTED, *map(str, Reason)})
_REGIONS = frozenset({NOBODY, *(region.aws_region for region in table())})
_AUTHORITIES = frozenset({NOBODY, *map(str, Authority)})
_MODES = frozenset(map(str, Mode))


def _series(row: object) -> tuple[Decided, int] | None:
    """Return one series, if each part of it is of the closed set that it must be of."""
    match row:
        case [str(reason), str(region), str(authority), str(mode), bool(cached), int(number)] if (
            reason in _REASONS
            and region in _REGIONS
            and authority in _AUTHORITIES
            and mode in _MODES
            and type(number) is int
            and 0 <= number <= LARGEST
        ):
            return Decided(reason, region, authority, mode, cached), number
        case _:
            return None


def _moment(text: object) -> datetime | None:
    moment = datetime.fromisoformat(text if isinstance(text, str) else "")
    return moment.astimezone(UTC) if moment.tzinfo is not None else None
