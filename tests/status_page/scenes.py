"""Guards in every state that the page has words for, and what their page says."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from mtls_middleware import Guard, Settings
from mtls_middleware.observing.events import Decided
from mtls_middleware.observing.fleet import Extent, Fleet, Liveness, ReportedWorker
from mtls_middleware.observing.history import History
from mtls_middleware.observing.status import Status
from mtls_middleware.observing.worker import Worker
from mtls_middleware.status_page.document import html
from mtls_middleware.status_page.view import View, view_of
from mtls_middleware.testing import RegionalCA

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)

MISSING = Decided("certificate_missing", "none", "none", "report", cached=False)
STRANGER = Decided("issuer_untrusted", "none", "none", "enforce", cached=False)
DEFECT = Decided("internal_error", "none", "none", "report", cached=False)
ACCEPTED = Decided("accepted", "us-east-1", "genesys", "report", cached=True)

HOSTILE = '<script>alert("x")</script>&\u202e\u0007\x1b[31m'


class Clock:
    """Tell the time that a test set."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def ca(region: str = "us-east-1", **more: Any) -> RegionalCA:
    return RegionalCA(region, now=NOW, **more)


def loaded(folder: Path, clock: Clock | None = None, *, root: RegionalCA | None = None, **more: object) -> Guard:
    """Return a guard that has loaded what it is given, by default one root that lives for ten years."""
    given: dict[str, Any] = {"regions": "us-east-1", "state": "off", "revocation": "off", **more}
    if "trust" not in given:
        given["trust"] = (root or ca()).write(folder)
    guard = Guard.silent(Settings(**given), clock=clock or Clock())
    guard.load()
    return guard


def worker(status: Status, **changes: Any) -> Worker:
    """Return a process with this status."""
    return replace(Worker.of(status, ("root of us-east-1: ab",)), **changes)


def reported(one: Worker | None, liveness: Liveness = Liveness.ALIVE, at: datetime | None = NOW) -> ReportedWorker:
    return ReportedWorker(worker=one, at=at, liveness=liveness)


def counted(
    numbers: Mapping[Decided, int] | None = None,
    *workers: Worker,
    scope: Extent = Extent.MACHINE,
    written_at: datetime | None = NOW,
    **history: Any,
) -> Fleet:
    """Return running processes, and what they counted."""
    return Fleet(
        scope=scope,
        workers=tuple(map(reported, workers)),
        history=History(decisions=numbers or {}, **history),
        written_at=written_at,
    )


def with_worker(status: Status, fleet: Fleet) -> Fleet:
    """Return a fleet with one running process, unless it has any, or none is known."""
    if fleet.workers or fleet.scope is Extent.NOTHING:
        return fleet
    return replace(fleet, workers=(reported(worker(status)),))


def view(guard: Guard, fleet: Fleet | None = None, now: datetime = NOW) -> View:
    status = guard.status()
    return view_of(status, with_worker(status, fleet or counted(since=NOW)), now)


def rendered(seen: View, *, reloads: bool = False, here: str = "") -> str:
    return html(seen, reloads=reloads, here=here)


class Element:
    """Hold an element: its name, attributes, and all text in it."""

    def __init__(self, name: str, attributes: dict[str, str], parents: tuple[str, ...]) -> None:
        self.name = name
        self.attributes = attributes
        self.parents = parents
        self.text = ""


VOID = {"meta", "link", "br", "wbr", "path", "rect"}


class Document(HTMLParser):
    """Hold a page as elements, and fail where one is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs}, tuple(one.name for one in self._open))
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().name == tag

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data

    def all(self, name: str) -> list[Element]:
        return [element for element in self.elements if element.name == name]

    @property
    def text(self) -> str:
        (body,) = self.all("body")
        return " ".join(body.text.split())


def document(seen: View) -> Document:
    return Document(rendered(seen))


def later(**given: float) -> datetime:
    return NOW + timedelta(**given)
