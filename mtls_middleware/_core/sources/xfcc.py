"""Envoy's ``X-Forwarded-Client-Cert``, by its grammar.

Envoy writes the certificate's own URI and DNS names unquoted, so a hostile certificate can inject pairs and whole
elements. Identity is therefore never taken from text: only from ``Cert`` and ``Chain``, only where each key stands
once, ``Hash`` is the SHA-256 of ``Cert``, and the number of elements is exactly the expected one.
"""

import hashlib
import re
from collections.abc import Iterator

from mtls_middleware._core.sources import pem
from mtls_middleware._core.sources.presented import malformed
from mtls_middleware._core.sources.urlpem import unquoted

SEPARATORS = 1_024
"""Commas, semicolons and quoted values; Envoy writes a pair for each DNS name of the certificate."""

_MANY = (b"uri", b"dns")
_KEYS = (b"by", b"hash", b"cert", b"chain", b"subject", *_MANY)

_TOKENS = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[",;]', re.DOTALL)
"""A quoted value, in which ``\\"`` stands for a quote; a quote without its twin; a separator. It never backtracks."""


def certificates(text: bytes, elements: int, limit: int) -> tuple[bytes, ...]:
    """Return the client's certificate and what came with it, from the first of exactly `elements` elements."""
    found = list(_split(text, b","))
    if len(found) != elements:
        raise malformed(f"{len(found)} elements, but MTLS_XFCC_ELEMENTS is {elements}")
    pairs, *_ = [_pairs(element) for element in found]
    if b"hash" not in pairs or not (b"cert" in pairs or b"chain" in pairs):
        raise malformed(
            "Hash, or both Cert and Chain, are missing: let the proxy set them (set_current_client_cert_details)"
        )
    chain = pem.certificates(unquoted(pairs[b"chain"]), limit) if b"chain" in pairs else ()
    leaf = pem.single(unquoted(pairs[b"cert"])) if b"cert" in pairs else chain[0]
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
