"""What is known, as bytes and back; anything else than what was written is refused as a whole."""

import base64
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtls_middleware._io.files import InputError
from mtls_middleware._trust.genesys.client import APIResponse
from mtls_middleware._trust.genesys.known import MAX_STATE_BYTES, KnownCertificates, from_bytes, to_bytes
from mtls_middleware._trust.genesys.listing import CertificateStatus, ListedCertificate
from mtls_middleware.identity import Authority
from tests.trust.genesys.region import DAY, INTERMEDIATE, NAME, NOW, ROOT, digicert, genesys

CLIENT = digicert()


def certificate(authority: Authority, status: CertificateStatus) -> ListedCertificate:
    client = CLIENT if authority is Authority.DIGICERT else genesys()
    chain = client.chain if authority is Authority.DIGICERT else ()
    return ListedCertificate(authority=authority, status=status, leaf=client.certificate, intermediates=chain)


KNOWN = (
    KnownCertificates(region=NAME)
    .merge(
        APIResponse(
            region=NAME,
            certificates=(
                certificate(Authority.DIGICERT, CertificateStatus.UPCOMING),
                certificate(Authority.GENESYS, CertificateStatus.CURRENT),
            ),
        ),
        NOW + timedelta(microseconds=1),
    )
    .merge(
        APIResponse(
            region=NAME,
            certificates=(
                replace(certificate(Authority.DIGICERT, CertificateStatus.CURRENT), leaf=digicert().certificate),
            ),
        ),
        NOW + DAY,
    )
)
STORED = to_bytes(KNOWN)


def changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    value = json.loads(STORED)
    change(value)
    return json.dumps(value).encode()


def first(name: str, value: object) -> bytes:
    return changed(lambda stored: stored["certificates"][0].update({name: value}))


@pytest.mark.parametrize("known", [KNOWN, KnownCertificates(region=NAME)], ids=["full", "empty"])
def test_what_was_written_is_read(known: KnownCertificates) -> None:
    assert from_bytes(to_bytes(known), NAME) == known


def test_a_superseded_certificate_stays_superseded() -> None:
    assert [one.superseded_at for one in from_bytes(STORED, NAME).certificates] == [None, NOW + DAY, None]


def test_a_root_that_somebody_wrote_in_is_left_out() -> None:
    chain = [base64.b64encode(one).decode() for one in (CLIENT.der, INTERMEDIATE.der, ROOT.der)]
    read = from_bytes(first("chain", chain), NAME)
    assert read.certificates[0].listed.intermediates == (INTERMEDIATE.certificate,)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        pytest.param(b"", "JSON", id="empty"),
        pytest.param(STORED[:-1], "JSON", id="cut off"),
        pytest.param(b" " * (MAX_STATE_BYTES + 1), "larger than 4,000,000 bytes", id="large"),
        pytest.param(b"[" * 100_000, "nested", id="deep"),
        pytest.param(b"{}", "another version", id="no version"),
        pytest.param(changed(lambda it: it.update(version=2)), "another version", id="newer version"),
        pytest.param(changed(lambda it: it.update(version=True)), "another version", id="odd version"),
        pytest.param(changed(lambda it: it.update(region="eu-west-1")), "not about us-east-1", id="other region"),
        pytest.param(changed(lambda it: it.update(answered_at="now")), "time", id="no time"),
        pytest.param(changed(lambda it: it.update(answered_at=20261123)), "time", id="numeric time"),
        pytest.param(changed(lambda it: it.update(answered_at="2026-11-23T12:00:00")), "without a zone", id="naive"),
        pytest.param(changed(lambda it: it.update(answered_at="0001-01-01T00:00+23:59")), "time", id="before time"),
        pytest.param(changed(lambda it: it.update(certificates=None)), "lacks a list", id="no list"),
        pytest.param(changed(lambda it: it.update(certificates=[1])), "is no object", id="no object"),
        pytest.param(changed(lambda it: it.update(certificates=[{}] * 101)), "at most 100", id="many"),
        pytest.param(first("authority", "custom"), "authority or status", id="authority without an API"),
        pytest.param(first("authority", "acme"), "authority or status", id="authority"),
        pytest.param(first("status", None), "authority or status", id="status"),
        pytest.param(first("listed_at", None), "without a time", id="never listed"),
        pytest.param(first("superseded_at", []), "time", id="odd time"),
        pytest.param(first("chain", "text"), "lacks a list", id="no chain"),
        pytest.param(first("chain", []), "0 client certificates", id="empty chain"),
        pytest.param(first("chain", [1]), "is no text", id="numeric link"),
        pytest.param(first("chain", ["*"]), "not base64", id="no base64"),
        pytest.param(first("chain", ["ä"]), "not base64", id="no ASCII"),
        pytest.param(first("chain", ["MAA="]), "cannot be read", id="no certificate"),
        pytest.param(first("chain", ["MAA="] * 11), "at most 10", id="long chain"),
    ],
)
def test_anything_else_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(InputError, match=said):
        from_bytes(data, NAME)


@given(
    st.binary()
    | st.tuples(st.integers(0, len(STORED)), st.binary(max_size=3)).map(
        lambda where: STORED[: where[0]] + where[1] + STORED[where[0] + len(where[1]) :]
    )
)
def test_any_bytes_are_read_or_unusable(data: bytes) -> None:
    with suppress(InputError):
        assert from_bytes(data, NAME).region == NAME


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(
    st.sampled_from(["version", "region", "answered_at", "certificates"])
    | st.sampled_from(["authority", "status", "chain", "listed_at", "superseded_at"]),
    anything,
)
def test_any_value_in_any_place_is_read_or_unusable(name: str, value: object) -> None:
    stored = json.loads(STORED)
    (stored if name in stored else stored["certificates"][0])[name] = value
    with suppress(InputError):
        assert from_bytes(json.dumps(stored).encode(), NAME).region == NAME
