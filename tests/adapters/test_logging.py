"""One line for each refusal, and nothing in it that a caller could use against whoever reads it."""

import logging
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from mtls_middleware._core.decision import Disposition, Evidence, Reason, Rejected
from mtls_middleware.display import LIMIT, displayed
from mtls_middleware.observing.events import CallRejected, EventName, Notice, RefreshFailed, Severity, TrustReplaced
from mtls_middleware.observing.logging import log
from mtls_middleware.testing import tls_extension
from tests.adapters.cases import Case, call, http, wsgi
from tests.adapters.site import (
    CALLER_SECRET,
    NGINX,
    NOW,
    ORGANIZATION,
    SECRET,
    Site,
    good_client,
    over_tls,
    regional_ca,
    stranger_ca,
    through_nginx,
)

NASTY = {
    "newline": "a\nrefused reason=accepted",
    "carriage-return": "a\rb",
    "ansi": "\x1b[2J\x1b[31mred",
    "bell": "\x07",
    "null": "a\x00b",
    "c1": "\x9b31m",
    "line-separator": "a\u2028b\u2029c",
    "next-line": "a\x85b",
    "bidirectional": "\u202eevil\u2066x\u2069",
    "arabic-letter-mark": "\u061c",
    "zero-width": "a\u200bb\ufeff",
    "tag": "\U000e0041",
    "private-use": "\ue000",
}


def _lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [message for message in caplog.messages if message.startswith(("refused ", "would refuse "))]


def _line(caplog: pytest.LogCaptureFixture) -> str:
    (line,) = _lines(caplog)
    return line


def _subject(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def test_a_refusal_is_one_line_with_everything_that_an_operator_needs(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    client = stranger_ca().client()
    case = over_tls(client, path="/actions/x").with_headers(("ININ-Correlation-Id", "3f-0A"))
    http(site.guard(), case)
    assert _line(caplog) == (
        f'refused reason=issuer_untrusted detail="{_field(caplog, "detail")}" fingerprint={client.fingerprint_sha256} '
        f'subject="{client.certificate.subject.rfc4514_string()}" '
        f'issuer="{client.certificate.issuer.rfc4514_string()}" '
        'source=tls peer="10.0.0.5:40000" path="/actions/x" correlation_id=3f-0A'
    )


def _field(caplog: pytest.LogCaptureFixture, name: str) -> str:
    match = re.search(rf'(?:^| ){name}=(?:"((?:[^"\\]|\\.)*)"|(\S*))', _line(caplog))
    assert match is not None
    return match[1] if match[1] is not None else match[2]


def _extra(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name, value in vars(record).items() if name.startswith("mtls_")}


class TestAttributes:
    """What a formatter for machines gets: the facts of the line, each by its name."""

    def test_all_facts_of_a_refusal(self, site: Site, caplog: pytest.LogCaptureFixture) -> None:
        client = stranger_ca().client()
        http(site.guard(), over_tls(client, path="/actions/x").with_headers(("ININ-Correlation-Id", "3f-0A")))
        (record,) = [record for record in caplog.records if record.getMessage().startswith("refused ")]
        extra = _extra(record)

        assert isinstance(detail := extra.pop("mtls_detail"), str)
        assert detail.startswith("no certificate chain to an anchor of genesys")
        assert extra == {
            "mtls_event": "call_refused",
            "mtls_reason": "issuer_untrusted",
            "mtls_disposition": "refused",
            "mtls_fingerprint": client.fingerprint_sha256,
            "mtls_subject": client.certificate.subject.rfc4514_string(),
            "mtls_issuer": client.certificate.issuer.rfc4514_string(),
            "mtls_source": "tls",
            "mtls_peer": "10.0.0.5:40000",
            "mtls_path": "/actions/x",
            "mtls_correlation_id": "3f-0A",
        }

    def test_report_mode_says_so(self, site: Site, caplog: pytest.LogCaptureFixture) -> None:
        http(site.guard(mode="report"), over_tls(None))
        (record,) = [record for record in caplog.records if record.getMessage().startswith("would refuse ")]

        assert _extra(record)["mtls_disposition"] == "reported"

    def test_what_is_not_known_is_not_there(self, caplog: pytest.LogCaptureFixture) -> None:
        log(_rejection())

        names = {name.removeprefix("mtls_") for name in _extra(caplog.records[0])}
        assert names == {"event", "reason", "detail", "disposition", "source", "peer", "path"}

    @pytest.mark.parametrize("nasty", [*NASTY.values(), "x" * 5000], ids=[*NASTY, "long"])
    def test_text_of_a_caller_is_escaped_and_short(
        self, site: Site, caplog: pytest.LogCaptureFixture, nasty: str
    ) -> None:
        http(site.guard(), over_tls(stranger_ca().client(subject=_subject(nasty[:60])), path=f"/{nasty}"))
        (record,) = [record for record in caplog.records if record.getMessage().startswith("refused ")]
        for value in _extra(record).values():
            assert isinstance(value, str)
            assert value.isprintable()
            assert len(value) <= LIMIT


def test_it_is_a_warning_of_our_logger(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    http(site.guard(), over_tls(stranger_ca().client()))
    (record,) = [record for record in caplog.records if record.getMessage().startswith("refused")]
    assert (record.name, record.levelno) == ("mtls_middleware", logging.WARNING)


def test_an_accepted_call_is_no_line(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    guard = site.guard()
    caplog.clear()
    call(guard, over_tls(good_client()))
    assert caplog.messages == []


@pytest.mark.parametrize("more", [{"exempt": "/actions"}, {"protect": "/elsewhere"}], ids=["exempt", "unprotected"])
def test_nothing_that_is_refused_nowhere_is_a_line(
    site: Site, caplog: pytest.LogCaptureFixture, more: dict[str, str]
) -> None:
    guard = site.guard(**more)
    caplog.clear()
    call(guard, over_tls(stranger_ca().client()))
    call(guard, Case())
    assert caplog.messages == []


class TestHostileText:
    @pytest.mark.parametrize("nasty", NASTY.values(), ids=NASTY)
    def test_in_a_subject(self, site: Site, caplog: pytest.LogCaptureFixture, nasty: str) -> None:
        http(site.guard(), over_tls(stranger_ca().client(subject=_subject(nasty))))
        _require_plain(_line(caplog))

    @pytest.mark.parametrize("nasty", NASTY.values(), ids=NASTY)
    def test_in_a_path(self, site: Site, caplog: pytest.LogCaptureFixture, nasty: str) -> None:
        guard = site.guard()
        http(guard, over_tls(None, path=f"/{nasty}"))
        wsgi(guard, over_tls(None, path=f"/{nasty}"))
        for line in _lines(caplog):
            _require_plain(line)

    @pytest.mark.parametrize("nasty", NASTY.values(), ids=NASTY)
    def test_in_a_peer(self, site: Site, caplog: pytest.LogCaptureFixture, nasty: str) -> None:
        guard = site.guard(NGINX, trusted_proxies="10.0.0.5")
        http(guard, replace(through_nginx(good_client()), client=(nasty, nasty)))
        http(guard, replace(through_nginx(good_client()), client=(nasty, 1)))
        for line in _lines(caplog):
            _require_plain(line)

    @pytest.mark.parametrize("nasty", [text.encode("utf-8").decode("latin-1") for text in NASTY.values()], ids=NASTY)
    def test_in_headers_whose_values_are_told(self, site: Site, caplog: pytest.LogCaptureFixture, nasty: str) -> None:
        marked = through_nginx(good_client()).changed("X-SSL-Client-Verify", nasty)
        call(site.guard(NGINX), marked.with_headers(("ININ-Correlation-Id", nasty)))
        named = over_tls(good_client()).with_headers(("ININ-Organization-Id", nasty))
        call(site.guard(organization_ids=ORGANIZATION), named)
        assert len(_lines(caplog)) == 6
        for line in _lines(caplog):
            _require_plain(line)

    @pytest.mark.parametrize("nasty", NASTY.values(), ids=NASTY)
    def test_in_the_server_s_complaint(self, site: Site, caplog: pytest.LogCaptureFixture, nasty: str) -> None:
        http(site.guard(), Case(tls=tls_extension(good_client(), error=nasty)))
        _require_plain(_line(caplog))

    @pytest.mark.parametrize("nasty", ["<script>", "[green]accepted[/green]", "[/x]", "%s %(x)s {x} {0}", "${jndi:x}"])
    def test_lesson_37_markup_is_text(self, site: Site, caplog: pytest.LogCaptureFixture, nasty: str) -> None:
        http(site.guard(), over_tls(stranger_ca().client(subject=_subject(nasty))))
        assert nasty in _line(caplog).replace("\\", "")

    def test_lesson_37_the_tricky_client_of_the_vectors(self, site: Site, caplog: pytest.LogCaptureFixture) -> None:
        pem = (Path(__file__).parent.parent / "vectors" / "pki" / "client-tricky.pem").read_text(encoding="ascii")
        http(site.guard(), Case(tls={"client_cert_chain": [pem]}))
        _require_plain(_line(caplog))
        assert _field(caplog, "reason") == "issuer_untrusted"

    @pytest.mark.parametrize("forgery", ['" reason=accepted x="', '\\" reason=accepted', "\\", '"'])
    def test_no_field_ends_before_its_time(self, site: Site, caplog: pytest.LogCaptureFixture, forgery: str) -> None:
        http(site.guard(), over_tls(None, path=f"/{forgery}"))
        assert re.findall(
            r'(?:^| )(\w+)=(?:"(?:[^"\\]|\\.)*"|[^\s"]*)(?= |$)', _line(caplog).removeprefix("refused ")
        ) == [
            "reason",
            "detail",
            "source",
            "peer",
            "path",
            "correlation_id",
        ]

    @pytest.mark.parametrize("character", ["A", '"', "\\", "\n", "\u202e", "é"])
    def test_256_characters_are_shown_at_most(
        self, site: Site, caplog: pytest.LogCaptureFixture, character: str
    ) -> None:
        text = character * 5000
        http(site.guard(), over_tls(None, path=text))
        http(site.guard(), Case(tls=tls_extension(good_client(), error=text)))
        marked = through_nginx(good_client()).changed("X-SSL-Client-Verify", "A" * 5000)
        http(site.guard(NGINX), marked)
        http(site.guard(NGINX, trusted_proxies="10.0.0.5"), replace(through_nginx(good_client()), client=(text, 0)))
        for line in _lines(caplog):
            for value in re.findall(r'="((?:[^"\\]|\\.)*)"', line):
                assert len(value) <= LIMIT

    def test_a_certificate_s_long_subject_is_cut(self, site: Site, caplog: pytest.LogCaptureFixture) -> None:
        subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "x" * 60) for _ in range(20)])
        http(site.guard(), over_tls(stranger_ca().client(subject=subject)))
        assert len(_field(caplog, "subject")) == LIMIT


def _require_plain(line: str) -> None:
    assert line.isprintable(), line
    assert "\n" not in line
    assert line.startswith(("refused reason=", "would refuse reason="))


@given(text=st.text(max_size=400))
def test_whatever_is_displayed_is_printable_and_short(text: str) -> None:
    shown = displayed(text)
    assert len(shown) <= LIMIT
    assert [
        character
        for character in shown
        if not (character.isprintable() or character in "\u3000\xa0" or character.isspace())
    ] == []
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\u200b-\u200f\u061c]", shown)


@given(text=st.text(max_size=40), other=st.text(max_size=40))
def test_two_texts_are_never_displayed_alike(text: str, other: str) -> None:
    assert (displayed(text) == displayed(other)) == (text == other)


class TestSecrecy:
    """Certificates, headers and secrets go nowhere."""

    def test_no_secret_is_logged(self, site: Site, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        guard = site.guard(NGINX, caller_secret=CALLER_SECRET, trusted_proxies="10.0.0.5")
        case = through_nginx(good_client()).with_headers(("X-Caller-Secret", f"{CALLER_SECRET}-wrong"))
        call(guard, case)
        call(guard, through_nginx(good_client(), secret=f"{SECRET}-wrong"))
        call(guard, replace(through_nginx(good_client()), client=("6.6.6.6", 1)))
        assert len(_lines(caplog)) == 9
        for secret in (SECRET, CALLER_SECRET):
            assert secret not in caplog.text
            assert secret not in repr(guard._settings) + repr(guard._gate) + repr(guard.status())

    def test_no_certificate_is_logged(self, site: Site, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        client = stranger_ca().client()
        call(site.guard(), over_tls(client))
        http(site.guard(), Case(tls={"client_cert_chain": [client.pem[:-40]]}))
        assert client.pem.splitlines()[2] not in caplog.text
        assert "CERTIFICATE-----" not in caplog.text

    def test_no_query_is_logged(self, site: Site, caplog: pytest.LogCaptureFixture) -> None:
        http(site.guard(), over_tls(None, scope={"query_string": b"token=hidden"}))
        assert "hidden" not in caplog.text


class TestInternalErrors:
    def test_one_line_tells_where_it_happened(self, caplog: pytest.LogCaptureFixture) -> None:
        with pytest.raises(LookupError) as raised:
            _break()
        log(_rejection(error=raised.value))
        (line,) = caplog.text.splitlines()
        _require_plain(_line(caplog))
        assert re.search(r"raised_at=test_logging\.py:\d+>test_logging\.py:\d+$", line)

    def test_an_error_from_nowhere(self, caplog: pytest.LogCaptureFixture) -> None:
        log(_rejection(error=LookupError("x")))
        assert _line(caplog).endswith("raised_at=-")


def _break() -> None:
    raise LookupError("evil\nrefused reason=accepted \x1b[31m")


def _rejection(**more: Any) -> CallRejected:
    rejected = Rejected(reason=Reason.INTERNAL_ERROR, detail="x", disposition=Disposition.REFUSED, **more)
    return CallRejected(rejected=rejected, source="tls", peer="p", path="/", correlation_id=None)


class TestNotices:
    def test_a_server_without_tls_extension_is_told_once_at_error(
        self, site: Site, caplog: pytest.LogCaptureFixture
    ) -> None:
        guard = site.guard()
        for _ in range(3):
            call(guard, Case())
        (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
        assert "does not hand over client certificates" in record.getMessage()
        assert "mtls-middleware serve" in record.getMessage()

    @pytest.mark.parametrize(
        "case",
        [
            pytest.param(over_tls(None), id="tls-extension"),
            pytest.param(over_tls(stranger_ca().client(names=["a.example.com"])), id="another-reason"),
        ],
    )
    def test_nothing_is_told_of_a_server_that_does(
        self, site: Site, caplog: pytest.LogCaptureFixture, case: Case
    ) -> None:
        call(site.guard(), case)
        assert not [record for record in caplog.records if record.levelno == logging.ERROR]

    def test_nothing_is_told_behind_a_proxy(self, site: Site, caplog: pytest.LogCaptureFixture) -> None:
        call(site.guard(NGINX), Case())
        assert not [record for record in caplog.records if record.levelno == logging.ERROR]

    @pytest.mark.parametrize(
        ("severity", "level"),
        [(Severity.INFO, logging.INFO), (Severity.WARNING, logging.WARNING), (Severity.ERROR, logging.ERROR)],
    )
    def test_a_notice_has_its_level(self, caplog: pytest.LogCaptureFixture, severity: Severity, level: int) -> None:
        caplog.set_level(logging.DEBUG)
        log(Notice(event=EventName.START, severity=severity, text="100 % plain"))
        assert caplog.record_tuples == [("mtls_middleware", level, "100 % plain")]


def test_new_trust_is_told_with_its_warnings(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    log(TrustReplaced(version=2, anchors=3, pins=1, lists=4, warnings=("one\nline",)))
    assert caplog.messages == ["one\\nline", "trust version 2 is in force: anchors=3 pins=1 crls=4"]


def test_a_failed_refresh_is_an_error_for_each_problem(caplog: pytest.LogCaptureFixture) -> None:
    log(RefreshFailed(problems=("a\x1b", "b")))
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2
    assert "a\\x1b" in caplog.text


def test_a_refusal_with_evidence_shows_it(caplog: pytest.LogCaptureFixture) -> None:
    evidence = Evidence(fingerprint_sha256="ab", subject="CN=s", issuer="CN=i", dns_names=())
    log(_rejection(evidence=evidence))
    assert 'fingerprint=ab subject="CN=s" issuer="CN=i"' in _line(caplog)


def test_the_name_that_was_seen_is_told(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    http(site.guard(), over_tls(regional_ca().client(names=["new.example.com"])))
    assert "new.example.com" in _field(caplog, "detail")
    assert "MTLS_CERT_NAMES=us-east-1=new.example.com" in _field(caplog, "detail")


def test_the_anchor_that_ended_is_named(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    guard = site.guard()
    site.clock.now = NOW.replace(year=2040)
    http(guard, over_tls(good_client()))
    assert _field(caplog, "reason") == "trust_unavailable"
    assert "US-East-1.pem" in _field(caplog, "detail")
