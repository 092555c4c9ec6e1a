"""What a stranger's chain may cost, in any shape: in proportion to a plain stranger's, measured in the same run."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from ipaddress import ip_address, ip_network
from time import thread_time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from mtls_middleware._core import certificate, elements
from mtls_middleware._core.certificate import parse_chain
from mtls_middleware._core.decision import Reason
from mtls_middleware._core.elements import has_too_many_elements
from mtls_middleware._core.sources.headers import HeaderSource
from mtls_middleware._core.sources.presented import Presented
from mtls_middleware._core.sources.presets import Encoding as Form
from mtls_middleware._core.sources.presets import HeaderNames
from mtls_middleware.testing import KeyKind
from mtls_middleware.testing.signing import PrivateKey, authority_builder, generate, key_identifier, name_of, sign
from tests.core.certs import DAY, NOW, custom, good_client, outcome, reason, regional_ca
from tests.core.test_bounds import ATTEMPTS, HOSTILE_TEXTS

BOUND = 60
"""Times a plain stranger's refusal; a CA with 440 name constraints cost 4,500 times as much."""

HEADER_BYTES = 32_768
"""Of MTLS_MAX_HEADER_BYTES, where nobody changed it."""

Name = x509.Name | str
Ders = Sequence[bytes]


_keys: dict[tuple[str, KeyKind], PrivateKey] = {}


def _key(name: str, kind: KeyKind = KeyKind.P256) -> PrivateKey:
    if (name, kind) not in _keys:
        _keys[name, kind] = generate(kind)
    return _keys[name, kind]


def _name(name: Name) -> x509.Name:
    return name_of(name) if isinstance(name, str) else name


def _ca(subject: Name, issuer: Name, *values: x509.ExtensionType, keys: tuple[str, str] = ("a", "a")) -> bytes:
    own, other = map(_key, keys)
    builder = authority_builder(_name(subject), own, NOW - DAY, NOW + DAY).issuer_name(_name(issuer))
    builder = builder.add_extension(key_identifier(other), critical=False)
    for value in values:
        builder = builder.add_extension(value, critical=isinstance(value, x509.NameConstraints))
    return sign(builder, other).public_bytes(Encoding.DER)


def _leaf(
    issuer: Name = "Stranger",
    names: Iterable[x509.GeneralName] = (x509.DNSName("a.example"),),
    *values: x509.ExtensionType,
    subject: Name = "leaf",
    key: PrivateKey | None = None,
) -> bytes:
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(_key("leaf").public_key())
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + DAY)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
    )
    for value in values:
        builder = builder.add_extension(value, critical=False)
    return sign(builder, key or _key("a")).public_bytes(Encoding.DER)


def _dns(number: int, pattern: str = "host-{}.a.example") -> list[x509.DNSName]:
    return [x509.DNSName(pattern.format(index)) for index in range(number)]


def _long(attributes: int) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"a{index % 10}") for index in range(attributes)])


def _oid(index: int) -> x509.ObjectIdentifier:
    return x509.ObjectIdentifier(f"1.2.3.{index}")


def _uri(text: str = "") -> x509.UniformResourceIdentifier:
    return x509.UniformResourceIdentifier(text)


def _points(number: int) -> x509.CRLDistributionPoints:
    return x509.CRLDistributionPoints([x509.DistributionPoint([_uri("u:")], None, None, None)] * number)


def _access(number: int) -> x509.AuthorityInformationAccess:
    return x509.AuthorityInformationAccess([x509.AccessDescription(_oid(1), _uri())] * number)


def _policies(number: int) -> x509.CertificatePolicies:
    return x509.CertificatePolicies([x509.PolicyInformation(_oid(index), None) for index in range(number)])


def _crossed(kind: KeyKind) -> Ders:
    """Return CAs of one name, all signed by one of them."""
    keys = [_key(f"crossed {index}", kind) for index in range(4)]
    cas = [
        sign(authority_builder(name_of("A"), key, NOW - DAY, NOW + DAY).issuer_name(name_of("A")), keys[0])
        for key in keys
    ]
    return [_leaf("A", key=keys[0]), *(ca.public_bytes(Encoding.DER) for ca in cas)]


def _chain(length: int, **names: x509.ExtensionType) -> Ders:
    """Return a chain in which each CA is signed by the next one."""
    cas = (_ca(f"CA {at}", f"CA {at + 1}", *names.values(), keys=(f"{at}", f"{at + 1}")) for at in range(length - 1))
    return [_leaf("CA 0", _dns(200), key=_key("0")), *cas]


ANCHOR = regional_ca().certificate.subject
CONSTRAINTS: Mapping[str, Callable[[], Ders]] = {
    "names under permitted names": lambda: [
        _leaf("S", _dns(440)),
        _ca("S", "S", x509.NameConstraints([*_dns(439, "x{}.b.example"), x509.DNSName("a.example")], None)),
    ],
    "names under excluded names": lambda: [
        _leaf("S", _dns(440)),
        _ca("S", "S", x509.NameConstraints(None, _dns(440, "x{}.b.example"))),
    ],
    "names under a CA in the anchor's name": lambda: [
        _leaf(ANCHOR, _dns(440)),
        _ca(ANCHOR, ANCHOR, x509.NameConstraints(None, _dns(440, "x{}.b.example"))),
    ],
    "names under a CA that names the anchor": lambda: [
        _leaf("S", _dns(440)),
        _ca("S", ANCHOR, x509.NameConstraints(None, _dns(440, "x{}.b.example"))),
    ],
    "names under four CAs": lambda: _chain(5, names=x509.NameConstraints(None, _dns(150, "x{}.b.example"))),
    "addresses": lambda: [
        _leaf("S", [x509.IPAddress(ip_address(index)) for index in range(900)]),
        _ca("S", "S", x509.NameConstraints(None, [x509.IPAddress(ip_network((at << 8, 24))) for at in range(400)])),
    ],
    "directory names": lambda: [
        _leaf("S", [x509.DirectoryName(_long(2)) for _ in range(150)]),
        _ca("S", "S", x509.NameConstraints(None, [x509.DirectoryName(_long(3)) for _ in range(100)])),
    ],
}
SHAPES: Mapping[str, Callable[[], Ders]] = {
    **CONSTRAINTS,
    "CAs that sign each other, P-256": lambda: _crossed(KeyKind.P256),
    "CAs that sign each other, P-384": lambda: _crossed(KeyKind.P384),
    "a long chain": lambda: _chain(5),
    "short names": lambda: [_leaf("S", _dns(2700, "{:x}.b"))],
    "empty names": lambda: [_leaf("S", [x509.DNSName("")] * 16_000)],
    "empty names in few bytes": lambda: [_leaf("S", [x509.DNSName("")] * 3_800)],
    "empty addresses": lambda: [_leaf("S", [_uri()] * 16_000)],
    "empty directory names": lambda: [_leaf("S", [x509.DirectoryName(x509.Name([]))] * 6_000)],
    "identifiers": lambda: [_leaf("S", [x509.RegisteredID(_oid(index)) for index in range(4_000)])],
    "a long subject": lambda: [_leaf("S", subject=_long(2_300))],
    "a long subject in few bytes": lambda: [_leaf("S", subject=_long(550))],
    "a long issuer": lambda: [_leaf(_long(2_300))],
    "long names of four CAs": lambda: [_leaf(_long(70)), *[_ca(_long(70), _long(70))] * 4],
    "one long name": lambda: [_leaf("S", [x509.DNSName("a." * 15_000)])],
    "policies": lambda: [_leaf("S", _dns(1), _policies(3_000))],
    "policies of a CA": lambda: [_leaf("S"), _ca("S", "S", _policies(2_700))],
    "purposes": lambda: [_leaf("S", _dns(1), x509.ExtendedKeyUsage(map(_oid, range(4_000))))],
    "extensions": lambda: [
        _leaf("S", _dns(1), *(x509.UnrecognizedExtension(_oid(index), b"") for index in range(2_000)))
    ],
    "distribution points": lambda: [_leaf("S", _dns(1), _points(2_500))],
    "addresses of issuers": lambda: [_leaf("S", _dns(1), _access(3_000))],
}


def _fastest(act: Callable[[], object]) -> float:
    """Return the best of some runs: noise only ever adds. Coverage would count lines of Python, so it does not look."""
    tracing = sys.gettrace()
    sys.settrace(None)
    try:
        times = []
        for _ in range(9):
            begin = thread_time()
            act()
            times.append(thread_time() - begin)
        return min(times)
    finally:
        sys.settrace(tracing)


def _seconds(ders: Ders) -> float:
    trust = custom(regional_ca())

    def refused() -> object:
        certificate._parsed.cache_clear()  # for the first time, each time
        return outcome(lambda: reason(parse_chain(ders), trust))

    assert refused() in {Reason.ISSUER_UNTRUSTED, Reason.CERTIFICATE_MALFORMED}
    return _fastest(refused)


def _ratio(dear: Callable[[], float], plain: Callable[[], float], bound: int) -> float:
    """Compare two costs, and again where a neighbour may have slowed down the first; return the last ratio."""
    ratio = 0.0
    for _ in range(ATTEMPTS):
        ratio = dear() / plain()
        if ratio < bound:
            break
    return ratio


@pytest.mark.parametrize("make", SHAPES.values(), ids=SHAPES.keys())
def test_a_strangers_chain_costs_sixty_times_a_plain_strangers_at_most(make: Callable[[], Ders]) -> None:
    ders = make()
    assert sum(map(len, ders)) <= HEADER_BYTES
    assert _ratio(lambda: _seconds(ders), lambda: _seconds([_leaf()]), BOUND) < BOUND


@pytest.mark.parametrize("make", CONSTRAINTS.values(), ids=CONSTRAINTS.keys())
def test_the_constraints_of_a_strangers_ca_are_not_looked_at(make: Callable[[], Ders]) -> None:
    """Without them the same chain costs about as much."""
    leaf, *cas = make()
    assert _ratio(lambda: _seconds([leaf, *cas]), lambda: _seconds([leaf]), 5) < 5


@pytest.mark.parametrize(("encoding", "make"), HOSTILE_TEXTS.values(), ids=HOSTILE_TEXTS.keys())
def test_a_hostile_header_costs_sixty_times_as_much_at_most(encoding: Form, make: Callable[[int], bytes]) -> None:
    source = HeaderSource(
        name="custom", header_names=HeaderNames(certificate="X-Cert", encoding=encoding, bundled=True)
    )
    text = make(HEADER_BYTES)

    def decode() -> float:
        return _fastest(lambda: outcome(lambda: source.decode(Presented(parts=(text,)), 5)))

    assert _ratio(decode, lambda: _seconds([_leaf()]), BOUND) < BOUND


# ---------------------------------------------------------------------------------------------------------- elements


def test_what_real_callers_present_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elements, "_count", None)
    assert not has_too_many_elements([good_client().der])
    assert not has_too_many_elements([bytes(elements.FREE_BYTES)])


def test_a_leaf_with_many_names_is_read() -> None:
    client = regional_ca().client(names=[f"host-{number}.example" for number in range(1_900)])
    assert len(client.der) > HEADER_BYTES
    assert parse_chain([client.der]).dns_names is not None


@pytest.mark.parametrize("certificates", [1, 5])
def test_more_elements_than_the_bound_are_too_many(certificates: int) -> None:
    bound = elements.ELEMENTS + certificates * elements.ELEMENTS_EACH
    few, rest = divmod(bound, certificates)
    ders = [b"\x30\x80" + b"\x0c\4abcd" * (few - 1)] * certificates
    ders[-1] += b"\x0c\4abcd" * rest
    assert not has_too_many_elements(ders)
    assert has_too_many_elements([*ders[:-1], ders[-1] + b"\5\0"])


@pytest.mark.parametrize(
    "before",
    [
        pytest.param(b"\x04\x08\x30\x06\x0c\x84\x7f\xff\xff\xff", id="a length beyond an extension"),
        pytest.param(b"\x04\x04\x30\x84\xff\xff", id="a length that is cut off"),
        pytest.param(b"\x04\x04\x30\x30\x30\x0c", id="a header that is cut off"),
        pytest.param(b"\x04\x00", id="an extension without value"),
        pytest.param(b"\x04\x06\x30\x04\x04\x02\x30\x00", id="an extension in an extension"),
    ],
)
def test_nothing_hides_elements_from_the_count(before: bytes) -> None:
    assert has_too_many_elements([b"\x30\x80" + before + b"\x0c\2ab" * elements.ELEMENTS * 2])


def test_a_cut_off_certificate_is_counted_to_its_end() -> None:
    assert not has_too_many_elements([b"\x04" * elements.FREE_BYTES + b"\x30\x82\1"])
    assert outcome(lambda: parse_chain([b"\x30" + bytes(elements.FREE_BYTES)])) is Reason.CERTIFICATE_MALFORMED
