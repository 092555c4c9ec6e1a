"""A scale on which hours and years have room: each mark of it stands as far from the last one as it is longer."""

from dataclasses import dataclass
from math import log1p

from mtls_middleware.status_page.texts import DAY, HOUR, MONTH, YEAR

WIDTH = 1_000.0
"""Of the scale, in units of the drawing."""

LONGEST = 30 * YEAR
"""What lasts longer ends at the right edge."""

MARKS = ((DAY, "1 day"), (MONTH, "1 month"), (YEAR, "1 year"), (10 * YEAR, "10 years"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Hold a mark of the scale."""

    x: float
    label: str


def position(seconds: float) -> float:
    """Return where a moment stands, that many seconds from now; what has gone by stands at the left edge."""
    bounded = min(max(seconds, 0.0), LONGEST)
    return round(WIDTH * log1p(bounded / HOUR) / log1p(LONGEST / HOUR), 1)


def marks() -> tuple[Mark, ...]:
    """Return the marks of the scale, from left to right."""
    return tuple(Mark(x=position(seconds), label=label) for seconds, label in MARKS)
