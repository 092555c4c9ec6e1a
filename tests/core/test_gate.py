"""What the gate makes of its parts: bounds, whose refusal stands, what is done once, and what an operator reads."""

from base64 import b64encode
from dataclasses import replace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding as Form

from mtls_middleware._core import chain as chains
from mtls_middleware._core import gate as gates
from mtls_middleware._core.boundary import Boundary, Secret
from mtls_middleware._core.connection import Connection
from mtls_middleware._core.decision import Accepted, Decision, Reason, Rejected
from mtls_middleware._core.gate import Gate
from mtls_middleware._core.sources.headers import HeaderSource
from mtls_middleware._core.sources.presets import Encoding, HeaderNames, Marker
from tests.core.certs import NOW, custom, good_client
from tests.core.crls import crl
from tests.core.requests import request
from tests.core.test_gate_alternatives import CLIENT, LOWER, ROOT, SIBLINGS
from tests.core.test_gate_alternatives import decide as decide_chain
from tests.core.test_revocation_gate import ANYBODY, CHECK, REQUIRE, gate, snapshot

OVER_TLS = gate(CHECK, ANYBODY)
SECRET = Secret(header="X-Secret", values=(b"0123456789abcdef",))
NAMES = HeaderNames(
    certificate="X-Cert",
    encoding=Encoding.B64_DER,
    chain=tuple(f"X-Chain-{number}" for number in range(3)),
    markers=(Marker(header="X-Verify", value="SUCCESS"),),
)
THROUGH_PROXY = replace(
    OVER_TLS, source=HeaderSource(name="custom", header_names=NAMES), boundary=Boundary(secret=SECRET)
)
GOOD = b64encode(good_client().der)


def through_proxy(certificate: bytes, *chain: bytes, verify: bytes = b"SUCCESS") -> Connection:
    links = [(f"x-chain-{number}".encode(), link) for number, link in enumerate(chain)]
    return request((b"x-cert", certificate), (b"x-verify", verify), (b"x-secret", SECRET.values[0]), *links)


def over_tls(*certificates: Any) -> Connection:
    return request(tls={"client_cert_chain": certificates})


def decide(judge: Gate, connection: Connection) -> Decision:
    return judge.decide(connection, snapshot(), NOW)


def refused(judge: Gate, connection: Connection) -> tuple[Reason, str]:
    decision = decide(judge, connection)
    assert isinstance(decision, Rejected)
    return decision.reason, decision.detail


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[x509.Certificate]:
    """Return the leaf of each chain that is verified."""
    leaves = []
    verify = chains.verify

    def noting(chain: Any, *others: Any) -> Any:
        leaves.append(chain.leaf)
        return verify(chain, *others)

    monkeypatch.setattr(chains, "verify", noting)
    return leaves


# ------------------------------------------------------------------------------------------------------------- bounds


@pytest.mark.parametrize(("spare", "accepted"), [(1, True), (0, True), (-1, False)])
@pytest.mark.parametrize(
    ("judge", "connection", "size"),
    [(OVER_TLS, over_tls(good_client().der), len(good_client().der)), (THROUGH_PROXY, through_proxy(GOOD), len(GOOD))],
    ids=["tls", "headers"],
)
def test_as_many_bytes_as_the_bound_are_read(
    judge: Gate, connection: Connection, size: int, spare: int, *, accepted: bool
) -> None:
    decision = decide(replace(judge, max_header_bytes=size + spare), connection)
    reason = decision.reason if isinstance(decision, Rejected) else None
    assert reason is (None if accepted else Reason.CERTIFICATE_TOO_LARGE)


@pytest.mark.parametrize(("links", "reason"), [(0, "malformed"), (1, "malformed"), (2, "too_large"), (3, "too_large")])
def test_too_many_certificates_are_not_even_decoded(links: int, reason: str) -> None:
    for judge, connection in (
        (OVER_TLS, over_tls(*[b"-----BEGIN?"] * (links + 1))),
        (THROUGH_PROXY, through_proxy(b"?", *[b"?"] * links)),
    ):
        assert refused(replace(judge, max_chain=2), connection)[0] == f"certificate_{reason}"


# -------------------------------------------------------------------------------------------------- what stands first


BEGIN = "-----BEGIN CERTIFICATE-----"
UNDECODABLE = {
    "no base64": (THROUGH_PROXY, through_proxy(b"?"), "not base64: "),
    "no base64 before a good one": (THROUGH_PROXY, through_proxy(b"QUI", GOOD), "not base64: "),
    "no base64 behind a good one": (THROUGH_PROXY, through_proxy(GOOD, b"?"), "not base64: "),
    "no DER in a chain": (THROUGH_PROXY, through_proxy(GOOD, b"QUJD"), "no DER certificate where one should begin"),
    "half a PEM": (OVER_TLS, over_tls(BEGIN), "the PEM has no END line"),
    "half a PEM behind a good one": (OVER_TLS, over_tls(good_client().pem, BEGIN), "the PEM has no END line"),
    "no certificate": (OVER_TLS, over_tls("?"), "not a readable certificate: "),
}


@pytest.mark.parametrize(("judge", "connection", "detail"), UNDECODABLE.values(), ids=UNDECODABLE)
def test_what_cannot_be_decoded_is_told_as_it_is(judge: Gate, connection: Connection, detail: str) -> None:
    reason, found = refused(judge, connection)
    assert reason is Reason.CERTIFICATE_MALFORMED
    assert found.startswith(detail)


def test_the_proxys_complaint_comes_before_what_cannot_be_decoded() -> None:
    assert refused(THROUGH_PROXY, through_proxy(b"?", verify=b"NONE"))[0] is Reason.PROXY_VERIFICATION_FAILED


@pytest.mark.parametrize(
    "error", [ValueError("unforeseen"), MemoryError(), RecursionError("deep"), BaseException("panic")]
)
def test_what_was_unforeseen_is_handed_on(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(gates, "parse_chain", fail)
    decision = decide(OVER_TLS, over_tls(good_client().der))
    assert isinstance(decision, Rejected)
    assert (decision.reason, decision.error, decision.detail) == (Reason.INTERNAL_ERROR, error, repr(error))


# ------------------------------------------------------------------------------------------------------- what is done


def test_what_was_proved_is_not_proved_again(verified: list[x509.Certificate]) -> None:
    for judge, connection in ((OVER_TLS, over_tls(good_client().der)), (THROUGH_PROXY, through_proxy(GOOD))):
        verified.clear()
        held = snapshot()
        decisions = [judge.decide(connection, held, NOW) for _ in range(3)]
        assert [isinstance(one, Accepted) and one.cached for one in decisions] == [False, True, True]
        assert len(verified) == 1


@pytest.mark.parametrize("siblings", [0, 1, 2])
def test_for_a_revoked_leaf_one_chain_is_built(siblings: int, verified: list[x509.Certificate]) -> None:
    known = [one.certificate for one in SIBLINGS[: siblings + 1]]
    decision = decide_chain(CHECK, known, crl(ROOT), crl(LOWER, [CLIENT], number=2))
    assert isinstance(decision, Rejected)
    assert decision.reason is Reason.CERTIFICATE_REVOKED
    assert len(verified) == 1


def test_for_a_leaf_of_which_nothing_is_known_one_chain_is_built(verified: list[x509.Certificate]) -> None:
    """Nothing is known of the intermediates, either: another one would not help."""
    tls = {"client_cert_chain": [CLIENT.der, *(one.certificate.public_bytes(Form.DER) for one in SIBLINGS[:2])]}
    decision = gate(REQUIRE, ANYBODY).decide(request(tls=tls), snapshot(trust=custom(ROOT)), NOW)
    assert isinstance(decision, Rejected)
    assert decision.reason is Reason.REVOCATION_UNKNOWN
    assert len(verified) == 1


@pytest.mark.parametrize("number", [1, 2, 3])
def test_the_first_refusal_stands(number: int) -> None:
    """Where every certificate of an intermediate is revoked, the one is told that a chain without any CRL has."""
    known = [one.certificate for one in SIBLINGS[:number]]
    for order in (known, known[::-1]):
        first = decide_chain(CHECK, order)
        assert isinstance(first, Accepted)
        refusal = decide_chain(CHECK, order, crl(ROOT, known))
        assert isinstance(refusal, Rejected)
        assert f"serial number {first.chain[1].serial_number:x}, " in refusal.detail
        assert refusal.chain == first.chain
