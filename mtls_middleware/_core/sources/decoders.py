"""How a certificate is encoded in a header: PEM, base64 and DER, RFC 9440, percent-encoded PEM, Envoy's XFCC.

Each is read strictly: nothing between the certificates or around them.
"""

import binascii
import hashlib
import re
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

from mtls_middleware._core.sources.presented import malformed

NEWLINES = b"\r\n"
WHITE_SPACE = b" \t\r\n"

_BEGIN = b"-----BEGIN CERTIFICATE-----"
_END = b"-----END CERTIFICATE-----"

_SEQUENCE = 0x30
_LONG_FORM = 0x80

_BROKEN_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_VISIBLE = bytes(range(0x21, 0x7F))
_USUAL = ((b"%0A", b"\n"), (b"%20", b" "), (b"%2B", b"+"), (b"%2F", b"/"), (b"%3D", b"="))
"""What proxies escape in a PEM. None of it can make an escape of what stands around it."""

SEPARATORS = 1_024
"""Commas, semicolons and quoted values; Envoy writes a pair for each DNS name of the certificate."""

_MANY = (b"uri", b"dns")
_KEYS = (b"by", b"hash", b"cert", b"chain", b"subject", *_MANY)

_TOKENS = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[",;]', re.DOTALL)
"""A quoted value, in which ``\\"`` stands for a quote; a quote without its twin; a separator. It never backtracks."""


def pem_certificates(text: bytes, limit: int, separators: bytes = NEWLINES) -> tuple[bytes, ...]:
    """Return the DER of each certificate, `limit` + 1 of them at most.

    Args:
        text: the PEM.
        limit: how many the caller of this function would accept.
        separators: the bytes that may stand where RFC 7468 has a newline.
    """
    ders: list[bytes] = []
    position = _skip(text, 0, separators)
    while position < len(text) and len(ders) <= limit:
        if not text.startswith(_BEGIN, position):
            raise malformed("something that is not a PEM certificate")
        begin = position + len(_BEGIN)
        end = text.find(_END, begin)
        if end < 0:
            raise malformed("the PEM has no END line")
        if _skip(text, begin, separators) == begin:
            raise malformed("no newline behind the PEM's BEGIN line")
        ders.append(base64_strict(text[begin:end].translate(None, separators)))
        position = _skip(text, end + len(_END), separators)
    if not ders:
        raise malformed("no PEM certificate")
    return tuple(ders)


def pem_certificate(text: bytes, separators: bytes = NEWLINES) -> bytes:
    """Return the DER of the one certificate that belongs here."""
    ders = pem_certificates(text, 1, separators)
    if len(ders) != 1:
        raise malformed("two certificates where one belongs")
    return ders[0]


def _skip(text: bytes, position: int, separators: bytes) -> int:
    while position < len(text) and text[position] in separators:
        position += 1
    return position


def base64_strict(text: bytes) -> bytes:
    """Decode base64 that has its padding, no line breaks and nothing else in it (RFC 4648 §4)."""
    try:
        decoded = binascii.a2b_base64(text, strict_mode=True)
    except ValueError as error:
        raise malformed(f"not base64: {error}") from error
    if not decoded:
        raise malformed("no certificate in the base64")
    return decoded


def base64_list(text: bytes, limit: int) -> tuple[bytes, ...]:
    """Decode base64 values separated by commas, `limit` + 1 of them at most."""
    return tuple(base64_strict(item.strip(b" \t")) for item in text.split(b",", limit + 1)[: limit + 1])


def concatenated(ders: bytes, limit: int) -> tuple[bytes, ...]:
    """Cut DER certificates that stand one behind the other, `limit` + 1 of them at most (X.690 §8.1.3)."""
    found: list[bytes] = []
    start = 0
    while start < len(ders) and len(found) <= limit:
        end = _end_of_sequence(ders, start)
        found.append(ders[start:end])
        start = end
    return tuple(found)


def _end_of_sequence(data: bytes, start: int) -> int:
    header = data[start : start + 2]
    if len(header) < 2 or header[0] != _SEQUENCE:  # noqa: PLR2004 - a tag and a length
        raise malformed("no DER certificate where one should begin")
    length_bytes = header[1] - _LONG_FORM if header[1] >= _LONG_FORM else 0
    if length_bytes > 4 or header[1] == _LONG_FORM:  # noqa: PLR2004 - 4 GB; and BER's indefinite length is no DER
        raise malformed("a DER length that no certificate has")
    body = start + 2 + length_bytes
    length = int.from_bytes(data[start + 2 : body], "big") if length_bytes else header[1]
    if body + length > len(data):
        raise malformed("the DER is cut off")
    return body + length


def rfc9440_item(text: bytes) -> bytes:
    """Return the bytes of one ``:base64:`` without parameters."""
    if len(text) < 2 or text[:1] != b":" or text[-1:] != b":" or b":" in text[1:-1]:  # noqa: PLR2004 - two colons
        raise malformed("not one byte sequence of a structured field")
    return base64_strict(text[1:-1])


def rfc9440_chain(text: bytes, limit: int) -> tuple[bytes, ...]:
    """Return the certificates of a list, or of one item that holds them in a row, as HAProxy writes it."""
    members = text.split(b",", limit + 1)
    items = [rfc9440_item(member.strip(b" \t")) for member in members[: limit + 1]]
    return concatenated(items[0], limit) if len(members) == 1 else tuple(items)


def unquoted(text: bytes) -> bytes:
    """Decode percent-encoding once; ``+`` stays ``+``, for base64 is full of it."""
    if text.translate(None, _VISIBLE):
        raise malformed("broken percent-encoding")
    # Several times faster than the general way, which is left for what is unusual.
    plain = text
    for escape, byte in _USUAL:
        plain = plain.replace(escape, byte)
    if b"%" not in plain:
        return plain
    if _BROKEN_ESCAPE.search(text):
        raise malformed("broken percent-encoding")
    return unquote_to_bytes(text)


def xfcc_certificates(text: bytes, elements: int, limit: int) -> tuple[bytes, ...]:
    """Return the client's certificate and what came with it, from the first of exactly `elements` elements."""
    found = list(_split(text, b","))
    if len(found) != elements:
        raise malformed(f"{len(found)} elements, but MTLS_XFCC_ELEMENTS is {elements}")
    pairs, *_ = [_pairs(element) for element in found]
    if b"hash" not in pairs or not (b"cert" in pairs or b"chain" in pairs):
        raise malformed(
            "Hash, or both Cert and Chain, are missing: let the proxy set them (set_current_client_cert_details)"
        )
    chain = pem_certificates(unquoted(pairs[b"chain"]), limit) if b"chain" in pairs else ()
    leaf = pem_certificate(unquoted(pairs[b"cert"])) if b"cert" in pairs else chain[0]
    if pairs[b"hash"].lower() != hashlib.sha256(leaf).hexdigest().encode():
        raise malformed("Hash is not the SHA-256 of Cert")
    if chain and chain[0] != leaf:
        raise malformed("Chain does not begin with Cert")
    return chain or (leaf,)


def _pairs(element: bytes) -> dict[bytes, bytes]:
    pairs: dict[bytes, bytes] = {}
    for pair in _split(element.strip(b" \t").removesuffix(b";"), b";"):  # Azure Container Apps ends with ";"
        key, equals, value = pair.partition(b"=")
        key = key.strip(b" \t").lower()
        if not equals or key not in _KEYS:
            raise malformed("not a pair of a known key and a value")
        if key in pairs and key not in _MANY:
            raise malformed(f"{key.decode().capitalize()} stands there twice")
        pairs[key] = _unquoted_value(value)
    return pairs


def _unquoted_value(value: bytes) -> bytes:
    if not value.startswith(b'"'):
        if b'"' in value:
            raise malformed("a quote inside an unquoted value")
        return value
    if len(value) < 2 or not value.endswith(b'"'):  # noqa: PLR2004 - two quotes
        raise malformed("text behind a quoted value")
    return value[1:-1].replace(b'\\"', b'"')


def _split(text: bytes, separator: bytes) -> Iterator[bytes]:
    """Split at separators outside of double quotes."""
    start = 0
    for number, token in enumerate(_TOKENS.finditer(text)):
        if number == SEPARATORS:
            raise malformed(f"more than {SEPARATORS} separators")
        if token[0] == b'"':
            raise malformed("an unbalanced quote")
        if token[0] == separator:
            yield text[start : token.start()]
            start = token.end()
    yield text[start:]
