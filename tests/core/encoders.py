"""How proxies write certificates into a header, from the DERs, for each encoding.

Written apart from `mtls_middleware.testing.encodings` on purpose: any bytes can be encoded, not only certificates, and
the decoders are tested against a second reading of the formats.
"""

import base64
import hashlib
from collections.abc import Callable, Sequence
from urllib.parse import quote

from mtls_middleware._core.sources.presets import Encoding

Ders = Sequence[bytes]


def pem(der: bytes) -> str:
    lines = [base64.b64encode(der[start : start + 48]).decode("ascii") for start in range(0, len(der), 48)]
    return "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""])


def pems(ders: Ders) -> str:
    return "".join(map(pem, ders))


def b64(der: bytes) -> str:
    return base64.b64encode(der).decode("ascii")


def item(der: bytes) -> str:
    return f":{b64(der)}:"


def xfcc(ders: Ders) -> str:
    digest = hashlib.sha256(ders[0]).hexdigest()
    return f'Hash={digest};Cert="{quote(pem(ders[0]), safe="")}";Chain="{quote(pems(ders), safe="")}"'


ENCODERS: dict[Encoding, Callable[[Ders], str]] = {
    Encoding.URL_PEM: lambda ders: quote(pems(ders), safe=""),
    Encoding.PEM_SPACES: lambda ders: pems(ders).replace("\n", " "),
    Encoding.B64_PEM: lambda ders: b64(pems(ders).encode("ascii")),
    Encoding.B64_DER: lambda ders: b64(b"".join(ders)),
    Encoding.B64_DER_LIST: lambda ders: ",".join(map(b64, ders)),
    Encoding.RFC9440: lambda ders: ", ".join(map(item, ders)),
    Encoding.XFCC: xfcc,
}
