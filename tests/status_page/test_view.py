"""What the page shows of a guard."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from mtls_middleware import Guard, Mode, Reason, Settings
from mtls_middleware.errors import TrustError
from mtls_middleware.observing.fleet import Extent
from mtls_middleware.observing.status import APIStatus, CRLStatus, TrustState
from mtls_middleware.status_page.document import as_json
from mtls_middleware.status_page.view import Conclusion, Phase, view_of
from mtls_middleware.testing import RegionalCA
from tests.status_page.scenes import (
    ACCEPTED,
    DEFECT,
    HOSTILE,
    MISSING,
    NOW,
    STRANGER,
    Clock,
    ca,
    counted,
    later,
    loaded,
    view,
    worker,
)


def test_fresh_trust_is_calm(tmp_path: Path) -> None:
    seen = view(loaded(tmp_path))

    assert (seen.life, seen.verdict, seen.steps) == (TrustState.FRESH, Conclusion.GOOD, ())
    assert seen.headline == "Trust is up to date. Callers of us-east-1 can be accepted."


def test_several_regions_are_listed_as_people_do(tmp_path: Path) -> None:
    for region in ("us-east-1", "eu-west-1", "eu-central-1"):
        ca(region).write(tmp_path)

    seen = view(loaded(tmp_path, trust=tmp_path, regions="us-east-1,eu-west-1,eu-central-1"))

    assert "us-east-1, eu-west-1 and eu-central-1 can be accepted" in seen.headline


def test_a_region_whose_callers_are_refused_is_named(tmp_path: Path) -> None:
    clock = Clock()
    ca(valid=timedelta(days=5)).write(tmp_path)
    ca("eu-west-1").write(tmp_path)
    guard = loaded(tmp_path, clock, trust=tmp_path, regions="us-east-1,eu-west-1")
    clock.now = later(days=6)

    seen = view(guard, now=clock.now)

    assert seen.headline == "Trust is up to date, but no caller of us-east-1 can be accepted now."
    assert seen.verdict is Conclusion.ATTENTION
    assert {region.name: region.available for region in seen.regions} == {"us-east-1": False, "eu-west-1": True}
    assert seen.regions[0].anchors[0].phase is Phase.ENDED
    assert seen.endings[0].seconds < 0


def test_a_failed_refresh_is_stale(tmp_path: Path) -> None:
    guard = loaded(tmp_path)
    next(tmp_path.glob("*.pem")).write_text("broken")
    guard.refresh()

    seen = view(guard)

    assert (seen.life, seen.verdict) == (TrustState.STALE, Conclusion.ATTENTION)
    assert "last good trust" in seen.headline


@pytest.mark.parametrize(("mode", "words"), [("enforce", "is refused"), ("report", "would be refused")])
def test_ended_trust_is_expired(tmp_path: Path, mode: str, words: str) -> None:
    clock = Clock()
    guard = loaded(tmp_path, clock, root=ca(valid=timedelta(days=5)), mode=mode)
    clock.now = later(days=6)

    seen = view(guard, now=clock.now)

    assert seen.life is TrustState.EXPIRED
    assert words in seen.headline


@pytest.mark.parametrize(
    ("mode", "words", "regions"),
    [("enforce", "path is refused.", []), ("report", "report lets it through.", [("us-east-1", False)])],
)
def test_trust_that_was_never_loaded_is_missing(
    tmp_path: Path, mode: Mode, words: str, regions: list[tuple[str, bool]]
) -> None:
    settings = Settings(regions="us-east-1", trust=tmp_path / "none.pem", state="off", mode=mode)
    guard = Guard.silent(settings, clock=Clock())
    with pytest.raises(TrustError):
        guard.load()
    guard.refresh()

    seen = view(guard)

    assert (seen.life, seen.built_at) == (TrustState.MISSING, None)
    assert [(region.name, region.available) for region in seen.regions] == regions
    assert seen.headline.endswith(words)
    assert seen.steps[0].urgency == "problem"


def test_pins_are_shown_with_their_lives(tmp_path: Path) -> None:
    root = RegionalCA("digicert", now=NOW)
    old, coming = root.client(), root.client(not_before=later(days=20), not_after=later(days=50))
    for name, client in (("old", old), ("coming", coming), ("useless", root.client(server_only=True))):
        (tmp_path / f"{name}.pem").write_text(client.pem)
    (tmp_path / "root").mkdir()
    guard = loaded(
        tmp_path,
        authorities="digicert",
        trust=f"digicert={root.write(tmp_path / 'root')}",
        pins=f"{tmp_path / 'old.pem'},{tmp_path / 'coming.pem'},{tmp_path / 'useless.pem'},{'ab' * 32}",
    )

    (region,) = view(guard).regions

    assert [pin.phase for pin in region.pins] == [Phase.VALID, Phase.TO_COME, Phase.USELESS, Phase.UNKNOWN]
    assert [pin for pin in region.pins if pin.subject] == []


def test_the_end_of_the_last_pin_is_told(tmp_path: Path) -> None:
    root = RegionalCA("digicert", now=NOW)
    (tmp_path / "pin.pem").write_text(root.client(not_after=later(days=40)).pem)
    (tmp_path / "root").mkdir()
    trust = f"digicert={root.write(tmp_path / 'root')}"

    seen = view(loaded(tmp_path, authorities="digicert", trust=trust, pins=str(tmp_path / "pin.pem")))

    assert (seen.endings[0].what, seen.endings[0].is_soon) == ("the pin of us-east-1", True)


def test_lists_are_shown_with_their_next_update(tmp_path: Path) -> None:
    root = ca()
    (tmp_path / "list.crl").write_bytes(root.crl([7], next_update=later(days=2)))
    (tmp_path / "trust").mkdir()
    guard = loaded(
        tmp_path, trust=root.write(tmp_path / "trust"), revocation="check", crl_urls=str(tmp_path / "list.crl")
    )
    guard.refresh()

    seen = view(guard)

    assert (seen.lists[0].entries, seen.lists[0].next_update) == (1, later(days=2))
    assert (seen.endings[0].renews_itself, seen.endings[0].is_soon, seen.endings[0].seconds) == (True, False, 172_800)


def test_what_nobody_could_fetch_yet_has_no_end(tmp_path: Path) -> None:
    silent = CRLStatus(
        origin="http://crl.example/\u202e",
        number=None,
        entries=0,
        this_update=None,
        next_update=None,
        last_success=None,
        error="it is silent\x07",
        is_learned=True,
    )
    api = APIStatus(region="us-east-1", certificates=0, last_success=None, next_poll=NOW, error="401\x07")
    status = replace(loaded(tmp_path).status(), lists=(silent,), apis=(api,))

    seen = view_of(status, counted(), NOW)

    assert [ending.what for ending in seen.endings] == ["the last root of us-east-1"]
    assert seen.lists[0].origin == "http://crl.example/\\u202e"
    assert (seen.lists[0].error, seen.apis[0].error) == ("it is silent\\x07", "401\\x07")


def test_a_list_that_ended_is_soon(tmp_path: Path) -> None:
    clock = Clock()
    root = ca()
    (tmp_path / "list.crl").write_bytes(root.crl(next_update=later(days=2)))
    (tmp_path / "trust").mkdir()
    guard = loaded(
        tmp_path, clock, trust=root.write(tmp_path / "trust"), revocation="check", crl_urls=str(tmp_path / "list.crl")
    )
    guard.refresh()
    clock.now = later(days=3)

    assert view(guard, now=clock.now).endings[0].is_soon


def test_report_mode_is_told_apart_from_refusals(tmp_path: Path) -> None:
    decisions = view(loaded(tmp_path), counted({MISSING: 5, STRANGER: 2, DEFECT: 1, ACCEPTED: 9})).decisions

    assert (decisions.accepted, decisions.refused, decisions.would_be_refused) == (9, 3, 5)
    assert [(row.reason, row.refused, row.would_be_refused) for row in decisions.by_reason] == [
        (Reason.CERTIFICATE_MISSING, 0, 5),
        (Reason.ISSUER_UNTRUSTED, 2, 0),
        (Reason.INTERNAL_ERROR, 1, 0),
    ]


def test_a_hostile_subject_is_safe_to_look_at(tmp_path: Path) -> None:
    from cryptography import x509  # noqa: PLC0415 - beside its only user
    from cryptography.x509.oid import NameOID  # noqa: PLC0415

    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOSTILE)])

    (region,) = view(loaded(tmp_path, root=ca(subject=subject))).regions

    assert "\u202e" not in region.anchors[0].subject
    assert "\x1b" not in region.anchors[0].subject


def test_the_json_holds_the_same(tmp_path: Path) -> None:
    seen = view(loaded(tmp_path, mode="report"), counted({MISSING: 5, ACCEPTED: 1}, since=NOW))

    told = json.loads(as_json(seen))

    assert told.keys() >= {"version", "at", "life", "headline", "mode", "steps", "decisions", "endings", "regions"}
    assert told["at"] == "2026-11-23T12:00:00+00:00"
    assert told["decisions"]["by_reason"] == [
        {"reason": "certificate_missing", "refused": 0, "would_be_refused": 5, "last_at": None}
    ]
    assert told["regions"][0]["anchors"][0]["phase"] == "valid"


def test_nothing_is_written_as_json_that_has_no_form(tmp_path: Path) -> None:
    seen = view(loaded(tmp_path), counted(since=NOW))
    object.__setattr__(seen, "source", {1, 2})

    with pytest.raises(TypeError, match="set has no form"):
        as_json(seen)


@pytest.mark.parametrize("scope", Extent)
def test_whose_decisions_they_are_is_told(tmp_path: Path, scope: Extent) -> None:
    assert view(loaded(tmp_path), counted(scope=scope)).decisions.scope is scope


def test_it_shows_how_many_processes_have_which_trust(tmp_path: Path) -> None:
    status = loaded(tmp_path).status()
    workers = [worker(status, host=f"web-{number % 3}", pid=number) for number in range(7)]
    other = worker(status, host="web-9", pid=9, trust_fingerprint="cd" * 8)
    seen = view_of(status, counted({}, *workers, other), NOW)

    assert [(one.trust, one.processes, one.hosts) for one in seen.trusts] == [
        (workers[0].trust_fingerprint, 7, 3),
        ("cd" * 8, 1, 1),
    ]
