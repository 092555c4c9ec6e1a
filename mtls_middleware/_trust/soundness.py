"""Foresee that the engine will refuse every path through an anchor, so that an operator hears it at start-up."""

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from mtls_middleware._core.chain import CURVES, RSA_BITS


def weakness(certificate: x509.Certificate) -> str | None:
    """Return why a CA certificate that can be read will not do as an anchor (RFC 5280 §4.2.1.3, §4.2.1.9)."""
    key = certificate.public_key()
    match key:
        case rsa.RSAPublicKey() if key.key_size >= RSA_BITS.start:
            pass
        case ec.EllipticCurvePublicKey() if key.curve.name in CURVES:
            pass
        case _:
            return f"has a weak or unusual key ({type(key).__name__} {getattr(key, 'key_size', '')}".rstrip() + ")"
    try:
        key_usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return "lacks a key usage"
    if not key_usage.key_cert_sign:
        return "has a key usage without keyCertSign"
    if not certificate.extensions.get_extension_for_class(x509.BasicConstraints).critical:
        return "has basic constraints that are not critical"
    return None
