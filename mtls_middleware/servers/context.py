"""A TLS context for servers on asyncio that asks for a client certificate and follows the trust of a guard."""

import logging
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mtls_middleware.display import displayed
from mtls_middleware.errors import ConfigurationError
from mtls_middleware.guard import Guard
from mtls_middleware.observing.events import EventName
from mtls_middleware.observing.handshakes import HandshakeLog
from mtls_middleware.observing.logging import named
from mtls_middleware.servers.handshake import publishing

LOGGER = logging.getLogger("mtls_middleware.tls")

RETRY_AFTER = 10.0
"""Seconds between attempts to build a context from trust that could not be used."""

Clock = Callable[[], float]
"""Returns seconds from any beginning, never going back."""


class TrustView(Protocol):
    """What the TLS layer must know about trust."""

    def __call__(self) -> tuple[int, tuple[x509.Certificate, ...]]:
        """Return the version of trust, and the CA certificates that handshakes are verified with.

        It is called for each handshake, so it waits for nothing. Each certificate is an anchor of the handshake,
        intermediates too: so all of them must be CA certificates, no caller's own.
        """


def server_context(
    view: TrustView,
    *,
    certificate: Path,
    private_key: Path,
    password: str | None = None,
    clock: Clock = time.monotonic,
    any_certificate: bool = False,
) -> ssl.SSLContext:
    """Return a context whose new handshakes are verified by the trust of that moment.

    A certificate is asked for and not required. One that does not lead to a CA certificate ends the handshake, with
    one line in the log; where there is no CA certificate, every one does. The server's own certificate is read again
    when trust changes.

    Args:
        view: the trust to follow.
        certificate: PEM file with the server's certificate and its intermediates.
        private_key: PEM file.
        password: of the private key.
        clock: for the rate of log lines and of attempts.
        any_certificate: verify none, for report mode; it needs pyOpenSSL.

    Raises:
        ConfigurationError: the server's certificate or key, or a CA certificate, cannot be used.
    """
    credentials = _Credentials(certificate=certificate, private_key=private_key, password=password or "")
    make: Make[Any] = _asking_for_any if any_certificate else _inner_context
    try:
        following = _Following(view, credentials, make, clock)
    except (OSError, ValueError) as error:
        pair = f"the certificate {certificate} and the key {private_key}"
        why = _why_unusable(certificate, private_key, error)
        raise ConfigurationError([f"TLS cannot be served with {pair}: {why}"]) from error
    if any_certificate:
        from mtls_middleware.servers.pyopenssl import AnyCertificateContext  # noqa: PLC0415 - not always there

        return AnyCertificateContext.over(following.current, HandshakeLog(clock))
    # Only certificate, CA certificates and ALPN are taken from the inner context; everything else is set out here.
    # The outer one has neither certificate nor CA: if it were ever used by itself, no handshake would succeed.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_OPTIONAL
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # an anchor may be signed by a CA that is not trusted
    context.options |= ssl.OP_NO_RENEGOTIATION  # the certificate is read once for each connection
    context.num_tickets = 0  # no resumption in TLS 1.3
    context.sni_callback = following
    context.sslobject_class = publishing(HandshakeLog(clock))
    return context


@dataclass(frozen=True, slots=True, kw_only=True)
class _Credentials:
    """The server's own certificate and key.

    An empty password does not open an encrypted key; without any, OpenSSL would ask on the terminal and wait.
    """

    certificate: Path
    private_key: Path
    password: str = field(repr=False)


Context = TypeVar("Context")

Make = Callable[[_Credentials, tuple[x509.Certificate, ...]], Context]


class _Following(Generic[Context]):
    """The TLS context of the current trust, for each handshake.

    Several threads may build the same context; none waits for another, and each uses trust that is not older than its
    handshake.
    """

    def __init__(self, view: TrustView, credentials: _Credentials, make: Make[Context], clock: Clock) -> None:
        self._view = view
        self._make = make
        self._credentials = credentials
        self._clock = clock
        version, authorities = view()
        self._current = (version, make(credentials, authorities))
        self._failed: tuple[int, float] | None = None

    def __call__(self, connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _outer: ssl.SSLContext) -> None:
        """Swap the context of a handshake that has just begun; OpenSSL asks with and without a server name."""
        connection.context = self.current()  # type: ignore[assignment]  # it is one of the standard library then

    def current(self) -> Context:
        """Return the context of the trust in force."""
        version, authorities = self._view()
        current_version, context = self._current
        if version == current_version or self._has_just_failed(version):
            return context
        try:
            context = self._make(self._credentials, authorities)
        except (OSError, ValueError) as error:
            self._failed = (version, self._clock())
            LOGGER.error(  # noqa: TRY400 - the traceback says nothing more
                "handshakes go on with trust version %d, version %d cannot be used: %s",
                current_version,
                version,
                displayed(str(error)),
                extra=named(EventName.TRUST_IN_TLS, version=version),
            )
            return context
        if self._failed is not None:
            LOGGER.error(
                "handshakes use trust version %d", version, extra=named(EventName.TRUST_IN_TLS, version=version)
            )
        self._current, self._failed = (version, context), None
        return context

    def _has_just_failed(self, version: int) -> bool:
        if self._failed is None:
            return False
        failed_version, failed_at = self._failed
        return failed_version == version and self._clock() - failed_at < RETRY_AFTER


def _why_unusable(certificate: Path, private_key: Path, error: Exception) -> str:
    """Return what is wrong with the files: OpenSSL says "PEM lib" of most of it."""
    with suppress(OSError):
        if b"-----BEGIN CERTIFICATE-----" not in certificate.read_bytes():
            return f"{certificate} holds no certificate in PEM"
        if b"PRIVATE KEY-----" not in private_key.read_bytes():
            return f"{private_key} holds no private key in PEM; name the file of the key with --ssl-keyfile"
        if "MISMATCH" in str(error).upper():
            return "the key does not belong to the certificate, which must be the first of its file"
    return str(error)


def _inner_context(credentials: _Credentials, authorities: tuple[x509.Certificate, ...]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(credentials.certificate, credentials.private_key, credentials.password)
    context.set_alpn_protocols(["http/1.1"])
    context.verify_mode = ssl.CERT_OPTIONAL  # the outer one's holds; adapters look here for it
    if authorities:
        context.load_verify_locations(cadata=b"".join(one.public_bytes(Encoding.DER) for one in authorities))
    return context


def _asking_for_any(credentials: _Credentials, _authorities: tuple[x509.Certificate, ...]) -> Any:  # noqa: ANN401 - of pyOpenSSL
    from mtls_middleware.servers.pyopenssl import any_certificate  # noqa: PLC0415 - not always there

    return any_certificate(credentials.certificate, credentials.private_key, credentials.password)


def trust_of(guard: Guard) -> TrustView:
    """Return a view of the CA certificates of the trust in force; none before the guard has started."""

    def view() -> tuple[int, tuple[x509.Certificate, ...]]:
        snapshot = guard.snapshot
        if snapshot is None:
            return 0, ()
        anchors = (anchor.certificate for anchor in snapshot.anchors)
        intermediates = (certificate for trust in snapshot.trusts for certificate in trust.intermediates)
        return snapshot.version, tuple(dict.fromkeys((*anchors, *intermediates)))

    return view
