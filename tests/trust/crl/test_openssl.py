"""What OpenSSL says of the same CRLs: what it calls revoked is revoked here, and what it calls good is not revoked."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mtls_middleware._core.certificate import VerifiedChain, parse_chain
from mtls_middleware._core.crl import CRLSet
from mtls_middleware._core.decision import Reason, RejectionError, RevocationState
from mtls_middleware._core.revocation import check
from mtls_middleware.testing import ClientCertificate, RegionalCA
from tests.core.crls import parsed

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")

GOOD, REVOKED = RevocationState.GOOD, Reason.CERTIFICATE_REVOKED
EASY = Path(__file__).parents[2] / "vectors" / "crls"
"""A CRL of easy-rsa, without a number, and the certificate that it revokes."""

CONFIGURATION = """
[ca]
default_ca = ours
[ours]
database = index.txt
default_md = sha256
default_crl_days = 7
certificate = ca.pem
private_key = ca.key
{more}
[extensions]
authorityKeyIdentifier = keyid:always
"""

MADE: Mapping[str, str] = {
    "with a number": "crlnumber = number\ncrl_extensions = extensions",
    "without a number": "crl_extensions = extensions",
    "version 1": "",
}


def _openssl(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["openssl", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def _made(folder: Path, ca: RegionalCA, revoked: Sequence[ClientCertificate], more: str) -> bytes:
    """Make a CRL with ``openssl ca``."""
    (folder / "ca.pem").write_text(ca.pem, encoding="ascii")
    key = ca.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "ca.key").write_bytes(key)
    (folder / "number").write_text("1000\n", encoding="ascii")
    (folder / "openssl.cnf").write_text(CONFIGURATION.format(more=more), encoding="ascii")
    (folder / "index.txt").write_text(
        "".join(
            f"R\t330101000000Z\t260101000000Z,keyCompromise\t{_hex(one.certificate.serial_number)}\tunknown\t/CN=x\n"
            for one in revoked
        ),
        encoding="ascii",
    )
    made = _openssl(folder, "ca", "-gencrl", "-config", "openssl.cnf", "-out", "ca.crl")
    assert made.returncode == 0, made.stderr
    return (folder / "ca.crl").read_bytes()


def _hex(number: int) -> str:
    digits = f"{number:X}"
    return digits if len(digits) % 2 == 0 else f"0{digits}"


def _ours(leaf: x509.Certificate, ca: x509.Certificate, content: bytes, now: datetime) -> object:
    chain = VerifiedChain(
        leaf=parse_chain([leaf.public_bytes(Encoding.DER)]),
        certificates=(leaf, ca),
        not_before=leaf.not_valid_before_utc,
        not_after=leaf.not_valid_after_utc,
    )
    try:
        return check(chain, CRLSet([parsed(content)], [ca]), now).state
    except RejectionError as rejection:
        return rejection.reason


@pytest.mark.parametrize("more", MADE.values(), ids=MADE.keys())
def test_crls_of_openssl_say_the_same_here_and_there(more: str, tmp_path: Path) -> None:
    ca = RegionalCA()
    bad, good = ca.client(), ca.client()
    content = _made(tmp_path, ca, [bad], more)
    for client, expected in ((bad, REVOKED), (good, GOOD)):
        (tmp_path / "leaf.pem").write_bytes(client.certificate.public_bytes(Encoding.PEM))
        theirs = _openssl(tmp_path, "verify", "-crl_check", "-CAfile", "ca.pem", "-CRLfile", "ca.crl", "leaf.pem")
        assert ("certificate revoked" in theirs.stderr) == (expected is REVOKED)
        assert (theirs.returncode == 0) == (expected is GOOD), theirs.stderr
        now = datetime.now(UTC) + timedelta(seconds=1)
        assert _ours(client.certificate, ca.certificate, content, now) is expected


def test_a_crl_of_easy_rsa_revokes_and_confirms() -> None:
    content = (EASY / "easy-rsa.crl.pem").read_bytes()
    leaf = x509.load_pem_x509_certificate((EASY / "easy-rsa.revoked.pem").read_bytes())
    found = parsed(content)
    assert found.number is None
    assert leaf.serial_number in found.serial_numbers
    assert found.confirms(found.this_update)
