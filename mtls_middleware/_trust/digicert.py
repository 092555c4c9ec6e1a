"""The public root above the DigiCert intermediate that signs data actions certificates, taken from certifi."""

import hashlib
import re
from binascii import a2b_base64
from functools import cache
from pathlib import Path

import certifi
from cryptography import x509

from mtls_middleware._core.certificate import UNREADABLE
from mtls_middleware._trust.report import Unusable
from mtls_middleware.display import displayed

SHA256 = "7d05ebb682339f8c9451ee094eebfefa7953a114edb2f44949452fab7d2fc185"
"""DigiCert Assured ID Root G2, https://www.digicert.com/kb/digicert-root-certificates.htm."""

ORIGIN = "certifi"

_BLOCK = re.compile(rb"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\r\n]+)-----END CERTIFICATE-----")


@cache
def default_root() -> x509.Certificate:
    """Return the root, read from certifi once in the life of a process.

    Raises:
        Unusable: certifi does not hold it.
    """
    try:
        bundle = Path(certifi.where()).read_bytes()
    except OSError as error:
        raise Unusable(
            f"the CA bundle of certifi cannot be read ({displayed(str(error))}): install certifi again"
        ) from error
    return find_root(bundle)


def find_root(bundle: bytes) -> x509.Certificate:
    """Return the root from a PEM bundle, by its fingerprint. What else is in there does not matter, good or bad.

    Raises:
        Unusable: it is not in there.
    """
    for block in _BLOCK.finditer(bundle):
        try:
            der = a2b_base64(block[1])
            if hashlib.sha256(der).hexdigest() == SHA256:
                return x509.load_der_x509_certificate(der)
        except UNREADABLE:
            continue
    raise Unusable(
        "certifi does not hold DigiCert Assured ID Root G2: install a current certifi, or name the root in MTLS_TRUST "
        "as digicert=PATH"
    )
