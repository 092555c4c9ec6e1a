"""What an operator holds in hand: a certificate's file, or what a proxy wrote into a header."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_private_key

from mtls_middleware._core.sources.presets import CUSTOM, PRESETS, Encoding
from mtls_middleware._io.files import Foreign, Unusable
from mtls_middleware._trust.files import reading
from mtls_middleware._trust.files.reading import parse_certificates

BYTES = 1_048_576
"""Read of a file, at most: the most that MTLS_MAX_HEADER_BYTES can be."""

NAMES = tuple(dict.fromkeys((*PRESETS, *Encoding)))
"""What a header's value may be read as: as a source, or in an encoding."""

CONFIGURED = "MTLS_SOURCE"

_SEQUENCE = b"\x30"
_ZIP = b"PK\x03\x04"

_OVERRIDES = (
    "MTLS_HEADER",
    "MTLS_HEADER_ENCODING",
    "MTLS_CHAIN_HEADER",
    "MTLS_VERIFY_HEADER",
    "MTLS_VERIFY_VALUE",
    "MTLS_XFCC_ELEMENTS",
)
"""What the settings say about the headers of the source that they name."""

_ANY_HEADER = "X-Client-Cert"


class UnreadableError(Exception):
    """Say that there is no certificate in what was given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """Hold what is to be judged: certificates, or a header's value and how it is read.

    Attributes:
        ders: certificates, the leaf first; empty for a header.
        header: its value; None for certificates.
        settings: source and encoding of the header.
    """

    ders: tuple[bytes, ...] = ()
    header: bytes | None = None
    settings: Mapping[str, str] = field(default_factory=dict)


def certificates(data: bytes) -> Given:
    """Return the certificates of a PEM or DER file, the leaf first; text around PEM is passed over.

    Whether each of them can be read is for the guard to say.

    Raises:
        UnreadableError: there is none.
    """
    if len(data) > BYTES:
        raise UnreadableError("is longer than any certificate chain")
    if data.startswith(_ZIP):
        raise UnreadableError("is a zip: roots come so, callers do not; trust show tells of roots")
    try:
        if reading.is_pem(data) or not data.startswith(_SEQUENCE):
            return Given(ders=reading.decode(data))
        if _is_key(data):
            raise UnreadableError("is a private key: only its certificate is needed")
        parse_certificates(data)  # it knows bundles, which are DER too
    except (Unusable, Foreign) as error:
        raise UnreadableError(f"{error}{_hint(data)}") from error
    return Given(ders=(data,))


def _hint(data: bytes) -> str:
    """Say how a header's value is read, where it may be one: a single line of text."""
    text = data.strip()
    is_one_line = bool(text) and text.isascii() and not text.startswith(_SEQUENCE) and b"\n" not in text
    return "; if a proxy wrote it into a header, say --header with the name of its source" if is_one_line else ""


def header(value: bytes, settings: Mapping[str, str]) -> Given:
    """Return a header's value, as a file or a shell holds it: with a line's end behind it."""
    return Given(header=value.strip(), settings=settings)


def settings_of(name: str, environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return the settings by which the headers of this source, or of this encoding, are read.

    Raises:
        ValueError: there is neither.
    """
    if name == environ.get(CONFIGURED) and (name in PRESETS or name == CUSTOM):
        return {CONFIGURED: name} | {one: environ[one] for one in _OVERRIDES if one in environ}
    if name in PRESETS:
        return {CONFIGURED: name}
    return {CONFIGURED: CUSTOM, "MTLS_HEADER": _ANY_HEADER, "MTLS_HEADER_ENCODING": Encoding(name)}


def _is_key(data: bytes) -> bool:
    try:
        load_der_private_key(data, password=None)
    except TypeError:  # it wants a password
        return True
    except (ValueError, UnsupportedAlgorithm):
        return False
    return True
