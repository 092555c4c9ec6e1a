"""A regional root in the shape of AWS Private CA, made on the spot, with its CRLs: no openssl, no network."""

import io
import zipfile
from collections.abc import Iterable
from copy import copy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mtls_middleware import regions
from mtls_middleware.testing.leaves import ClientCertificate, LeafSigner
from mtls_middleware.testing.signing import (
    KeyKind,
    PrivateKey,
    authority_builder,
    generate,
    hash_for,
    key_identifier,
    name_of,
    sign,
)

ROOT_LIFE = timedelta(days=3650)
ROOT_AGE = timedelta(days=30)
"""How long before `now` a root began to live."""

CRL_LIFE = timedelta(days=7)

_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)

Revoked = int | x509.Certificate | ClientCertificate
"""What a CRL can name: a serial number, or the certificate that has it."""


class RegionalCA(LeafSigner):
    """A CA that signs as the private root of a region does: directly, without intermediate.

    Attributes:
        region: AWS region name, or the text that was given where no region has it.
        cert_name: DNS name of its clients.
        now: the time that everything is made around.
        certificate: its own.
        private_key: belongs to it.
        chain: its own certificate and those above, without the root; empty for a root.
    """

    def __init__(  # noqa: PLR0913 - keywords, each with a default
        self,
        region: str = "us-east-1",
        *,
        cert_name: str | None = None,
        key: KeyKind = KeyKind.P256,
        subject: x509.Name | None = None,
        now: datetime | None = None,
        valid: timedelta = ROOT_LIFE,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
    ) -> None:
        """Make a self-signed root.

        Args:
            region: AWS region name, login domain or zip label; any other text for a CA of no region.
            cert_name: DNS name of its clients; where it is None the regional table's, or a made-up one.
            key: kind of its key.
            subject: its name.
            now: the time that everything is made around, aware; the present where it is None.
            valid: how long it lives from `now` on.
            not_before: start of its life; 30 days before `now` where it is None.
            not_after: end of its life, instead of `valid`.

        Raises:
            ValueError: `now` is naive.
        """
        known = regions.find(region)
        self.region = known.aws_region if known else region
        self.cert_name = cert_name or (known.cert_name if known else None) or f"client.{self.region}.test"
        self.now = now or datetime.now(UTC)
        if self.now.tzinfo is None:
            raise ValueError("now has no time zone: write datetime(…, tzinfo=UTC)")
        self.private_key = generate(key)
        self.chain: tuple[x509.Certificate, ...] = ()
        self._key = key
        self._label = (known.zip_label if known else None) or self.region
        self._issuer: RegionalCA | None = None
        self.certificate = self._certified(
            subject or name_of(f"Genesys Cloud {self.region} Root CA"),
            not_before or self.now - ROOT_AGE,
            not_after or self.now + valid,
        )

    @property
    def pem(self) -> str:
        """Return the PEM of the CA's certificate."""
        return self.certificate.public_bytes(Encoding.PEM).decode("ascii")

    @property
    def der(self) -> bytes:
        """Return the DER of the CA's certificate."""
        return self.certificate.public_bytes(Encoding.DER)

    def write(self, path: Path) -> Path:
        """Write the PEM to a file, and return its path.

        Args:
            path: a file, or a folder that exists: the file in it is named by the label of the region's download.
        """
        file = path / f"{self._label}.pem" if path.is_dir() else path
        file.write_text(self.pem, encoding="ascii")
        return file

    def zip_bytes(self) -> bytes:
        """Return a zip as it is downloaded: a folder with the PEM in it."""
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr(zipfile.ZipInfo(f"{self._label}/{self._label}.pem"), self.pem)
        return archive.getvalue()

    def renewed(
        self, *, same_key: bool = False, not_before: datetime | None = None, not_after: datetime | None = None
    ) -> Self:
        """Return the CA that follows on this one, with the same subject.

        Args:
            same_key: the default is a new key of the same kind.
            not_before: start of its life; a day before `now` where it is None.
            not_after: end of its life; where it is None, as long after that as this CA lives.
        """
        own = self.certificate
        start = not_before or self.now - _DAY
        successor = copy(self)
        if not same_key:
            successor.private_key = generate(self._key)
        end = not_after or start + (own.not_valid_after_utc - own.not_valid_before_utc)
        successor.certificate = successor._certified(own.subject, start, end)  # noqa: SLF001 - one of us
        successor.chain = (successor.certificate, *self.chain[1:]) if self.chain else ()
        return successor

    def intermediate(
        self,
        common_name: str | None = None,
        *,
        key: KeyKind = KeyKind.P256,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
    ) -> Self:
        """Return a CA that this one signed; its clients carry it in their chain.

        Args:
            common_name: its CN; a name that tells its depth where it is None.
            key: kind of its key.
            not_before: start of its life; this CA's where it is None.
            not_after: end of its life; this CA's where it is None.
        """
        lower = copy(self)
        lower.private_key = generate(key)
        lower._key, lower._issuer = key, self  # noqa: SLF001 - one of us
        lower.certificate = lower._certified(  # noqa: SLF001 - one of us
            name_of(common_name or f"Intermediate CA {len(self.chain) + 1}"),
            not_before or self.certificate.not_valid_before_utc,
            not_after or self.certificate.not_valid_after_utc,
        )
        lower.chain = (lower.certificate, *self.chain)
        return lower

    def crl(
        self,
        revoked: Iterable[Revoked] = (),
        *,
        number: int = 1,
        this_update: datetime | None = None,
        next_update: datetime | None = None,
    ) -> bytes:
        """Sign a CRL, and return its DER.

        Args:
            revoked: serial numbers, or the certificates themselves.
            number: its CRL number.
            this_update: an hour before `now` where it is None; a week before `next_update` if that is earlier.
            next_update: a week after `this_update` where it is None.
        """
        start = this_update or min(self.now - _HOUR, (next_update or self.now + CRL_LIFE) - CRL_LIFE)
        return revocation_list(
            self.certificate.subject,
            self.private_key,
            revoked,
            number=number,
            this_update=start,
            next_update=next_update or start + CRL_LIFE,
        )

    def _certified(self, subject: x509.Name, start: datetime, end: datetime) -> x509.Certificate:
        """Sign this CA's own certificate: by its issuer, or by itself."""
        builder = authority_builder(subject, self.private_key, start, end)
        if self._issuer is None:
            return sign(builder.issuer_name(subject), self.private_key)
        builder = builder.issuer_name(self._issuer.certificate.subject)
        builder = builder.add_extension(key_identifier(self._issuer.private_key), critical=False)
        return sign(builder, self._issuer.private_key)


def revocation_list(
    issuer: x509.Name,
    key: PrivateKey,
    revoked: Iterable[Revoked],
    *,
    number: int,
    this_update: datetime,
    next_update: datetime,
) -> bytes:
    """Sign a CRL, and return its DER."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer)
        .last_update(this_update)
        .next_update(next_update)
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(key_identifier(key), critical=False)
    )
    for entry in revoked:
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder().serial_number(_serial_number(entry)).revocation_date(this_update).build()
        )
    return builder.sign(key, hash_for(key)).public_bytes(Encoding.DER)


def _serial_number(entry: Revoked) -> int:
    match entry:
        case int():
            return entry
        case ClientCertificate():
            return entry.certificate.serial_number
        case x509.Certificate():
            return entry.serial_number
