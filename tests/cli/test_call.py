"""``call``: what it sends, whose certificate it shows, and what it makes of the end."""

import http.client
import io
import re
import socket
import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from mtls_middleware._core.decision import Reason
from mtls_middleware.advice import ADVICE
from mtls_middleware.cli.call import request
from mtls_middleware.cli.call.call import facts, run_call, show
from mtls_middleware.cli.call.conclusions import Meaning, meaning_of, warnings_of
from mtls_middleware.cli.call.request import Credentials
from mtls_middleware.cli.dev_ca import run_dev_ca
from mtls_middleware.cli.options import CallOptions
from mtls_middleware.cli.wire.answer import Answer, _decoded
from mtls_middleware.cli.wire.exchange import Exchange
from mtls_middleware.cli.wire.message import Target
from mtls_middleware.cli.wire.tls import Described, TLSFacts, described
from mtls_middleware.errors import MTLSError
from mtls_middleware.testing import RegionalCA
from tests.claims import runs_through

URL = "https://actions.example.com/actions/lookup"
TARGET = Target.parse(URL)
NO_CREDENTIALS = Credentials(certificate=None, key=None, ca=None, title="no certificate")


def own(**keywords: Any) -> Described:
    found = described(RegionalCA().client(**keywords).der)
    assert found is not None
    return found


def over_tls(**changed: Any) -> TLSFacts:
    facts: dict[str, Any] = {
        "version": "TLSv1.3",
        "cipher": "C",
        "alpn": None,
        "asked": True,
        "server": own(),
        **changed,
    }
    return TLSFacts(**facts)


def answered(status: int = 200, body: bytes = b"{}", content_type: str = "application/json") -> Answer:
    return Answer(status=status, phrase="P", headers={"content-type": content_type}, body=body, is_whole=True)


def alert(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, f"[SSL: {reason}]")
    error.reason = reason
    return error


class TestRequest:
    def test_it_is_what_the_service_sends(self) -> None:
        headers = request.standard_headers(TARGET, "call-1")

        told = request.written("POST", TARGET, headers, b'{"a": 1}')

        assert told.startswith(b"POST /actions/lookup HTTP/1.1\r\nHost: actions.example.com\r\n")
        assert b"\r\nUser-Agent: PureCloud-Data-Actions\r\n" in told
        assert b"\r\nININ-Correlation-Id: call-1\r\n" in told
        assert b"organization" not in told.lower()
        assert told.endswith(b'\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n8\r\n{"a": 1}\r\n0\r\n\r\n')

    def test_no_body_is_chunked_too(self) -> None:
        assert request.written("GET", TARGET, (), b"").endswith(b"\r\n\r\n0\r\n\r\n")

    def test_a_given_header_takes_the_place_of_another(self) -> None:
        headers = request.combined((("A", "1"), ("B", "2")), (("b", "3"),))

        assert headers == (("A", "1"), ("b", "3"))

    def test_headers_come_from_a_file(self, tmp_path: Path) -> None:
        file = tmp_path / "headers"
        file.write_text("X-Caller-Secret: s\n\nX-Other: t\n", encoding="ascii")

        assert request.parse_headers([f"@{file}"]) == (("X-Caller-Secret", "s"), ("X-Other", "t"))

    @pytest.mark.parametrize("text", ["no colon", "A b: c", "A: b\r\nC: d", ": x", "Content-Length: 3", "A: \u20ac"])
    def test_what_cannot_be_sent_is_told_without_its_value(self, text: str) -> None:
        with pytest.raises(MTLSError, match="--header"):
            request.parse_headers([text])

    @given(text=st.text())
    def test_any_header_is_sent_or_refused(self, text: str) -> None:
        try:
            headers = request.parse_headers([text.lstrip("@")])
        except MTLSError:
            return
        head = request.written("POST", TARGET, headers, b"").partition(b"\r\n\r\n")[0]
        assert head.count(b"\r\n") == 3

    def test_a_body_comes_from_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "body").write_bytes(b"\x00\xff")

        assert request.read_body(f"@{tmp_path / 'body'}") == b"\x00\xff"
        assert request.read_body("\u20ac") == "\u20ac".encode()

    def test_a_body_that_is_not_there_or_too_long_is_told(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "long").write_bytes(b"12345")
        monkeypatch.setattr(request, "DATA_BYTES", 4)

        for name, words in (("none", "No such file"), ("long", "more than 4 bytes")):
            with pytest.raises(MTLSError, match=words):
                request.read_body(f"@{tmp_path / name}")


class TestCredentials:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        run_dev_ca(tmp_path / "dev", region="us-east-1", force=False)
        return tmp_path / "dev"

    def choose(self, **given: Any) -> Credentials:
        usual: dict[str, Any] = {"certificate": None, "key": None, "folder": None, "caller": "good", "ca": None}
        return Credentials.choose(**{**usual, **given})

    def test_none_is_shown_unless_one_is_given(self) -> None:
        chosen = self.choose()

        assert (chosen.certificate, chosen.own, chosen.title) == (None, None, "no certificate")
        chosen.context()

    def test_one_of_a_folder_comes_with_key_and_root(self, folder: Path) -> None:
        chosen = self.choose(folder=folder, caller="expired")

        assert (chosen.certificate, chosen.key, chosen.ca) == (
            folder / "expired.pem",
            folder / "expired.key",
            folder / "root.pem",
        )
        assert chosen.own is not None
        assert chosen.own.not_after < datetime.now(UTC)
        chosen.context()

    def test_none_of_a_folder_comes_with_the_root_alone(self, folder: Path) -> None:
        chosen = self.choose(folder=folder, caller="none")

        assert (chosen.certificate, chosen.ca) == (None, folder / "root.pem")

    @pytest.mark.parametrize(
        ("given", "words"),
        [
            ({"folder": Path("a"), "certificate": Path("b")}, "keep one of them"),
            ({"key": Path("a")}, "--key needs --cert"),
            ({"folder": Path("/nowhere")}, "is no folder of dev-ca"),
            ({"folder": Path("/nowhere"), "caller": "bad"}, "must be one of good, expired"),
        ],
    )
    def test_what_contradicts_itself_is_told(self, given: dict[str, Any], words: str) -> None:
        with pytest.raises(MTLSError, match=words):
            self.choose(**given)

    @pytest.mark.parametrize(
        ("given", "words"),
        [
            ({"ca": "none"}, "--ca .*No such file"),
            ({"certificate": "none"}, "--cert .*No such file"),
            ({"certificate": "good.pem", "key": "expired.key"}, "the key does not belong to the certificate"),
            ({"certificate": "good.key"}, "--cert .*"),
        ],
    )
    def test_what_cannot_be_used_is_told(self, folder: Path, given: dict[str, str], words: str) -> None:
        chosen = self.choose(**{name: folder / file for name, file in given.items()})

        with pytest.raises(MTLSError, match=words):
            chosen.context()

    def test_an_unreadable_certificate_describes_nothing(self, folder: Path) -> None:
        assert self.choose(certificate=folder / "good.key").own is None

    def test_nobody_is_asked_for_a_password(self, tmp_path: Path) -> None:
        client = RegionalCA().client()
        certificate, key = client.write(tmp_path)
        key.write_bytes(
            client.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"word"))
        )

        with pytest.raises(MTLSError, match="is encrypted"):
            self.choose(certificate=certificate, key=key).context()


class TestMeaning:
    def test_an_answer_of_2xx_is_success(self) -> None:
        assert meaning_of(Exchange(answer=answered(204))).is_success

    def test_a_refusal_is_explained(self) -> None:
        body = b'{"reason": "region_mismatch", "status": 403}'
        meaning = meaning_of(Exchange(answer=answered(403, body, "application/problem+json; charset=utf-8")))

        assert (meaning.is_success, meaning.reason) == (False, Reason.REGION_MISMATCH)
        assert meaning.explanation == (
            ADVICE[Reason.REGION_MISMATCH].happened,
            ADVICE[Reason.REGION_MISMATCH].fix,
        )

    def test_another_answer_is_not_taken_for_a_refusal(self) -> None:
        meaning = meaning_of(Exchange(answer=answered(403, b'{"reason": "region_mismatch", "status": 403}')))

        assert meaning.reason is None
        assert meaning.explanation == ("", "")

    @pytest.mark.parametrize(
        ("status", "body", "happened", "cure"),
        [
            (
                400,
                b"<h1>400</h1><center>The SSL certificate error</center>",
                "refused the cert",
                "ssl_client_certificate",
            ),
            (
                400,
                b"<center>No required SSL certificate was sent</center>",
                "demands a client cert",
                "--cert and --key",
            ),
            (400, b"bad request", "", ""),
            (403, b"The SSL certificate error", "", ""),
            (502, b"<center>nginx</center>", "no answer from the application", "whether the application runs"),
            (503, b"", "no answer from the application", "whether the application runs"),
            (504, b"", "no answer from the application", "error log of the proxy"),
            (500, b"", "", ""),
        ],
    )
    def test_what_a_proxy_answers_by_itself_is_explained(
        self, status: int, body: bytes, happened: str, cure: str
    ) -> None:
        meaning = meaning_of(Exchange(answer=answered(status, body, "text/html")), own())

        assert (meaning.reason, meaning.text) == (None, f"answered {status} P, which is not the middleware's refusal")
        for text, words in zip(meaning.explanation, (happened, cure), strict=True):
            assert words in text
            assert bool(words) == bool(text)

    def test_what_nginx_dislikes_about_a_certificate_is_said_where_it_can_be_seen(self) -> None:
        ended = own(not_after=datetime.now(UTC) - timedelta(days=1))
        meaning = meaning_of(Exchange(answer=answered(400, b"The SSL certificate error", "text/html")), ended)

        assert meaning.reason is Reason.CERTIFICATE_EXPIRED
        assert meaning.text.startswith("nginx refused the certificate with 400 P: it ended at ")

    @given(body=st.binary())
    def test_any_body_has_a_reason_or_none(self, body: bytes) -> None:
        assert answered(403, body, "application/problem+json").reason is None

    @pytest.mark.parametrize(
        ("error", "words"),
        [
            (TimeoutError(), "no answer in time, at the step: first byte"),
            (socket.gaierror(-2, "x"), "the name of the host is not known"),
            (http.client.RemoteDisconnected("x"), "closed without an answer"),
            (ConnectionResetError(), "closed without an answer"),
            (http.client.LineTooLong("x"), "is not HTTP"),
            (ssl.SSLEOFError(), "was closed at the step"),
            (ConnectionRefusedError(111, "Connection refused"), "first byte failed: Connection refused"),
            (ValueError("odd"), "first byte failed: odd"),
            (alert("WRONG_VERSION_NUMBER"), "TLS failed: wrong version number"),
        ],
        ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
    )
    def test_a_failure_is_told(self, error: Exception, words: str) -> None:
        meaning = meaning_of(Exchange(step="first byte", error=error))

        assert words in meaning.text
        assert not meaning.is_success

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("SSLV3_ALERT_CERTIFICATE_EXPIRED", Reason.CERTIFICATE_EXPIRED),
            ("TLSV1_ALERT_UNKNOWN_CA", Reason.ISSUER_UNTRUSTED),
            ("SSLV3_ALERT_CERTIFICATE_REVOKED", Reason.CERTIFICATE_REVOKED),
            ("SSLV3_ALERT_UNSUPPORTED_CERTIFICATE", Reason.PURPOSE_MISMATCH),
            ("TLSV13_ALERT_CERTIFICATE_REQUIRED", Reason.CERTIFICATE_MISSING),
            ("SSLV3_ALERT_BAD_CERTIFICATE", None),
        ],
    )
    def test_an_alert_has_the_reason_of_the_middleware(self, name: str, reason: Reason | None) -> None:
        meaning = meaning_of(Exchange(error=alert(name)))

        assert (meaning.in_handshake, meaning.reason) == (True, reason)

    def test_a_server_that_is_not_trusted_is_told(self) -> None:
        error = ssl.SSLCertVerificationError()
        error.verify_message = "unable to get local issuer certificate"

        assert "name it with --ca" in meaning_of(Exchange(error=error)).text

    @pytest.mark.parametrize("error", [ConnectionResetError(), alert("SSLV3_ALERT_BAD_CERTIFICATE")], ids=["", "alert"])
    @pytest.mark.parametrize(
        ("keywords", "reason"),
        [
            ({"expired": True}, Reason.CERTIFICATE_EXPIRED),
            ({"not_yet_valid": True}, Reason.CERTIFICATE_NOT_YET_VALID),
            ({"server_only": True}, Reason.PURPOSE_MISMATCH),
            ({"extended_key_usage": None}, None),
            ({}, None),
        ],
    )
    def test_a_server_that_hangs_up_on_a_certificate_refused_it(
        self, keywords: dict[str, Any], reason: Reason | None, error: Exception
    ) -> None:
        seen = Exchange(tls=over_tls(), error=error)

        meaning = meaning_of(seen, own(**keywords))

        assert (meaning.in_handshake, meaning.reason) == (True, reason)

    def test_a_server_that_did_not_ask_refused_nothing(self) -> None:
        assert not meaning_of(Exchange(tls=over_tls(asked=False), error=ConnectionResetError()), own()).in_handshake


class TestNotes:
    def notes(self, target: Target = TARGET, **given: Any) -> str:
        facts = given.pop("facts", over_tls())
        return "; ".join(warnings_of(target, replace(NO_CREDENTIALS, **given), Exchange(tls=facts)))

    def test_a_good_server_has_none(self) -> None:
        assert self.notes() == ""

    def test_plain_http(self) -> None:
        assert "plain HTTP" in self.notes(Target.parse("http://actions.example.com/"))

    def test_a_server_that_did_not_ask(self) -> None:
        assert "did not ask" in self.notes(facts=over_tls(asked=False), certificate=Path("own.pem"))

    @pytest.mark.parametrize("host", ["localhost", "10.0.0.1", "[::1]", "service.internal"])
    def test_a_host_that_genesys_cannot_reach(self, host: str) -> None:
        assert "cannot be reached from Genesys" in self.notes(Target.parse(f"https://{host}/"))

    def test_a_private_ca(self) -> None:
        assert "takes no private one" in self.notes(ca=Path("root.pem"))

    def test_a_certificate_that_ends_soon(self) -> None:
        soon = own(not_after=datetime.now(UTC) + timedelta(days=9, hours=1))

        assert "ends in 9 days" in self.notes(facts=over_tls(server=soon))

    def test_nothing_where_the_handshake_was_not_done(self) -> None:
        assert self.notes(facts=None) == ""


class TestShown:
    def printed(self, seen: Exchange, meaning: Meaning, *, terminal: bool = False) -> str:
        console = Console(file=io.StringIO(), force_terminal=terminal, width=100, color_system="standard")
        show("POST x", "own.pem", "call-1", seen, meaning, ["a note"], console)
        assert isinstance(console.file, io.StringIO)
        return console.file.getvalue()

    @pytest.mark.parametrize("terminal", [False, True], ids=["piped", "terminal"])
    def test_hostile_text_is_data(self, terminal: bool) -> None:
        seen = Exchange(answer=answered(200, b"[red]x[/red][/y]\x1b[2J\n\xff"), seconds={"DNS": 0.1, "answer": 0.2})

        told = self.printed(seen, meaning_of(seen), terminal=terminal)

        assert "[red]x[/red][/y]" in told
        assert "\x1b[2J" not in told

    def test_a_long_body_is_cut(self) -> None:
        seen = Exchange(answer=answered(200, b"line\n" * 1000))

        assert self.printed(seen, meaning_of(seen)).count("line") == 40

    def test_many_names_are_cut(self) -> None:
        names = [f"host-{number}.example" for number in range(20)]
        seen = Exchange(tls=over_tls(server=own(names=names), asked=None), answer=answered())

        assert "and 12 more" in self.printed(seen, meaning_of(seen))

    def test_what_is_not_text_is_base64_for_a_script(self) -> None:
        seen = Exchange(answer=answered(200, b"\xff"), tls=over_tls(server=None))

        told = facts(URL, "own.pem", "call-1", seen, meaning_of(seen), [])

        assert told["answer"]["body"] == {"base64": "/w=="}
        assert told["tls"]["server"] is None


@given(body=st.binary(), encoding=st.sampled_from(["gzip", "deflate", "br", "identity"]))
def test_any_body_is_decoded_or_left(body: bytes, encoding: str) -> None:
    _decoded(body, encoding)


@given(der=st.binary())
def test_any_bytes_are_a_certificate_or_none(der: bytes) -> None:
    assert described(der) is None


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("tag", range(256))
def test_a_name_of_any_type_is_shown_or_not(tag: int) -> None:
    der = RegionalCA().client().der
    odd = der.replace(b"\x0c\x04Test", bytes([tag]) + b"\x04\0est")
    assert odd != der
    found = runs_through(described, odd)
    assert found is None or len(found.issuer) > len("O=")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (CallOptions(url="nonsense"), "'nonsense' is not a URL"),
        (CallOptions(url=URL, connect="host"), "--connect 'host': write HOST:PORT"),
        (CallOptions(url=URL, method="G T"), "--method 'G T' is no method"),
    ],
)
def test_a_wrong_command_line_is_told(options: CallOptions, words: str) -> None:
    with pytest.raises(MTLSError, match=re.escape(words)):
        run_call(options)


def test_a_host_that_nobody_knows_ends_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_call(CallOptions(url="http://no..name/", timeout=1)) == 1

    assert "note: plain HTTP" in capsys.readouterr().out
