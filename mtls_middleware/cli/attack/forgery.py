"""What is attacked, and the headers that a caller forges, encoded rightly for its source."""

import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from mtls_middleware._core.sources.presets import PRESETS, Encoding, HeaderNames
from mtls_middleware.cli.wire.message import Header, Headers, Target
from mtls_middleware.errors import MTLSError
from mtls_middleware.testing import RegionalCA
from mtls_middleware.testing.encodings import ENCODERS

FILE_LIMIT = 1_048_576
"""Bytes of a certificate file."""

GUESS = "guessed-by-mtls-middleware-doctor"
"""What is sent for the proxy's secret. It is none."""

EVERYTHING = "every source"
"""Stands for the name of a source where the headers of all are forged together."""

_NO_CERTIFICATE = "AAAA"
"""Good base64 and good percent-encoding, but a certificate in no encoding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgedSource:
    """The source that the application reads.

    Attributes:
        name: of ``MTLS_SOURCE``.
        header_names: its headers.
        elements: of ``X-Forwarded-Client-Cert``.
    """

    name: str
    header_names: HeaderNames
    elements: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgery:
    """Forged headers.

    Attributes:
        source: whose they are.
        certificate: the header with the certificate.
        markers: those by which the proxy says that its verification succeeded.
        secret_header: in which the proxy proves itself.
        is_genuine: the certificate is one that would be accepted.
    """

    source: ForgedSource
    certificate: Header
    markers: Headers
    secret_header: str
    is_genuine: bool = False

    @property
    def perfect(self) -> Headers:
        """Return what the proxy would send."""
        return (self.certificate, *self.markers)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of all headers that the proxy sets."""
        return (*(name for name, _ in self.perfect), self.secret_header)


def forge(source: ForgedSource, certificate: x509.Certificate | None, secret_header: str) -> Forgery:
    """Return what the proxy would send for a certificate; for None, for something that is no certificate."""
    header_names = source.header_names
    value = _NO_CERTIFICATE if certificate is None else ENCODERS[header_names.encoding](certificate)
    if header_names.encoding is Encoding.XFCC:
        value = ",".join([value] * source.elements)
    return Forgery(
        source=source,
        certificate=(header_names.certificate, value),
        markers=tuple((marker.header, marker.value) for marker in header_names.markers if marker.always_set),
        secret_header=secret_header,
    )


def forge_everything(sources: Iterable[ForgedSource], secret_header: str) -> Forgery:
    """Return the headers of all sources together, with nothing good in them: for what is refused by name alone."""
    headers: dict[str, Header] = {}
    for source in sources:
        for name, value in forge(source, None, secret_header).perfect:
            headers.setdefault(name.lower(), (name, value))
    first, *others = headers.values()
    header_names = HeaderNames(certificate=first[0], encoding=Encoding.URL_PEM)
    everything = ForgedSource(name=EVERYTHING, header_names=header_names)
    return Forgery(source=everything, certificate=first, markers=tuple(others), secret_header=secret_header)


def known_sources() -> tuple[ForgedSource, ...]:
    """Return every preset; of those with the same headers, the first."""
    distinct: dict[HeaderNames, ForgedSource] = {}
    for name, header_names in PRESETS.items():
        distinct.setdefault(header_names, ForgedSource(name=name, header_names=header_names))
    return tuple(distinct.values())


def stranger() -> x509.Certificate:
    """Return a certificate that nobody trusts, with the name of a region: made here, and forgotten."""
    return RegionalCA("us-east-1").client().certificate


def read_certificate(path: Path) -> x509.Certificate:
    """Return the first certificate of a file, PEM or DER.

    Raises:
        MTLSError: there is none.
    """
    try:
        with path.open("rb") as file:
            content = file.read(FILE_LIMIT)
    except OSError as error:
        raise MTLSError(f"{path}: {error.strerror or error}") from error
    try:
        if b"-----BEGIN" in content:
            return x509.load_pem_x509_certificates(content)[0]
        return x509.load_der_x509_certificate(content)
    except ValueError as error:
        raise MTLSError(f"{path} holds no certificate, neither PEM nor DER") from error


def first_readable(paths: Iterable[Path]) -> tuple[Path, x509.Certificate] | None:
    """Return the first file that holds a certificate."""
    for path in paths:
        try:
            return path, read_certificate(path)
        except MTLSError:
            continue
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The target of an attack, and its means.

    Attributes:
        target: the deployed boundary.
        sources: what the application may read; one gets every attack, several get the plainest.
        secret_header: in which the proxy proves itself.
        certificate: a genuine one, which is public; None for a stranger's.
        origin: where the genuine one is from.
        context: of TLS, without a client certificate.
        own: of TLS, with one; None where the caller has none.
        direct: the application itself, past the proxy.
        method: of the requests.
    """

    target: Target
    sources: tuple[ForgedSource, ...]
    secret_header: str
    certificate: x509.Certificate | None = None
    origin: str = ""
    context: ssl.SSLContext | None = None
    own: ssl.SSLContext | None = None
    direct: Target | None = None
    method: str = "GET"

    @property
    def is_broad(self) -> bool:
        """Return whether the headers of several sources are tried."""
        return len(self.sources) > 1
