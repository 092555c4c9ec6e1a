"""Revocation lists of any length, made in a moment."""

import random

from mtls_middleware._trust.crl import der
from mtls_middleware.testing import RegionalCA
from tests.core.crls import edited

_REASON = bytes.fromhex("300c300a0603551d1504030a0101")
_DATE = b"\x17\x0d261101000000Z"


def list_of(ca: RegionalCA, entries: int) -> bytes:
    """Return the DER of a list that revokes so many certificates, with a reason for each."""
    draw = random.Random(7)
    numbers = (der.encode(der.INTEGER, (draw.getrandbits(126) | 1 << 126).to_bytes(16, "big")) for _ in range(entries))
    revoked = der.encode(
        der.SEQUENCE, b"".join(der.encode(der.SEQUENCE, number + _DATE + _REASON) for number in numbers)
    )
    return edited(ca, ca.crl([1]), lambda fields: [*fields[:5], revoked, *fields[6:]])
