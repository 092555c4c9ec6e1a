"""Percent-encoded text, as nginx, AWS, Kong and Envoy write PEM into a header."""

import re
from urllib.parse import unquote_to_bytes

from mtls_middleware._core.sources.presented import malformed

_BROKEN_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_VISIBLE = bytes(range(0x21, 0x7F))
_USUAL = ((b"%0A", b"\n"), (b"%20", b" "), (b"%2B", b"+"), (b"%2F", b"/"), (b"%3D", b"="))
"""What proxies escape in a PEM. None of it can make an escape of what stands around it."""


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
