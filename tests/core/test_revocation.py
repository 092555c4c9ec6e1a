"""What CRLs tell of a verified chain, and how long that holds."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.x509.oid import ExtensionOID

from mtls_middleware._core import chain
from mtls_middleware._core.certificate import VerifiedChain, crl_addresses
from mtls_middleware._core.crl import CRL, ISSUERS_KEPT, CRLSet
from mtls_middleware._core.decision import Reason, RejectionError, RevocationState
from mtls_middleware._core.revocation import Revocation, check, unchecked
from mtls_middleware._core.trust import AuthorityTrust
from mtls_middleware.testing import ClientCertificate, KeyKind, RegionalCA
from mtls_middleware.testing.signing import key_identifier, key_usage_of, name_of
from tests.core.certs import DAY, NOW, SECOND, custom, genesys, good_client, new_ca, presented, regional_ca
from tests.core.crls import HOUR, WEEK, crl, entry, issuing_point, lists, parsed

A = "http://crl.example/a.crl"
B = "http://crl.example/b.crl"


def chain_of(client: ClientCertificate, trust: AuthorityTrust | None = None) -> VerifiedChain:
    return chain.verify(presented(client), trust or genesys(regional_ca()), NOW)


def verdict(chain: VerifiedChain, known: CRLSet, now: datetime = NOW) -> Reason | RevocationState:
    try:
        return check(chain, known, now).state
    except RejectionError as rejection:
        return rejection.reason


def found(*signed: bytes, client: ClientCertificate | None = None, now: datetime = NOW) -> Reason | RevocationState:
    """Return what lists tell of a client of the regional CA, known beforehand or met with the call."""
    chain = chain_of(client or good_client())
    early, late = lists(*signed, issuers=[regional_ca()]), lists(*signed)
    assert verdict(chain, early, now) == verdict(chain, late, now)
    return verdict(chain, early, now)


GOOD, UNKNOWN, REVOKED = RevocationState.GOOD, RevocationState.UNKNOWN, Reason.CERTIFICATE_REVOKED


def at(*addresses: str, **options: object) -> ClientCertificate:
    """Return a client whose list is published at these addresses."""
    names = [x509.UniformResourceIdentifier(address) for address in addresses]
    point = x509.DistributionPoint(full_name=names, relative_name=None, reasons=None, crl_issuer=None)
    return regional_ca().client(extra_extensions=[x509.CRLDistributionPoints([point])], **options)  # type: ignore[arg-type] # keywords


def test_a_fresh_list_that_does_not_name_it_says_good() -> None:
    assert found(crl(regional_ca(), [7])) is GOOD


def test_a_list_that_names_it_revokes_it() -> None:
    assert found(crl(regional_ca(), [7, good_client()])) is REVOKED


def test_without_a_list_nothing_is_known() -> None:
    assert found() is UNKNOWN


def test_a_stale_list_says_nothing_good() -> None:
    assert found(crl(regional_ca(), ends=NOW - SECOND)) is UNKNOWN


def test_what_a_stale_list_names_stays_revoked() -> None:
    assert found(crl(regional_ca(), [good_client()], ends=NOW - SECOND)) is REVOKED


def test_a_list_is_fresh_to_its_last_second() -> None:
    assert found(crl(regional_ca(), ends=NOW)) is GOOD


def test_a_list_whose_time_is_to_come_says_nothing() -> None:
    assert found(crl(regional_ca(), [good_client()], begins=NOW + SECOND)) is UNKNOWN


def test_a_list_counts_from_its_first_second() -> None:
    assert found(crl(regional_ca(), [good_client()], begins=NOW)) is REVOKED


def test_an_entry_revokes_whatever_its_date_is() -> None:
    assert found(crl(regional_ca(), [entry(good_client(), at=NOW + WEEK)])) is REVOKED


@pytest.mark.parametrize("reason", [one for one in x509.ReasonFlags if one is not x509.ReasonFlags.remove_from_crl])
def test_an_entry_revokes_whatever_its_reason_is(reason: x509.ReasonFlags) -> None:
    if reason is x509.ReasonFlags.unspecified:
        named = entry(good_client())
    else:
        named = entry(good_client(), (x509.CRLReason(reason), False))
    assert found(crl(regional_ca(), [named])) is REVOKED


FORGED: Mapping[str, Callable[[], bytes]] = {
    "with the right name": lambda: crl(regional_ca(), key=new_ca().private_key),
    "with the right name and identifier, signed by another": lambda: crl(
        new_ca("X"), issuer=regional_ca().certificate.subject, key=new_ca().private_key
    ),
    "of another CA": lambda: crl(new_ca("X")),
    "signed by the CA in another's name": lambda: crl(regional_ca(), issuer=name_of("X")),
    "signed by the leaf": lambda: crl(regional_ca(), key=good_client().private_key),
    "with another key identifier": lambda: crl(
        regional_ca(), identifier=x509.AuthorityKeyIdentifier(b"\1" * 20, None, None)
    ),
    "of another certificate of the key": lambda: crl(
        regional_ca(), identifier=x509.AuthorityKeyIdentifier(None, [x509.DirectoryName(name_of("X"))], 7)
    ),
    "with a changed byte": lambda: _changed(crl(regional_ca(), [2**64])),
}


def _changed(signed: bytes) -> bytes:
    offset = signed.index((2**64).to_bytes(9, "big"))
    return signed[:offset] + b"\2" + signed[offset + 1 :]


@pytest.mark.parametrize("make", FORGED.values(), ids=FORGED.keys())
def test_a_list_that_the_issuer_did_not_sign_says_nothing(make: Callable[[], bytes]) -> None:
    assert found(make()) is UNKNOWN


@pytest.mark.parametrize("make", FORGED.values(), ids=FORGED.keys())
def test_a_list_that_the_issuer_did_not_sign_hides_none_that_it_did(make: Callable[[], bytes]) -> None:
    assert found(make(), crl(regional_ca(), [good_client()]), make()) is REVOKED


def test_a_forged_list_revokes_nobody() -> None:
    forged = crl(regional_ca(), [good_client()], number=99, key=new_ca().private_key)
    assert found(forged, crl(regional_ca())) is GOOD


def test_a_list_needs_no_key_identifier() -> None:
    assert found(crl(regional_ca(), identifier=False)) is GOOD


def test_a_key_identifier_may_name_issuer_and_number_instead() -> None:
    names = [x509.DirectoryName(regional_ca().certificate.issuer)]
    own = x509.AuthorityKeyIdentifier(None, names, regional_ca().certificate.serial_number)
    assert found(crl(regional_ca(), identifier=own)) is GOOD


SIGNED = {
    "RSA": (KeyKind.RSA2048, hashes.SHA256(), None),
    "RSA with SHA-512": (KeyKind.RSA2048, hashes.SHA512(), None),
    "RSA-PSS": (KeyKind.RSA2048, hashes.SHA256(), padding.PSS(padding.MGF1(hashes.SHA256()), 32)),
    "P-384 with SHA-384": (KeyKind.P384, hashes.SHA384(), None),
}


@pytest.mark.parametrize(("kind", "algorithm", "scheme"), SIGNED.values(), ids=SIGNED.keys())
def test_it_may_be_signed_as_certificates_may(kind: KeyKind, algorithm: object, scheme: object) -> None:
    ca = RegionalCA(key=kind, now=NOW)
    chain = chain_of(ca.client(), genesys(ca))
    assert verdict(chain, lists(crl(ca, hash_algorithm=algorithm, rsa_padding=scheme))) is GOOD
    forger = RegionalCA(key=kind, now=NOW)
    forged = crl(ca, hash_algorithm=algorithm, rsa_padding=scheme, key=forger.private_key)
    assert verdict(chain, lists(forged)) is UNKNOWN


def test_a_list_in_another_name_is_not_the_issuers_even_with_its_key() -> None:
    assert not parsed(crl(regional_ca(), issuer=name_of("X"))).is_signed_by(regional_ca().certificate)


def test_a_key_identifier_that_fits_outweighs_the_number_of_a_renewed_certificate() -> None:
    renewed = regional_ca().renewed(same_key=True).certificate
    own = key_identifier(regional_ca().private_key).key_identifier
    both = x509.AuthorityKeyIdentifier(own, [x509.DirectoryName(renewed.issuer)], renewed.serial_number)
    assert found(crl(regional_ca(), identifier=both)) is GOOD


def test_a_signature_of_another_kind_of_key_is_none() -> None:
    ca = RegionalCA(key=KeyKind.RSA2048, now=NOW, subject=regional_ca().certificate.subject)
    assert found(crl(ca, identifier=False)) is UNKNOWN


def test_an_issuer_without_crl_sign_signs_no_lists() -> None:
    issuer = _authority(key_usage_of(["digital_signature", "key_cert_sign"]))
    assert not parsed(crl(issuer)).is_signed_by(issuer.certificate)


def test_an_issuer_whose_extensions_cannot_be_read_signs_no_lists() -> None:
    issuer = _authority(x509.UnrecognizedExtension(ExtensionOID.KEY_USAGE, b"\0"))
    assert not parsed(crl(issuer)).is_signed_by(issuer.certificate)


def test_an_issuer_without_key_usage_may() -> None:
    issuer = _authority(None)
    assert parsed(crl(issuer)).is_signed_by(issuer.certificate)


def _authority(key_usage: x509.ExtensionType | None) -> RegionalCA:
    """Return a CA whose certificate has another key usage, and no key identifier."""
    ca = new_ca()
    builder = (
        x509.CertificateBuilder()
        .subject_name(ca.certificate.subject)
        .issuer_name(ca.certificate.subject)
        .public_key(ca.private_key.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + DAY)
    )
    if key_usage is not None:
        builder = builder.add_extension(key_usage, critical=True)
    ca.certificate = builder.sign(ca.private_key, hashes.SHA256())
    return ca


# --- parts --------------------------------------------------------------------------------------------------------


def test_a_part_tells_of_the_certificates_that_name_its_address() -> None:
    assert found(crl(regional_ca(), addresses=[A]), client=at(A)) is GOOD


@pytest.mark.parametrize("critical", [True, False], ids=["critical", "not critical"])
def test_the_part_of_another_address_tells_nothing(*, critical: bool) -> None:
    swapped = crl(regional_ca(), addresses=[B], critical_point=critical)
    assert found(swapped, client=at(A)) is UNKNOWN


def test_a_part_tells_nothing_of_a_certificate_without_address() -> None:
    assert found(crl(regional_ca(), addresses=[A])) is UNKNOWN


def test_one_common_address_of_several_is_enough() -> None:
    assert found(crl(regional_ca(), addresses=["http://crl.example/c.crl", B]), client=at(A, B)) is GOOD


def test_a_complete_list_tells_of_every_certificate() -> None:
    assert found(crl(regional_ca()), client=at(A)) is GOOD


def test_each_part_replaces_older_ones_of_its_own_only() -> None:
    client = at(A)
    assert found(crl(regional_ca(), [client], addresses=[A]), crl(regional_ca(), number=9), client=client) is REVOKED


def test_a_newer_number_replaces_an_older_one() -> None:
    old, new = crl(regional_ca(), [good_client()], number=1), crl(regional_ca(), number=2)
    assert (found(old, new), found(new, old)) == (GOOD, GOOD)


def test_a_newer_one_replaces_an_older_one_even_if_it_is_stale() -> None:
    assert found(crl(regional_ca(), number=1), crl(regional_ca(), number=2, ends=NOW - SECOND)) is UNKNOWN


def test_a_newer_one_replaces_nothing_before_its_time() -> None:
    old, new = crl(regional_ca(), [good_client()]), crl(regional_ca(), number=2, begins=NOW + DAY)
    assert found(old, new) is REVOKED


SCOPES = {
    "of callers": ("only_contains_user_certs", GOOD, UNKNOWN),
    "of authorities": ("only_contains_ca_certs", UNKNOWN, GOOD),
}


@pytest.mark.parametrize(("only", "leaf", "_"), SCOPES.values(), ids=SCOPES.keys())
def test_a_list_of_one_kind_of_certificates_tells_of_no_other(only: str, leaf: object, _: object) -> None:
    assert found(crl(regional_ca(), point={only: True})) is leaf


@pytest.mark.parametrize(("only", "_", "link"), SCOPES.values(), ids=SCOPES.keys())
def test_an_intermediate_is_an_authority(only: str, _: object, link: object) -> None:
    lower = regional_ca().intermediate()
    chain = chain_of(lower.client(), custom(regional_ca()))
    assert verdict(chain, lists(crl(lower), crl(regional_ca(), point={only: True}))) is link


# --- intermediates ------------------------------------------------------------------------------------------------


def _below() -> tuple[RegionalCA, VerifiedChain]:
    lower = regional_ca().intermediate()
    return lower, chain_of(lower.client(), custom(regional_ca()))


def test_each_certificate_below_the_anchor_must_be_known() -> None:
    lower, chain = _below()
    assert verdict(chain, lists(crl(lower), crl(regional_ca()))) is GOOD


@pytest.mark.parametrize("leaf", [True, False], ids=["only the leaf", "only the intermediate"])
def test_what_is_known_of_one_is_not_enough(*, leaf: bool) -> None:
    lower, chain = _below()
    assert verdict(chain, lists(crl(lower if leaf else regional_ca()))) is UNKNOWN


def test_a_revoked_intermediate_revokes_what_is_below_it() -> None:
    lower, chain = _below()
    assert verdict(chain, lists(crl(lower), crl(regional_ca(), [lower.certificate]))) is REVOKED


def test_a_revoked_intermediate_revokes_also_where_nothing_is_known_of_the_leaf() -> None:
    lower, chain = _below()
    assert verdict(chain, lists(crl(regional_ca(), [lower.certificate]))) is REVOKED


def test_the_number_of_a_leaf_on_the_list_of_another_ca_revokes_nothing() -> None:
    lower, chain = _below()
    assert verdict(chain, lists(crl(lower), crl(regional_ca(), [chain.certificates[0]]))) is GOOD


def test_an_issuer_that_came_with_a_call_is_remembered_but_not_without_end() -> None:
    known = lists(crl(regional_ca()))
    for certificate in [regional_ca().certificate] * 2 + [regional_ca().client().certificate] * (ISSUERS_KEPT + 1):
        known.of(certificate)
    assert [*known._met.values()] == [known.crls, ()]
    known._met.update({new_ca(str(offset)).certificate: () for offset in range(ISSUERS_KEPT - 2)})
    assert known.of(good_client().certificate) == ()
    assert good_client().certificate not in known._met
    assert len(known) == 1


# --- how long -----------------------------------------------------------------------------------------------------


def told(*signed: bytes, client: ClientCertificate | None = None) -> Revocation:
    return check(chain_of(client or good_client()), lists(*signed), NOW)


def test_what_is_known_begins_and_ends_with_the_list() -> None:
    known = told(crl(regional_ca(), begins=NOW - HOUR, ends=NOW + HOUR))
    assert (known.not_before, known.not_after) == (NOW - HOUR, NOW + HOUR)


def test_what_is_known_ends_with_the_first_list_of_a_path() -> None:
    lower, chain = _below()
    known = check(chain, lists(crl(lower, ends=NOW + DAY), crl(regional_ca(), ends=NOW + HOUR)), NOW)
    assert known.not_after == NOW + HOUR


def test_what_is_known_of_one_certificate_ends_with_the_last_of_its_lists() -> None:
    known = told(crl(regional_ca(), ends=NOW + HOUR), crl(regional_ca(), addresses=[A], ends=NOW + DAY), client=at(A))
    assert known.not_after == NOW + DAY


def test_what_is_known_ends_no_later_than_the_path() -> None:
    known = told(crl(regional_ca(), begins=NOW - WEEK, ends=NOW + 9999 * DAY))
    assert (known.not_before, known.not_after) == (
        chain_of(good_client()).not_before,
        chain_of(good_client()).not_after,
    )


def test_what_is_known_ends_when_a_list_that_came_early_begins() -> None:
    assert told(crl(regional_ca()), crl(regional_ca(), number=2, begins=NOW + HOUR)).not_after == NOW + HOUR
    assert told(crl(regional_ca(), number=2, begins=NOW + HOUR)).not_after == NOW + HOUR


def test_where_nobody_asks_the_path_alone_counts() -> None:
    chain = chain_of(good_client())
    assert unchecked(chain) == Revocation(
        state=RevocationState.OFF, not_before=chain.not_before, not_after=chain.not_after
    )


# --- what the operator reads --------------------------------------------------------------------------------------

WHY: Mapping[str, tuple[Callable[[], list[bytes]], str]] = {
    "none": (list, "no CRL of CN=Regional Root"),
    "stale": (lambda: [crl(regional_ca(), ends=NOW - DAY)], "list-0.crl is stale: it ended at 2026-11-22 00:00:00Z"),
    "stale, and staler": (
        lambda: [
            crl(regional_ca(), addresses=[A], ends=NOW - HOUR),
            crl(regional_ca(), ends=NOW - DAY),
            crl(regional_ca(), addresses=[A, B], ends=NOW - 2 * HOUR),
        ],
        "list-1.crl is stale: it ended at 2026-11-22 00:00:00Z",
    ),
    "stale, and of authorities only": (
        lambda: [
            crl(regional_ca(), ends=NOW - DAY),
            crl(regional_ca(), point={"only_contains_ca_certs": True}, ends=NOW - HOUR),
        ],
        "list-0.crl is stale: it ended at 2026-11-22 00:00:00Z",
    ),
    "early": (lambda: [crl(regional_ca(), begins=NOW + DAY)], "begins at 2026-11-24 00:00:00Z; is the clock right?"),
    "another part": (lambda: [crl(regional_ca(), addresses=[A])], "list-0.crl covers other certificates"),
    "forged": (lambda: [crl(regional_ca(), key=new_ca().private_key)], "list-0.crl has the CA's name, but"),
}


@pytest.mark.parametrize(("make", "text"), WHY.values(), ids=WHY.keys())
def test_an_operator_reads_what_is_missing(make: Callable[[], list[bytes]], text: str) -> None:
    assert text in told(*make()).why


@pytest.mark.parametrize("turned", [False, True])
def test_of_several_an_operator_reads_the_one_that_lasted_longest(*, turned: bool) -> None:
    """Not the one that was issued last; one that does not say how long it lasts counts from its beginning."""
    longest = crl(regional_ca(), begins=NOW - 9 * DAY, ends=NOW - DAY, number=1)
    shorter = crl(regional_ca(), begins=NOW - 3 * DAY, ends=NOW - 2 * DAY, number=2)
    held = [parsed(longest, "longest.crl"), parsed(shorter, "shorter.crl")]
    endless = replace(
        held[0], next_update=None, this_update=NOW - 2 * DAY, origin="endless.crl", fingerprint_sha256="0"
    )

    def why(*known: CRL) -> str:
        return check(chain_of(good_client()), CRLSet(known[::-1] if turned else known), NOW).why

    assert why(*held) == "the CRL from longest.crl is stale: it ended at 2026-11-22 00:00:00Z"
    assert why(*held, endless) == "the CRL from longest.crl is stale: it ended at 2026-11-22 00:00:00Z"
    later = replace(endless, this_update=NOW - HOUR)
    assert why(*held, later) == (
        "the CRL from endless.crl has no nextUpdate, so it cannot confirm that a certificate is good"
    )


def test_an_operator_reads_of_each_certificate_what_is_missing() -> None:
    lower, chain = _below()
    leaf, intermediate, _ = chain.certificates
    names = [one.certificate.subject.rfc4514_string() for one in (lower, regional_ca())]
    missing = [
        f"no CRL of {names[0]} is known that covers {leaf.serial_number:x}",
        f"no CRL of {names[1]} is known that covers {intermediate.serial_number:x}",
    ]
    assert check(chain, lists(), NOW).why == "; ".join(missing)
    assert check(chain, lists(crl(lower)), NOW).why == missing[1]
    stale = crl(regional_ca(), point={"only_contains_ca_certs": True}, ends=NOW - DAY)
    assert "list-1.crl is stale" in check(chain, lists(crl(lower), stale), NOW).why


def test_an_operator_reads_which_list_revoked_what() -> None:
    with pytest.raises(RejectionError) as caught:
        told(crl(regional_ca(), [good_client()], number=12))
    serial = good_client().certificate.serial_number
    assert caught.value.detail == f"it, serial number {serial:x}, is on CRL 12 from list-0.crl"


def test_an_operator_reads_that_an_intermediate_is_revoked() -> None:
    lower, chain = _below()
    with pytest.raises(RejectionError, match="an intermediate of its chain, serial number"):
        check(chain, lists(crl(regional_ca(), [lower.certificate])), NOW)


# --- addresses ----------------------------------------------------------------------------------------------------


def test_only_addresses_of_complete_lists_of_the_issuer_are_read() -> None:
    def point(address: str, **more: object) -> x509.DistributionPoint:
        names = [x509.UniformResourceIdentifier(address), x509.DirectoryName(name_of("X"))]
        options = {"full_name": names, "relative_name": None, "reasons": None, "crl_issuer": None, **more}
        return x509.DistributionPoint(**options)  # type: ignore[arg-type] # keywords

    relative = x509.RelativeDistinguishedName(list(name_of("X"))[:1])
    points = [
        point(A),
        point("http://some.example", reasons=frozenset([x509.ReasonFlags.key_compromise])),
        point("http://other.example", crl_issuer=[x509.DirectoryName(name_of("X"))]),
        point("", full_name=None, relative_name=relative, reasons=None),
        point(B),
        point(A),
    ]
    client = regional_ca().client(extra_extensions=[x509.CRLDistributionPoints(points)])
    assert crl_addresses(client.certificate) == (A, B)


def test_an_extension_that_cannot_be_read_names_no_address() -> None:
    odd = x509.UnrecognizedExtension(ExtensionOID.CRL_DISTRIBUTION_POINTS, b"\0")
    assert crl_addresses(regional_ca().client(extra_extensions=[odd]).certificate) == ()


def test_a_bound_list_has_an_extension_that_says_to_what() -> None:
    assert issuing_point(A).full_name == [x509.UniformResourceIdentifier(A)]
