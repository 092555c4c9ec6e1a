"""How a certificate is encoded in a header: PEM, base64 and DER, RFC 9440, percent-encoded PEM.

Each is read strictly: nothing between the certificates or around them.
"""

import binascii
import re
from urllib.parse import unquote_to_bytes

from mtls_middleware._core.sources.presented import malformed

NEWLINES = b"\r\n"
WHITE_SPACE = b" \t\r\n"

_BEGIN = b"-----BEGIN CERTIFICATE-----"
_END = b"-----END CERTIFICATE-----"

_SEQUENCE = 0x30
_LONG_FORM = 0x80

_BARE_ITEM = (
    rb"-?[0-9]{1,15}(?![0-9.])|-?[0-9]{1,12}\.[0-9]{1,3}(?![0-9])|@-?[0-9]{1,15}|\?[01]"
    rb"|:(?:[A-Za-z0-9+/]{4})*+(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?:"
    rb'|"(?:[ !#-\[\]-~]|\\["\\])*+"|[A-Za-z*][!#$%&\'*+.^_`|~0-9A-Za-z:/-]*+'
)
"""Of a structured field (RFC 9651 §3.3), but for display strings, which no parameter of a certificate is."""

_ITEM = re.compile(rb":([A-Za-z0-9+/=]*+):(?:; *[a-z*][a-z0-9_.*-]*+(?:=(?:" + _BARE_ITEM + rb"))?)*+")
_COMMA = re.compile(rb"[ \t]*+,[ \t]*+")

_BROKEN_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_VISIBLE = bytes(range(0x21, 0x7F))
_USUAL = ((b"%0A", b"\n"), (b"%20", b" "), (b"%2B", b"+"), (b"%2F", b"/"), (b"%3D", b"="))
"""What proxies escape in a PEM. None of it can make an escape of what stands around it."""


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
            raise malformed("no newline behind the PEM's BEGIN line: let the proxy escape newlines, not remove them")
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
    if b"%" in text:
        raise malformed("percent-encoded base64, as of Traefik before 2.9.4: upgrade Traefik")
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
    """Return the bytes of one ``:base64:``. Parameters may follow and mean nothing (RFC 9651 §3.3)."""
    item = _ITEM.fullmatch(text)
    if item is None:
        raise malformed("not one byte sequence of a structured field")
    return _byte_sequence(item[1])


def rfc9440_chain(text: bytes, limit: int) -> tuple[bytes, ...]:
    """Return the certificates of a list, or of one item that holds them in a row, as HAProxy writes it."""
    found: list[bytes] = []
    position = 0
    while len(found) <= limit:
        item = _ITEM.match(text, position)
        if item is None:
            raise malformed("not a list of byte sequences of a structured field")
        found.append(_byte_sequence(item[1]))
        if item.end() == len(text):
            return concatenated(found[0], limit) if len(found) == 1 else tuple(found)
        comma = _COMMA.match(text, item.end())
        if comma is None:
            raise malformed("not a list of byte sequences of a structured field")
        position = comma.end()
    return tuple(found)


def _byte_sequence(text: bytes) -> bytes:
    """Decode base64 that may lack its padding: a parser should not fail for that (RFC 9651 §4.2.7)."""
    return base64_strict(text if text.endswith(b"=") else text + b"=" * (-len(text) % 4))


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
