"""What is foretold of an anchor is what the engine does."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from mtls_middleware._core import chain as chains
from mtls_middleware._core.certificate import parse_chain
from mtls_middleware._core.decision import Reason, RejectionError
from mtls_middleware._trust.files.anchors import anchor_weakness
from mtls_middleware._trust.files.loading import TrustSources, load_trust

Certify = Callable[..., x509.Certificate]

SOUND = [
    pytest.param(lambda: ec.generate_private_key(ec.SECP256R1()), id="p-256"),
    pytest.param(lambda: ec.generate_private_key(ec.SECP384R1()), id="p-384"),
    pytest.param(lambda: ec.generate_private_key(ec.SECP521R1()), id="p-521"),
    pytest.param(lambda: rsa.generate_private_key(65537, 2048), id="rsa-2048"),
]
WEAK = [
    pytest.param(lambda: rsa.generate_private_key(65537, 1024), {}, "weak or unusual key", id="rsa-1024"),
    pytest.param(lambda: ec.generate_private_key(ec.SECP256K1()), {}, "weak or unusual key", id="secp256k1"),
    pytest.param(ed25519.Ed25519PrivateKey.generate, {}, "weak or unusual key", id="ed25519"),
    pytest.param(None, {"key_usage": False}, "without keyCertSign", id="without-key-cert-sign"),
]


@pytest.mark.parametrize("key", SOUND)
def test_a_sound_anchor_vouches(key: Callable[[], object], certify: Certify, verify: "Verify") -> None:
    root = certify("root", key=key())
    assert anchor_weakness(root) is None
    assert verify(root) is None


@pytest.mark.parametrize("form", [{"key_usage": None}, {"critical": False}], ids=str)
def test_so_does_one_in_a_form_that_everyday_tools_make(
    form: dict[str, bool | None], certify: Certify, verify: "Verify"
) -> None:
    root = certify("root", **form)
    assert anchor_weakness(root) is None
    assert verify(root) is None


@pytest.mark.parametrize(("key", "flaw", "words"), WEAK)
def test_a_weak_anchor_is_warned_of_and_vouches_for_nobody(
    key: Callable[[], object] | None, flaw: dict[str, bool | None], words: str, certify: Certify, verify: "Verify"
) -> None:
    root = certify("root", key=key() if key else None, **flaw)
    assert words in (anchor_weakness(root) or "")
    assert verify(root) is Reason.ISSUER_UNTRUSTED


Verify = Callable[[x509.Certificate], Reason | None]


@pytest.fixture
def verify(
    tmp_path: Path, certify: Certify, pem: Callable[..., bytes], der: Callable[..., bytes],
    sources: Callable[..., TrustSources], now: datetime,
) -> Verify:  # fmt: skip
    """Judge a leaf under an anchor: None is good."""

    def verify(root: x509.Certificate) -> Reason | None:
        (tmp_path / "root.pem").write_bytes(pem(root))
        loaded = load_trust(sources(tmp_path / "root.pem"), now)
        assert len(loaded.warnings) == (anchor_weakness(root) is not None)
        chain = parse_chain([der(certify("leaf", issuer=root, ca=False))])
        try:
            chains.verify(chain, loaded.trusts[0], now)
        except RejectionError as rejection:
            return rejection.reason
        return None

    return verify
