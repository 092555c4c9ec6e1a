"""RFC 9440: certificates as byte sequences in structured fields (RFC 9651 §3.3.5)."""

from mtls_middleware._core.sources.base64der import base64_strict, concatenated
from mtls_middleware._core.sources.presented import malformed


def item(text: bytes) -> bytes:
    """Return the bytes of one ``:base64:`` without parameters."""
    if len(text) < 2 or text[:1] != b":" or text[-1:] != b":" or b":" in text[1:-1]:  # noqa: PLR2004 - two colons
        raise malformed("not one byte sequence of a structured field")
    return base64_strict(text[1:-1])


def chain(text: bytes, limit: int) -> tuple[bytes, ...]:
    """Return the certificates of a list, or of one item that holds them in a row, as HAProxy writes it."""
    members = text.split(b",", limit + 1)
    items = [item(member.strip(b" \t")) for member in members[: limit + 1]]
    return concatenated(items[0], limit) if len(members) == 1 else tuple(items)
