"""How times, numbers and sentences are written."""

from datetime import datetime

from mtls_middleware.display import counted, displayed

LIMIT = 1_000
"""Characters of one sentence: it may name a file and say what would be right."""

MINUTE, HOUR, DAY = 60, 3_600, 86_400
MONTH, YEAR = 30 * DAY, 365.25 * DAY

_UNITS = ((YEAR, 2 * YEAR, "year"), (DAY, DAY, "day"), (HOUR, HOUR, "hour"), (MINUTE, MINUTE, "minute"))
"""How long it is, from where on it is used, and its name. A change request is planned in days."""


def sentence(text: str) -> str:
    """Return a sentence of ours, in which foreign words were made safe when it was made, or make it safe now."""
    shown = displayed(text, LIMIT)
    return text if shown.replace("\\\\", "\\") == text else shown


def moment(at: datetime | None) -> str:
    """Return a time to the minute."""
    return f"{at:%Y-%m-%d %H:%M} UTC" if at is not None else "never"


def span(seconds: float) -> str:
    """Return how long something takes, in one unit: ``69 days``, ``2 years``."""
    for unit, least, name in _UNITS:
        if seconds >= least:
            return counted(int(seconds // unit), name)
    return "a moment"


def when(seconds: float) -> str:
    """Return how far away a moment is that is to come, or gone by."""
    return f"in {span(seconds)}" if seconds >= 0 else f"{span(-seconds)} ago"


def headed(text: str) -> str:
    """Return a sentence with a capital letter, unless it begins with a name of code."""
    first = text.partition(" ")[0]
    return text[:1].upper() + text[1:] if first.isalpha() else text


def number(count: int) -> str:
    """Return a number that can be read."""
    return f"{count:,}"
