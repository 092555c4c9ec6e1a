"""Times, numbers, sentences, the scale, and what a caller would rather have."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtls_middleware import display
from mtls_middleware.display import displayed
from mtls_middleware.status_page import document
from mtls_middleware.status_page.document import prefers_json
from tests.status_page.scenes import NOW


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "in a moment"),
        (59, "in a moment"),
        (60, "in 1 minute"),
        (3_600, "in 1 hour"),
        (7_300, "in 2 hours"),
        (86_400, "in 1 day"),
        (69 * 86_400, "in 69 days"),
        (2 * 366 * 86_400, "in 2 years"),
        (-3_600, "1 hour ago"),
        (1e12, "in 31,688 years"),
    ],
)
def test_how_far_away_a_moment_is(seconds: float, words: str) -> None:
    assert display.when(seconds) == words


def test_times_are_told_to_the_minute() -> None:
    assert (display.moment(NOW), display.moment(None)) == ("2026-11-23 12:00 UTC", "never")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("the root ends", "The root ends"),
        ("issuer_untrusted: 1", "issuer_untrusted: 1"),
        ("/a/b: is", "/a/b: is"),
        ("", ""),
    ],
    ids=["words", "code", "path", "nothing"],
)
def test_a_sentence_begins_with_a_capital_letter(text: str, shown: str) -> None:
    assert display.headed(text) == shown


def test_what_was_made_safe_is_not_made_safe_twice() -> None:
    foreign = "a\u202eb\\c"
    safe = f"file {displayed(foreign)}: is broken"

    assert display.sentence(safe) == safe


@given(st.text())
def test_no_sentence_holds_what_is_not_plainly_visible(text: str) -> None:
    shown = display.sentence(text)

    assert displayed(shown, len(shown) * 10 + 10).replace("\\\\", "\\") == shown
    assert len(shown) <= display.SENTENCE_LIMIT


def test_the_scale_goes_from_left_to_right() -> None:
    marks = [mark.x for mark in document.marks()]

    assert marks == sorted(marks)
    assert 0 < marks[0] < marks[-1] < document.WIDTH


@given(st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_what_is_later_stands_further_right_and_nothing_leaves_the_scale(one: float, other: float) -> None:
    first, second = sorted((one, other))

    assert 0 <= document.position(first) <= document.position(second) <= document.WIDTH


@pytest.mark.parametrize(
    ("accept", "is_json"),
    [
        ([], False),
        ([""], False),
        (["*/*"], False),
        (["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"], False),
        (["application/json"], True),
        (["application/json, text/html"], False),
        (["text/html;q=0.5, application/json;q=0.9"], True),
        (["text/html;q=0.5", "application/json"], True),
        (["application/*"], True),
        (["text/*, application/json;q=0.9"], False),
        (["APPLICATION/JSON"], True),
        (["application/json;q=0"], False),
        (["*/*;q=0.1, application/json;q=0.2"], True),
        (["application/json;q=many"], False),
        (["application/json;q=0.99999"], False),
        (["application/json;charset=utf-8"], True),
        (["application/json;q=9"], True),
    ],
    ids=str,
)
def test_json_is_for_those_who_would_rather_have_it(accept: list[str], is_json: bool) -> None:
    assert prefers_json(accept) is is_json


@given(st.lists(st.text(max_size=50), max_size=5))
def test_any_accept_field_is_answered(accept: list[str]) -> None:
    assert prefers_json(accept) in {True, False}
