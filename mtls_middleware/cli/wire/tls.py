"""What TLS agreed on, and whose certificate the server showed."""

import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from mtls_middleware.display import displayed

NAMES_SHOWN = 8

_CERTIFICATE_REQUEST = 13
"""RFC 8446 §4."""


_UNREADABLE = (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType)


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """Describe a certificate. All texts can be shown as they are.

    Attributes:
        subject: RFC 4514.
        issuer: RFC 4514.
        names: of the subject alternative name.
        not_before: start of its life, UTC.
        not_after: end of its life, UTC.
        is_for_clients: no extended key usage says otherwise.
    """

    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    is_for_clients: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TLSFacts:
    """Describe a connection.

    Attributes:
        version: such as ``TLSv1.3``.
        cipher: by OpenSSL's name.
        alpn: the protocol that was agreed on; None for none.
        asked: whether the server asked for a client certificate; None where that cannot be seen.
        server: None where its certificate cannot be read.
    """

    version: str
    cipher: str
    alpn: str | None
    asked: bool | None
    server: Described | None


def note_requests(context: ssl.SSLContext) -> list[int] | None:
    """Begin to note the handshake messages of the other side; return None where this Python cannot.

    Nothing public tells a client whether it was asked for a certificate.
    """
    seen: list[int] = []

    def note(_connection: object, direction: str, _version: int, _content: int, message: int, _data: bytes) -> None:
        if direction == "read":
            seen.append(int(message))

    try:
        context._msg_callback = note  # type: ignore[attr-defined]  # noqa: SLF001 - see above
    except (AttributeError, TypeError):
        return None
    return seen


def facts_of(connection: ssl.SSLSocket, messages: list[int] | None) -> TLSFacts:
    """Describe a connection whose handshake is done."""
    cipher = connection.cipher()
    return TLSFacts(
        version=connection.version() or "",
        cipher=cipher[0] if cipher else "",
        alpn=connection.selected_alpn_protocol(),
        asked=None if messages is None else _CERTIFICATE_REQUEST in messages,
        server=described(connection.getpeercert(binary_form=True) or b""),
    )


def described(der: bytes) -> Described | None:
    """Describe a certificate; None for bytes that are none."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        subject, issuer = certificate.subject.rfc4514_string(), certificate.issuer.rfc4514_string()
        names = _names(certificate)
        is_for_clients = ExtendedKeyUsageOID.CLIENT_AUTH in _uses(certificate)
    except _UNREADABLE:
        return None
    return Described(
        subject=displayed(subject),
        issuer=displayed(issuer),
        names=tuple(map(displayed, names)),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        is_for_clients=is_for_clients,
    )


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        names: Any = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [str(name.value) for name in names if isinstance(name, x509.DNSName | x509.IPAddress)]


def _uses(certificate: x509.Certificate) -> Iterable[ObjectIdentifier]:
    try:
        return certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return (ExtendedKeyUsageOID.CLIENT_AUTH,)  # without the extension it is for everything
