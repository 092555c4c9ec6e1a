"""Envoy's header: identity only from Cert and Chain of the first of exactly the expected elements."""

import hashlib
import json
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from mtls_middleware._core.decision import Reason, RejectionError
from mtls_middleware._core.sources.xfcc import SEPARATORS, xfcc_certificates
from tests.core.certs import good_client, regional_ca

LIMIT = 5

VECTORS = Path(__file__).parents[2] / "vectors" / "xfcc"

MALLORY = regional_ca().client(names=["mallory.example"])
VICTIM = good_client()

CERT = quote(MALLORY.pem, safe="")
HASH = hashlib.sha256(MALLORY.der).hexdigest()
VICTIMS_CERT = quote(VICTIM.pem, safe="")
VICTIMS_HASH = hashlib.sha256(VICTIM.der).hexdigest()

ELEMENT = f'Hash={HASH};Cert="{CERT}"'
VICTIMS_ELEMENT = f'Hash={VICTIMS_HASH};Cert="{VICTIMS_CERT}"'


def _read(text: str, elements: int = 1) -> tuple[bytes, ...]:
    return xfcc_certificates(text.encode("latin-1", "replace"), elements, LIMIT)


GOOD = {
    "Hash and Cert": ELEMENT,
    "Chain for Cert": f'Hash={HASH};Chain="{CERT}"',
    "Cert and Chain": f'{ELEMENT};Chain="{CERT}"',
    "By first": f"By=spiffe://mesh/edge;{ELEMENT}",
    "names behind": f'{ELEMENT};Subject="CN=mallory,O=\\"x\\"; y";URI=;URI=spiffe://a;DNS=a;DNS=b',
    "keys in any case": f'hash={HASH};CERT="{CERT}";subject="";dns=a',
    "without quotes": f"Hash={HASH};Cert={CERT}",
    "a hash in upper case": f'Hash={HASH.upper()};Cert="{CERT}"',
    "a final semicolon, as of Azure": f"{ELEMENT};",
    "blanks around": f"  {ELEMENT} \t",
    "a blank behind a semicolon": f'Hash={HASH}; Cert="{CERT}"',
    "any order": f'Cert="{CERT}";Hash={HASH}',
    "By twice, for two names of the proxy": f"By=spiffe://a/1;By=spiffe://a/2;{ELEMENT}",
    "Subject twice": f'{ELEMENT};Subject="";Subject=""',
    "an issuer": f'{ELEMENT};Issuer="CN=Root, O=\\"x\\"; y"',
    "a key that is not invented yet": f"{ELEMENT};Not-Yet_1=x;not-yet_1=y",
}


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD.keys())
def test_the_certificate_of_the_one_element_is_read(text: str) -> None:
    assert _read(text) == (MALLORY.der,)


def test_the_chain_comes_with_the_leaf_first() -> None:
    client = regional_ca().intermediate().client()
    leaf, chain = quote(client.pem, safe=""), quote(client.chain_pem, safe="")
    digest = hashlib.sha256(client.der).hexdigest()
    ders = _read(f'Hash={digest};Cert="{leaf}";Chain="{chain}"')
    assert len(ders) == 2
    assert ders[0] == client.der


def test_of_a_chain_no_more_than_one_too_many_is_read() -> None:
    assert len(_read(f'Hash={HASH};Chain="{CERT * 100}"')) == LIMIT + 1


BAD = {
    "nothing": "",
    "a comma": ",",
    "a semicolon": ";",
    "no Hash": f'Cert="{CERT}"',
    "no Cert": f"Hash={HASH}",
    "only names": f'Hash={HASH};Subject="CN=x";URI=;DNS=x',
    "an empty Cert": f'Hash={HASH};Cert=""',
    "an empty Hash": f'Hash=;Cert="{CERT}"',
    "the Hash of another": f'Hash={VICTIMS_HASH};Cert="{CERT}"',
    "the Cert of another": f'Hash={HASH};Cert="{VICTIMS_CERT}"',
    "the Chain of another": f'{ELEMENT};Chain="{VICTIMS_CERT}"',
    "Cert twice": f'{ELEMENT};Cert="{VICTIMS_CERT}"',
    "the same Cert twice": f'{ELEMENT};Cert="{CERT}"',
    "Cert in two cases": f'{ELEMENT};cert="{VICTIMS_CERT}"',
    "Hash twice": f"{ELEMENT};Hash={VICTIMS_HASH}",
    "Chain twice": f'{ELEMENT};Chain="{CERT}";Chain="{CERT}"',
    "two certificates in Cert": f'Hash={HASH};Cert="{CERT}{VICTIMS_CERT}"',
    "a percent-encoded Hash": f'Hash=%{ord(HASH[0]):x}{HASH[1:]};Cert="{CERT}"',
    "a key that ends with Cert": f'Hash={HASH};XCert="{CERT}"',
    "a key that begins with Cert": f'Hash={HASH};CertX="{CERT}"',
    "a key that ends with Hash": f'XHash={HASH};Cert="{CERT}"',
    "a key that begins with Hash": f'HashX={HASH};Cert="{CERT}"',
    "a key that ends with Chain": f'Hash={HASH};XChain="{CERT}"',
    "a key with a blank": f"{ELEMENT};Ev il=x",
    "a key without a letter": f"{ELEMENT};=x",
    "a key in quotes": f'Hash={HASH};"Cert"="{CERT}"',
    "a blank before the value": f'Hash={HASH};Cert= "{CERT}"',
    "a pair without a value": f"{ELEMENT};URI",
    "an empty pair": f'Hash={HASH};;Cert="{CERT}"',
    "two final semicolons": f"{ELEMENT};;",
    "an open quote": f'{ELEMENT};Subject="CN=x',
    "an open quote at the end": f'{ELEMENT};Subject="',
    "an escaped final quote": f'{ELEMENT};Subject="CN=x\\"',
    "a backslash at the end": f'{ELEMENT};Subject="CN=x\\',
    "a quote in the middle": f'{ELEMENT};DNS=a"b"',
    "text behind a quote": f'Hash={HASH};Cert="{CERT}"x',
    "text behind a quoted subject": f'{ELEMENT};Subject="CN=x"y',
    "two elements": f"{ELEMENT},{VICTIMS_ELEMENT}",
    "an element before": f"{VICTIMS_ELEMENT},{ELEMENT}",
    "an empty element behind": f"{ELEMENT},",
    "an empty element before": f",{ELEMENT}",
    "broken percent-encoding": f'Hash={HASH};Cert="{CERT}%"',
    "raw PEM": f'Hash={HASH};Cert="{MALLORY.pem}"',
    "percent-encoded twice": f'Hash={HASH};Cert="{quote(CERT)}"',
    "base64 alone": f'Hash={HASH};Cert="QUJD"',
    "an element with bytes beyond ASCII": f"{ELEMENT};\xe9=1",
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_anything_that_another_parser_could_read_in_another_way_is_malformed(text: str) -> None:
    with pytest.raises(RejectionError) as refused:
        _read(text)
    assert refused.value.reason is Reason.CERTIFICATE_MALFORMED


def test_with_two_elements_the_first_is_the_callers() -> None:
    assert _read(f"{ELEMENT},{VICTIMS_ELEMENT}", elements=2) == (MALLORY.der,)


@pytest.mark.parametrize("count", [1, 3, 4])
def test_the_number_of_elements_is_exact(count: int) -> None:
    with pytest.raises(RejectionError, match="MTLS_XFCC_ELEMENTS is 2"):
        _read(",".join([ELEMENT] * count), elements=2)


def test_an_element_that_is_not_the_callers_must_be_well_formed_too() -> None:
    with pytest.raises(RejectionError, match="no"):
        _read(f"{ELEMENT},garbage", elements=2)


def test_a_later_element_may_have_any_keys() -> None:
    assert _read(f'{ELEMENT},By=x;Issuer="CN=y";New=z;Hash={HASH}', elements=2) == (MALLORY.der,)


@pytest.mark.parametrize("name", ["by-twice", "issuer", "json"])
def test_lesson_what_envoy_1_40_wrote_is_read(name: str) -> None:
    (der,) = xfcc_certificates((VECTORS / f"xfcc-{name}.txt").read_bytes().strip(), 1, LIMIT)
    assert x509.load_der_x509_certificate(der).issuer.rfc4514_string().startswith("CN=Genesys Cloud us-east-1 Root CA")


def as_json(*elements: object) -> str:
    return json.dumps(elements)


IN_JSON = {"hash": HASH, "cert": MALLORY.pem}
GOOD_JSON = {
    "hash and cert": as_json(IN_JSON),
    "chain for cert": as_json({"hash": HASH, "chain": MALLORY.pem}),
    "cert and chain": as_json({**IN_JSON, "chain": MALLORY.pem}),
    "a chain as a list": as_json({**IN_JSON, "chain": [MALLORY.pem]}),
    "names, lists and things to come": as_json(
        {**IN_JSON, "by": ["a", "b"], "uri": [], "dns": ["x"], "new": {"a": [1.5, None]}}
    ),
    "keys in any case": as_json({"Hash": HASH, "CERT": MALLORY.pem}),
    "another key twice": as_json(IN_JSON).replace("{", '{"by": 1, "by": 2, ', 1),
    "blanks": json.dumps([IN_JSON], indent=2),
}


@pytest.mark.parametrize("text", GOOD_JSON.values(), ids=GOOD_JSON.keys())
def test_json_is_read_likewise(text: str) -> None:
    assert _read(text) == (MALLORY.der,)


def test_of_two_elements_in_json_the_first_is_the_callers() -> None:
    assert _read(as_json(IN_JSON, {"hash": VICTIMS_HASH, "cert": VICTIM.pem}), elements=2) == (MALLORY.der,)


BAD_JSON = {
    "no element": "[]",
    "two elements": as_json(IN_JSON, IN_JSON),
    "no object": as_json("hash"),
    "a list in it": as_json([IN_JSON]),
    "cut off": as_json(IN_JSON)[:-1],
    "text behind": as_json(IN_JSON) + "x",
    "another header behind": f"{as_json(IN_JSON)},{ELEMENT}",
    "no hash": as_json({"cert": MALLORY.pem}),
    "no cert": as_json({"hash": HASH}),
    "the hash of another": as_json({"hash": VICTIMS_HASH, "cert": MALLORY.pem}),
    "the chain of another": as_json({**IN_JSON, "chain": VICTIM.pem}),
    "cert twice": as_json(IN_JSON).replace("{", f'{{"cert": {json.dumps(VICTIM.pem)}, ', 1),
    "the same hash twice": as_json(IN_JSON).replace("{", f'{{"hash": "{HASH}", ', 1),
    "cert in two cases": as_json({**IN_JSON, "Cert": VICTIM.pem}),
    "a cert that is no text": as_json({"hash": HASH, "cert": {"pem": MALLORY.pem}}),
    "a chain with something else": as_json({**IN_JSON, "chain": [MALLORY.pem, 1]}),
    "a list of two certificates in cert": as_json({"hash": HASH, "cert": [MALLORY.pem, VICTIM.pem]}),
    "a hash that is no text": as_json({"hash": None, "cert": MALLORY.pem}),
    "a percent-encoded cert": as_json({"hash": HASH, "cert": CERT}),
    "two certificates in cert": as_json({"hash": HASH, "cert": MALLORY.pem + VICTIM.pem}),
    "a lone surrogate": as_json({**IN_JSON, "cert": "\ud800"}),
    "bytes that are not UTF-8": as_json(IN_JSON).replace("{", '{"by": "\xff", ', 1),
    "no number": as_json(IN_JSON).replace("{", '{"by": NaN, ', 1),
    "a number of 5,000 digits": as_json(IN_JSON).replace("{", f'{{"by": {"9" * 5_000}, ', 1),
    "nested deeply": "[" * 1_000 + "]" * 1_000,
    "many elements": f"[{','.join(['{}'] * SEPARATORS)}]",
    "a single quote": as_json(IN_JSON).replace('"', "'"),
}


@pytest.mark.parametrize("text", BAD_JSON.values(), ids=BAD_JSON.keys())
def test_other_json_is_malformed(text: str) -> None:
    with pytest.raises(RejectionError) as refused:
        _read(text)
    assert refused.value.reason is Reason.CERTIFICATE_MALFORMED


def test_as_many_separators_are_read_as_envoy_may_write_and_no_more() -> None:
    pairs = ";DNS=a" * (SEPARATORS - ELEMENT.count(";") - ELEMENT.count('"') // 2)
    assert _read(ELEMENT + pairs) == (MALLORY.der,)
    with pytest.raises(RejectionError, match=f"more than {SEPARATORS} separators"):
        _read(f"{ELEMENT}{pairs};DNS=a")


@pytest.mark.parametrize("more", [",", "[", "{"])
def test_json_has_a_bound_on_each_of_its_separators(more: str) -> None:
    text = as_json({"by": "", **IN_JSON})
    most = text.replace('"by": ""', f'"by": "{more * (SEPARATORS - sum(map(text.count, ",[{")))}"')
    assert _read(most) == (MALLORY.der,)
    with pytest.raises(RejectionError, match=f"more than {SEPARATORS} separators"):
        _read(most.replace('"by": "', f'"by": "{more}'))


@given(st.text(alphabet='[]{}",:\\ abehrstc0123é\0', max_size=40).map("[".__add__))
def test_whatever_begins_like_json_is_read_or_malformed(text: str) -> None:
    with pytest.raises(RejectionError) as refused:
        _read(text)
    assert refused.value.reason is Reason.CERTIFICATE_MALFORMED


_INJECTION = st.lists(
    st.sampled_from(
        [
            ",",
            ";",
            '"',
            '\\"',
            "\\",
            "=",
            " ",
            "%22",
            "Hash=",
            "By=x",
            "DNS=x",
            "URI=",
            'Subject="',
            f"Hash={VICTIMS_HASH}",
            f'Cert="{VICTIMS_CERT}"',
            f'Chain="{VICTIMS_CERT}"',
            VICTIMS_ELEMENT,
        ]
    ),
    max_size=8,
).map("".join)


@given(by=_INJECTION, subject=_INJECTION, uri=_INJECTION, dns=_INJECTION, elements=st.integers(1, 3))
def test_no_name_in_a_callers_certificate_makes_it_another(
    by: str, subject: str, uri: str, dns: str, elements: int
) -> None:
    """Envoy quotes the subject, and writes URI and DNS as they are."""
    quoted = subject.replace("\\", "\\\\").replace('"', '\\"')
    try:
        ders = _read(f'By={by};{ELEMENT};Chain="{CERT}";Subject="{quoted}";URI={uri};DNS={dns}', elements)
    except RejectionError:
        return
    # The server's own `By` stands first: only a proxy that certifies attackers' URIs for itself would give them that.
    assert ders[0] == MALLORY.der or VICTIMS_HASH in by


@given(uri=_INJECTION, dns=_INJECTION, elements=st.integers(1, 3))
def test_nor_behind_the_callers_own_pairs(uri: str, dns: str, elements: int) -> None:
    try:
        ders = _read(f"{ELEMENT};URI={uri};DNS={dns},{ELEMENT}", elements)
    except RejectionError:
        return
    assert ders[0] == MALLORY.der
