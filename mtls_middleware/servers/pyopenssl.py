"""A TLS context that asks for a client certificate and takes any, for report mode; the standard library has none.

It is pyOpenSSL, which can verify and go on, behind the methods of the standard library that asyncio and uvloop call.
Whoever presents a certificate proves to have its private key here as well: OpenSSL checks that by itself.
"""

import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL, crypto

from mtls_middleware.observing.handshakes import HandshakeLog
from mtls_middleware.servers.handshake import refuse

_CHUNK = 64 * 1024


class ConnectionFacts:
    """A connection of pyOpenSSL, with what the standard library tells of its own."""

    def __init__(self, connection: SSL.Connection) -> None:
        self._connection = connection

    def getpeercert(self, binary_form: bool = False) -> Any:  # noqa: ANN401 - as the standard library has it
        """Return the leaf as DER; its other form is asked for by asyncio alone, and used by nobody."""
        leaf = self._connection.get_peer_certificate() if binary_form else None
        if leaf is None:
            return None if binary_form else {}
        return crypto.dump_certificate(crypto.FILETYPE_ASN1, leaf)

    def get_unverified_chain(self) -> list[bytes]:
        """Return what came with the leaf."""
        chain = self._connection.get_peer_cert_chain() or ()  # on a server without the leaf
        return [crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate) for certificate in chain]

    def version(self) -> str:
        """Return the name of the protocol's version."""
        return self._connection.get_protocol_version_name()

    def cipher(self) -> tuple[str | None, str | None, int | None]:
        """Return the cipher suite."""
        connection = self._connection
        return connection.get_cipher_name(), connection.get_cipher_version(), connection.get_cipher_bits()


def any_certificate(certificate: Path, private_key: Path, password: str) -> SSL.Context:
    """Return what asks for a certificate, believes each, and resumes no session.

    Raises:
        ValueError: the server's certificate or key cannot be used.
    """
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    try:
        context.use_certificate_chain_file(str(certificate))
        context.use_privatekey(_private_key(private_key.read_bytes(), password))
        context.check_privatekey()
    except SSL.Error as error:
        raise ValueError(_words(error)) from error
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_TICKET)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_verify(SSL.VERIFY_PEER, lambda *_: True)
    context.set_alpn_select_callback(_http_1_1)
    return context


class AnyCertificateContext(ssl.SSLContext):
    """A context for servers on asyncio and uvloop, which use of a context `wrap_bio` alone."""

    _current: Callable[[], SSL.Context]
    _publish: HandshakeLog

    @classmethod
    def over(cls, current: Callable[[], SSL.Context], publish: HandshakeLog) -> "AnyCertificateContext":
        """Return a context.

        Args:
            current: returns what the next handshake uses.
            publish: takes handshakes that were refused: one can still fail, without TLS or without the private key.
        """
        context = cls(ssl.PROTOCOL_TLS_SERVER)
        context.verify_mode = ssl.CERT_OPTIONAL  # for adapters that look here; it verifies nothing
        context._current, context._publish = current, publish
        return context

    def wrap_bio(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, *_: object, **__: object) -> Any:  # noqa: ANN401 - it takes the place of an SSLObject
        """Return a connection of a server."""
        return _Connection(self, self._current(), incoming, outgoing, self._publish)


class _Connection(ConnectionFacts):
    """A connection that reads and writes `ssl.MemoryBIO`, and raises the exceptions of the standard library."""

    def __init__(
        self,
        context: ssl.SSLContext,
        settings: SSL.Context,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        publish: HandshakeLog,
    ) -> None:
        super().__init__(SSL.Connection(settings))
        self._connection.set_accept_state()
        self.context = context
        self._incoming = incoming
        self._outgoing = outgoing
        self._publish = publish

    def do_handshake(self) -> None:
        try:
            self._run(self._connection.do_handshake)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            refuse(error, None, self._outgoing, self._publish)

    def read(self, size: int = _CHUNK, buffer: Any = None) -> Any:  # noqa: ANN401 - bytes, or their number
        try:
            data = self._run(self._connection.recv, size)
        except ssl.SSLZeroReturnError:
            data = b""
        if buffer is None:
            return data
        buffer[: len(data)] = data
        return len(data)

    def write(self, data: Any) -> int:  # noqa: ANN401 - any buffer
        sent: int = self._run(self._connection.send, bytes(data))
        return sent

    def unwrap(self) -> None:
        if not self._run(self._connection.shutdown):
            raise ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "the peer has not said farewell")

    def pending(self) -> int:
        """Return how much can be read, at least: uvloop reads only if something is pending."""
        try:
            self._run(self._connection.recv, 1, socket.MSG_PEEK)  # what came is in another place already
        except ssl.SSLWantReadError:
            return 0
        except ssl.SSLError:
            return 1  # an end or an error: whoever reads meets it
        return self._connection.pending()

    def compression(self) -> None:
        return None

    def selected_alpn_protocol(self) -> str | None:
        return self._connection.get_alpn_proto_negotiated().decode("ascii", "replace") or None

    def _run(self, act: Callable[..., Any], *arguments: object) -> Any:  # noqa: ANN401 - whatever it returns
        if data := self._incoming.read():
            self._connection.bio_write(data)
        try:
            return act(*arguments)
        except SSL.WantReadError:
            raise ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "more is to come") from None
        except SSL.WantWriteError:
            raise ssl.SSLWantWriteError(ssl.SSL_ERROR_WANT_WRITE, "more is to go") from None
        except SSL.ZeroReturnError:
            raise ssl.SSLZeroReturnError(ssl.SSL_ERROR_ZERO_RETURN, "the peer said farewell") from None
        except SSL.Error as error:
            converted = ssl.SSLError(ssl.SSL_ERROR_SSL, _words(error))
            converted.reason = _words(error).upper().replace(" ", "_")
            raise converted from error
        finally:
            self._flush()

    def _flush(self) -> None:
        try:
            while data := self._connection.bio_read(_CHUNK):
                self._outgoing.write(data)
        except SSL.Error:  # there is no more
            return


def _private_key(pem: bytes, password: str) -> Any:  # noqa: ANN401 - of any kind
    """Return a key; a password for one that is not encrypted is left alone, as the standard library does."""
    try:
        return load_pem_private_key(pem, password.encode() or None)
    except TypeError as error:
        if not password:
            raise ValueError("the private key is encrypted, and no password is given") from error
        return load_pem_private_key(pem, None)


def _http_1_1(_connection: SSL.Connection, offered: list[bytes]) -> Any:  # noqa: ANN401 - bytes, or a mark
    return b"http/1.1" if b"http/1.1" in offered else SSL.NO_OVERLAPPING_PROTOCOLS


def _words(error: SSL.Error) -> str:
    """Return OpenSSL's words for the first of its errors."""
    found = error.args[0] if error.args else ()
    return str(found[0][-1]) if isinstance(found, list) and found else str(error) or type(error).__name__
