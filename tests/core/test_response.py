"""How a refusal looks on the wire: pinned, for callers build on it."""

import json

import pytest

from mtls_middleware._core.connection import Interface
from mtls_middleware._core.decision import Reason
from mtls_middleware._core.response import RETRY_AFTER_SECONDS, correlation_id, refusal
from tests.core.requests import request

STATUS = {
    "trust_unavailable": (503, "Service Unavailable"),
    "source_untrusted": (403, "Forbidden"),
    "certificate_too_large": (431, "Request Header Fields Too Large"),
    "certificate_missing": (403, "Forbidden"),
    "proxy_verification_failed": (403, "Forbidden"),
    "certificate_malformed": (403, "Forbidden"),
    "issuer_untrusted": (403, "Forbidden"),
    "certificate_expired": (403, "Forbidden"),
    "certificate_not_yet_valid": (403, "Forbidden"),
    "purpose_mismatch": (403, "Forbidden"),
    "region_mismatch": (403, "Forbidden"),
    "not_pinned": (403, "Forbidden"),
    "certificate_revoked": (403, "Forbidden"),
    "revocation_unknown": (503, "Service Unavailable"),
    "organization_mismatch": (403, "Forbidden"),
    "caller_secret_mismatch": (403, "Forbidden"),
    "internal_error": (500, "Internal Server Error"),
}
"""Status and title of each reason, in the order in which reasons are looked for."""


def test_the_reasons_and_their_order_are_those_of_the_contract() -> None:
    assert [str(reason) for reason in sorted(Reason, key=lambda reason: reason.order)] == list(STATUS)


@pytest.mark.parametrize("reason", Reason)
def test_status_and_body_are_those_of_the_contract(reason: Reason) -> None:
    status, title = STATUS[reason]
    refused = refusal(reason, None)
    assert refused.status == status
    assert json.loads(refused.body) == {"status": status, "title": title, "reason": str(reason)}


@pytest.mark.parametrize("reason", Reason)
def test_no_cache_keeps_a_refusal(reason: Reason) -> None:
    headers = dict(refusal(reason, "x").headers)
    assert headers[b"content-type"] == b"application/problem+json"
    assert headers[b"content-length"] == b"%d" % len(refusal(reason, "x").body)
    assert headers[b"cache-control"] == b"no-store"


@pytest.mark.parametrize("reason", Reason)
def test_the_caller_may_come_again_where_the_fault_is_ours(reason: Reason) -> None:
    headers = dict(refusal(reason, None).headers)
    assert headers.get(b"retry-after") == (b"%d" % RETRY_AFTER_SECONDS if STATUS[reason][0] == 503 else None)


def test_the_correlation_id_is_repeated() -> None:
    assert json.loads(refusal(Reason.CERTIFICATE_MISSING, "9f1c-2d3e").body)["correlationId"] == "9f1c-2d3e"


HEADER = b"ININ-Correlation-Id"

CORRELATION = {
    "none": ([], None),
    "one": ([(HEADER, b"9f1c-2D3E")], "9f1c-2D3E"),
    "with blanks around": ([(HEADER, b" abc\t")], "abc"),
    "letters at both ends": ([(HEADER, b"XtnaXtX")], "XtnaXtX"),
    "hyphens around": ([(HEADER, b"-a-")], "-a-"),
    "64 characters": ([(HEADER, b"a" * 64)], "a" * 64),
    "65 characters": ([(HEADER, b"a" * 65)], None),
    "empty": ([(HEADER, b"")], None),
    "markup": ([(HEADER, b"<script>")], None),
    "a quote": ([(HEADER, b'a"b')], None),
    "a line break": ([(HEADER, b"a\r\nb")], None),
    "a final line break": ([(HEADER, b"a\n")], None),
    "beyond ASCII": ([(HEADER, b"\xb2\xff")], None),
    "a list": ([(HEADER, b"a,b")], None),
    "a bad one before a good one": ([(HEADER, b"<"), (HEADER, b"good")], "good"),
    "another spelling": ([(b"inin_correlation_id", b"a")], None),
}


@pytest.mark.parametrize(("headers", "expected"), CORRELATION.values(), ids=CORRELATION.keys())
def test_a_correlation_id_is_harmless(headers: list[tuple[bytes, bytes]], expected: str | None) -> None:
    assert correlation_id(request(*headers)) == expected


@pytest.mark.parametrize(("joined", "expected"), [(b"a,b", "a"), (b"<, b", "b"), (b"<,>", None)])
def test_in_wsgi_copies_come_joined(joined: bytes, expected: str | None) -> None:
    assert correlation_id(request((HEADER, joined), interface=Interface.WSGI)) == expected
