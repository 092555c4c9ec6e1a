"""What goes wrong with an engine, in a sentence each: what it is, and what to do about it."""

import re
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass

import redis

from mtls_middleware._io.http import left_of
from mtls_middleware._io.redis_connections import CALL_SECONDS
from mtls_middleware.display import DOCS, displayed
from mtls_middleware.engine import Engine

WORDS_CHARACTERS = 200

LATE = "no answer in time"

_ALONE = "meanwhile each machine asks for itself"


@dataclass(frozen=True, slots=True)
class Trouble:
    """One of them.

    Attributes:
        what: it is.
        fix: what to do.
        words: of the engine or the library; empty where they tell nothing more.
    """

    what: str
    fix: str
    words: str = ""

    def __str__(self) -> str:
        return f"{self.what}: {self.fix}" + (f" ({self.words})" if self.words else "")


_REFUSALS = (
    (("movederror",), "it is one node of a cluster", "write +cluster behind the scheme, as in redis+cluster://"),
    (
        ("masterdownerror",),
        "it is a replica that has lost its primary",
        "name the primary, or Sentinel: redis+sentinel://",
    ),
    (("clusterdownerror", "cluster is down"), "its cluster is down", f"see CLUSTER INFO there; {_ALONE}"),
    (("busyloadingerror",), "it is still loading its data", f"wait; {_ALONE}"),
    (("permission", "noperm"), "its rights are too few", f"give that user the rights of {DOCS}fleets/"),
    (("authentication required", "noauth"), "it wants a login", "set MTLS_STATE_PASSWORD, and the user in MTLS_STATE"),
    (
        ("authentication", "username-password", "wrongpass"),
        "the login is refused",
        "compare the user in MTLS_STATE and MTLS_STATE_PASSWORD with those of the engine",
    ),
    (
        ("readonly", "read only", "now a slave"),
        "it is a replica, which cannot be written",
        "name the primary, or Sentinel: redis+sentinel://",
    ),
    (
        ("outofmemory", "maxmemory"),
        "its memory is full",
        "raise maxmemory, or let it evict: maxmemory-policy allkeys-lru",
    ),
    (
        ("no master found", "masternotfound"),
        "Sentinel knows no primary of that name, or none answers",
        "compare the name behind the last / of MTLS_STATE with SENTINEL MASTERS",
    ),
    (
        ("certificate verify failed",),
        "its certificate is not trusted",
        "name its CA as ?ca=PATH in MTLS_STATE, and the host as its certificate does",
    ),
)
"""Words of a refusal or of its class in small letters, what they mean, and what to do."""

_PLAIN = Trouble("that port speaks no TLS", "name its TLS port in MTLS_STATE, or write redis:// in place of rediss://")
_TLS = Trouble("that port speaks TLS", "write rediss:// in place of redis:// in MTLS_STATE")


def trouble_of(error: Exception) -> Trouble:
    """Return what an exception of the library, or of what it is built on, means."""
    # An engine repeats what it did not understand, the password of AUTH among it.
    text = re.split(r"\n| script: |,? with args beginning with", str(error), maxsplit=1)[0] or type(error).__name__
    words = displayed(text, WORDS_CHARACTERS)
    seen = f"{type(error).__name__} {error}".lower()
    for marks, what, fix in _REFUSALS:
        if any(mark in seen for mark in marks):
            return Trouble(what, fix, words)
    if isinstance(error, redis.ResponseError):
        return Trouble(
            "it refuses a command", "use Redis from 7.0 or Valkey from 8.0 on, without renamed commands", words
        )
    if "[ssl" in seen or "_ssl.c" in seen:
        return Trouble("TLS fails", f"see which TLS that port speaks; {_ALONE}", words)
    if isinstance(error, (TimeoutError, redis.TimeoutError)):
        return Trouble("it does not answer in time", f"check host, port and firewall; {_ALONE}", words)
    return Trouble("it cannot be reached", f"check host, port and firewall; {_ALONE}", words)


def is_answer(error: Exception) -> bool:
    """Return whether an engine answered so; else it may be none, or speak another protocol."""
    answers = (redis.ResponseError, redis.AuthenticationError, redis.exceptions.BusyLoadingError)
    return isinstance(error, answers) or "certificate verify failed" in str(error)


def wrong_protocol(engine: Engine) -> Trouble | None:
    """Ask a port that gave no answer whether it speaks TLS, where plain text was meant, or the other way round."""
    for address in engine.hosts[:1]:
        if (seconds := left_of(CALL_SECONDS)) > 0:
            with suppress(OSError), socket.create_connection(address, seconds) as one:
                one.sendall(b"PING\r\n" if engine.tls else _client_hello())
                first = one.recv(1)
                if engine.tls and first in {b"+", b"-"}:
                    return _PLAIN
                if not engine.tls and first in {b"\x15", b"\x16"}:  # an alert, or the handshake
                    return _TLS
    return None


def _client_hello() -> bytes:
    """Return how TLS begins; nothing is trusted, because it ends there."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    begun = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).wrap_bio(incoming, outgoing, server_hostname="localhost")
    with suppress(ssl.SSLWantReadError):
        begun.do_handshake()
    return outgoing.read()
