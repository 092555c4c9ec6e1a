"""The status page as HTML and as JSON, and which of them a caller prefers (RFC 9110 §12.5.1).

Values are escaped by the template engine; the style is in the page, and there is no script.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from math import log1p
from typing import TYPE_CHECKING, Any

from mtls_middleware import display
from mtls_middleware._core.decision import Reason
from mtls_middleware.display import DAY, DOCS, HOUR, MONTH, YEAR, counted
from mtls_middleware.status_page.view import View

if TYPE_CHECKING:
    from jinja2 import Template


REFRESH_SECONDS = 30
"""Between two loads, where the reader asked for it: a page that reloads unasked interrupts who hears it read."""

SHORT_FINGERPRINT = 16
"""Hexadecimal digits that are shown in groups; all of them stand in the JSON."""

WIDTH = 1_000.0
"""Of the scale, in units of the drawing."""

LONGEST = 30 * YEAR
"""What lasts longer ends at the right edge."""

MARKS = ((DAY, "1 day"), (MONTH, "1 month"), (YEAR, "1 year"), (10 * YEAR, "10 years"))

VERSION = 2
"""Of the form; it changes when a name goes or gets another meaning."""

RUNBOOK = f"{DOCS}operations/"
"""Has a heading for each reason."""

HANDSHAKE_ANCHOR = "refused-in-the-tls-handshake"

_SHORT_NAME = re.compile(r"(?<![\w.-])(?=[\w.-]{1,24}(?![\w.-]))\w[\w.]*(?:-\w[\w.]*)+")
"""A word with hyphens, at which browsers break lines; longer ones must be broken on a phone."""

HTML = ("text", "html")
JSON = ("application", "json")

Kind = tuple[str, str]


def html(view: View, *, reloads: bool, here: str) -> str:
    """Return the page.

    Args:
        view: what it shows.
        reloads: it loads itself again from time to time.
        here: the relative address of the folder that it stands in, ending with a slash or empty.
    """
    return _template().render(view=view, reloads=reloads, here=here, seconds=REFRESH_SECONDS, style=style())


def policy() -> str:
    """Return the Content-Security-Policy: this style, and nothing else from anywhere."""
    digest = base64.b64encode(hashlib.sha256(style().encode()).digest()).decode("ascii")
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


@cache
def style() -> str:
    """Return the style sheet."""
    return _text("page.css")


@cache
def _template() -> "Template":
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415 - an optional extra, and loaded when it is used
    from markupsafe import Markup, escape  # noqa: PLC0415 - comes with it

    def moment(at: datetime | None) -> str:
        """Return a time whose date and hour stay whole."""
        if at is None:
            return "never"
        day, _, hour = display.moment(at).partition(" ")
        pattern = Markup('<time datetime="{}"><span>{}</span> <span>{}</span></time>')
        return pattern.format(at.isoformat(timespec="seconds"), day, hour)

    def breakable(name: str) -> str:
        """Return a name that may be broken after its underscores."""
        return escape(name).replace("_", Markup("_<wbr>"))

    def unbroken(text: str) -> str:
        """Return a sentence in which a short name such as us-east-1 is on one line, and is copied as it is."""
        return Markup(_SHORT_NAME.sub(r'<span class="whole">\g<0></span>', str(escape(text))))  # noqa: S704 - escaped before

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(_FILTERS, moment=moment, breakable=breakable, unbroken=unbroken)
    environment.globals.update(
        position=position,
        marks=marks(),
        width=WIDTH,
        runbook_url=RUNBOOK,
        handshake_anchor=HANDSHAKE_ANCHOR,
        reasons=frozenset(map(str, Reason)),
    )
    return environment.from_string(_text("page.html.j2"))


def _text(name: str) -> str:
    return files("mtls_middleware.status_page").joinpath(name).read_text(encoding="utf-8")


def _grouped(fingerprint: str) -> str:
    """Return the beginning of a fingerprint, in groups that an eye can compare."""
    digits = fingerprint[:SHORT_FINGERPRINT]
    return " ".join(digits[index : index + 4] for index in range(0, len(digits), 4)) + " …"


_FILTERS: dict[str, Any] = {
    "headed": display.headed,
    "span": display.span,
    "when": display.when,
    "number": display.number,
    "counted": counted,
    "grouped": _grouped,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A mark of the scale."""

    x: float
    label: str


def position(seconds: float) -> float:
    """Return where a moment stands, that many seconds from now; what has gone by stands at the left edge."""
    bounded = min(max(seconds, 0.0), LONGEST)
    return round(WIDTH * log1p(bounded / HOUR) / log1p(LONGEST / HOUR), 1)


def marks() -> tuple[Mark, ...]:
    """Return the marks of the scale, from left to right."""
    return tuple(Mark(x=position(seconds), label=label) for seconds, label in MARKS)


def as_json(view: View) -> str:
    """Return everything that the page shows; times as in RFC 3339, UTC."""
    return json.dumps({"version": VERSION, **asdict(view)}, default=_value, indent=2) + "\n"


def _value(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def prefers_json(accept: Iterable[str]) -> bool:
    """Return whether the Accept fields ask for JSON more than for HTML; nothing asked for is HTML."""
    ranges = [_range(part) for field in accept for part in field.split(",") if part.strip()]
    return _quality(JSON, ranges) > _quality(HTML, ranges)


def _quality(kind: Kind, ranges: list[tuple[Kind, float]]) -> float:
    """Return what the most specific range says that covers a media type."""
    for pattern in (kind, (kind[0], "*"), ("*", "*")):
        found = [quality for one, quality in ranges if one == pattern]
        if found:
            return max(found)
    return 0.0


def _range(text: str) -> tuple[Kind, float]:
    media, *parameters = (part.strip().lower() for part in text.split(";"))
    first, _, second = media.partition("/")
    weights = [value for name, _, value in (parameter.partition("=") for parameter in parameters) if name == "q"]
    return (first, second), _weight(weights[0]) if weights else 1.0


def _weight(text: str) -> float:
    """Return a qvalue; what is none counts as nothing."""
    digits = text.strip()
    if len(digits) > len("0.000") or not digits.replace(".", "", 1).isdecimal():
        return 0.0
    return min(float(digits), 1.0)
