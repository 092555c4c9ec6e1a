"""A certificate in request headers, set by the proxy that ended TLS."""

from dataclasses import dataclass
from functools import lru_cache

from mtls_middleware._core.certificate import REMEMBERED
from mtls_middleware._core.connection import Connection, Field, Fields
from mtls_middleware._core.sources import decoders
from mtls_middleware._core.sources.decoders import unquoted
from mtls_middleware._core.sources.presented import Presented, malformed
from mtls_middleware._core.sources.presets import Encoding, HeaderNames
from mtls_middleware._core.sources.xfcc import xfcc_certificates

_NONE = (b"", b'""', b"(null)", b"-", b"::")
_PLACEHOLDER = b"{http.request.tls.client"
"""Caddy sends the text of its own placeholder where there is no certificate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderSource:
    """The headers that a proxy wrote. Whether they are believed is decided elsewhere (``boundary``)."""

    name: str
    header_names: HeaderNames
    xfcc_elements: int = 1

    def read(self, connection: Connection, fields: Fields, limit: int) -> Presented | None:  # noqa: ARG002 - protocol
        """Return the raw header values; None in each way in which a proxy says "none"."""
        values = [_value(fields[name]) for name in self.header_names.certificates]
        if not values[0]:
            return None
        return Presented(parts=tuple(values))

    def decode(self, presented: Presented, limit: int) -> tuple[bytes, ...]:
        """Return the DER certificates, the leaf first."""
        return _decoded(self, presented.parts, limit)

    def why_missing(self, connection: Connection, fields: Fields) -> str:
        """Return who does not hand it over: another middleware of ours, the proxy, or the caller."""
        missing = f"{self.header_names.certificate} is absent or says that there is none"
        if connection.was_judged:
            return f"{missing}: another middleware of ours has judged the call and removed it; leave out one of the two"
        for marker in self.header_names.markers[:1]:  # by this one the proxy says that there was a certificate
            if fields[marker.header].single == marker.value.encode():
                return (
                    f"{missing}, and {marker.header} is {marker.value!r}: the proxy says that there was one, "
                    "but does not send it on"
                )
        return missing

    def upstream_failure(self, connection: Connection, fields: Fields) -> str | None:  # noqa: ARG002 - protocol
        """Return which marker does not say success."""
        for marker in self.header_names.markers:
            field = fields[marker.header]
            if not field.is_present and not marker.always_set:
                continue
            if field.single != marker.value.encode():
                says = b", ".join(field.values).decode("latin-1") or ("empty" if field.values else "absent")
                return f"{marker.header} must be {marker.value or 'empty'!r}, but is {says!r}"
        return None

    def one(self, value: bytes) -> bytes:
        """Return the only certificate of a header."""
        match self.header_names.encoding:
            case Encoding.RFC9440:
                return decoders.rfc9440_item(value)
            case Encoding.B64_DER:
                return decoders.base64_strict(value)
            case _:
                ders = self.several(value, 1)
        if len(ders) != 1:
            raise malformed("two certificates where one belongs")
        return ders[0]

    def several(self, value: bytes, limit: int) -> tuple[bytes, ...]:
        """Return the certificates of a header, `limit` + 1 of them at most."""
        match self.header_names.encoding:
            case Encoding.URL_PEM:
                return decoders.pem_certificates(unquoted(value), limit)
            case Encoding.PEM_SPACES:
                return decoders.pem_certificates(value, limit, decoders.WHITE_SPACE)
            case Encoding.B64_PEM:
                return decoders.pem_certificates(decoders.base64_strict(value), limit)
            case Encoding.B64_DER:
                return decoders.concatenated(decoders.base64_strict(value), limit)
            case Encoding.B64_DER_LIST:
                return decoders.base64_list(value, limit)
            case Encoding.RFC9440:
                return decoders.rfc9440_chain(value, limit)
            case Encoding.XFCC:  # pragma: no branch - the last of them; mypy sees to that
                return xfcc_certificates(value, self.xfcc_elements, limit)


@lru_cache(maxsize=REMEMBERED)
def _decoded(source: HeaderSource, parts: tuple[bytes, ...], limit: int) -> tuple[bytes, ...]:
    """Decode the same bytes once: who was refused comes again with them, and the result depends on nothing else."""
    leaf, *chain = parts
    ders = source.several(leaf, limit) if source.header_names.bundled else (source.one(leaf),)
    for value in filter(None, chain):
        if len(ders) > limit:
            break
        ders += source.several(value, limit - len(ders))
    return ders


def _value(field: Field) -> bytes:
    """Return the field's value, empty where it says "none". The boundary has refused doubles before."""
    value = field.values[0] if field.values else b""
    return b"" if value in _NONE or value.lstrip(b":").startswith(_PLACEHOLDER) else value
