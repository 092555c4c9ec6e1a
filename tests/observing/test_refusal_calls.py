"""What a refusal costs does not grow with the letters of its texts."""

import sys
import unicodedata
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtls_middleware._core.decision import Disposition, Evidence, Reason, Rejected
from mtls_middleware.display import LIMIT, displayed
from mtls_middleware.observing.events import CallRejected
from mtls_middleware.observing.logging import log


def calls_of_a_refusal(text: str) -> int:
    """Return how many functions are called to log a refusal that is full of a text."""
    rejected = Rejected(
        reason=Reason.ISSUER_UNTRUSTED,
        detail=text,
        disposition=Disposition.REFUSED,
        evidence=Evidence(fingerprint_sha256="0" * 64, subject=text, issuer=text, dns_names=()),
    )
    event = CallRejected(rejected=rejected, source="tls", peer=text, path=text, correlation_id=None)
    number = 0

    def count(_frame: FrameType, what: str, _argument: Any) -> None:
        nonlocal number
        number += what in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        log(event)
    finally:
        sys.setprofile(before)
    return number


@pytest.mark.parametrize("text", ["CN=data,O=Test\\, Inc. ", "Zürich ", "\n\x1b[2J\u0001 "])
def test_letters_are_not_looked_at_one_by_one(text: str) -> None:
    log_once = calls_of_a_refusal("x")

    assert calls_of_a_refusal((text * LIMIT)[:LIMIT]) <= log_once + 10


@given(st.text(max_size=12) | st.text(alphabet="\\ \n\u2028\u202e\u00a0\ud800aé", max_size=12), st.integers(2, 12))
def test_it_shows_what_looking_at_each_letter_shows(text: str, limit: int) -> None:
    def visible(letter: str) -> str:
        category = unicodedata.category(letter)
        plain = (category[0] not in "CZ" or category == "Zs") and letter != "\\"
        return letter if plain else "\\\\" if letter == "\\" else letter.encode("unicode_escape").decode("ascii")

    whole = "".join(map(visible, text[: limit + 1]))
    assert displayed(text, limit) == (whole if len(whole) <= limit else whole[: limit - 1] + "…")
