"""What a test's caller, or its server, holds: a certificate, its chain and its key."""

from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mtls_middleware._core.certificate import fingerprint
from mtls_middleware.testing.keys import PrivateKey


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCertificate:
    """Hold a certificate with its key.

    Attributes:
        certificate: the leaf.
        private_key: belongs to it.
        chain: intermediates, the one that signed the leaf first; without the root.
    """

    certificate: x509.Certificate
    private_key: PrivateKey = field(repr=False)
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def der(self) -> bytes:
        """Return the leaf's DER."""
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> str:
        """Return the leaf's PEM."""
        return self.certificate.public_bytes(Encoding.PEM).decode("ascii")

    @property
    def pems(self) -> tuple[str, ...]:
        """Return the PEM of each certificate, the leaf first."""
        return (self.pem, *(link.public_bytes(Encoding.PEM).decode("ascii") for link in self.chain))

    @property
    def chain_pem(self) -> str:
        """Return the PEM of leaf and chain, as a TLS stack loads it."""
        return "".join(self.pems)

    @property
    def key_pem(self) -> str:
        """Return the unencrypted private key, PKCS#8."""
        return self.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")

    @property
    def fingerprint_sha256(self) -> str:
        """Return the SHA-256 of the DER in lower-case hex."""
        return fingerprint(self.der)

    def write(self, directory: Path, name: str = "client") -> tuple[Path, Path]:
        """Write leaf and chain to one file of a folder and the key to another, and return their paths.

        Only the owner may read the key, also where the file was there before.
        """
        certificate, key = directory / f"{name}.pem", directory / f"{name}.key"
        certificate.write_text(self.chain_pem, encoding="ascii")
        key.touch(mode=0o600)
        key.chmod(0o600)
        key.write_text(self.key_pem, encoding="ascii")
        return certificate, key
