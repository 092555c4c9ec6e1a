"""Each complaint has its end, at the same level, and each line says what it is about."""

import ast
import io
import json
import logging
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

import mtls_middleware
from mtls_middleware import Guard
from mtls_middleware.guard import utc_now
from mtls_middleware.observing import logging as our_logging
from mtls_middleware.observing.announcer import Announcer
from mtls_middleware.observing.complaints import QUIET, AcceptedAgain, Complaints
from mtls_middleware.observing.ecs import ECSFormatter
from mtls_middleware.observing.events import Decided, Event, EventName, Hook, Notice, Severity
from mtls_middleware.observing.expiry import Expiry, ExpiryKind
from mtls_middleware.observing.handshakes import HandshakeLog, HandshakeRefusal
from mtls_middleware.observing.logging import FallbackHandler, log
from mtls_middleware.settings import Settings
from mtls_middleware.testing import ClientCertificate, RegionalCA
from tests.adapters.cases import http
from tests.adapters.site import good_client, over_tls, regional_ca, stranger_ca
from tests.observing.conftest import Watched

NOW = utc_now()
ACCEPTED = Decided("accepted", "us-east-1", "genesys", "enforce", cached=True)
MISSING = Decided("certificate_missing", "none", "none", "enforce", cached=False)
NO_TRUST = Decided("trust_unavailable", "none", "none", "enforce", cached=False)


class TestComplaints:
    def test_each_is_new_once_and_ends_once(self) -> None:
        complaints = Complaints()

        assert complaints.update(["a: x", "b: y"]) == (("a: x", "b: y"), ())
        assert complaints.update(["a: x", "b: y"]) == ((), ())
        assert complaints.update(["a: z"]) == (("a: z",), ("b",))
        assert complaints.update([]) == ((), ("a",))

    def test_another_sentence_about_the_same_may_be_no_news(self) -> None:
        complaints = Complaints()
        complaints.update(["a: x"], is_news=False)

        assert complaints.update(["a: y"], is_news=False) == ((), ())


def test_trust_that_fails_and_is_good_again_is_two_errors(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    trust = RegionalCA("us-east-1").write(tmp_path)
    good = trust.read_bytes()
    with Guard.from_settings(Settings(regions="us-east-1", trust=trust, state="off", revocation="off")) as guard:
        for content in (b"broken", b"broken", good, good):
            new = tmp_path / "new"
            new.write_bytes(content)
            new.replace(trust)  # the thread of the guard looks, too
            guard.refresh()
    lines = [record for record in caplog.records if record.levelno == logging.ERROR]

    assert [line.getMessage().partition(": ")[0] for line in lines] == [
        "trust was not refreshed, the last good one stays",
        "trust is refreshed again",
    ]
    assert str(trust) in lines[1].getMessage()
    assert {vars(line)["mtls_event"] for line in lines} == {"trust_refresh"}


@pytest.mark.parametrize(
    ("first", "second", "status", "reason"),
    [(stranger_ca, regional_ca, 403, "issuer_untrusted"), (regional_ca, stranger_ca, 200, "accepted")],
    ids=["refused", "accepted"],
)
@pytest.mark.parametrize("state", ["off", "folder"])
def test_lesson_what_was_decided_before_a_change_of_trust_has_no_time_after_it(
    tmp_path: Path,
    first: Callable[[], RegionalCA],
    second: Callable[[], RegionalCA],
    status: int,
    reason: str,
    state: str,
) -> None:
    trust = first().write(tmp_path / "US-East-1.pem")
    kept = state if state == "off" else str(tmp_path / state)
    with Guard.from_settings(Settings(regions="us-east-1", trust=trust, state=kept, revocation="off")) as guard:
        assert http(guard, over_tls(good_client())).status == status
        new = second().write(tmp_path / "new")
        new.replace(trust)
        changed = guard.refresh().changed_at
        last = guard.fleet().history.last_by_reason

    assert changed is not None
    assert last[reason] <= changed, "nobody looked at the counters before the change"


def test_a_start_that_failed_and_succeeds_later_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    trust = RegionalCA("us-east-1").write(tmp_path)
    good = trust.read_bytes()
    trust.write_bytes(b"broken")
    guard = Guard.from_settings(Settings(regions="us-east-1", trust=trust, state="off", revocation="off"))
    with pytest.raises(mtls_middleware.ConfigurationError):
        guard.start()
    trust.write_bytes(good)
    guard.refresh()
    guard.close()

    assert caplog.messages[-1].startswith("trust is refreshed again: ")


class Told:
    """An announcer, and what it published."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.announcer = Announcer((_Hook(self.events),), source="tls")

    def texts(self) -> list[str]:
        return [f"{event.severity}: {event.text}" for event in self.events if isinstance(event, Notice)]


class _Hook(Hook):
    def __init__(self, events: list[Event]) -> None:
        self._events = events

    def __call__(self, event: Event, /) -> None:
        self._events.append(event)


FULL = "state in /var/x cannot be written: No space left on device"


def test_state_that_can_be_written_again_is_told_when_nobody_complains_any_more() -> None:
    told = Told()
    for who, complaints in (("trust", [FULL]), ("reports", [FULL]), ("trust", []), ("reports", []), ("reports", [])):
        told.announcer.not_kept(who, complaints)

    assert told.texts() == [f"warning: {FULL}", "warning: state in /var/x can be written again"]


def test_a_root_that_signs_again_is_told() -> None:
    told = Told()
    for regions in (["us-east-1"], ["us-east-1"], [], [], ["us-east-1"]):
        told.announcer.roots_renewed(regions)
    first, second, third = told.texts()

    assert second == "error: a root in MTLS_TRUST signed what the certificates API lists for us-east-1 again"
    assert first == third


def expiry(days: int, threshold: int | None) -> Expiry:
    at = NOW + timedelta(days=days)
    return Expiry(kind=ExpiryKind.ANCHOR, region="us-east-1", at=at, days=days, threshold=threshold, text="it ends")


def test_a_root_with_a_successor_is_told() -> None:
    told = Told()
    for one in (expiry(20, 30), expiry(20, 30), expiry(900, None), expiry(900, None)):
        told.announcer.expirations([one])

    assert told.texts() == [
        "warning: it ends",
        f"warning: us-east-1 has a newer root: the last one expires on {NOW + timedelta(days=900):%Y-%m-%d}",
    ]


class TestAcceptedAgain:
    @pytest.mark.parametrize(
        ("refused", "after", "expected"),
        [
            (NO_TRUST, timedelta(seconds=1), ("us-east-1",)),
            (MISSING, timedelta(seconds=1), ()),
            (MISSING, QUIET, ("us-east-1",)),
        ],
        ids=["own fault", "a stranger meanwhile", "nobody else for long"],
    )
    def test_after_a_time_of_failure(self, refused: Decided, after: timedelta, expected: tuple[str, ...]) -> None:
        again = AcceptedAgain()
        again.look({ACCEPTED: 1}, 0, NOW)
        again.look({ACCEPTED: 1, refused: 1}, 0, NOW + after)

        assert again.look({ACCEPTED: 2, refused: 1}, 0, NOW + after) == expected
        assert again.look({ACCEPTED: 3, refused: 1}, 0, NOW + after) == ()

    def test_refused_handshakes_are_failures(self) -> None:
        again = AcceptedAgain()
        again.look({ACCEPTED: 1}, 0, NOW)
        again.look({ACCEPTED: 1}, 3, NOW + QUIET)

        assert again.look({ACCEPTED: 2}, 3, NOW + QUIET) == ("us-east-1",)

    def test_the_first_calls_are_no_recovery(self) -> None:
        again = AcceptedAgain()
        again.look({MISSING: 1}, 0, NOW)

        assert again.look({ACCEPTED: 1, MISSING: 1}, 0, NOW + QUIET) == ()


def test_a_renewed_root_that_was_added_is_told(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    guard = watched.guard()
    for _ in range(2):
        http(guard, over_tls(stranger_ca().client(names=regional_ca().cert_name)))
        http(guard, over_tls(good_client()))
        guard.refresh()
        guard._tick()
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]

    assert [text[:26] for text in errors] == ["a refused caller bears the", "calls of us-east-1 are acc"] * 2


def test_a_renewed_root_is_told_where_tls_ends_here(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    """No call of such a caller arrives: its handshake is refused."""
    guard, log_handshake = watched.guard(), HandshakeLog()
    for name in ("stranger.example", RegionalCA("eu-west-1").cert_name):
        log_handshake(_refused(stranger_ca().client(names=name)))
        guard._tick()
    for _ in range(2):
        for _ in range(2):
            log_handshake(_refused(stranger_ca().client(names=regional_ca().cert_name)))
            guard._tick()
        http(guard, over_tls(good_client()))
        guard._tick()
    told = [record.getMessage() for record in caplog.records if record.name == "mtls_middleware"]

    assert [text[:40] for text in told if not text.startswith("trust version")] == [
        "a refused caller bears the name of eu-we",
        *["a refused caller bears the name of us-ea", "calls of us-east-1 are accepted again"] * 2,
    ]


def _refused(client: ClientCertificate) -> HandshakeRefusal:
    return HandshakeRefusal(reason="issuer_untrusted", detail="no CA", verify_code=20, certificate=client.der)


# --- how lines look -----------------------------------------------------------------------------------------------


def logging_calls() -> list[str]:
    """Return each call of a logger, as file and line, that gives no attributes."""
    found = []
    for path in Path(mtls_middleware.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id="LOGGER" | "_log"), attr=method), keywords=keywords
                ) if method in {"debug", "info", "warning", "error", "exception", "critical", "log"}:
                    if "extra" not in {keyword.arg for keyword in keywords}:
                        found.append(f"{path.name}:{node.lineno}")
                case _:
                    pass
    return found


def test_every_line_has_attributes() -> None:
    assert logging_calls() == []


def test_ecs_has_our_facts_under_its_names(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    http(watched.guard(), over_tls(stranger_ca().client()).with_headers(("ININ-Correlation-Id", "3f")))
    (record,) = [one for one in caplog.records if one.getMessage().startswith("refused ")]
    line = json.loads(ECSFormatter().format(record))

    assert line["@timestamp"].endswith("+00:00")
    assert (line["event.action"], line["event.reason"]) == ("call_refused", "issuer_untrusted")
    assert (line["log.level"], line["log.logger"], line["trace.id"]) == ("warning", "mtls_middleware", "3f")
    assert line["tls.client.hash.sha256"] == vars(record)["mtls_fingerprint"].upper()
    assert line["labels.mtls_disposition"] == "refused"


def test_ecs_takes_records_of_any_logger() -> None:
    error = LookupError("x")
    record = logging.LogRecord("app", logging.ERROR, "", 1, "it %s", ("failed",), (LookupError, error, None))
    line = json.loads(ECSFormatter().format(record))

    assert (line["message"], line["log.logger"]) == ("it failed", "app")
    assert "LookupError: x" in line["error.stack_trace"]


@pytest.mark.parametrize("others", [0, 1])
def test_serve_writes_no_line_that_the_application_writes(monkeypatch: pytest.MonkeyPatch, others: int) -> None:
    output, other = io.StringIO(), io.StringIO()
    handler = FallbackHandler(output)
    monkeypatch.setattr(our_logging.LOGGER, "handlers", [handler])
    monkeypatch.setattr(logging.root, "handlers", [logging.StreamHandler(other)] * others)
    log(Notice(event=EventName.START, severity=Severity.ERROR, text="once"))

    assert (output.getvalue(), other.getvalue()) == (("once\n", "") if not others else ("", "once\n"))
