"""Percent-encoded text, as nginx, AWS, Kong and Envoy write PEM into a header."""

import re
from urllib.parse import unquote_to_bytes

from mtls_middleware._core.sources.presented import malformed

_BROKEN_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_NOT_ENCODED = re.compile(rb"[^!-~]")


def unquoted(text: bytes) -> bytes:
    """Decode percent-encoding once; ``+`` stays ``+``, for base64 is full of it."""
    if _BROKEN_ESCAPE.search(text) or _NOT_ENCODED.search(text):
        raise malformed("broken percent-encoding")
    return unquote_to_bytes(text)
