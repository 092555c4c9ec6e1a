"""Entries of the API: every field may be missing, odd or new, and certificates come in any PEM."""

from contextlib import suppress

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from mtls_middleware._io.files import InputError
from mtls_middleware._trust.genesys.listing import PEM_BYTES, CertificateStatus, ListedCertificate, parse_page
from mtls_middleware.identity import Authority
from tests.trust.genesys.region import INTERMEDIATE, REGION_ROOT, ROOT, digicert, entity, genesys

CLIENT = digicert()
OWN = genesys()
LINKS = (CLIENT.certificate, INTERMEDIATE.certificate, ROOT.certificate)
CHAIN = "".join(link.public_bytes(Encoding.PEM).decode("ascii") for link in LINKS)


def read(entry: object, asked_for: CertificateStatus | None = None) -> ListedCertificate:
    page = parse_page({"entities": [entry]}, asked_for)
    assert page.warnings == ()
    (only,) = page.certificates
    return only


def warning(entry: object) -> str:
    page = parse_page({"entities": [entry]}, None)
    assert page.certificates == ()
    (only,) = page.warnings
    return only


def test_an_entry_is_read() -> None:
    assert read(entity(CLIENT, status="Upcoming")) == ListedCertificate(
        authority=Authority.DIGICERT,
        status=CertificateStatus.UPCOMING,
        leaf=CLIENT.certificate,
        intermediates=(INTERMEDIATE.certificate,),
    )


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(CHAIN, id="LF"),
        pytest.param(CHAIN.replace("\n", "\r\n"), id="CRLF"),
        pytest.param(CHAIN.replace("\n", "\r\n").rstrip(), id="CRLF, no final newline"),
        pytest.param(CHAIN + "\n\n", id="blank lines behind"),
        pytest.param("\n\n" + CHAIN, id="blank lines in front"),
        pytest.param(CHAIN.replace("-----BEGIN", "\n\n-----BEGIN"), id="blank lines between"),
    ],
)
def test_any_pem_is_read(text: str) -> None:
    assert read(entity(CLIENT, certificate=text)).leaf == CLIENT.certificate


def test_the_order_of_a_chain_does_not_matter() -> None:
    text = "".join(link.public_bytes(Encoding.PEM).decode("ascii") for link in reversed(LINKS))
    assert read(entity(CLIENT, certificate=text)).leaf == CLIENT.certificate


def test_a_root_in_the_answer_is_left_out() -> None:
    assert ROOT.certificate not in read(entity(CLIENT, certificate=CHAIN)).intermediates


def test_a_genesys_entry_is_the_leaf_alone() -> None:
    own = read(entity(OWN, signingAuthority="Genesys", certificate=OWN.pem + "\n"))
    assert (own.authority, own.leaf, own.intermediates) == (Authority.GENESYS, OWN.certificate, ())


@pytest.mark.parametrize("authority", ["DigiCert", "Digicert", "DIGICERT", "digicert"])
@pytest.mark.parametrize("status", ["Current", "CURRENT", " current "])
@pytest.mark.parametrize("kind", ["Client", "CLIENT"])
def test_case_does_not_matter(authority: str, status: str, kind: str) -> None:
    one = read(entity(CLIENT, signingAuthority=authority, status=status, type=kind))
    assert (one.authority, one.status) == (Authority.DIGICERT, CertificateStatus.CURRENT)


@pytest.mark.parametrize("asked_for", [None, *CertificateStatus])
def test_an_entry_without_status_has_that_of_the_query(asked_for: CertificateStatus | None) -> None:
    assert read(entity(CLIENT, status=None), asked_for).status is (asked_for or CertificateStatus.CURRENT)


@pytest.mark.parametrize(
    ("text", "authority"),
    [
        pytest.param(CHAIN, Authority.DIGICERT, id="with a chain"),
        pytest.param(CLIENT.chain_pem, Authority.DIGICERT, id="with an intermediate"),
        pytest.param(OWN.pem, Authority.GENESYS, id="leaf alone"),
    ],
)
def test_without_an_authority_the_shape_decides(text: str, authority: Authority) -> None:
    assert read({"certificate": text}).authority is authority


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        pytest.param(None, "is no object", id="null"),
        pytest.param([], "is no object", id="list"),
        pytest.param({}, "has no certificate in text", id="empty"),
        pytest.param(entity(CLIENT, type="Server"), "unknown type server", id="type"),
        pytest.param(entity(CLIENT, status="Retired"), "unknown status retired", id="status"),
        pytest.param(entity(CLIENT, status=""), "unknown status", id="empty status"),
        pytest.param(entity(CLIENT, signingAuthority="Acme\x1b[31m"), r"acme\x1b[31m", id="authority"),
        pytest.param(entity(CLIENT, type=1), "type that is no text", id="numeric type"),
        pytest.param(entity(CLIENT, status=[]), "status that is no text", id="listed status"),
        pytest.param(entity(CLIENT, signingAuthority={}), "signingAuthority that is no text", id="odd authority"),
        pytest.param(entity(CLIENT, certificate=None), "has no certificate in text", id="null certificate"),
        pytest.param(entity(CLIENT, certificate="x" * (PEM_BYTES + 1)), "at most 65,536", id="long certificate"),
        pytest.param(entity(CLIENT, certificate="MIIB"), "is not PEM", id="no PEM"),
        pytest.param(entity(CLIENT, certificate="\ud800"), "is not PEM", id="half a character"),
        pytest.param(entity(CLIENT, certificate=CHAIN[:500]), "cannot be used", id="cut off"),
        pytest.param(entity(CLIENT, certificate=CHAIN.replace("MII", "MIJ")), "cannot be used", id="broken"),
        pytest.param(entity(CLIENT, certificate=ROOT.pem), "holds 0 client certificates", id="a root"),
        pytest.param(entity(CLIENT, certificate=OWN.pem + CLIENT.pem), "holds 2 client certificates", id="two leaves"),
        pytest.param(
            entity(CLIENT, certificate=CLIENT.key_pem), "private key: only certificates belong here", id="a key"
        ),
    ],
)
def test_what_is_not_understood_is_told(entry: object, said: str) -> None:
    assert said in warning(entry)


def test_a_bad_entry_does_not_hide_the_others() -> None:
    page = parse_page({"entities": [entity(CLIENT, status="New"), entity(CLIENT)]}, None)
    assert [one.leaf for one in page.certificates] == [CLIENT.certificate]
    assert page.warnings == ("entry 1 has the unknown status new",)


@pytest.mark.parametrize(
    "listing", [{}, {"entities": None}, {"entities": []}, {"nextUri": ""}, {"unknown": [{}]}], ids=str
)
def test_an_empty_listing_is_one(listing: dict[str, object]) -> None:
    page = parse_page(listing, None)
    assert (page.certificates, page.warnings, page.next_uri) == ((), (), None)


@pytest.mark.parametrize(
    "listing", [{"entities": {}}, {"entities": "text"}, {"nextUri": 1}, {"entities": [], "nextUri": []}], ids=str
)
def test_what_is_no_listing_is_unusable(listing: dict[str, object]) -> None:
    with pytest.raises(InputError):
        parse_page(listing, None)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(CHAIN) | st.just(OWN.pem),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
entries = st.fixed_dictionaries(
    {},
    optional={
        "signingAuthority": anything | st.sampled_from(["DigiCert", "Genesys"]),
        "certificate": anything | st.text("-BEGIN CERTIFICATE\r\nMI=", max_size=200).map(CHAIN[:300].__add__),
        "status": anything | st.sampled_from(["Current", "Upcoming"]),
        "type": anything | st.just("Client"),
    },
)


@given(st.fixed_dictionaries({}, optional={"entities": st.lists(entries) | anything, "nextUri": anything}))
def test_any_listing_is_a_page_or_unusable(listing: dict[str, object]) -> None:
    with suppress(InputError):
        page = parse_page(listing, None)
        assert [one for one in page.certificates if one.leaf not in {CLIENT.certificate, OWN.certificate}] == []


def test_the_regional_root_is_no_client() -> None:
    assert "holds 0 client certificates" in warning(
        entity(OWN, signingAuthority="Genesys", certificate=REGION_ROOT.pem)
    )
