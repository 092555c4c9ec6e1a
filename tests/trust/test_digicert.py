"""The public root above DigiCert's client certificates comes from certifi, by its fingerprint."""

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import certifi
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mtls_middleware._trust import digicert
from mtls_middleware._trust.loading import LoadedTrust, TrustSources, load_trust
from mtls_middleware._trust.report import Unusable
from mtls_middleware.errors import TrustError

Certify = Callable[..., x509.Certificate]
Sources = Callable[..., TrustSources]

ABSENT = "certifi does not hold DigiCert Assured ID Root G2"


def test_the_root_is_the_one_with_the_fingerprint() -> None:
    root = digicert.default_root()
    assert hashlib.sha256(root.public_bytes(Encoding.DER)).hexdigest() == digicert.SHA256
    assert "DigiCert Assured ID Root G2" in root.subject.rfc4514_string()


def test_what_else_is_in_the_bundle_does_not_matter() -> None:
    bundle = Path(certifi.where()).read_bytes()
    bad = b"-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\n"
    assert digicert.find_root(bad + bundle) == digicert.default_root()


@pytest.mark.parametrize("bundle", [b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"\xff"])
def test_a_bundle_without_it_is_refused_with_a_cure(bundle: bytes) -> None:
    with pytest.raises(Unusable, match=ABSENT):
        digicert.find_root(bundle)


def test_it_is_the_anchor_without_any_setting(sources: Sources, now: datetime) -> None:
    assert anchors(load_trust(sources(authorities=("digicert",)), now)) == [digicert.default_root()]


def test_an_operators_root_is_added(
    tmp_path: Path, certify: Certify, pem: Callable[..., bytes], sources: Sources, now: datetime
) -> None:
    own = certify("own")
    (tmp_path / "own.pem").write_bytes(pem(own))
    entries = sources(("digicert", tmp_path / "own.pem"), authorities=("digicert",))
    assert anchors(load_trust(entries, now)) == [own, digicert.default_root()]


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
    assert anchors(loaded) == [root, digicert.default_root()]
    assert loaded.trusts[0].intermediates == (intermediate,)


class TestAbsentFromCertifi:
    """An old or changed certifi is told with a cure, and matters only where nothing else is named."""

    @pytest.fixture(autouse=True)
    def empty_certifi(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "cacert.pem").write_bytes(b"")
        monkeypatch.setattr(certifi, "where", lambda: str(tmp_path / "cacert.pem"))
        digicert.default_root.cache_clear()

    def test_it_stops_the_start(self, sources: Sources, now: datetime) -> None:
        with pytest.raises(TrustError, match=ABSENT) as raised:
            load_trust(sources(authorities=("digicert",)), now)
        assert len(raised.value.problems) == 1

    def test_a_bundle_that_cannot_be_read_stops_the_start(
        self, tmp_path: Path, sources: Sources, now: datetime
    ) -> None:
        (tmp_path / "cacert.pem").unlink()
        with pytest.raises(TrustError, match="install certifi again"):
            load_trust(sources(authorities=("digicert",)), now)

    def test_an_operators_root_serves_instead(
        self, tmp_path: Path, certify: Certify, pem: Callable[..., bytes], sources: Sources, now: datetime
    ) -> None:
        own = certify("own")
        (tmp_path / "own.pem").write_bytes(pem(own))
        entries = sources(("digicert", tmp_path / "own.pem"), authorities=("digicert",))
        assert anchors(load_trust(entries, now)) == [own]

    def test_an_expired_root_of_the_operator_does_not(
        self, tmp_path: Path, certify: Certify, pem: Callable[..., bytes], sources: Sources, now: datetime
    ) -> None:
        (tmp_path / "own.pem").write_bytes(pem(certify("own", ends=now - timedelta(days=1))))
        with pytest.raises(TrustError, match="digicert has no anchor that is valid now"):
            load_trust(sources(("digicert", tmp_path / "own.pem"), authorities=("digicert",)), now)


@pytest.fixture
def like_digicert(certify: Certify) -> x509.Certificate:
    """Make a root with the subject of the public one."""
    return certify(digicert.default_root().subject)


def anchors(loaded: LoadedTrust) -> list[x509.Certificate]:
    (trust,) = loaded.trusts
    return [anchor.certificate for anchor in trust.anchors]
