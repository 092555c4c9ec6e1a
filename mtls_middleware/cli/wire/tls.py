"""TLS of a caller: its context, what was agreed on, whose certificate the server showed, and its alerts."""

import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from mtls_middleware._core.certificate import UNREADABLE
from mtls_middleware._core.decision import Reason
from mtls_middleware.display import displayed
from mtls_middleware.errors import MTLSError

NAMES_SHOWN = 8

_CERTIFICATE_REQUEST = 13
"""RFC 8446 §4."""

_REASONS = MappingProxyType(
    {
        "CERTIFICATE_EXPIRED": Reason.CERTIFICATE_EXPIRED,
        "UNKNOWN_CA": Reason.ISSUER_UNTRUSTED,
        "CERTIFICATE_REVOKED": Reason.CERTIFICATE_REVOKED,
        "UNSUPPORTED_CERTIFICATE": Reason.PURPOSE_MISMATCH,
        "CERTIFICATE_REQUIRED": Reason.CERTIFICATE_MISSING,
    }
)
"""Alerts (RFC 8446 §6.2) by what OpenSSL's names for them end with, and what the middleware calls the same."""

_OTHER_ALERTS = ("BAD_CERTIFICATE", "CERTIFICATE_UNKNOWN", "HANDSHAKE_FAILURE", "ACCESS_DENIED")

_FILE_PROBLEMS = MappingProxyType(
    {
        "KEY_VALUES_MISMATCH": "the key does not belong to the certificate",
        "NO_CERTIFICATE_OR_CRL_FOUND": "holds no certificate",
        "PEM_LIB": "holds no PEM of the kind that is needed",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What a certificate says. All texts can be shown as they are.

    Attributes:
        subject: RFC 4514.
        issuer: RFC 4514.
        names: of the subject alternative name.
        not_before: UTC.
        not_after: UTC.
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
    """A TLS connection.

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """What an error of TLS says.

    Attributes:
        words: OpenSSL's.
        reason: what the middleware calls the same; None for nothing.
        is_refusal: the other side refused the certificate.
    """

    words: str
    reason: Reason | None
    is_refusal: bool

    @classmethod
    def of(cls, error: ssl.SSLError) -> Self:
        """Return the alert in an error."""
        name = getattr(error, "reason", None) or ""  # an error that Python itself raises has none
        reason = next((reason for ending, reason in _REASONS.items() if name.endswith(ending)), None)
        words = (name.replace("_", " ") or str(error)).lower()
        return cls(words=words, reason=reason, is_refusal=reason is not None or name.endswith(_OTHER_ALERTS))


def client_context(
    ca: Path | None, certificate: Path | None = None, key: Path | None = None, *, options: tuple[str, str, str]
) -> ssl.SSLContext:
    """Return the TLS context of a caller.

    Args:
        ca: PEM that the server is verified by; None for the system's.
        certificate: PEM of the caller's; None for none.
        key: PEM of its key; None where it is in the same file.
        options: by which the three are given.

    Raises:
        MTLSError: a file cannot be used.
    """
    ca_option, certificate_option, key_option = options

    def no_password() -> str:
        """Keep OpenSSL from asking at the terminal."""
        raise MTLSError(f"{key_option}: the private key is encrypted: give one that is not")

    try:
        context = ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise MTLSError(f"{ca_option} {displayed(str(ca))}: {_why(error)}") from error
    if certificate is not None:
        try:
            context.load_cert_chain(certificate, key, password=no_password)
        except (OSError, ssl.SSLError) as error:
            shown = (
                f"{certificate_option} {displayed(str(certificate))}, {key_option} {displayed(str(key or certificate))}"
            )
            raise MTLSError(f"{shown}: {_why(error)}") from error
    return context


def _why(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        reason = error.reason or "is not PEM"
        return _FILE_PROBLEMS.get(reason, reason.replace("_", " ").lower())
    return error.strerror or str(error)


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
    """Return the facts of a connection whose handshake is done."""
    cipher = connection.cipher()
    return TLSFacts(
        version=connection.version() or "",
        cipher=cipher[0] if cipher else "",
        alpn=connection.selected_alpn_protocol(),
        asked=None if messages is None else _CERTIFICATE_REQUEST in messages,
        server=described(connection.getpeercert(binary_form=True) or b""),
    )


def described(der: bytes) -> Described | None:
    """Return the facts of a certificate; None for bytes that are none."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        subject, issuer = certificate.subject.rfc4514_string(), certificate.issuer.rfc4514_string()
        return Described(
            subject=displayed(subject),
            issuer=displayed(issuer),
            names=tuple(map(displayed, _names(certificate))),
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
            is_for_clients=ExtendedKeyUsageOID.CLIENT_AUTH in _uses(certificate),
        )
    except UNREADABLE:
        return None


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
