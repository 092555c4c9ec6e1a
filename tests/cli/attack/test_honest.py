"""The honest call: each way in which a boundary keeps everybody out, and what is said about it."""

import ssl
from collections.abc import Callable, Iterable

import pytest

from mtls_middleware import Guard, Reason
from mtls_middleware.cli.attack.attacks import HONEST, Weakness
from mtls_middleware.cli.attack.findings import FOUND, UNTOLD
from mtls_middleware.cli.attack.fixes import TITLES
from mtls_middleware.cli.attack.forgery import ForgedSource, forge, known_sources, stranger
from mtls_middleware.cli.attack.honest import honest_cure, honest_weakness, is_accepted
from mtls_middleware.cli.attack.verdict import AttackResult, Heard
from mtls_middleware.cli.wire.answer import Answer, Failure, NoAnswer
from mtls_middleware.cli.wire.message import Header, Request, Target
from mtls_middleware.testing import ClientCertificate, RegionalCA, nginx
from tests.cli.attack.deployments import OWN, Deployed, Visited, attack, refused

Sends = Callable[[ClientCertificate | None], Iterable[Header]]

BARE = Heard(status=403, reason=Reason.CERTIFICATE_MISSING, asked=True)
NGINX_DISLIKES = Answer(status=400, headers={"content-type": "text/html"}, body=b"<h1>The SSL certificate error</h1>")


def lost(_: ClientCertificate | None) -> Iterable[Header]:
    return [("X-SSL-Client-Verify", "SUCCESS")]


def without_marker(client: ClientCertificate | None) -> Iterable[Header]:
    return [header for header in nginx(client) if header[0] != "X-SSL-Client-Verify"]


def subject(client: ClientCertificate | None) -> Iterable[Header]:
    name = client.certificate.subject.rfc4514_string() if client else ""
    return [("X-SSL-Client-Cert", name), ("X-SSL-Client-Verify", "SUCCESS")] if name else nginx(None)


SENT: dict[str, tuple[Sends, Weakness, str]] = {
    "not passed on": (lost, Weakness.LOST, "proxy_set_header X-SSL-Client-Cert $ssl_client_escaped_cert;"),
    "no verify line": (without_marker, Weakness.MARKER, "proxy_set_header X-SSL-Client-Verify $ssl_client_verify;"),
    "subject": (subject, Weakness.ENCODING, "proxy_set_header X-SSL-Client-Cert $ssl_client_escaped_cert;"),
}


@pytest.mark.parametrize(("sends", "weakness", "cure"), SENT.values(), ids=SENT)
def test_what_the_proxy_sends_wrongly_is_found(
    guard: Guard, region: RegionalCA, sends: Sends, weakness: Weakness, cure: str
) -> None:
    report = attack(Visited(guard=guard, client=region.client(), sends=sends), own=OWN)

    found = next(finding for finding in report.findings if finding.weakness is weakness)
    assert (report.status, report.accepted, found.verdict) == (FOUND, False, AttackResult.LOCKS_OUT)
    assert cure in found.cure


@pytest.mark.parametrize("own", [None, OWN], ids=["without a certificate", "with one"])
def test_a_server_that_asks_for_no_certificate_is_found(
    guard: Guard, region: RegionalCA, own: ssl.SSLContext | None
) -> None:
    line = Visited(guard=guard, client=region.client(), sends=lost, asked=False)

    report = attack(line, own=own)

    (finding,) = report.findings
    assert (report.status, finding.weakness) == (FOUND, Weakness.NOT_ASKED)
    assert "ssl_verify_client optional;" in finding.cure


def test_a_certificate_that_is_asked_for_later_is_none_the_worse(guard: Guard, region: RegionalCA) -> None:
    report = attack(Visited(guard=guard, client=region.client(), asked=False), own=OWN)

    assert (report.findings, report.accepted) == ((), True)


class Turning(Deployed):
    """Answer a caller with a certificate in another way than one without."""

    answers: Answer | NoAnswer

    def answer(self, target: Target, request: Request, context: ssl.SSLContext | None) -> Answer | NoAnswer:
        return self.answers if context is OWN else super().answer(target, request, context)


REFUSED: dict[str, tuple[Answer | NoAnswer, str]] = {
    "in the handshake": (NoAnswer(failure=Failure.HANDSHAKE, detail="unknown ca"), "ssl_client_certificate ROOT.pem;"),
    "hung up": (NoAnswer(failure=Failure.CLOSED), "ssl_client_certificate ROOT.pem;"),
    "by nginx": (NGINX_DISLIKES, "ssl_client_certificate ROOT.pem;"),
    "unknown root": (refused(Reason.ISSUER_UNTRUSTED), "MTLS_TRUST"),
    "another region": (refused(Reason.REGION_MISMATCH), "MTLS_CERT_NAMES"),
}


@pytest.mark.parametrize(("answer", "told"), REFUSED.values(), ids=REFUSED)
def test_a_refused_certificate_is_a_finding(guard: Guard, answer: Answer | NoAnswer, told: str) -> None:
    line = Turning(guard=guard)
    line.answers = answer

    report = attack(line, own=OWN)

    finding = next(finding for finding in report.findings if finding.weakness is Weakness.REFUSED)
    assert report.status == FOUND
    assert any(told in step for step in finding.cure), finding.cure
    assert {"once", "underscores"} <= {row.name for row in report.attacks}


UNHEARD: dict[str, tuple[Answer | NoAnswer, str]] = {
    "bad request": (Answer(status=400), "no further than the proxy: 400"),
    "bad gateway": (Answer(status=502), "no further than the proxy: 502"),
    "silent": (NoAnswer(failure=Failure.TIMEOUT), "no further than the proxy: no answer in time"),
}


@pytest.mark.parametrize(("answer", "told"), UNHEARD.values(), ids=UNHEARD)
def test_an_answer_that_says_nothing_is_told_and_the_attacks_are_made(
    guard: Guard, answer: Answer | NoAnswer, told: str
) -> None:
    line = Turning(guard=guard)
    line.answers = answer

    report = attack(line, own=OWN)

    assert (report.status, report.accepted) == (UNTOLD, False)
    assert told in (report.untold or "")
    assert "once" in {row.name for row in report.attacks}


ACCEPTED: dict[str, tuple[Heard, bool]] = {
    "let in": (Heard(status=200), True),
    "not there": (Heard(status=404), True),
    "wrong method": (Heard(status=405), True),
    "no organization": (Heard(status=403, reason=Reason.ORGANIZATION_MISMATCH), True),
    "no caller secret": (Heard(status=403, reason=Reason.CALLER_SECRET_MISMATCH), True),
    "forbidden by another": (Heard(status=403), False),
    "revoked": (Heard(status=403, reason=Reason.CERTIFICATE_REVOKED), False),
    "broken": (Heard(status=500), False),
    "no answer": (Heard(failure=Failure.HANDSHAKE), False),
}


@pytest.mark.parametrize(("heard", "expected"), ACCEPTED.values(), ids=ACCEPTED)
def test_what_counts_as_accepted(heard: Heard, expected: bool) -> None:
    assert is_accepted(heard) is expected
    assert (honest_weakness(BARE, heard) is None) or not expected


@pytest.mark.parametrize("reason", Reason)
def test_no_reason_of_a_refusal_is_without_a_word(reason: Reason) -> None:
    heard = Heard(status=403, reason=reason)
    weakness = honest_weakness(BARE, heard)

    assert (weakness is None) == is_accepted(heard)


@pytest.mark.parametrize("source", known_sources(), ids=lambda source: source.name)
@pytest.mark.parametrize("weakness", sorted(HONEST))
@pytest.mark.parametrize("heard", [BARE, Heard(failure=Failure.HANDSHAKE)], ids=["application", "proxy"])
def test_each_weakness_has_a_title_and_a_cure_for_each_source(
    source: ForgedSource, weakness: Weakness, heard: Heard
) -> None:
    lines = honest_cure(weakness, forge(source, stranger(), "X-MTLS-Proxy-Secret"), heard)

    assert TITLES[weakness]
    assert lines
    assert [line for line in lines if not line.strip() or "\n" in line] == []
