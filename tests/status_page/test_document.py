"""The page as HTML: whole, escaped, and readable by everybody."""

import re
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from mtls_middleware.observing.fleet import Extent
from mtls_middleware.observing.history import Minute, Refusal
from mtls_middleware.observing.status import APIStatus, CRLStatus, TrustState
from mtls_middleware.status_page.document import RUNBOOK, html, policy, style
from mtls_middleware.status_page.view import View, view_of
from tests.status_page.scenes import (
    ACCEPTED,
    HOSTILE,
    MISSING,
    NOW,
    STRANGER,
    Document,
    ca,
    counted,
    document,
    later,
    loaded,
    rendered,
    view,
    worker,
)

LIST = CRLStatus(
    origin="http://crl.example/a.crl",
    number=7,
    entries=1,
    this_update=NOW,
    next_update=later(days=2),
    last_success=NOW,
    error="",
    is_learned=True,
)
NO_LIST = replace(LIST, number=None, next_update=None, last_success=None, error="it is silent", is_learned=False)
API = APIStatus(region="us-east-1", certificates=2, last_success=NOW, next_poll=later(hours=1), error="")
NO_API = replace(API, last_success=None, error="401")


@pytest.fixture
def calm(tmp_path: Path) -> View:
    return view(loaded(tmp_path))


@pytest.fixture
def full(tmp_path: Path) -> View:
    """Return a view with something in each section."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOSTILE)])
    guard = loaded(tmp_path, root=ca(subject=subject, valid=timedelta(days=50)), mode="report")
    seen = view(guard, counted({MISSING: 1_234, STRANGER: 5, ACCEPTED: 9}, since=NOW))
    return replace(seen, lists=(LIST, NO_LIST), apis=(API, NO_API))


@pytest.mark.parametrize("name", ["calm", "full"])
def test_every_element_is_closed(name: str, request: pytest.FixtureRequest) -> None:
    assert document(request.getfixturevalue(name)).all("main")


@pytest.mark.parametrize(
    ("headline", "whole"),
    [
        ("Callers of us-east-1, eu-west-1 and mypurecloud.com.au can be accepted.", ["us-east-1", "eu-west-1"]),
        ("Callers of ap-southeast-2.", ["ap-southeast-2."]),
        ("1 process on pod-7c9d-x. <b>-it-is</b>", ["pod-7c9d-x."]),
        (f"No caller of {'w-' * 20}w can be accepted.", []),
        ("Set MTLS_TRUST - now", []),
    ],
)
def test_a_short_name_is_on_one_line_and_is_copied_as_it_is(calm: View, headline: str, whole: list[str]) -> None:
    page = document(replace(calm, headline=headline))
    (shown,) = [one for one in page.all("p") if one.attributes.get("class") == "headline"]

    assert shown.text == headline
    spans = [one for one in page.all("span") if one.attributes.get("class") == "whole"]
    assert [one.text for one in spans if one.text in headline] == whole


def test_a_subject_is_text_and_nothing_else(full: View) -> None:
    (region,) = full.regions
    page = document(replace(full, headline="<script>alert(1)</script>", regions=(replace(region, name="<b>bold</b>"),)))

    assert "<script>alert" in page.text
    assert "<b>bold</b>" in page.text
    assert not page.all("script")
    assert not page.all("b")
    assert "\u202e" not in page.text


def test_nothing_on_it_comes_from_elsewhere(full: View) -> None:
    page = document(full)
    addresses = [
        value
        for element in page.elements
        for name, value in element.attributes.items()
        if name in {"href", "src", "action", "data", "srcset", "style"} or name.startswith("on")
    ]

    links = [f"{RUNBOOK}#{reason}" for reason in ("certificate_missing", "issuer_untrusted")]
    assert addresses == [*links, "./?reload", "status.json"]
    assert "url(" not in style()
    assert "@import" not in style()


def test_its_policy_allows_its_own_style_and_nothing_else(calm: View) -> None:
    (element,) = document(calm).all("style")

    assert element.text == style()
    assert policy().startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy()


def test_the_language_and_the_landmarks_are_told(calm: View) -> None:
    page = document(calm)

    assert page.all("html")[0].attributes["lang"] == "en"
    assert [len(page.all(name)) for name in ("header", "main", "footer", "h1", "title")] == [1] * 5


def test_headings_are_in_order(full: View) -> None:
    depths = [int(one.name[1]) for one in document(full).elements if re.fullmatch("h[1-6]", one.name)]

    assert depths[0] == 1
    assert [(before, after) for before, after in pairwise(depths) if after > before + 1] == []


def test_sections_are_named_by_their_headings(full: View) -> None:
    page = document(full)
    ids = [element.attributes["id"] for element in page.elements if "id" in element.attributes]
    named = [element.attributes["aria-labelledby"] for element in (*page.all("section"), *page.all("article"))]

    assert len(set(ids)) == len(ids)
    assert sorted(named) == sorted(ids)


def test_every_table_has_a_caption_and_heads_with_a_scope(full: View) -> None:
    page = document(full)

    assert len(page.all("caption")) == len(page.all("table")) > 3
    assert {one.attributes.get("scope") for one in page.all("th")} == {"col", "row"}


def test_pictures_are_left_out_by_screen_readers(full: View) -> None:
    text = rendered(full)
    hidden = re.sub(r"<(t[dr])[^>]*aria-hidden=.*?</\1>", "", text, flags=re.DOTALL)

    assert "<svg" in text
    assert "<svg" not in hidden


def test_the_time_line_stands_there_as_text(full: View) -> None:
    assert "The last root of us-east-1soon in 50 days2027-01-12 12:00 UTC" in document(full).text


def test_each_state_is_told_in_words(full: View) -> None:
    page = document(full)
    tags = {one.text for one in page.all("span") if "tag" in one.attributes.get("class", "").split()}

    assert {"Trust: fresh", "Report mode", "ends soon", "refusals", "note", "soon", "valid", "available"} <= tags
    assert {"failed", "none loaded"} <= tags


@pytest.mark.parametrize("life", TrustState)
def test_each_life_has_words(calm: View, life: TrustState) -> None:
    page = document(replace(calm, life=life, built_at=None, last_refresh=None, regions=(), endings=()))

    assert f"Trust: {life}" in page.text
    assert "Nobody." in page.text
    assert "No expiry is known." in page.text


def test_what_ended_and_who_is_out_is_told(full: View) -> None:
    ended = replace(full.endings[0], seconds=-7_200.0, at=later(hours=-2))
    out = replace(full.regions[0], available=False, names=("a.example", "b.example"))

    text = document(replace(full, endings=(ended,), regions=(out,))).text

    assert "expired 2 hours ago" in text
    assert "not available" in text
    assert "a.example, b.example" in text


def test_a_calm_page_says_so(calm: View) -> None:
    text = document(calm).text

    assert "Nothing. There are no problems, nothing expires within 90 days, and no call was refused." in text
    assert "would have been refused" not in text


REFUSAL = Refusal(
    at=later(minutes=-3),
    reason="issuer_untrusted",
    detail="no root here signed it",
    peer="203.0.113.9:4711",
    fingerprint="ab" * 32,
    subject="CN=caller",
    issuer="CN=<b>other</b>",
    names=("a.example",),
)


def test_the_service_its_calls_and_its_processes_are_shown(tmp_path: Path) -> None:
    status = loaded(tmp_path).status()
    start = int(NOW.timestamp()) // 60
    fleet = counted(
        {ACCEPTED: 40, STRANGER: 2},
        worker(status, host="web-1", pid=41, application="gunicorn main:app"),
        worker(status, host="web-1", pid=42, application="gunicorn main:app"),
        since=NOW,
        handshakes={"issuer_untrusted": 7},
        last_by_reason={"accepted": later(minutes=-2), "issuer_untrusted": later(minutes=-3)},
        last_refused=REFUSAL,
        last_handshake=replace(REFUSAL, reason="tls_failed", subject="", fingerprint=""),
        trend=(Minute(start - 3, 0, 2, 7), Minute(start - 2, 40, 0, 0)),
    )
    page = document(view_of(status, fleet, NOW))

    for words in (
        "mTLS status of gunicorn main:app on web-1",
        "41 on web-1 alive",
        "42 on web-1 alive",
        "Last accepted2 minutes ago",
        "Last refused3 minutes ago",
        "peer 203.0.113.9:4711, CN=caller, issuer CN=<b>other</b>",
        "tls_failed: no root here signed it",
        "us-east-140",
        "at most 40 a minute",
    ):
        assert words in page.text
    assert len([one for one in page.all("rect") if one.attributes.get("width") == "8"]) == 2


def test_both_kinds_of_refusals_have_a_column(full: View) -> None:
    text = document(full).text

    assert "1,234 calls would have been refused" in text
    assert "5 calls refused" in text


def test_refusals_alone_have_one_column(tmp_path: Path) -> None:
    page = document(view(loaded(tmp_path), counted({STRANGER: 5}, since=NOW)))

    assert [one.text for one in page.all("th") if one.attributes.get("class") == "count"] == ["Refused"]


def test_a_page_that_knows_no_counts_does_not_speak_of_them(calm: View) -> None:
    decisions = replace(calm.decisions, scope=Extent.NOTHING)

    assert "No call was refused" not in document(replace(calm, decisions=decisions)).text


@pytest.mark.parametrize(
    ("scope", "since", "words"),
    [
        (Extent.NOTHING, None, "MTLS_STATE is off"),
        (Extent.MACHINE, None, "has written its counts yet"),
        (Extent.MACHINE, NOW, "by all processes that share the state"),
        (Extent.PROCESS, NOW, "by this process alone"),
    ],
    ids=["unknown", "none yet", "machine", "process"],
)
def test_it_says_whose_calls_are_counted(calm: View, scope: Extent, since: datetime | None, words: str) -> None:
    decisions = replace(calm.decisions, scope=scope, since=since, written_at=None)

    assert words in document(replace(calm, decisions=decisions)).text


def test_it_loads_itself_again_only_where_that_was_asked_for(calm: View) -> None:
    asked, unasked = Document(html(calm, reloads=True, here="")), Document(html(calm, reloads=False, here=""))

    assert [one.attributes["http-equiv"] for one in asked.all("meta") if "http-equiv" in one.attributes] == ["refresh"]
    assert not [one for one in unasked.all("meta") if "http-equiv" in one.attributes]
    assert [one.attributes["href"] for one in asked.all("a")] == ["./", "status.json"]


def test_its_links_lead_into_its_own_folder(calm: View) -> None:
    page = Document(html(calm, reloads=False, here="mtls-status/"))

    assert [one.attributes["href"] for one in page.all("a")] == ["mtls-status/?reload", "mtls-status/status.json"]


AA = 4.5
"""Contrast of text, WCAG 2.2, 1.4.3."""

PAIRS = [
    *((ink, ground) for ink in ("ink", "quiet") for ground in ("ground", "raised")),
    *((kind, f"{kind}-ground") for kind in ("good", "warn", "bad", "note")),
    ("note", "ground"),
]


def colours(block: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))


def luminance(colour: str) -> float:
    parts = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    red, green, blue = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("ink", "ground"), PAIRS)
def test_text_can_be_told_from_its_ground(ink: str, ground: str, dark: bool) -> None:
    light_block, dark_block = re.findall(r":root \{(.*?)\}", style(), re.DOTALL)
    found = colours(dark_block if dark else light_block)
    darker, lighter = sorted((luminance(found[ink]), luminance(found[ground])))

    assert (lighter + 0.05) / (darker + 0.05) >= AA
