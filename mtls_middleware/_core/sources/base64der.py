"""Base64 and DER: the strict way to read one certificate, a list of them, or several in a row."""

import binascii

from mtls_middleware._core.sources.presented import malformed

_SEQUENCE = 0x30
_LONG_FORM = 0x80


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
