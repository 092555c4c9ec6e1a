"""What is missing where no caller of a region can be accepted: each by its name, and with a cure of its own."""

import io
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from rich.console import Console

from mtls_middleware import Guard
from mtls_middleware.cli.trust.show import show
from mtls_middleware.display import headed
from mtls_middleware.observing.history import History
from mtls_middleware.observing.report import read_report, report_of
from mtls_middleware.observing.status import CRLStatus, Lack, Status, TrustState
from mtls_middleware.status_page.headline import headline
from mtls_middleware.status_page.view import View, view_of
from mtls_middleware.status_page.workers import combined
from mtls_middleware.testing import RegionalCA
from tests.status_page.scenes import HOSTILE, NOW, Clock, ca, counted, document, later, loaded, view, worker

SECRET = "a secret of an OAuth client"


def root_expired(folder: Path, clock: Clock) -> Guard:
    return _later(loaded(folder, clock, root=ca(valid=timedelta(days=5))), clock)


def nothing_pinned(folder: Path, clock: Clock) -> Guard:
    """Return a guard to which the certificates API has not answered yet."""
    return _of_digicert(folder, clock, genesys_client_id="id", genesys_client_secret=SECRET)


def pin_expired(folder: Path, clock: Clock) -> Guard:
    pin = folder / "pin.pem"
    pin.write_text(RegionalCA("digicert", now=NOW).client(not_after=later(days=5)).pem)
    return _later(_of_digicert(folder, clock, pins=str(pin)), clock)


def no_crl(folder: Path, clock: Clock) -> Guard:
    return loaded(folder, clock, revocation="require")


def _of_digicert(folder: Path, clock: Clock, **more: Any) -> Guard:
    (folder / "root").mkdir()
    root = RegionalCA("digicert", now=NOW).write(folder / "root")
    return loaded(folder, clock, authorities="digicert", trust=f"digicert={root}", **more)


def _later(guard: Guard, clock: Clock) -> Guard:
    clock.now = later(days=6)
    return guard


class Told(NamedTuple):
    """What is said of a state, and what is not."""

    guard: Callable[[Path, Clock], Guard]
    label: str
    lack: Lack
    words: str
    cure: str
    unsaid: tuple[str, ...]


STATES = [
    Told(
        root_expired, "us-east-1", Lack.ROOT, "no root is valid now", "add the next root", ("CRL", "MTLS_PINS", "API")
    ),
    Told(
        nothing_pinned,
        "us-east-1 (digicert)",
        Lack.PIN,
        "no client certificate is pinned yet",
        "The certificates API returns pins as soon as it answers",
        ("expir", "clock", "CRL", "root"),
    ),
    Told(
        pin_expired,
        "us-east-1 (digicert)",
        Lack.VALID_PIN,
        "no pinned client certificate can pass now",
        "pin the client certificate",
        ("CRL", "root", "API"),
    ),
    Told(
        no_crl,
        "us-east-1",
        Lack.CRL,
        "no CRL is fresh, and MTLS_REVOCATION=require",
        "name a copy of the CRL in MTLS_CRL_URLS",
        ("expir", "clock", "root", "pin"),
    ),
]


@pytest.mark.parametrize("told", STATES, ids=lambda told: told.lack)
def test_what_is_missing_is_named_and_nothing_else(tmp_path: Path, told: Told) -> None:
    clock = Clock()

    seen = view(told.guard(tmp_path, clock), now=clock.now)
    (step,) = [one for one in seen.steps if one.matter.startswith("no caller of")]

    assert seen.life is TrustState.EXPIRED
    assert seen.headline == f"{headed(told.words)}: every call to a protected path is refused."
    assert step.matter == f"no caller of {told.label} can be accepted now: {told.words}"
    assert told.cure in step.cure
    assert [word for word in told.unsaid if word in seen.headline + step.matter + step.cure] == []
    assert [(region.available, region.lack) for region in seen.regions] == [(False, told.lack)]
    assert told.words in document(seen).text


@pytest.mark.parametrize("told", STATES, ids=lambda told: told.lack)
def test_the_running_processes_say_what_they_lack(tmp_path: Path, told: Told) -> None:
    """The files here are good by now; what counts is what the processes that run have."""
    clock = Clock()
    _, reported = read_report(report_of(History(), worker(told.guard(tmp_path, clock).status())))
    assert reported is not None
    (tmp_path / "new").mkdir()
    here = loaded(tmp_path / "new", clock).status()

    seen = view_of(here, counted(None, reported), clock.now)

    assert seen.headline.startswith(headed(told.words))
    assert f"no caller of {told.label} can be accepted now: {told.words}" in [step.matter for step in seen.steps]


def test_where_regions_lack_different_things_each_says_its_own(tmp_path: Path) -> None:
    seen = _two(loaded(tmp_path).status(), Lack.ROOT, Lack.CRL)

    assert seen.headline.startswith("Nothing that is trusted can accept a caller now:")
    assert [step.matter for step in seen.steps] == [
        "no caller of us-east-1 can be accepted now: no root is valid now",
        "no caller of eu-west-1 can be accepted now: no CRL is fresh, and MTLS_REVOCATION=require",
    ]


def test_authorities_of_one_region_are_told_apart(tmp_path: Path) -> None:
    (region,) = loaded(tmp_path).status().regions
    status = replace(loaded(tmp_path).status(), regions=(region, replace(region, authority="digicert", lack=Lack.PIN)))

    seen = view_of(status, counted(None, worker(status)), NOW)

    assert seen.headline == "Trust is up to date, but no caller of us-east-1 (digicert) can be accepted now."
    assert [region.available for region in seen.regions] == [True, False]


def _two(status: Status, first: Lack, second: Lack) -> View:
    (region,) = status.regions
    both = (replace(region, lack=first), replace(region, name="eu-west-1", lack=second))
    status = replace(status, life=TrustState.EXPIRED, regions=both)
    return view_of(status, counted(None, worker(status)), NOW)


def test_crls_that_expired_are_named(tmp_path: Path) -> None:
    hour = timedelta(hours=1)
    ages: dict[str, Any] = {"this_update": NOW - hour, "next_update": NOW, "last_success": NOW}
    crl = CRLStatus(origin="a.crl", number=1, entries=0, error="", is_learned=False, **ages)
    lists = (crl, replace(crl, origin="b.crl", next_update=NOW + hour), replace(crl, origin="c.crl", next_update=None))
    status = replace(loaded(tmp_path).status(), lists=lists)
    told = {lack: _two(status, lack, lack).steps[0].matter.partition(": ")[2] for lack in (Lack.CRL, Lack.ROOT)}

    assert told == {
        Lack.CRL: "no CRL is fresh, and MTLS_REVOCATION=require; the CRL of a.crl expired at 2026-11-23 12:00 UTC",
        Lack.ROOT: "no root is valid now",
    }


def test_what_is_set_here_is_not_told_as_what_runs(tmp_path: Path) -> None:
    status = loaded(tmp_path).status()
    fleet = counted()

    seen = view_of(status, fleet, NOW)

    assert headline(combined(status, fleet, NOW)).startswith("No running process reports")
    assert (seen.life, seen.built_at, seen.last_refresh) == (None, None, None)
    assert "Mode, as set here" in document(seen).text
    assert "at the start" not in document(seen).text


def test_what_processes_report_is_made_safe_to_look_at(tmp_path: Path) -> None:
    status = loaded(tmp_path).status()
    fleet = counted(None, worker(status, lacks={HOSTILE: Lack.CRL}, problems=(HOSTILE,), trust=(HOSTILE,)))
    seen = view_of(status, fleet, NOW)
    output = io.StringIO()
    show(combined(status, fleet, NOW), (HOSTILE,), NOW, Console(file=output), running=1, reported=(HOSTILE,))

    told = [seen.headline, *(step.matter for step in seen.steps), *output.getvalue().splitlines()]
    assert [text for text in told if not text.isprintable()] == []
    assert sum("script" in text for text in told) >= 5
