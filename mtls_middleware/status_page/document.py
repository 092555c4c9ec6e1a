"""The page as HTML. Values are escaped by the template engine; the style stands in the page, and no script at all."""

import base64
import hashlib
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from mtls_middleware.status_page import texts, timeline
from mtls_middleware.status_page.view import View

if TYPE_CHECKING:
    from jinja2 import Template

REFRESH_SECONDS = 30
"""Between two loads, where the reader asked for it: a page that reloads unasked interrupts who hears it read."""

SHORT_FINGERPRINT = 16
"""Hexadecimal digits that are shown in groups; all of them stand in the JSON."""


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
        day, _, hour = texts.moment(at).partition(" ")
        pattern = Markup('<time datetime="{}"><span>{}</span> <span>{}</span></time>')
        return pattern.format(at.isoformat(timespec="seconds"), day, hour)

    def breakable(name: str) -> str:
        """Return a name that may be broken after its underscores."""
        return escape(name).replace("_", Markup("_<wbr>"))

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(_FILTERS, moment=moment, breakable=breakable)
    environment.globals.update(position=timeline.position, marks=timeline.marks(), width=timeline.WIDTH)
    return environment.from_string(_text("page.html.j2"))


def _text(name: str) -> str:
    return files("mtls_middleware.status_page").joinpath(name).read_text(encoding="utf-8")


def _grouped(fingerprint: str) -> str:
    """Return the beginning of a fingerprint, in groups that an eye can compare."""
    digits = fingerprint[:SHORT_FINGERPRINT]
    return " ".join(digits[place : place + 4] for place in range(0, len(digits), 4)) + " …"


_FILTERS: dict[str, Any] = {
    "headed": texts.headed,
    "span": texts.span,
    "when": texts.when,
    "number": texts.number,
    "plural": texts.plural,
    "grouped": _grouped,
}
