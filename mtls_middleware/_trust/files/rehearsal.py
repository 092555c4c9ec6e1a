"""Whether a root could sign a caller, tried with what judges calls: none of its rules is written down a second time.

The key of an operator's root is elsewhere. So a stand-in takes its place: the root byte for byte, with a key made here.
It signs a caller with each configured name, and these are judged as every caller is.
"""

from datetime import datetime
from functools import lru_cache

import cryptography.hazmat.backends.openssl  # noqa: F401 - signing would load it later, perhaps while a server forks
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mtls_middleware._core import chain as chains
from mtls_middleware._core.certificate import UNREADABLE, parse_chain
from mtls_middleware._core.chain import CURVES, RSA_BITS
from mtls_middleware._core.decision import RejectionError
from mtls_middleware._core.trust import Anchor, build_trust
from mtls_middleware._trust.crl import der
from mtls_middleware.display import displayed

_ECDSA_WITH_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")  # RFC 5758 §3.2
_EXTENSIONS = 0xA3
_SIGNATURE, _ISSUER, _VALIDITY, _SUBJECT, _KEY = range(2, 7)
"""Places in a TBSCertificate that has a version (RFC 5280 §4.1), as every one with extensions."""

_ANY_TIME = datetime(2026, 1, 1)  # noqa: DTZ001 - replaced


@lru_cache(maxsize=256)  # files are read again at each refresh, and hold the same
def why_useless(anchor: Anchor, names: frozenset[str]) -> str | None:
    """Return why callers under an anchor would be refused, and which; None where none would be.

    Args:
        anchor: a CA certificate that can be read. Its life does not matter here.
        names: that its callers may have; without one, a caller without a name is tried.
    """
    weakness = _key_weakness(anchor.certificate)
    if weakness is not None:
        return f"has a weak or unusual key ({weakness}); every certificate under it will be refused"
    tried = sorted(names) or [""]
    refused = {name: why for name in tried if (why := _refusal(anchor, name)) is not None}
    if not refused:
        return None
    name, why = next(iter(refused.items()))
    cause, why = _cause(anchor, name), displayed(why)
    if len(refused) < len(tried):
        return (
            f"can sign no caller named {' or '.join(refused)}, because of {cause} ({why}); such callers will be refused"
        )
    return f"can sign no caller, because of {cause} ({why}); every certificate under it will be refused"


def _key_weakness(certificate: x509.Certificate) -> str | None:
    """Return what is wrong with the key, which is the one thing that the stand-in does not share."""
    key = certificate.public_key()
    match key:
        case rsa.RSAPublicKey() if key.key_size >= RSA_BITS.start:
            return None
        case ec.EllipticCurvePublicKey() if key.curve.name in CURVES:
            return None
        case _:
            return f"{type(key).__name__} {getattr(key, 'key_size', '')}".rstrip()


def _cause(anchor: Anchor, name: str) -> str:
    """Return the extensions that stop a caller, each tried with nothing but basicConstraints beside it."""
    found: list[str] = []
    extensions = list(anchor.certificate.extensions)
    needed = {place for place, one in enumerate(extensions) if isinstance(one.value, x509.BasicConstraints)}
    if _refusal(anchor, name, needed) is None:
        found = [
            _title(one) for place, one in enumerate(extensions) if _refusal(anchor, name, needed | {place}) is not None
        ]
    return f"its {' and '.join(found)}" if found else "its form"


def _title(extension: x509.Extension[x509.ExtensionType]) -> str:
    if isinstance(extension.value, x509.UnrecognizedExtension):
        return f"{'critical ' if extension.critical else ''}extension {extension.oid.dotted_string}"
    title = type(extension.value).__name__
    return title[0].lower() + title[1:]


def _refusal(anchor: Anchor, name: str, places: set[int] | None = None) -> str | None:
    """Return why a caller below a stand-in is refused.

    Args:
        anchor: what the stand-in is made of.
        name: of the caller; none where it is empty.
        places: of the extensions that the stand-in keeps; all where it is None.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    root = _parts(anchor.certificate)
    try:
        stand_in = Anchor(
            certificate=x509.load_der_x509_certificate(_stand_in(root, key, places)),
            binding=anchor.binding,
            origin=anchor.origin,
        )
        trust = build_trust(anchor.binding.authority, anchors=[stand_in], names={}, max_chain=2)
        chains.verify(parse_chain([_caller(root, key, name)]), trust, stand_in.not_before)
    except RejectionError as error:
        return str(error.__cause__ or error.detail).removeprefix("validation failed: ")
    except UNREADABLE as error:
        return str(error)
    return None


def _stand_in(root: list[bytes], key: ec.EllipticCurvePrivateKey, places: set[int] | None) -> bytes:
    parts = [*root]
    parts[_KEY] = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if places is not None:
        kept = b"".join(one for place, one in enumerate(_inner(_inner(parts[-1])[0])) if place in places)
        parts[-1] = der.encode(_EXTENSIONS, der.encode(der.SEQUENCE, kept))
    return _signed(parts, key)


def _caller(root: list[bytes], key: ec.EllipticCurvePrivateKey, name: str) -> bytes:
    """Return a usual client certificate; issuer and validity are those bytes that the root has."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "caller")])
    draft = x509.CertificateBuilder(
        issuer_name=subject,
        subject_name=subject,
        public_key=key.public_key(),
        serial_number=1,
        not_valid_before=_ANY_TIME,
        not_valid_after=_ANY_TIME,
    ).add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    if name:
        kind = x509.UniformResourceIdentifier if ":" in name else x509.DNSName
        draft = draft.add_extension(x509.SubjectAlternativeName([kind(name)]), critical=False)
    parts = _parts(draft.sign(key, SHA256()))
    parts[_ISSUER], parts[_VALIDITY] = root[_SUBJECT], root[_VALIDITY]
    return _signed(parts, key)


def _parts(certificate: x509.Certificate) -> list[bytes]:
    return _inner(certificate.tbs_certificate_bytes)


def _inner(data: bytes) -> list[bytes]:
    """Return the elements in an element."""
    outer = der.element(data, 0, len(data))
    return [data[one.begin : one.end] for one in der.elements(data, outer.content, outer.end)]


def _signed(parts: list[bytes], key: ec.EllipticCurvePrivateKey) -> bytes:
    tbs = der.encode(der.SEQUENCE, b"".join((*parts[:_SIGNATURE], _ECDSA_WITH_SHA256, *parts[_SIGNATURE + 1 :])))
    signature = der.encode(der.BIT_STRING, b"\0" + key.sign(tbs, ec.ECDSA(SHA256())))
    return der.encode(der.SEQUENCE, tbs + _ECDSA_WITH_SHA256 + signature)
