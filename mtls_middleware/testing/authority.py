"""A regional root in the shape of AWS Private CA, made on the spot: no openssl, no network, about a millisecond."""

import io
import zipfile
from collections.abc import Iterable, Sequence
from copy import copy
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from ipaddress import ip_address
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from mtls_middleware import regions
from mtls_middleware.testing.certificates import ClientCertificate
from mtls_middleware.testing.keys import KeyKind, generate
from mtls_middleware.testing.signing import (
    Hash,
    authority_builder,
    builder_for,
    distribution_points,
    hash_for,
    key_identifier,
    key_usage_of,
    name_of,
    self_signed,
    with_serial_number,
)

ROOT_LIFE = timedelta(days=3650)
CLIENT_LIFE = timedelta(days=365)

_CLIENT_USES = (ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH)
_SERVER_USES = (ExtendedKeyUsageOID.SERVER_AUTH,)

_DIGITAL_SIGNATURE = frozenset({"digital_signature", "key_encipherment"})


class Unchanged(Enum):
    """Stand for "as the CA does it", where None means "leave it out"."""

    AS_USUAL = auto()


AS_USUAL = Unchanged.AS_USUAL


class RegionalCA:
    """Sign certificates as the private root of a region does: directly, without intermediate."""

    def __init__(
        self,
        region: str = "us-east-1",
        *,
        cert_name: str | None = None,
        key: KeyKind = KeyKind.P256,
        subject: x509.Name | None = None,
        now: datetime | None = None,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
    ) -> None:
        """Make a self-signed root.

        Args:
            region: AWS region name, login domain or zip label; any other text for a CA of no region.
            cert_name: DNS name of its clients; the regional table's where it is None.
            key: kind of its key.
            subject: its name.
            now: the time that everything is made around, aware; the present where it is None.
            not_before: start of its life.
            not_after: end of it.
        """
        known = regions.find(region)
        self.region = known.aws_region if known else region
        self.cert_name = cert_name or (known.cert_name if known else None) or f"client.{region}.test"
        self._label = (known.zip_label if known else None) or region
        self.now = now or datetime.now(UTC)
        self.private_key = generate(key)
        self.certificate = self_signed(
            subject or name_of(f"Genesys Cloud {self.region} Root CA"),
            self.private_key,
            not_before or self.now - timedelta(days=30),
            not_after or self.now + ROOT_LIFE,
        )
        self._chain: tuple[x509.Certificate, ...] = ()

    @property
    def pem(self) -> str:
        """Return the PEM of the CA's certificate."""
        return self.certificate.public_bytes(Encoding.PEM).decode("ascii")

    @property
    def der(self) -> bytes:
        """Return its DER."""
        return self.certificate.public_bytes(Encoding.DER)

    def write(self, directory: Path) -> Path:
        """Write the PEM into a folder, under the label of the region's download, and return the path."""
        path = directory / f"{self._label}.pem"
        path.write_text(self.pem, encoding="ascii")
        return path

    def zip_bytes(self) -> bytes:
        """Return a zip as it is downloaded."""
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr(f"{self._label}/{self._label}.pem", self.pem)
        return archive.getvalue()

    def renewed(self, *, same_key: bool = False) -> Self:
        """Return the root that follows on this one: the same subject, another life and, unless wanted, another key."""
        successor = copy(self)
        if not same_key:
            successor.private_key = generate(KeyKind.P256)
        successor.certificate = self_signed(
            self.certificate.subject,
            successor.private_key,
            self.now - timedelta(days=1),
            self.now + ROOT_LIFE + timedelta(days=1),
        )
        return successor

    def intermediate(self, subject: str = "Intermediate CA", *, key: KeyKind = KeyKind.P256) -> Self:
        """Return a CA that this one signed; its clients carry it in their chain."""
        lower = copy(self)
        lower.private_key = generate(key)
        builder = authority_builder(
            name_of(subject), lower.private_key, self.now - timedelta(days=1), self.now + ROOT_LIFE
        )
        builder = builder.issuer_name(self.certificate.subject)
        builder = builder.add_extension(key_identifier(self.private_key), critical=False)
        lower.certificate = builder.sign(self.private_key, hash_for(self.private_key))
        lower._chain = (lower.certificate, *self._chain)  # noqa: SLF001 - one of us
        return lower

    def client(  # noqa: PLR0913 - each keyword makes one thing bad
        self,
        *,
        names: Sequence[str] | Unchanged | None = AS_USUAL,
        common_names: Sequence[str] | Unchanged = AS_USUAL,
        other_sans: Sequence[x509.GeneralName] = (),
        subject: x509.Name | None = None,
        key: KeyKind = KeyKind.P256,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
        expired: bool = False,
        not_yet_valid: bool = False,
        extended_key_usage: Sequence[ObjectIdentifier] | None = _CLIENT_USES,
        key_usage: Iterable[str] | None = _DIGITAL_SIGNATURE,
        server_only: bool = False,
        is_ca: bool = False,
        serial_number: int | None = None,
        extra_extensions: Sequence[x509.ExtensionType] = (),
        with_authority_key_identifier: bool = True,
        hash_algorithm: Hash | None = None,
        crl_url: str | None = None,
        issuer_name: x509.Name | None = None,
        public_key_of: ClientCertificate | None = None,
    ) -> ClientCertificate:
        """Sign a client certificate: good, unless a keyword says otherwise.

        Args:
            names: dNSNames; None for no subject alternative name at all.
            common_names: CNs of the subject.
            other_sans: further names, of any type.
            subject: instead of what `common_names` would make.
            key: kind of its key.
            not_before: start of its life.
            not_after: end of it.
            expired: its life ended yesterday.
            not_yet_valid: its life begins tomorrow.
            extended_key_usage: None for no such extension.
            key_usage: names as of `x509.KeyUsage`; None for no such extension.
            server_only: its extended key usage has serverAuth alone.
            is_ca: basicConstraints say CA.
            serial_number: random where it is None; may be 0 or below.
            extra_extensions: not critical.
            with_authority_key_identifier: False leaves it out.
            hash_algorithm: of the signature.
            crl_url: where its CRL would be.
            issuer_name: instead of the CA's own: a forgery.
            public_key_of: certify another certificate's key.
        """
        day = timedelta(days=1)
        start = not_before or self.now + (day if not_yet_valid else -2 * day)
        end = not_after or (self.now - day if expired else self.now + CLIENT_LIFE)
        private_key = public_key_of.private_key if public_key_of else generate(key)
        dns_names = (self.cert_name,) if names is AS_USUAL else names
        cns = (self.cert_name,) if common_names is AS_USUAL else common_names
        builder = (
            builder_for(subject or name_of(*cns), private_key, start, end)
            .issuer_name(issuer_name or self.certificate.subject)
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=is_ca)
        )
        if dns_names is not None or other_sans:
            sans = [*map(x509.DNSName, dns_names or ()), *other_sans]
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
        for extension in extra_extensions:
            builder = builder.add_extension(extension, critical=False)
        certificate = builder.sign(self.private_key, hash_algorithm or hash_for(self.private_key))
        if serial_number is not None:
            certificate = with_serial_number(certificate, serial_number, self.private_key)
        return ClientCertificate(certificate=certificate, private_key=private_key, chain=self._chain)

    def server(self, *names: str) -> ClientCertificate:
        """Sign a certificate for a TLS server; for ``localhost`` and 127.0.0.1 where no name is given."""
        return self.client(
            names=names or ("localhost",),
            common_names=names[:1] or ("localhost",),
            other_sans=() if names else (x509.IPAddress(ip_address("127.0.0.1")),),
            server_only=True,
        )

    def crl(
        self,
        revoked: Iterable[int | ClientCertificate] = (),
        *,
        number: int = 1,
        this_update: datetime | None = None,
        next_update: datetime | None = None,
    ) -> bytes:
        """Sign a revocation list, and return its DER."""
        start = this_update or self.now - timedelta(hours=1)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(start)
            .next_update(next_update or start + timedelta(days=7))
            .add_extension(x509.CRLNumber(number), critical=False)
            .add_extension(key_identifier(self.private_key), critical=False)
        )
        for entry in revoked:
            serial = entry.certificate.serial_number if isinstance(entry, ClientCertificate) else entry
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(start).build()
            )
        return builder.sign(self.private_key, hash_for(self.private_key)).public_bytes(Encoding.DER)
