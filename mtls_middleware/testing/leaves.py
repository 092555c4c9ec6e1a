"""Certificates below a CA: of clients, good and bad, and of TLS servers; each with its chain and key."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum, auto
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from mtls_middleware._core.certificate import fingerprint
from mtls_middleware.testing.signing import (
    Hash,
    KeyKind,
    PrivateKey,
    builder_for,
    distribution_points,
    generate,
    key_identifier,
    key_usage_of,
    name_of,
    sign,
)

CLIENT_LIFE = timedelta(days=365)

_DAY = timedelta(days=1)
_CLIENT_USES = (ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH)
_SERVER_USES = (ExtendedKeyUsageOID.SERVER_AUTH,)
_KEY_USES = ("digital_signature", "key_encipherment")


class Unchanged(Enum):
    """Stand for "as the CA does it", where None means "leave it out"."""

    AS_USUAL = auto()


AS_USUAL = Unchanged.AS_USUAL


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCertificate:
    """A client certificate with its key.

    Attributes:
        certificate: the leaf.
        private_key: belongs to it.
        chain: intermediates, the one that signed the leaf first; without the root.
        file_name: of its files, without the suffix, where `write` gets none: ``server`` for one of `RegionalCA.server`.
    """

    certificate: x509.Certificate
    private_key: PrivateKey = field(repr=False)
    chain: tuple[x509.Certificate, ...] = ()
    file_name: str = "client"

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

    def write(self, directory: Path, name: str | None = None) -> tuple[Path, Path]:
        """Write leaf and chain to one file of a folder and the key to another, and return their paths.

        Only the owner may read the key, also where the file was there before.

        Args:
            directory: the folder; files of that name in it are replaced.
            name: of both files, without the suffix; `file_name` where it is None.
        """
        name = name or self.file_name
        certificate, key = directory / f"{name}.pem", directory / f"{name}.key"
        certificate.write_text(self.chain_pem, encoding="ascii")
        key.touch(mode=0o600)
        key.chmod(0o600)
        key.write_text(self.key_pem, encoding="ascii")
        return certificate, key


class LeafSigner:
    """A CA's name and key, to sign leaves.

    Attributes:
        cert_name: DNS name of its clients.
        now: the time that everything is made around.
        certificate: its own.
        private_key: belongs to it.
        chain: its own certificate and those above, without the root; empty for a root.
    """

    cert_name: str
    now: datetime
    certificate: x509.Certificate
    private_key: PrivateKey
    chain: tuple[x509.Certificate, ...]

    def client(  # noqa: PLR0913 - each keyword makes one thing bad
        self,
        *,
        names: str | Sequence[str] | Unchanged | None = AS_USUAL,
        common_names: str | Sequence[str] | Unchanged = AS_USUAL,
        other_sans: Sequence[x509.GeneralName] = (),
        subject: x509.Name | None = None,
        key: KeyKind = KeyKind.P256,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
        expired: bool = False,
        not_yet_valid: bool = False,
        extended_key_usage: Sequence[ObjectIdentifier] | None = _CLIENT_USES,
        key_usage: Iterable[str] | None = _KEY_USES,
        server_only: bool = False,
        is_ca: bool = False,
        serial_number: int | None = None,
        extra_extensions: Sequence[x509.ExtensionType | x509.Extension[x509.ExtensionType]] = (),
        with_authority_key_identifier: bool = True,
        hash_algorithm: Hash | None = None,
        crl_url: str | None = None,
        issuer_name: x509.Name | None = None,
        public_key_of: ClientCertificate | None = None,
    ) -> ClientCertificate:
        """Sign a client certificate: good, unless a keyword says otherwise.

        Args:
            names: dNSNames, by default `cert_name` alone; with None, and no `other_sans`, there is no such extension.
            common_names: CNs of the subject, by default `cert_name` alone.
            other_sans: further subject alternative names, of any type.
            subject: instead of what `common_names` would make.
            key: kind of its key.
            not_before: start of its life.
            not_after: end of its life.
            expired: its life ended yesterday.
            not_yet_valid: its life begins tomorrow.
            extended_key_usage: None for no such extension.
            key_usage: uses as `x509.KeyUsage` names them; None for no such extension.
            server_only: its extended key usage is serverAuth alone.
            is_ca: its basic constraints say CA.
            serial_number: random where it is None; may be 0 or negative.
            extra_extensions: as values, not critical; or as `x509.Extension`, which says whether it is critical.
            with_authority_key_identifier: False leaves it out.
            hash_algorithm: of the signature; SHA-256 where it is None.
            crl_url: where its CRL would be.
            issuer_name: instead of the CA's own: a forgery.
            public_key_of: certify another certificate's key.

        Raises:
            ValueError: keywords that contradict each other, or what X.509 cannot express.
        """
        private_key = public_key_of.private_key if public_key_of else generate(key)
        start = not_before or self.now + (_DAY if not_yet_valid else -2 * _DAY)
        end = not_after or (self.now - _DAY if expired else self.now + CLIENT_LIFE)
        builder = builder_for(subject or name_of(*self._names(common_names)), private_key, start, end)
        builder = builder.issuer_name(issuer_name or self.certificate.subject)
        builder = builder.add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=is_ca)
        if names is not None or other_sans:
            sans = [*map(x509.DNSName, self._names(() if names is None else names)), *other_sans]
            builder = builder.add_extension(x509.SubjectAlternativeName(sans), critical=False)
        uses = _SERVER_USES if server_only else extended_key_usage
        if uses is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        if key_usage is not None:
            builder = builder.add_extension(key_usage_of(key_usage), critical=True)
        if with_authority_key_identifier:
            builder = builder.add_extension(key_identifier(self.private_key), critical=False)
        if crl_url is not None:
            builder = builder.add_extension(distribution_points(crl_url), critical=False)
        for extra in extra_extensions:
            value, critical = (extra.value, extra.critical) if isinstance(extra, x509.Extension) else (extra, False)
            builder = builder.add_extension(value, critical=critical)
        certificate = sign(builder, self.private_key, hash_algorithm=hash_algorithm, serial_number=serial_number)
        return ClientCertificate(certificate=certificate, private_key=private_key, chain=self.chain)

    def server(
        self, names: str | Sequence[str] = ("localhost", "127.0.0.1"), *, key: KeyKind = KeyKind.P256
    ) -> ClientCertificate:
        """Sign a certificate for a TLS server, with serverAuth alone.

        Args:
            names: host names and addresses; the first is the CN too.
            key: kind of its key.
        """
        hosts = self._names(names)
        addresses = [address for address in map(_address, hosts) if address is not None]
        signed = self.client(
            names=[host for host in hosts if _address(host) is None],
            common_names=hosts[:1],
            other_sans=addresses,
            key=key,
            server_only=True,
        )
        return replace(signed, file_name="server")

    def _names(self, names: str | Sequence[str] | Unchanged) -> Sequence[str]:
        if names is AS_USUAL:
            return (self.cert_name,)
        return (names,) if isinstance(names, str) else names


def _address(host: str) -> x509.IPAddress | None:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return None
