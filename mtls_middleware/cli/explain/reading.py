"""What an operator holds in hand: a certificate's file, or what a proxy wrote into a header."""

from mtls_middleware._core.decision import Rejection
from mtls_middleware._core.sources.headers import HeaderSource
from mtls_middleware._core.sources.presented import Presented
from mtls_middleware._core.sources.presets import PRESETS, Encoding, HeaderShape
from mtls_middleware._trust import pem
from mtls_middleware._trust.report import Unusable

BYTES = 1_048_576
"""Read of a file, at most: the most that MTLS_MAX_HEADER_BYTES can be."""

_SEQUENCE = b"\x30"


class UnreadableError(Exception):
    """Say that there is no certificate in what was given."""


def ders_of_file(data: bytes) -> list[bytes]:
    """Return the certificates of a PEM or DER file, the leaf first; text around PEM is passed over.

    Raises:
        UnreadableError: there is none.
    """
    if len(data) > BYTES:
        raise UnreadableError("is longer than any certificate chain")
    if data.startswith(_SEQUENCE):
        return [data]
    try:
        return list(pem.decode(data))
    except Unusable as error:
        raise UnreadableError(str(error)) from error


def ders_of_header(value: bytes, encoding: Encoding, limit: int) -> list[bytes]:
    """Return the certificates in a header's value, read as the application reads it.

    Raises:
        UnreadableError: it cannot be decoded.
    """
    shape = HeaderShape(certificate="X", encoding=encoding, bundled=True)
    try:
        return list(HeaderSource(name="explain", shape=shape).decode(Presented(parts=(value.strip(),)), limit))
    except Rejection as rejection:
        raise UnreadableError(rejection.detail) from rejection


def encoding_of(name: str) -> Encoding:
    """Return the encoding of this name, or of the source of this name.

    Raises:
        ValueError: there is neither.
    """
    return PRESETS[name].encoding if name in PRESETS else Encoding(name)
