"""AWS API Gateway's event, as unchecked JSON."""

from typing import Any

import pytest

from mtls_middleware._core.connection import collect
from mtls_middleware._core.decision import Reason, RejectionError
from mtls_middleware._core.sources import source_of
from mtls_middleware._core.sources.presented import Presented
from mtls_middleware._core.sources.tls import AWSEventSource
from tests.core.certs import good_client, regional_ca
from tests.core.requests import request

LIMIT = 5
SOURCE = AWSEventSource()
PEM = good_client().pem
OTHER = regional_ca().pem


def _event(**contexts: Any) -> dict[str, Any]:
    return {"requestContext": {key: {"clientCert": {"clientCertPem": text}} for key, text in contexts.items()}}


def _read(event: Any) -> Presented | None:
    connection = request(event=event)
    return SOURCE.read(connection, collect(connection, frozenset()), LIMIT)


GOOD = {
    "REST API": _event(identity=PEM),
    "HTTP API": _event(authentication=PEM),
    "both, alike": _event(identity=PEM, authentication=PEM),
    "blanks for newlines": _event(identity=PEM.replace("\n", " ")),
}


@pytest.mark.parametrize("event", GOOD.values(), ids=GOOD.keys())
def test_the_certificate_is_found_where_the_gateway_puts_it(event: Any) -> None:
    presented = _read(event)
    assert presented is not None
    assert SOURCE.decode(presented, LIMIT) == (good_client().der,)


NONE: dict[str, Any] = {
    "no event": None,
    "an empty event": {},
    "an event of another type": ["requestContext"],
    "no identity": {"requestContext": {}},
    "a context of another type": {"requestContext": "identity"},
    "an identity of another type": {"requestContext": {"identity": ["clientCert"]}},
    "no certificate": {"requestContext": {"identity": {"clientCert": None}}},
    "a certificate of another type": {"requestContext": {"identity": {"clientCert": "clientCertPem"}}},
    "an empty certificate": _event(identity=""),
    "None for a certificate": _event(identity=None, authentication=None),
    "only a subject": {"requestContext": {"identity": {"clientCert": {"subjectDN": "CN=x"}}}},
    "in the caller's own headers": {"headers": {"clientCertPem": PEM}},
}


@pytest.mark.parametrize("event", NONE.values(), ids=NONE.keys())
def test_no_certificate_is_none(event: Any) -> None:
    assert _read(event) is None


UNREADABLE = {
    "two": _event(identity=PEM, authentication=OTHER),
    "no text": _event(identity=3),
    "a list": _event(identity=[PEM]),
    "a list beside a text": _event(identity=PEM, authentication=[PEM]),
}


@pytest.mark.parametrize("event", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_is_not_one_text_is_malformed(event: Any) -> None:
    with pytest.raises(RejectionError) as refused:
        _read(event)
    assert refused.value.reason is Reason.CERTIFICATE_MALFORMED


UNREADABLE_TEXTS = {
    "garbage": "garbage",
    "two": PEM + OTHER,
    "a letter too many": PEM + "x",
    "a surrogate": "\udcff",
    "no certificate": PEM.replace("CERT", "KEY"),
}


@pytest.mark.parametrize("text", UNREADABLE_TEXTS.values(), ids=UNREADABLE_TEXTS)
def test_what_is_not_one_certificate_is_malformed(text: str) -> None:
    presented = _read(_event(identity=text))
    assert presented is not None
    with pytest.raises(RejectionError) as refused:
        SOURCE.decode(presented, LIMIT)
    assert refused.value.reason is Reason.CERTIFICATE_MALFORMED


def test_the_gateway_has_no_complaint() -> None:
    assert SOURCE.upstream_failure(request(), collect(request(), frozenset())) is None


def test_the_source_reads_no_header() -> None:
    assert source_of("aws-api-gateway", None, 1) == SOURCE
    assert (SOURCE.name, SOURCE.header_names) == ("aws-api-gateway", None)
