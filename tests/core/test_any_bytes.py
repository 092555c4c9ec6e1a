"""Whatever bytes come: certificates, or ``certificate_malformed``. Nothing else is ever raised."""

from collections.abc import Callable
from functools import cache

import pytest
from cryptography.hazmat.primitives.serialization import Encoding as Serialized
from hypothesis import given
from hypothesis import strategies as st

from mtls_middleware._core.certificate import PresentedChain, evidence_of, parse_chain
from mtls_middleware._core.connection import collect
from mtls_middleware._core.decision import Reason
from mtls_middleware._core.sources.headers import HeaderSource
from mtls_middleware._core.sources.presented import Presented, Source
from mtls_middleware._core.sources.presets import Encoding, HeaderNames
from mtls_middleware._core.sources.tls import AWSEventSource, TLSSource
from mtls_middleware._core.trust import Anchor, AuthorityTrust, Binding, build_trust
from mtls_middleware.identity import Authority
from tests.core.captures import NAME, NOW, VECTORS, captures, certificate
from tests.core.certs import outcome, reason
from tests.core.encoders import ENCODERS, pem
from tests.core.mutation import mutated
from tests.core.requests import request

LIMIT = 4

SMALL = 3000
"""Bytes: what is larger holds more of the same."""

DERS = sorted(
    {
        certificate(file.stem).public_bytes(Serialized.DER)
        for file in VECTORS.glob("pki/*.pem")
        if file.stat().st_size < SMALL
    }
)
GENUINE = frozenset(DERS)

CHAINS = st.lists(st.sampled_from(DERS), min_size=1, max_size=LIMIT)


@cache
def captured(kind: str) -> tuple[bytes, ...]:
    """Return the values of certificate headers that real proxies sent in this encoding."""
    values = [
        value
        for capture in captures()
        if capture.row.get("format", {}).get("kind") == kind
        for name, value in capture.headers
        if name.decode("latin-1").lower() == capture.row["format"]["cert"].lower()
    ]
    return tuple(sorted({value for value in values if len(value) < 4 * SMALL}))


KINDS = {
    Encoding.URL_PEM: "pem-url",
    Encoding.PEM_SPACES: "pem-ws",
    Encoding.B64_PEM: "pem-b64",
    Encoding.B64_DER: "der-b64",
    Encoding.B64_DER_LIST: "traefik",
    Encoding.RFC9440: "rfc9440",
    Encoding.XFCC: "xfcc",
}


def _decoded(source: Source, presented: Presented) -> tuple[bytes, ...]:
    """Decode; nothing, where it is refused as it must be."""
    ders = outcome(lambda: source.decode(presented, LIMIT))
    if isinstance(ders, Reason):
        assert ders is Reason.CERTIFICATE_MALFORMED
        return ()
    assert 1 <= len(ders) <= LIMIT + 1
    return ders


def _header_source(encoding: Encoding, *, bundled: bool, elements: int = 1) -> HeaderSource:
    header_names = HeaderNames(certificate="X-Cert", encoding=encoding, chain=("X-Chain",), bundled=bundled)
    return HeaderSource(name="custom", header_names=header_names, xfcc_elements=elements)


@pytest.mark.parametrize("encoding", Encoding)
@given(data=st.data(), bundled=st.booleans(), elements=st.integers(1, 2))
def test_a_header_decodes_or_is_malformed(
    encoding: Encoding, data: st.DataObject, *, bundled: bool, elements: int
) -> None:
    originals = captured(KINDS[encoding])
    leaf = data.draw(mutated(originals), label="leaf")
    chain = data.draw(st.just(b"") | mutated(originals), label="chain")
    _decoded(_header_source(encoding, bundled=bundled, elements=elements), Presented(parts=(leaf, chain)))


@pytest.mark.parametrize("encoding", Encoding)
@given(leaf=st.binary(max_size=200))
def test_plain_garbage_decodes_or_is_malformed(encoding: Encoding, leaf: bytes) -> None:
    _decoded(_header_source(encoding, bundled=True), Presented(parts=(leaf,)))


@pytest.mark.parametrize("encoding", Encoding)
@given(ders=CHAINS)
def test_what_a_proxy_encodes_decodes_to_the_same(encoding: Encoding, ders: list[bytes]) -> None:
    presented = Presented(parts=(ENCODERS[encoding](ders).encode("ascii"),))
    assert _header_source(encoding, bundled=True).decode(presented, LIMIT) == tuple(ders)


@given(parts=st.lists(mutated([*DERS, *(pem(der).encode() for der in DERS)]), min_size=1, max_size=LIMIT))
def test_a_tls_chain_decodes_or_is_malformed(parts: list[bytes]) -> None:
    _decoded(TLSSource(), Presented(parts=tuple(parts)))


@given(text=mutated([pem(der).encode() for der in DERS]))
def test_an_event_decodes_or_is_malformed(text: bytes) -> None:
    _decoded(AWSEventSource(), Presented(parts=(text,)))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["requestContext", "identity", "authentication", "clientCert", "clientCertPem"]), inner
        )
    ),
    max_leaves=8,
)


@given(event=JSON)
def test_any_event_is_read(event: object) -> None:
    connection = request(event=event)
    _read_or_malformed(lambda: AWSEventSource().read(connection, collect(connection, frozenset()), LIMIT))


@given(chain=JSON | st.binary(max_size=20) | st.lists(st.binary(max_size=9) | st.text(max_size=9), max_size=9))
def test_any_tls_extension_is_read(chain: object) -> None:
    connection = request(tls={"client_cert_chain": chain, "client_cert": chain})
    _read_or_malformed(lambda: TLSSource().read(connection, collect(connection, frozenset()), LIMIT))


def _read_or_malformed(read: Callable[[], Presented | None]) -> None:
    presented = outcome(read)
    if isinstance(presented, Reason):
        assert presented is Reason.CERTIFICATE_MALFORMED
    else:
        assert presented is None or all(isinstance(part, bytes) for part in presented.parts)


# --------------------------------------------------------------------------------------------- certificates and paths

TRUSTS = {
    authority: build_trust(
        authority,
        anchors=[
            Anchor(certificate=certificate(root), binding=Binding(authority), origin=root)
            for root in ("region-root", "pub-root")
        ],
        names={Binding(authority): frozenset({NAME})},
        intermediates=[certificate("pub-intermediate")] if authority is Authority.DIGICERT else [],
        max_chain=LIMIT,
    )
    for authority in Authority
}


def _parsed(ders: list[bytes]) -> PresentedChain | None:
    chain = outcome(lambda: parse_chain(ders))
    if isinstance(chain, Reason):
        assert chain is Reason.CERTIFICATE_MALFORMED
        return None
    return chain


def _accepted(chain: PresentedChain, trust: AuthorityTrust) -> bool:
    refused = reason(chain, trust, NOW)
    assert refused is None or refused.order >= Reason.ISSUER_UNTRUSTED.order
    return refused is None


HOSTILE_CHAINS = st.lists(mutated(DERS) | st.sampled_from(DERS), min_size=1, max_size=LIMIT)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("authority", Authority)
@given(ders=HOSTILE_CHAINS)
def test_a_hostile_chain_is_refused_and_nothing_else_is_raised(authority: Authority, ders: list[bytes]) -> None:
    chain = _parsed(ders)
    assert chain is None or not _accepted(chain, TRUSTS[authority]) or ders[0] in GENUINE


@pytest.mark.parametrize("authority", Authority)
@given(ders=HOSTILE_CHAINS)
def test_so_it_is_where_warnings_are_errors(authority: Authority, ders: list[bytes]) -> None:
    chain = _parsed(ders)
    assert chain is None or not _accepted(chain, TRUSTS[authority]) or ders[0] in GENUINE


@given(ders=HOSTILE_CHAINS)
def test_the_evidence_of_what_was_read_can_be_shown(ders: list[bytes]) -> None:
    chain = _parsed(ders)
    assert chain is None or evidence_of(chain).subject is not None


@pytest.mark.filterwarnings("ignore")
def test_no_bit_of_an_accepted_certificate_may_change() -> None:
    """The whole of a small certificate, bit by bit."""
    trust = TRUSTS[Authority.GENESYS]
    der = certificate("client-ec").public_bytes(Serialized.DER)
    for index in range(len(der)):
        for bit in range(8):
            chain = _parsed([der[:index] + bytes([der[index] ^ 1 << bit]) + der[index + 1 :]])
            assert chain is None or not _accepted(chain, trust), (index, bit)
