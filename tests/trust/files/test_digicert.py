"""The public root above DigiCert's client certificates is shipped; an operator may add to it, or replace it."""

import hashlib
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mtls_middleware._trust.files.digicert_root import SHA256, default_root
from mtls_middleware._trust.files.loading import LoadedTrust, TrustSources
from tests.trust.files.loaded import load_trust

Certify = Callable[..., x509.Certificate]
Sources = Callable[..., TrustSources]


def test_the_root_is_the_one_with_the_fingerprint() -> None:
    root = default_root()
    assert hashlib.sha256(root.public_bytes(Encoding.DER)).hexdigest() == SHA256
    assert "DigiCert Assured ID Root G2" in root.subject.rfc4514_string()


def test_lesson_it_does_not_depend_on_stores_that_drop_it() -> None:
    code = (
        "import sys, mtls_middleware._trust.files.digicert_root as it\n"
        "it.default_root(); print('certifi' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert told.stdout == "False\n"


def test_it_is_the_anchor_without_any_setting(sources: Sources, now: datetime) -> None:
    assert anchors(load_trust(sources(authorities=("digicert",)), now)) == [default_root()]


def test_an_operators_root_is_added(
    tmp_path: Path, certify: Certify, pem: Callable[..., bytes], sources: Sources, now: datetime
) -> None:
    own = certify("own")
    (tmp_path / "own.pem").write_bytes(pem(own))
    entries = sources(("digicert", tmp_path / "own.pem"), authorities=("digicert",))
    assert anchors(load_trust(entries, now)) == [own, default_root()]


def test_an_operators_root_of_the_same_subject_replaces_it(
    tmp_path: Path, sources: Sources, now: datetime, like_digicert: x509.Certificate, pem: Callable[..., bytes]
) -> None:
    (tmp_path / "own.pem").write_bytes(pem(like_digicert))
    entries = sources(("digicert", tmp_path / "own.pem"), authorities=("digicert",))
    assert anchors(load_trust(entries, now)) == [like_digicert]


def test_other_cas_become_intermediates(
    tmp_path: Path, certify: Certify, pem: Callable[..., bytes], sources: Sources, now: datetime
) -> None:
    root = certify("own")
    intermediate = certify("intermediate", issuer=root)
    (tmp_path / "own.pem").write_bytes(pem(intermediate, root, intermediate))
    loaded = load_trust(sources(("digicert", tmp_path / "own.pem"), authorities=("digicert",)), now)
    assert anchors(loaded) == [root, default_root()]
    assert loaded.trusts[0].intermediates == (intermediate,)


def test_it_serves_beside_an_expired_root_of_the_operator(
    tmp_path: Path, certify: Certify, pem: Callable[..., bytes], sources: Sources, now: datetime
) -> None:
    (tmp_path / "own.pem").write_bytes(pem(certify("own", ends=now - timedelta(days=1))))
    loaded = load_trust(sources(("digicert", tmp_path / "own.pem"), authorities=("digicert",)), now)
    assert default_root() in anchors(loaded)


@pytest.fixture
def like_digicert(certify: Certify) -> x509.Certificate:
    """Make a root with the subject of the public one."""
    return certify(default_root().subject)


def anchors(loaded: LoadedTrust) -> list[x509.Certificate]:
    (trust,) = loaded.trusts
    return [anchor.certificate for anchor in trust.anchors]
