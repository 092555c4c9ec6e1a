"""Certificates, zips and sources for the tests of trust."""

import io
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mtls_middleware._core.trust import Binding, Bound
from mtls_middleware._trust.files.loading import TrustSources
from mtls_middleware.identity import Authority

NOW = datetime(2026, 11, 23, tzinfo=UTC)
YEAR = timedelta(days=365)


class Certify:
    """Make certificates, self-signed unless an issuer of its own making is given."""

    def __init__(self) -> None:
        self._keys: dict[x509.Certificate, CertificateIssuerPrivateKeyTypes] = {}

    def __call__(
        self,
        name: str | x509.Name = "Region Root",
        *,
        issuer: x509.Certificate | None = None,
        ca: bool | None = True,
        begins: datetime = NOW - YEAR,
        ends: datetime = NOW + YEAR,
        key: CertificateIssuerPrivateKeyTypes | None = None,
        key_usage: bool | None = True,
        critical: bool = True,
        serial: int | None = None,
    ) -> x509.Certificate:
        key = key or ec.generate_private_key(ec.SECP256R1())
        subject = name if isinstance(name, x509.Name) else x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        signer = self._keys[issuer] if issuer is not None else key
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer.subject if issuer is not None else subject)
            .public_key(key.public_key())
            .serial_number(serial or x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(ends)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()),
                critical=False,
            )
        )
        if ca is not None:
            builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=critical)
        if key_usage is not None and ca:
            builder = builder.add_extension(_key_usage(sign=key_usage), critical=True)
        if not ca:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([x509.DNSName("caller.example")]), critical=False
            ).add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        algorithm = None if type(signer).__name__.startswith("Ed") else hashes.SHA256()
        certificate = builder.sign(signer, algorithm)
        self._keys[certificate] = key
        return certificate


@pytest.fixture(scope="session")
def certify() -> Certify:
    return Certify()


@pytest.fixture(scope="session")
def pem() -> Callable[..., bytes]:
    return lambda *certificates: b"".join(one.public_bytes(Encoding.PEM) for one in certificates)


@pytest.fixture(scope="session")
def der() -> Callable[[x509.Certificate], bytes]:
    return lambda certificate: certificate.public_bytes(Encoding.DER)


@pytest.fixture(scope="session")
def zipped() -> Callable[..., bytes]:
    return _zipped


@pytest.fixture(scope="session")
def sources() -> Callable[..., TrustSources]:
    return _sources


@pytest.fixture(scope="session")
def now() -> datetime:
    return NOW


def _zipped(entries: dict[str | zipfile.ZipInfo, bytes] | dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _sources(  # as an operator writes them: "us-east-1=PATH" for ("us-east-1", PATH)
    *files: Path | tuple[str, Path],
    pins: tuple[Path | str | tuple[str, Path | str], ...] = (),
    regions: tuple[str, ...] = ("us-east-1",),
    authorities: tuple[str, ...] = ("genesys",),
    **more: Any,
) -> TrustSources:
    return TrustSources(
        authorities=tuple(map(Authority, authorities)),
        regions=regions,
        files=tuple(
            Bound(_binding(entry[0]), entry[1]) if isinstance(entry, tuple) else Bound(None, entry) for entry in files
        ),
        pins=tuple(
            Bound(Binding(Authority.DIGICERT, pin[0]), pin[1]) if isinstance(pin, tuple) else Bound(None, pin)
            for pin in pins
        ),
        names=more.pop("names", {}),
        max_chain=5,
        **more,
    )


def _binding(prefix: str) -> Binding:
    if prefix in {"custom", "digicert"}:
        return Binding(Authority(prefix))
    return Binding(Authority.GENESYS, prefix)


def _key_usage(*, sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign,
        crl_sign=sign,
        encipher_only=False,
        decipher_only=False,
    )
