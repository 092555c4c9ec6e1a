"""The runbook: an entry for each reason, and for each sentence that the code can write into a log."""

import re

import pytest

from mtls_middleware import Reason, Status
from mtls_middleware._core.response import refusal
from mtls_middleware._trust import service
from mtls_middleware.advice import ADVICE
from mtls_middleware.cli.environment import WHERE
from mtls_middleware.observing import announcer, handshakes, logging
from mtls_middleware.observing.expiry import WARNING_DAYS
from mtls_middleware.servers import context
from tests.documentation.pages import ROOT, page
from tests.documentation.sentences import HOLE, details, has_words, passed_on, sentences

PAGE = page("docs/operations.md")
LABELS = ["Means", "Callers see", "Do", "Fixed when"]

ENTRIES = dict(re.findall(r"^### (.+?)\n(.*?)(?=^##|\Z)", PAGE.text, re.DOTALL | re.MULTILINE))
"""The text of each entry, by its heading."""

BLOCKS = re.findall(r"^```text\n(.*?)^```", PAGE.text, re.DOTALL | re.MULTILINE)
CELLS = [
    cell for row in re.findall(r"^  \| (.*?) \| .*\|$", PAGE.text, re.MULTILINE) for cell in re.findall("`(.+?)`", row)
]
SPOKEN = re.findall("`((?:has|lacks) .+?)`", " ".join(ENTRIES["A certificate or file is ignored"].split()))
PATTERNS = sorted({*(line for block in BLOCKS for line in block.splitlines()), *CELLS, *SPOKEN})
"""What the runbook says that the log says."""

NEVER_LOGGED = {
    "_trust/attempts.py": "what another process wrote and cannot be read is no attempt",
    "_trust/genesys/known.py": "what is kept of the API and cannot be read is passed over, and asked for again",
    "fastapi/callers.py": "raised at whoever writes a route, when it is registered",
}

MADE_ELSEWHERE = {
    "_trust/attempts.py",
    "_trust/schedule.py",
    "_trust/files/anchors.py",
    "_trust/files/pins.py",
    "_trust/judging.py",
    "_trust/genesys/source.py",
    "_trust/genesys/failure.py",
    "_trust/files/content.py",
    "_trust/files/reading.py",
    "_trust/crl/views.py",
    "_trust/crl/revocations.py",
    "_trust/crl/sources.py",
    "asgi.py",
    "fastapi/callers.py",
    "guard.py",
    "observing/logging.py",
    "observing/announcer.py",
}
"""Files that tell what was made in another one, where it is found: no words of their own stand beside it."""


def matches(pattern: str, text: str) -> bool:
    """Return whether a line of the runbook is that of the code; `…` stands for anything."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split(HOLE))), text) is not None


LOGGED = [one for one in sentences() if one.file not in NEVER_LOGGED]


@pytest.mark.parametrize("text", sorted({one.text for one in LOGGED}))
def test_every_sentence_of_the_log_has_an_entry(text: str) -> None:
    where = [f"{one.file}:{one.line}" for one in LOGGED if one.text == text]

    # A line may be shown with an example in the place of what is variable.
    assert any(matches(pattern, text) or matches(text, pattern) for pattern in PATTERNS if has_words(pattern)), where


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_line_of_the_runbook_is_one_that_the_code_can_write(pattern: str) -> None:
    written = {one.text for one in (*LOGGED, *details())}

    assert any(matches(pattern, text) or matches(text, pattern) for text in written if has_words(text))


def test_a_sentence_without_an_entry_is_found() -> None:
    assert [pattern for pattern in PATTERNS if has_words(pattern) if matches(pattern, "the moon is in the way")] == []


def test_nothing_is_told_in_words_that_cannot_be_found() -> None:
    assert {one.file for one in passed_on()} <= MADE_ELSEWHERE


def test_no_exception_is_named_that_is_none() -> None:
    assert set(NEVER_LOGGED) <= {one.file for one in sentences()}


def test_every_reason_has_an_entry_in_the_order_in_which_reasons_are_told() -> None:
    section = PAGE.text.partition("\n## Reasons\n")[2].partition("\n## ")[0]

    assert re.findall(r"^### (.+)$", section, re.MULTILINE) == list(map(str, Reason))


@pytest.mark.parametrize("title", ENTRIES)
def test_every_entry_says_what_it_means_what_is_seen_what_to_do_and_when_it_is_fixed(title: str) -> None:
    assert re.findall(r"^- \*\*(.+?):\*\*", ENTRIES[title], re.MULTILINE) == LABELS


@pytest.mark.parametrize("reason", Reason)
def test_every_entry_names_what_the_advice_names(reason: Reason) -> None:
    named = re.findall(r"MTLS_\w+|raised_at|date -u|\w+\.md", ADVICE[reason].fix)

    assert [name for name in named if name not in ENTRIES[str(reason)]] == []


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_the_status_that_callers_see(reason: Reason) -> None:
    (seen,) = re.findall(r"^- \*\*Callers see:\*\* (\d+)", ENTRIES[str(reason)], re.MULTILINE)

    assert int(seen) == refusal(reason, None).status


@pytest.mark.parametrize("reason", Reason)
def test_the_time_to_wait_is_told_where_there_is_one(reason: Reason) -> None:
    waits = dict(refusal(reason, None).headers).get(b"retry-after", b"").decode()

    assert re.findall(r"`Retry-After: (\d+)`", ENTRIES[str(reason)]) == ([waits] if waits else [])


@pytest.mark.parametrize(
    ("title", "promise"),
    [
        ("mtls-middleware cannot start", f"every {service.RETRY.seconds} seconds"),
        ("A root or pin will expire", "{2}, {1} and {0} days before".format(*WARNING_DAYS)),
        ("Refused in the TLS handshake", f"at most {handshakes.LINES_PER_MINUTE} lines a minute"),
        ("The TLS server keeps old trust", f"every {context.RETRY_AFTER:.0f} seconds"),
        ("Refusals were not logged", f"every {logging.SUMMARY_SECONDS:.0f} seconds"),
    ],
)
def test_every_number_is_that_of_the_code(title: str, promise: str) -> None:
    assert promise in " ".join(ENTRIES[title].split())


def test_the_commands_are_those_that_tell_enough() -> None:
    commands = PAGE.text.partition("**Commands for the diagnosis.**")[2].partition("```\n\n")[0]

    assert commands.partition("```console\n$ ")[2].startswith("set -a; . ./app.env; set +a\n")
    assert WHERE.endswith("`set -a; . ./app.env; set +a`")
    assert [line for line in commands.splitlines() if "--url" in line and "--client-certificate" not in line] == []


def test_every_verify_code_has_its_row() -> None:
    rows = re.findall(
        r"^  \| (\d+) \| \[`(\w+)`\]\(#\w+\) \| (.+) \|$", ENTRIES["Refused in the TLS handshake"], re.MULTILINE
    )

    assert rows == [(str(code), one.reason, one.sentence) for code, one in handshakes.VERIFY_FAILURES.items()]


def test_every_other_reason_of_a_refused_handshake_is_named() -> None:
    assert [one for one in handshakes.REASONS if f"`{one}`" not in ENTRIES["Refused in the TLS handshake"]] == []


def test_report_mode_says_so_as_often_as_is_told() -> None:
    assert announcer.REPORT_EVERY.total_seconds() == 60
    assert "once a minute" in ENTRIES["Report mode lets calls through"]


def test_every_part_of_the_status_that_is_named_exists() -> None:
    named = set(re.findall(r"`guard\.status\(\)\.(\w+)", PAGE.text))

    assert named
    assert named <= set(Status.__dataclass_fields__)


@pytest.mark.parametrize("name", sorted(set(re.findall(r"logger `([\w.]+)`", PAGE.text))))
def test_every_logger_that_is_named_exists(name: str) -> None:
    modules = (ROOT / "mtls_middleware").rglob("*.py")

    assert any(f'getLogger("{name}")' in path.read_text(encoding="utf-8") for path in modules)
