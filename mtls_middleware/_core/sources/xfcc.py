"""Envoy's header ``X-Forwarded-Client-Cert``, as text or as JSON.

The identity comes from Cert, Chain and Hash of the first element; each stands there once. All other keys, also ones
that are not invented yet, may repeat and are ignored. The grammar is read strictly: Envoy writes names of the
certificate into it as they are, so what another parser could read in another way is malformed.
"""

import hashlib
import json
import re
from collections.abc import Iterator

from mtls_middleware._core.sources.decoders import pem_certificate, pem_certificates, unquoted
from mtls_middleware._core.sources.presented import malformed

SEPARATORS = 1_024
"""Commas, semicolons, quoted values and brackets; Envoy writes a pair for each DNS name of the certificate."""

_ONCE = ("cert", "chain", "hash")
_KEY = re.compile(rb"[A-Za-z][A-Za-z0-9_-]*")
_TOKENS = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[",;]', re.DOTALL)
"""A quoted value, in which ``\\"`` stands for a quote; a quote without its twin; a separator. It never backtracks."""

Element = dict[str, bytes]
"""Cert, Chain and Hash of one element, by names in lower case; Cert and Chain as PEM."""


def xfcc_certificates(text: bytes, elements: int, limit: int) -> tuple[bytes, ...]:
    """Return the client's certificate and its chain, from the first of exactly `elements` elements.

    Args:
        text: the value of the header.
        elements: as many as MTLS_XFCC_ELEMENTS says.
        limit: how many certificates the caller of this function would accept; one more is read.
    """
    found = _json_elements(text) if text.startswith(b"[") else _text_elements(text)
    if len(found) != elements:
        raise malformed(f"{len(found)} elements, but MTLS_XFCC_ELEMENTS is {elements}")
    first, *_ = found
    if "hash" not in first or not ("cert" in first or "chain" in first):
        raise malformed(
            "Hash, or both Cert and Chain, are missing: let the proxy set them (set_current_client_cert_details)"
        )
    chain = pem_certificates(first["chain"], limit) if "chain" in first else ()
    leaf = pem_certificate(first["cert"]) if "cert" in first else chain[0]
    if first["hash"].lower() != hashlib.sha256(leaf).hexdigest().encode():
        raise malformed("Hash is not the SHA-256 of Cert")
    if chain and chain[0] != leaf:
        raise malformed("Chain does not begin with Cert")
    return chain or (leaf,)


def _text_elements(text: bytes) -> list[Element]:
    first, *others = [_pairs(element) for element in _split(text, b",")]
    decoded = {key: value if key == "hash" else unquoted(value) for key, value in first.items()}
    return [decoded, *others]


def _pairs(element: bytes) -> Element:
    found: Element = {}
    for pair in _split(element.strip(b" \t").removesuffix(b";"), b";"):  # Azure Container Apps ends with ";"
        key, equals, value = pair.partition(b"=")
        key = key.strip(b" \t")
        if not equals or not _KEY.fullmatch(key):
            raise malformed("not a pair of a key and a value")
        _put(found, key.decode("ascii"), _unquoted_value(value))
    return found


def _put(element: Element, key: str, value: bytes) -> None:
    """Take one pair in, if it is one that counts."""
    key = key.lower()
    if key not in _ONCE:
        return
    if key in element:
        raise malformed(f"{key.capitalize()} stands there twice")
    element[key] = value


def _unquoted_value(value: bytes) -> bytes:
    if not value.startswith(b'"'):
        if b'"' in value:
            raise malformed("a quote inside an unquoted value")
        return value
    if not value.endswith(b'"'):  # `_split` refused a quote without its twin
        raise malformed("text behind a quoted value")
    return value[1:-1]  # escapes stay: no Cert, Chain or Hash has one


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


def _json_elements(text: bytes) -> list[Element]:
    """Read what Envoy writes with ``format: JSON``: a list of objects, with PEM as it is."""
    if sum(map(text.count, (b",", b"[", b"{"))) > SEPARATORS:  # each makes an object at most
        raise malformed(f"more than {SEPARATORS} separators")
    try:
        found = json.loads(text.decode("utf-8"), object_pairs_hook=_Object, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise malformed("JSON that cannot be read (RFC 8259)") from error
    elements: list[Element] = []
    for one in found:
        if not isinstance(one, _Object):
            raise malformed("JSON, but no list of objects")
        element: Element = {}
        for key, value in one.pairs:
            if key.lower() in _ONCE:
                _put(element, key, _json_text(value))
        elements.append(element)
    return elements


def _json_text(value: object) -> bytes:
    """Return a text, or the texts of a list one behind the other: Envoy writes Chain as a list of PEM."""
    found = value if isinstance(value, list) else [value]
    texts = [text for text in found if isinstance(text, str)]
    if len(texts) != len(found):
        raise malformed("JSON with a Cert, Chain or Hash that is no text")
    return "".join(texts).encode("utf-8", "surrogatepass")


class _Object:
    """A JSON object, with all its pairs: two readers of a doubled key would see two different things."""

    def __init__(self, pairs: list[tuple[str, object]]) -> None:
        self.pairs = pairs


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")
