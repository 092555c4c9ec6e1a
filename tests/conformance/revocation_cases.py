"""The cases of `revocation.py`, and why some end in another way than RFC 5280 says."""

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from mtls_middleware.testing.signing import key_identifier, name_of
from tests.conformance.revocation import (
    CA,
    GOOD,
    REVOKED,
    UNKNOWN,
    Case,
    at_a,
    because,
    below,
    broken,
    by,
    client_of,
    dated,
    deep,
    for_reason,
    indirect,
    leaf,
    named,
    named_by,
    number,
    numbered,
    of,
    only,
    other,
    pointing,
    rsa,
    silent,
    unsigning,
)
from tests.core.certs import DAY, NOW, SECOND
from tests.core.crls import WEEK, Extension, crl, edited, entry, with_entries

A, B = "http://crl.example/a.crl", "http://crl.example/b.crl"

SHA384 = bytes.fromhex("300a06082a8648ce3d040303")
"""Another algorithm than that of the signed part: ECDSA with SHA-384."""

UNKNOWN_EXTENSION = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.999.1"), b"\5\0")
DELTA: list[Extension] = [(x509.DeltaCRLIndicator(1), True)]
KEY = frozenset([x509.ReasonFlags.key_compromise])
OTHERS = frozenset(x509.ReasonFlags) - KEY - {x509.ReasonFlags.unspecified, x509.ReasonFlags.remove_from_crl}
RELATIVE = x509.RelativeDistinguishedName([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Part 1")])
URL = x509.UniformResourceIdentifier(A)
DIRECTORY = [x509.DirectoryName(name_of("Part 1"))]


COMPLETE = (
    Case("names others", "6.3.3", GOOD, lambda: by(leaf(), crl(CA(), [7]))),
    Case("names the caller", "6.3.3", REVOKED, lambda: by(leaf(), crl(CA(), [leaf()]))),
    Case("names it behind 5,000 others", "6.3.3", REVOKED, lambda: by(leaf(), crl(CA(), [*range(1, 5000), leaf()]))),
    Case("names it twice", "6.3.3", REVOKED, lambda: by(leaf(), crl(CA(), [leaf(), leaf()]))),
    Case("there is none", "6.3.3", UNKNOWN, lambda: by(leaf())),
    Case("of another CA, with the same serial number", "6.3.3 b", UNKNOWN, lambda: by(leaf(), crl(other(), [leaf()]))),
    Case(
        "an intermediate is revoked",
        "6.1.3",
        REVOKED,
        lambda: by(deep(), crl(CA(), [below().certificate]), crl(below())),
    ),
    Case("both links are good", "6.1.3", GOOD, lambda: by(deep(), crl(CA()), crl(below()))),
    Case("only the caller's is there", "6.1.3", UNKNOWN, lambda: by(deep(), crl(below()))),
    Case("only the intermediate's is there", "6.1.3", UNKNOWN, lambda: by(deep(), crl(CA()))),
    Case("the anchor is named by itself", "6.1", GOOD, lambda: by(leaf(), crl(CA(), [CA().certificate]))),
    Case(
        "the newer one no longer names it", "5.2.3", GOOD, lambda: by(leaf(), crl(CA(), [leaf()]), crl(CA(), number=2))
    ),
    Case("the newer one names it", "5.2.3", REVOKED, lambda: by(leaf(), crl(CA()), crl(CA(), [leaf()], number=2))),
    Case("no entries at all", "5.1.2.6", GOOD, lambda: by(leaf(), crl(CA()))),
    Case("version 1", "5.1.2.1", REVOKED, lambda: by(leaf(), edited(CA(), crl(CA(), [leaf()]), lambda f: f[1:6]))),
    Case("version 3", "5.1.2.1", UNKNOWN, lambda: by(leaf(), edited(CA(), crl(CA()), lambda f: [b"\2\1\2", *f[1:]]))),
    Case("a byte behind it", "5.1.1", UNKNOWN, lambda: by(leaf(), crl(CA()) + b"\0")),
)

SIGNED = (
    Case(
        "another key under the CA's name",
        "6.3.3 g",
        UNKNOWN,
        lambda: by(leaf(), crl(CA(), [leaf()], key=other().private_key)),
    ),
    Case("the CA's key under another name", "6.3.3 f", UNKNOWN, lambda: by(leaf(), crl(CA(), issuer=name_of("X")))),
    Case("a changed signature", "6.3.3 g", UNKNOWN, lambda: by(leaf(), broken(crl(CA(), [leaf()])))),
    Case(
        "a changed entry",
        "6.3.3 g",
        UNKNOWN,
        lambda: by(leaf(), crl(CA(), [0x1234]).replace(b"\2\2\x12\x34", b"\2\2\x12\x35")),
    ),
    Case("SHA-384", "6.3.3 g", GOOD, lambda: by(leaf(), crl(CA(), hash_algorithm=hashes.SHA384()))),
    Case("SHA-224", "6.3.3 g", GOOD, lambda: by(leaf(), crl(CA(), hash_algorithm=hashes.SHA224()))),
    Case("RSA, PKCS #1", "6.3.3 g", REVOKED, lambda: rsa(None)),
    Case("RSA-PSS", "6.3.3 g", REVOKED, lambda: rsa(padding.PSS(padding.MGF1(hashes.SHA256()), 32))),
    Case(
        "two names of the algorithm",
        "5.1.1.2",
        UNKNOWN,
        lambda: by(leaf(), edited(CA(), crl(CA()), lambda f: f, SHA384)),
    ),
    Case("by a CA without cRLSign", "6.3.3 f", UNKNOWN, lambda: by(client_of(unsigning()), crl(unsigning()))),
    Case("by a CA without cRLSign, naming the caller", "6.3.3 f", UNKNOWN, lambda: named_by(unsigning())),
    Case("by a CA without key usage", "6.3.3 f", REVOKED, lambda: named_by(silent())),
    Case("no authority key identifier", "5.2.1", GOOD, lambda: by(leaf(), crl(CA(), identifier=False))),
    Case(
        "another key's identifier",
        "5.2.1",
        GOOD,
        lambda: by(leaf(), crl(CA(), identifier=key_identifier(other().private_key))),
    ),
)

DATED = (
    Case("ends this second", "5.1.2.5", GOOD, lambda: by(leaf(), crl(CA(), ends=NOW))),
    Case("ended a second ago", "6.3.3 a", UNKNOWN, lambda: by(leaf(), crl(CA(), ends=NOW - SECOND))),
    Case("ended, and names the caller", "6.3.3 a", UNKNOWN, lambda: by(leaf(), dated(ends=NOW - SECOND))),
    Case("begins this second", "5.1.2.4", GOOD, lambda: by(leaf(), crl(CA(), begins=NOW))),
    Case("begins in a second", "5.1.2.4", UNKNOWN, lambda: by(leaf(), crl(CA(), begins=NOW + SECOND))),
    Case("begins tomorrow, and names the caller", "5.1.2.4", UNKNOWN, lambda: by(leaf(), dated(begins=NOW + DAY))),
    Case("no nextUpdate", "5.1.2.5", UNKNOWN, lambda: by(leaf(), edited(CA(), crl(CA()), lambda f: [*f[:4], *f[5:]]))),
    Case(
        "ends before it begins",
        "5.1.2.5",
        UNKNOWN,
        lambda: by(leaf(), edited(CA(), crl(CA()), lambda f: [*f[:3], f[4], f[3], *f[5:]])),
    ),
    Case("revoked in the future", "5.1.2.6", REVOKED, lambda: by(leaf(), crl(CA(), [entry(leaf(), at=NOW + WEEK)]))),
)

NUMBERED = (
    Case("no CRL number", "5.2.3", GOOD, lambda: by(leaf(), crl(CA(), number=None))),
    Case("a critical CRL number", "5.2.3", GOOD, lambda: by(leaf(), crl(CA(), critical_number=True))),
    Case("a CRL number of 20 octets", "5.2.3", GOOD, lambda: by(leaf(), crl(CA(), number=2**159 - 1))),
    Case("an oversized CRL number", "5.2.3", GOOD, lambda: by(leaf(), crl(CA(), number=2**200))),
    Case("a serial number of 20 octets", "4.1.2.2", REVOKED, lambda: named(2**159 - 1)),
    Case("an oversized serial number", "4.1.2.2", GOOD, lambda: by(leaf(), with_entries(CA(), number(b"\1" * 30)))),
    Case(
        "a serial number of more than 127 octets",
        "4.1.2.2",
        UNKNOWN,
        lambda: by(leaf(), with_entries(CA(), number(b"\1" * 200))),
    ),
    Case("a negative serial number", "4.1.2.2", GOOD, lambda: by(numbered(127), with_entries(CA(), number(b"\x81")))),
    Case(
        "the negative of the caller's bytes",
        "4.1.2.2",
        GOOD,
        lambda: by(numbered(255), with_entries(CA(), number(b"\xff"))),
    ),
    Case("zero", "4.1.2.2", GOOD, lambda: by(leaf(), with_entries(CA(), number(b"\0")))),
    Case(
        "a serial number that is not DER",
        "5.1.2.6",
        UNKNOWN,
        lambda: by(numbered(1), with_entries(CA(), number(b"\0\1"))),
    ),
)

POINTS = (
    Case("of the caller's point", "6.3.3 b 2", GOOD, lambda: by(at_a(), crl(CA(), addresses=[A]))),
    Case(
        "of the caller's point, naming it", "6.3.3 b 2", REVOKED, lambda: by(at_a(), crl(CA(), [at_a()], addresses=[A]))
    ),
    Case(
        "of several points, one of them the caller's",
        "6.3.3 b 2",
        GOOD,
        lambda: by(at_a(), crl(CA(), addresses=[B, A])),
    ),
    Case("of another point", "6.3.3 b 2", UNKNOWN, lambda: by(at_a(), crl(CA(), addresses=[B]))),
    Case(
        "of another point, naming the caller",
        "6.3.3 b 2",
        UNKNOWN,
        lambda: by(at_a(), crl(CA(), [at_a()], addresses=[B])),
    ),
    Case("of a point, for a caller without any", "6.3.3", UNKNOWN, lambda: by(leaf(), crl(CA(), addresses=[A]))),
    Case("of no point, for a caller with one", "6.3.3 b 2", GOOD, lambda: by(at_a(), crl(CA()))),
    Case(
        "the point is not critical",
        "5.2.5",
        UNKNOWN,
        lambda: by(at_a(), crl(CA(), addresses=[B], critical_point=False)),
    ),
    Case(
        "a directory name",
        "6.3.3 b 2",
        GOOD,
        lambda: by(pointing(full_name=DIRECTORY), crl(CA(), point={"full_name": DIRECTORY})),
    ),
    Case(
        "a relative name",
        "6.3.3 b 2",
        GOOD,
        lambda: by(pointing(relative_name=RELATIVE), crl(CA(), point={"relative_name": RELATIVE})),
    ),
    Case(
        "the caller's point is of some reasons",
        "6.3.3 d",
        UNKNOWN,
        lambda: by(pointing(full_name=[URL], reasons=KEY), crl(CA(), addresses=[A])),
    ),
    Case("onlyContainsUserCerts, for a caller", "6.3.3 b 2", GOOD, lambda: by(leaf(), only("user"))),
    Case("onlyContainsUserCerts, for a CA", "6.3.3 b 2", UNKNOWN, lambda: by(deep(), only("user"), crl(below()))),
    Case("onlyContainsCACerts, for a caller", "6.3.3 b 2", UNKNOWN, lambda: by(leaf(), only("ca"))),
    Case("onlyContainsCACerts, for a CA", "6.3.3 b 2", GOOD, lambda: by(deep(), only("ca"), crl(below()))),
    Case("onlyContainsAttributeCerts", "6.3.3 b 2", UNKNOWN, lambda: by(leaf(), only("attribute"))),
    Case(
        "onlySomeReasons, naming others",
        "6.3.3 d",
        UNKNOWN,
        lambda: by(leaf(), crl(CA(), point={"only_some_reasons": KEY})),
    ),
    Case(
        "onlySomeReasons, naming the caller",
        "6.3.3 d",
        REVOKED,
        lambda: by(leaf(), crl(CA(), [leaf()], point={"only_some_reasons": KEY})),
    ),
    Case(
        "onlySomeReasons, all reasons in two CRLs",
        "6.3.3 d",
        GOOD,
        lambda: by(leaf(), *(crl(CA(), point={"only_some_reasons": some}) for some in (KEY, OTHERS))),
    ),
)

INDIRECT = (
    Case("names nobody", "6.3.3 b 1", GOOD, lambda: by(leaf(), crl(CA(), point={"indirect_crl": True}))),
    Case("names the caller", "6.3.3 i", REVOKED, lambda: by(leaf(), crl(CA(), [leaf()], point={"indirect_crl": True}))),
    Case("names another CA's with the same number", "5.3.3", GOOD, lambda: indirect(entry(leaf(), of(other())))),
    Case("names it by the CRL's own CA", "5.3.3", REVOKED, lambda: indirect(entry(leaf(), of(CA())))),
    Case(
        "an entry has the issuer of the one before",
        "5.3.3",
        GOOD,
        lambda: indirect(entry(7, of(other())), entry(leaf())),
    ),
    Case(
        "signed by another CA, as the caller says",
        "6.3.3 f",
        REVOKED,
        lambda: by(
            pointing(full_name=[URL], crl_issuer=[x509.DirectoryName(other().certificate.subject)]),
            crl(other(), [entry(7, of(CA()))], addresses=[A], point={"indirect_crl": True}),
        ),
    ),
    Case(
        "an entry of another CA, and no indirectCRL",
        "5.3.3",
        UNKNOWN,
        lambda: by(leaf(), crl(CA(), [entry(leaf(), of(other()))])),
    ),
)

DELTAS = (
    Case("alone", "5.2.4", UNKNOWN, lambda: by(leaf(), crl(CA(), extensions=DELTA))),
    Case("alone, naming the caller", "5.2.4", REVOKED, lambda: by(leaf(), crl(CA(), [leaf()], extensions=DELTA))),
    Case("with its base", "6.3.3 c", GOOD, lambda: by(leaf(), crl(CA()), crl(CA(), number=2, extensions=DELTA))),
    Case(
        "with its base, naming the caller",
        "6.3.3 i",
        REVOKED,
        lambda: by(leaf(), crl(CA()), crl(CA(), [leaf()], number=2, extensions=DELTA)),
    ),
    Case(
        "takes a hold back",
        "5.3.1",
        GOOD,
        lambda: by(
            leaf(),
            crl(CA(), [entry(leaf(), because(x509.ReasonFlags.certificate_hold))]),
            crl(CA(), [entry(leaf(), because(x509.ReasonFlags.remove_from_crl))], number=2, extensions=DELTA),
        ),
    ),
)

EXTENSIONS = (
    Case("unknown", "5.2", GOOD, lambda: by(leaf(), crl(CA(), extensions=[(UNKNOWN_EXTENSION, False)]))),
    Case("unknown and critical", "5.2", UNKNOWN, lambda: by(leaf(), crl(CA(), extensions=[(UNKNOWN_EXTENSION, True)]))),
    Case(
        "unknown and critical, naming the caller",
        "5.2",
        UNKNOWN,
        lambda: by(leaf(), crl(CA(), [leaf()], extensions=[(UNKNOWN_EXTENSION, True)])),
    ),
    Case(
        "unknown, of an entry",
        "5.3",
        REVOKED,
        lambda: by(leaf(), crl(CA(), [entry(leaf(), (UNKNOWN_EXTENSION, False))])),
    ),
    Case(
        "unknown and critical, of an entry",
        "5.3",
        UNKNOWN,
        lambda: by(leaf(), crl(CA(), [entry(7, (UNKNOWN_EXTENSION, True))])),
    ),
    *(
        Case(f"reason {reason.value}", "5.3.1", REVOKED, partial(for_reason, reason))
        for reason in x509.ReasonFlags
        if reason is not x509.ReasonFlags.remove_from_crl
    ),
    Case(
        "an invalidity date to come",
        "5.3.2",
        REVOKED,
        lambda: by(leaf(), crl(CA(), [entry(leaf(), (x509.InvalidityDate(NOW + WEEK), False))])),
    ),
)

CASES: Mapping[str, tuple[Case, ...]] = MappingProxyType(
    {
        "complete": COMPLETE,
        "signature": SIGNED,
        "dates": DATED,
        "numbers": NUMBERED,
        "distribution point": POINTS,
        "indirect": INDIRECT,
        "delta": DELTAS,
        "extension": EXTENSIONS,
    }
)


_AUTHENTIC = "whatever authentic CRL names a certificate revokes it, also one that may not say good"
_ADDRESSES = "distribution points are compared by their addresses, and these have none"
_INDIRECT = "an indirect CRL may revoke, and never says good"

ON_PURPOSE: Mapping[str, str] = MappingProxyType(
    {
        "signature: SHA-224": "SHA-224 is no hash that is accepted of certificates, either",
        "signature: another key's identifier": "a CRL that names another key of the CA is looked up under that key",
        "dates: ended, and names the caller": _AUTHENTIC,
        "distribution point: of another point, naming the caller": _AUTHENTIC,
        "distribution point: a directory name": _ADDRESSES,
        "distribution point: a relative name": _ADDRESSES,
        "distribution point: onlySomeReasons, all reasons in two CRLs": (
            "a CRL for some reasons only may revoke, and never says good"
        ),
        "indirect: names nobody": _INDIRECT,
        "indirect: names another CA's with the same number": _INDIRECT,
        "indirect: an entry has the issuer of the one before": _INDIRECT,
        "indirect: signed by another CA, as the caller says": (
            "a CRL counts for the CA that signed it, and for no other: of this caller nothing is known"
        ),
        "delta: takes a hold back": "a delta CRL may revoke; it takes no revocation back",
    }
)
"""Why a case ends as it does, by kind and name."""
