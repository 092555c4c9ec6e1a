"""The attacks as a whole: against our own guard, behind proxies right and wrong."""

import re
import ssl
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from mtls_middleware import Guard, Reason
from mtls_middleware.cli.attack.attacks import Weakness
from mtls_middleware.cli.attack.attempt import ALERT_TRIES, MAX_SILENT
from mtls_middleware.cli.attack.findings import (
    BROAD,
    CLEAN,
    DEMANDED,
    FOUND,
    HTTP2_NOT_TRIED,
    HTTP3_OFFERED,
    NOT_REACHABLE,
    OWN_IS_LET_IN,
    PASSES_FORWARDED,
    STRANGER,
    UNTOLD,
)
from mtls_middleware.cli.attack.forgery import known_sources
from mtls_middleware.cli.attack.page import conclusion
from mtls_middleware.cli.attack.verdict import AttackResult
from mtls_middleware.cli.ending import INTERRUPTED
from mtls_middleware.cli.wire.answer import Answer, Failure, NoAnswer
from mtls_middleware.cli.wire.message import Header, Message, Request, Target, Version
from mtls_middleware.testing import RegionalCA
from tests.cli.attack.deployments import (
    DIRECT,
    OURS,
    OWN,
    SECRET,
    SETS,
    Deployed,
    Proxy,
    Visited,
    attack,
    guarded,
    is_quiet,
    passing,
    refused,
    right,
    verdicts,
)

BAD_GATEWAY = Answer(status=502)


def headers_of(message: Message) -> set[str]:
    return {name.lower() for name, _ in message.headers}


def test_a_right_proxy_is_clean(guard: Guard, region: RegionalCA) -> None:
    report = attack(Visited(guard=guard, client=region.client()), own=OWN)

    assert (report.status, report.findings, set(verdicts(report).values())) == (CLEAN, (), {AttackResult.REFUSED})
    assert report.accepted


def test_without_an_honest_call_nothing_is_clean(guard: Guard) -> None:
    report = attack(Deployed(guard=guard))

    assert (report.status, report.accepted) == (UNTOLD, None)
    assert is_quiet(report)


def test_fewer_than_fifty_requests_are_sent(guard: Guard) -> None:
    line = Deployed(guard=guard, http2=True, direct=lambda message: message.headers)

    attack(line, direct=DIRECT)

    assert 40 <= len(line.seen) < 50


def test_every_request_can_be_found_in_the_log(guard: Guard) -> None:
    line = Deployed(guard=guard)

    attack(line)

    named = [request.correlation_id for request in line.seen]
    assert len(set(named)) == len(named)
    assert [name for name in named if not (name.startswith("doctor-") and name.replace("-", "").isalnum())] == []


def test_copies_that_pass_are_believed_by_the_reason_of_a_strangers_refusal(guard: Guard) -> None:
    report = attack(Deployed(guard=guard, proxy=passing))

    assert report.status == FOUND
    assert verdicts(report)["once"] is AttackResult.BELIEVED
    assert (report.findings[0].weakness, report.findings[0].verdict) == (Weakness.COPY, AttackResult.BELIEVED)


def test_a_genuine_certificate_is_let_in_where_copies_pass(guard: Guard, region: RegionalCA) -> None:
    genuine = region.client().certificate

    report = attack(Deployed(guard=guard, proxy=passing), certificate=genuine, origin="FILE")

    once = next(row for row in report.rows if row.name == "once")
    assert (once.heard.status, once.judgement.verdict) == (200, AttackResult.BELIEVED)
    assert "The forged certificate was that of FILE." in report.notes


def adding(message: Message) -> Iterator[Header]:
    yield from message.headers
    yield from SETS


def twins_pass(message: Message) -> Iterator[Header]:
    yield from (header for header in message.headers if "_" in header[0])
    yield from right(message)


def obeying(message: Message) -> Iterator[Header]:
    """Drop what the caller names in Connection, one's own headers too."""
    named = {name.lower() for name in message.connection}
    yield from (header for header in right(message) if header[0].lower() not in named)


def secret_appended(message: Message) -> Iterator[Header]:
    yield from right(message)
    yield from (header for header in message.headers if header[0].lower() == "x-mtls-proxy-secret")


def trailers_pass(message: Message) -> Iterator[Header]:
    yield from right(replace(message, headers=(*message.headers,)))
    yield from (header for header in message.trailers if header[0] == "X-SSL-Client-Cert")


def one_path_only(message: Message) -> "Iterator[Header] | Answer":
    return Answer(status=200) if message.path is not None else right(message)


def upgrades(message: Message) -> "Iterator[Header] | Answer":
    return Answer(status=101) if message.websocket else right(message)


def http2_is_open(message: Message) -> "Iterator[Header] | Answer":
    return Answer(status=200) if message.version is Version.HTTP_2 else right(message)


def no_chunks(message: Message) -> "Iterator[Header] | Answer":
    return Answer(status=411) if message.body == "chunked" else right(message)


MISTAKES: dict[str, tuple[Proxy, Weakness, AttackResult]] = {
    "adds its own beside": (adding, Weakness.COPY, AttackResult.PASSED),
    "passes twins": (twins_pass, Weakness.TWIN, AttackResult.PASSED),
    "obeys Connection": (obeying, Weakness.HOP, AttackResult.PASSED),
    "appends to the secret": (secret_appended, Weakness.SECRET, AttackResult.PASSED),
    "makes headers of trailers": (trailers_pass, Weakness.TRAILER, AttackResult.PASSED),
    "judges one path": (one_path_only, Weakness.PATH, AttackResult.BELIEVED),
    "upgrades everybody": (upgrades, Weakness.WEBSOCKET, AttackResult.BELIEVED),
    "lets HTTP/2 by": (http2_is_open, Weakness.PATH, AttackResult.BELIEVED),
    "refuses chunks": (no_chunks, Weakness.CHUNKED, AttackResult.LOCKS_OUT),
}


@pytest.mark.parametrize(("proxy", "weakness", "verdict"), MISTAKES.values(), ids=MISTAKES)
def test_each_mistake_is_found(guard: Guard, proxy: Proxy, weakness: Weakness, verdict: AttackResult) -> None:
    report = attack(Deployed(guard=guard, proxy=proxy, http2=True))

    assert report.status == FOUND
    assert (report.findings[0].weakness, report.findings[0].verdict) == (weakness, verdict)
    assert report.findings[0].cure


def test_attacks_with_plain_copies_are_one_finding(guard: Guard) -> None:
    report = attack(Deployed(guard=guard, proxy=adding))

    copied = report.findings[0]
    assert {"once", "connection", "secret-guessed", "forwarded-for", "websocket"} <= {row.name for row in copied.rows}


def test_a_server_that_makes_headers_of_trailers_locks_callers_out(guard: Guard) -> None:
    report = attack(Deployed(guard=guard, trailers=True))

    assert report.status == FOUND
    assert [finding.weakness for finding in report.findings] == [Weakness.CHUNKED]
    assert verdicts(report)["trailers"] is AttackResult.REFUSED


@pytest.mark.parametrize("path", ["/health", "/actions/lookup"], ids=["exempt", "report mode"])
def test_nothing_can_be_told_where_nobody_is_refused(tmp_path: Path, region: RegionalCA, path: str) -> None:
    mode = "report" if path == "/actions/lookup" else "enforce"
    with closing(guarded(tmp_path, region, mode=mode, exempt="/actions" if mode == "enforce" else "")) as guard:
        line = Deployed(guard=guard)

        report = attack(line)

    assert (report.status, report.attacks, len(line.seen)) == (UNTOLD, (), 1)
    assert report.untold is not None
    assert "With MTLS_MODE=report that is so for every call" in report.untold
    assert re.findall(r"\W+$", conclusion(report)) == ["."]


UNTELLABLE: dict[str, tuple[Answer | NoAnswer, str]] = {
    "down": (
        NoAnswer(failure=Failure.UNREACHABLE, detail="refused"),
        "there is no answer: cannot be reached (refused)",
    ),
    "untrusted": (NoAnswer(failure=Failure.UNTRUSTED, detail="self-signed"), "(self-signed): give --server-ca FILE"),
    "no trust": (refused(Reason.TRUST_UNAVAILABLE), "refuses everybody (trust_unavailable)"),
    "broken": (refused(Reason.INTERNAL_ERROR), "refuses everybody (internal_error)"),
    "no secret": (refused(Reason.SOURCE_UNTRUSTED), "does not believe the proxy itself"),
    "another gate": (Answer(status=401), "something else than mtls-middleware refuses"),
    "not found": (Answer(status=404), "is not refused"),
    "bad gateway": (BAD_GATEWAY, "gets 502"),
    "bad request": (Answer(status=400), "gets 400"),
}


@pytest.mark.parametrize(("answer", "told"), UNTELLABLE.values(), ids=UNTELLABLE)
def test_a_baseline_that_says_nothing_is_told(guard: Guard, answer: Answer | NoAnswer, told: str) -> None:
    report = attack(Deployed(guard=guard, proxy=lambda _: answer))

    assert report.status == UNTOLD
    assert report.untold is not None
    assert told in report.untold


def test_what_another_gate_lets_in_is_believed_all_the_same(guard: Guard) -> None:
    def naive(message: Message) -> Answer:
        return Answer(status=200 if "x-ssl-client-cert" in headers_of(message) else 403)

    report = attack(Deployed(guard=guard, proxy=naive))

    assert (report.status, verdicts(report)["once"]) == (FOUND, AttackResult.BELIEVED)


@pytest.mark.parametrize(
    "demanding",
    [
        NoAnswer(failure=Failure.DEMANDED, detail="certificate required"),
        Answer(
            status=400,
            headers={"content-type": "text/html"},
            body=b"<center>No required SSL certificate was sent</center>",
        ),
    ],
    ids=["in the handshake", "by nginx"],
)
def test_a_demanded_certificate_is_good_and_told(guard: Guard, demanding: Answer | NoAnswer) -> None:
    report = attack(Deployed(guard=guard, proxy=lambda _: demanding))

    assert is_quiet(report)
    assert DEMANDED in report.notes


def test_an_alert_that_was_lost_is_asked_for_again(guard: Guard) -> None:
    lost = iter([Failure.CLOSED, Failure.CLOSED])

    def resetting(_: Message) -> NoAnswer:
        return NoAnswer(failure=next(lost, Failure.DEMANDED))

    assert DEMANDED in attack(Deployed(guard=guard, proxy=resetting)).notes


def test_who_always_hangs_up_is_not_asked_without_end(guard: Guard) -> None:
    line = Deployed(guard=guard, proxy=lambda _: NoAnswer(failure=Failure.CLOSED))

    assert attack(line).status == UNTOLD
    assert len(line.seen) == ALERT_TRIES


def test_with_an_own_certificate_that_is_let_in_a_stranger_is_forged(guard: Guard, region: RegionalCA) -> None:
    genuine = region.client()

    report = attack(Visited(guard=guard, client=genuine), own=OWN, certificate=genuine.certificate)

    statuses = {row.name: row.heard.status for row in report.rows}
    assert (report.status, set(verdicts(report).values())) == (CLEAN, {AttackResult.REFUSED})
    assert [statuses[name] for name in ("bare", "own", "once", "own-once")] == [403, 200, 403, 200]
    assert OWN_IS_LET_IN in report.notes


def test_a_mistake_that_shows_without_a_certificate_only_is_found_all_the_same(
    guard: Guard, region: RegionalCA
) -> None:
    """HAProxy that sets its headers only where there is a certificate."""

    class Conditional(Visited):
        def answer(self, target: Target, request: Request, context: ssl.SSLContext | None) -> Answer | NoAnswer:
            if context is OWN:
                return super().answer(target, request, context)
            self.proxy = passing
            return super(Visited, self).answer(target, request, context)

    report = attack(Conditional(guard=guard, client=region.client()), own=OWN)

    assert (report.status, report.accepted) == (FOUND, True)
    assert report.findings[0].weakness is Weakness.COPY


def test_where_strangers_are_refused_anyway_no_certificate_at_all_is_forged(guard: Guard) -> None:
    def everybody_is_a_stranger(message: Message) -> "Iterator[Header] | Answer":
        if "x-ssl-client-cert" in headers_of(message):
            return passing(message)
        return refused(Reason.ISSUER_UNTRUSTED)

    report = attack(Deployed(guard=guard, proxy=everybody_is_a_stranger))

    once = next(row for row in report.rows if row.name == "once")
    assert (once.heard.reason, once.judgement.verdict) == (Reason.CERTIFICATE_MALFORMED, AttackResult.BELIEVED)


def test_an_application_that_dislikes_the_request_of_a_believed_certificate_is_found_out(
    guard: Guard, region: RegionalCA
) -> None:
    genuine = region.client().certificate
    line = Deployed(guard=guard, proxy=passing)
    exchange = line.exchange

    class Fussy:
        def exchange(self, *arguments: object) -> Answer | NoAnswer:
            answer = exchange(*arguments)  # type: ignore[arg-type]  # passed on as they came
            return Answer(status=400) if isinstance(answer, Answer) and answer.status == 200 else answer

    report = attack(Fussy(), certificate=genuine)  # type: ignore[arg-type]  # all that is asked for

    once = next(row for row in report.rows if row.name == "once")
    assert (once.heard.reason, once.judgement.verdict) == (Reason.ISSUER_UNTRUSTED, AttackResult.BELIEVED)
    assert "doctor-once-again" in [request.correlation_id for request in line.seen]


def test_a_forged_address_alone_is_a_note(tmp_path: Path, region: RegionalCA) -> None:
    with closing(guarded(tmp_path, region, proxy_secret="", trusted_proxies="127.0.0.1")) as guard:
        report = attack(Deployed(guard=guard, peer="127.0.0.1"))

    assert (is_quiet(report), set(verdicts(report).values())) == (True, {AttackResult.REFUSED})
    assert PASSES_FORWARDED in report.notes


def test_a_forged_address_that_makes_copies_believed_is_a_finding_of_its_own(guard: Guard) -> None:
    def by_address(message: Message) -> Answer:
        names = headers_of(message)
        if "x-ssl-client-cert" not in names:
            return refused(Reason.CERTIFICATE_MISSING)
        return refused(Reason.ISSUER_UNTRUSTED if "x-forwarded-for" in names else Reason.SOURCE_UNTRUSTED)

    report = attack(Deployed(guard=guard, proxy=by_address))

    assert [finding.weakness for finding in report.findings[:2]] == [Weakness.FORWARDED, Weakness.COPY]


def test_past_the_proxy_the_secret_is_asked_for(guard: Guard) -> None:
    report = attack(Deployed(guard=guard, direct=lambda message: message.headers), direct=DIRECT)

    assert is_quiet(report)
    assert {row.heard.reason for row in report.rows if row.name.startswith("direct")} == {Reason.SOURCE_UNTRUSTED}


def test_past_the_proxy_an_application_without_secret_believes_its_neighbours(
    tmp_path: Path, region: RegionalCA
) -> None:
    with closing(guarded(tmp_path, region, proxy_secret="", trusted_proxies="10.0.0.0/24")) as guard:
        report = attack(Deployed(guard=guard, direct=lambda message: message.headers), direct=DIRECT)

    assert report.status == FOUND
    assert report.findings[0].weakness is Weakness.DIRECT
    assert "MTLS_PROXY_SECRET" in report.findings[0].cure[0]


def test_an_application_that_nobody_reaches_past_the_proxy_is_as_it_should_be(guard: Guard) -> None:
    report = attack(Deployed(guard=guard), direct=DIRECT)

    assert is_quiet(report)
    assert NOT_REACHABLE in report.notes


def test_another_application_past_the_proxy_is_unclear(guard: Guard) -> None:
    report = attack(Deployed(guard=guard, direct=lambda _: Answer(status=404)), direct=DIRECT)

    assert report.status == UNTOLD
    assert report.unclear[0].name == "direct-bare"


def test_every_source_is_tried_in_few_ways(guard: Guard) -> None:
    line = Deployed(guard=guard, direct=lambda message: message.headers)

    report = attack(line, sources=known_sources(), direct=DIRECT)

    assert is_quiet(report)
    assert BROAD in report.notes
    assert "Past the proxy it shows that the application reads the headers of nginx, apache, haproxy, caddy." in (
        report.notes
    )
    assert len(line.seen) <= 50


def test_past_the_proxy_it_shows_where_no_header_is_read(tmp_path: Path, region: RegionalCA) -> None:
    with closing(guarded(tmp_path, region, source="tls", proxy_secret="", trusted_proxies="")) as guard:
        report = attack(
            Deployed(guard=guard, direct=lambda message: message.headers), sources=known_sources(), direct=DIRECT
        )

    assert is_quiet(report)
    assert "Past the proxy it shows that the application reads no certificate header at all." in report.notes


def test_of_every_source_the_one_that_is_read_is_named(guard: Guard) -> None:
    report = attack(Deployed(guard=guard, proxy=passing), sources=known_sources())

    believed = report.findings[0]
    assert (believed.weakness, [forgery.source.name for forgery in believed.forgeries]) == (Weakness.COPY, ["nginx"])
    assert "proxy_set_header X-SSL-Client-Cert $ssl_client_escaped_cert;" in believed.cure


def test_where_several_sources_could_be_the_one_each_cure_is_named(guard: Guard) -> None:
    report = attack(Deployed(guard=guard, proxy=lambda message: message.headers), sources=known_sources())

    cure = report.findings[0].cure
    assert {"nginx:", "apache:", "haproxy:", "caddy:"} <= set(cure)
    assert cure.index("nginx:") < cure.index("proxy_set_header X-SSL-Client-Cert $ssl_client_escaped_cert;")


def test_sources_with_the_same_cure_share_it(guard: Guard) -> None:
    def naive(message: Message) -> Answer:
        known = "x-ssl-client-cert" in headers_of(message)
        return Answer(status=200) if known else refused(Reason.CERTIFICATE_MISSING)

    report = attack(Deployed(guard=guard, direct=naive), sources=known_sources(), direct=DIRECT)

    (finding,) = report.findings
    assert len(finding.forgeries) == 4
    assert finding.cure[0] == "set MTLS_PROXY_SECRET, and let the proxy add it"


def test_what_a_proxy_turns_away_is_asked_again_with_a_stranger_only_where_that_differs(
    guard: Guard, region: RegionalCA
) -> None:
    def strict(message: Message) -> "Iterator[Header] | Answer":
        return Answer(status=400) if message.body != "none" else right(message)

    line = Deployed(guard=guard, proxy=strict)
    report = attack(line, certificate=region.client().certificate)

    again = [name.correlation_id for name in line.seen if name.correlation_id.endswith("-again")]
    assert again == ["doctor-folded-again", "doctor-trailers-again", "doctor-announced-trailers-again"]
    assert verdicts(report)["folded"] is AttackResult.REFUSED


def test_http3_is_told(guard: Guard) -> None:
    report = attack(Deployed(guard=guard, alternatives='h3=":443"; ma=2592000'))

    assert report.notes.count(HTTP3_OFFERED) == 1


def test_http2_that_cannot_be_tried_is_told(guard: Guard) -> None:
    def without_h2(message: Message) -> "Iterator[Header] | NoAnswer":
        return NoAnswer(failure=Failure.NOT_INSTALLED) if message.version is Version.HTTP_2 else right(message)

    report = attack(Deployed(guard=guard, proxy=without_h2, http2=True))

    assert is_quiet(report)
    assert HTTP2_NOT_TRIED in report.notes


def test_nothing_more_is_sent_when_nobody_answers_any_more(guard: Guard) -> None:
    def silent(message: Message) -> "Iterator[Header] | NoAnswer":
        return NoAnswer(failure=Failure.TIMEOUT) if OURS[0] in headers_of(message) else right(message)

    line = Deployed(guard=guard, proxy=silent)
    report = attack(line)

    assert report.status == UNTOLD
    assert report.untold == "there are no responses any more, so the rest was not tried"
    assert len(line.seen) == 1 + MAX_SILENT


def test_one_broken_answer_is_unclear_and_no_success(guard: Guard) -> None:
    def breaking(message: Message) -> "Iterator[Header] | Answer":
        return BAD_GATEWAY if message.path is not None and "%2f" in message.path else right(message)

    report = attack(Deployed(guard=guard, proxy=breaking))

    assert (report.status, [row.name for row in report.unclear]) == (UNTOLD, ["path-encoded-slash"])


def test_an_interrupt_tells_what_was_seen_so_far(guard: Guard) -> None:
    def interrupted(message: Message) -> Iterator[Header]:
        if message.websocket:
            raise KeyboardInterrupt
        return passing(message)

    report = attack(Deployed(guard=guard, proxy=interrupted))

    assert (report.status, report.interrupted) == (INTERRUPTED, True)
    assert report.findings[0].weakness is Weakness.COPY


def test_it_says_that_a_stranger_was_forged(guard: Guard) -> None:
    assert STRANGER in attack(Deployed(guard=guard)).notes


def test_the_real_secret_is_never_sent(guard: Guard) -> None:
    line = Deployed(guard=guard)

    attack(line)

    assert not any(SECRET in value for request in line.seen for _, value in request.message.headers)
