"""Text made safe to look at, and how times and numbers are written."""

import unicodedata
from datetime import datetime

LIMIT = 256
"""Characters shown of one text."""

DOCS = "https://mtls-middleware.readthedocs.io/"
"""Where the pages of the documentation are: a package that is installed has none of them."""

SENTENCE_LIMIT = 1_000
"""Characters of one sentence: it may name a file and say what would be right."""

MINUTE, HOUR, DAY = 60, 3_600, 86_400
MONTH, YEAR = 30 * DAY, 365.25 * DAY

_UNITS = ((YEAR, 2 * YEAR, "year"), (DAY, DAY, "day"), (HOUR, HOUR, "hour"), (MINUTE, MINUTE, "minute"))
"""How long it is, from where on it is used, and its name. A change request is planned in days."""

_HARMLESS = {"Zs"}
_DANGEROUS = ("C", "Z")
"""Unicode categories: control, format (bidirectional ones too), surrogates, unassigned; and line separators."""


def displayed(text: str, limit: int = LIMIT) -> str:
    """Escape whatever is not plainly visible, and cut what is too long."""
    shown = text[: limit + 1]
    if "\\" in shown or not shown.isprintable():  # most texts of a refusal are plain, and strangers can ask for many
        shown = shown.translate(_TABLE)
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def counted(number: int, noun: str, nouns: str = "") -> str:
    """Return ``1 entry``, ``2 entries``."""
    return f"{number:,} {noun if number == 1 else nouns or f'{noun}s'}"


def _visible(character: str) -> str:
    category = unicodedata.category(character)
    if character == "\\":
        return "\\\\"
    if category[0] not in _DANGEROUS or category in _HARMLESS:
        return character
    return character.encode("unicode_escape").decode("ascii")


class _Table(dict[int, str]):
    """What is shown of each character; only those of ASCII are remembered."""

    def __missing__(self, code: int) -> str:
        return _visible(chr(code))


_TABLE = _Table({code: _visible(chr(code)) for code in range(128)})


def sentence(text: str) -> str:
    """Return a sentence of ours, in which foreign words were made safe when it was made, or make it safe now."""
    shown = displayed(text, SENTENCE_LIMIT)
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
