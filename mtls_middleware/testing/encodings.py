"""How proxies write certificates into a header: one table, `ENCODERS`.

An encoder takes certificates, leaf first, and returns the header's value as it arrives, without white space around it.
"""

import base64
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Protocol
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding as Serialization

from mtls_middleware._core.certificate import fingerprint
from mtls_middleware._core.sources.presets import Encoding
from mtls_middleware.testing.leaves import ClientCertificate

Certificate = ClientCertificate | x509.Certificate
"""What encoders take: a client, of which they write the leaf, or any certificate of a chain."""


class Encoder(Protocol):
    """A function that writes certificates into one header."""

    def __call__(self, *certificates: Certificate) -> str:
        """Return the value, for the leaf and what follows it."""


def url_pem(*certificates: Certificate, literal: str = "") -> str:
    """Percent-encode the PEMs as nginx does, the last newline included.

    Args:
        certificates: the leaf, and what follows it.
        literal: characters besides letters, digits and ``-_.~`` that the proxy leaves as they are.
    """
    return quote(_pems(certificates), safe=literal)


def pem_spaces(*certificates: Certificate) -> str:
    """Write the PEMs in one line as Apache does, with a blank for each newline."""
    return _pems(certificates).strip().replace("\n", " ")


def b64_pem(*certificates: Certificate) -> str:
    """Encode the PEMs in base64."""
    return _base64(_pems(certificates).encode("ascii"))


def b64_der(*certificates: Certificate) -> str:
    """Encode the DERs in base64, one behind the other, as HAProxy does."""
    return _base64(b"".join(map(der, certificates)))


def b64_der_list(*certificates: Certificate) -> str:
    """List the DERs as Traefik does: base64, separated by commas."""
    return ",".join(map(b64_der, certificates))


def byte_sequences(*certificates: Certificate) -> str:
    """List the DERs as byte sequences of a structured field (RFC 9440); of one it is the same as the item."""
    return ", ".join(f":{b64_der(certificate)}:" for certificate in certificates)


def xfcc_element(
    *certificates: Certificate,
    hash_sha256: str | None = None,
    with_certificate: bool = True,
    with_chain: bool = True,
    pairs: Iterable[tuple[str, str]] = (),
) -> str:
    """Write an element of ``X-Forwarded-Client-Cert`` as Envoy does; join several with a comma.

    Args:
        certificates: the leaf, for Cert, and what follows it; Envoy's Chain has all of them.
        hash_sha256: Hash; the leaf's own where it is None.
        with_certificate: False leaves Cert out.
        with_chain: False leaves Chain out.
        pairs: further keys and values, written as they are: nothing is quoted or escaped, for Envoy does not either.
    """
    leaf = certificates[0]
    parts = [f"Hash={fingerprint(der(leaf)) if hash_sha256 is None else hash_sha256}"]
    if with_certificate:
        parts.append(f'Cert="{url_pem(leaf)}"')
    if with_chain:
        parts.append(f'Chain="{url_pem(*certificates)}"')
    return ";".join([*parts, *(f"{key}={value}" for key, value in pairs)])


ENCODERS: Mapping[Encoding, Encoder] = MappingProxyType(
    {
        Encoding.URL_PEM: url_pem,
        Encoding.PEM_SPACES: pem_spaces,
        Encoding.B64_PEM: b64_pem,
        Encoding.B64_DER: b64_der,
        Encoding.B64_DER_LIST: b64_der_list,
        Encoding.RFC9440: byte_sequences,
        Encoding.XFCC: xfcc_element,
    }
)
"""One for each encoding that a source can have."""


def der(certificate: Certificate) -> bytes:
    """Return the DER."""
    return _certificate(certificate).public_bytes(Serialization.DER)


def _pems(certificates: Iterable[Certificate]) -> str:
    return "".join(_certificate(one).public_bytes(Serialization.PEM).decode("ascii") for one in certificates)


def _certificate(certificate: Certificate) -> x509.Certificate:
    return certificate.certificate if isinstance(certificate, ClientCertificate) else certificate


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
