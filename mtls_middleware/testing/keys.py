"""Kinds of keys, strong and weak."""

from enum import StrEnum

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


class KeyKind(StrEnum):
    """Name a kind of key."""

    P256 = "p256"
    P384 = "p384"
    RSA2048 = "rsa2048"
    RSA4096 = "rsa4096"
    RSA1024 = "rsa1024"
    """Too weak: refused."""
    SECP256K1 = "secp256k1"
    """Unusual: refused."""
    ED25519 = "ed25519"
    """Unusual: refused."""


def generate(kind: KeyKind) -> PrivateKey:
    """Make a new private key."""
    match KeyKind(kind):
        case KeyKind.P256:
            return ec.generate_private_key(ec.SECP256R1())
        case KeyKind.P384:
            return ec.generate_private_key(ec.SECP384R1())
        case KeyKind.SECP256K1:
            return ec.generate_private_key(ec.SECP256K1())
        case KeyKind.ED25519:
            return ed25519.Ed25519PrivateKey.generate()
        case KeyKind.RSA1024 | KeyKind.RSA2048 | KeyKind.RSA4096:
            return rsa.generate_private_key(65537, int(kind.removeprefix("rsa")))
