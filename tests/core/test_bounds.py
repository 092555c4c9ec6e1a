"""What hostile callers may cost: bounded, and in proportion to what they send. Nothing here looks at a clock alone."""

from collections.abc import Callable
from dataclasses import replace
from time import thread_time
from typing import Self

import pytest
from cryptography import x509

from mtls_middleware._core import signatures
from mtls_middleware._core.certificate import parse_chain
from mtls_middleware._core.connection import collect
from mtls_middleware._core.decision import Reason
from mtls_middleware._core.protection import Protection
from mtls_middleware._core.sources.headers import HeaderSource
from mtls_middleware._core.sources.presented import Presented
from mtls_middleware._core.sources.presets import Encoding, HeaderNames
from mtls_middleware._core.sources.tls import TLSSource
from tests.core.certs import custom, genesys, good_client, new_ca, outcome, presented, reason, regional_ca
from tests.core.requests import request

LIMIT = 5
SMALL, LARGE = 50_000, 400_000
GROWTH = 8
"""Times more bytes."""

SLACK = 4
"""A quadratic cost would grow 8 times as much as a linear one."""

ATTEMPTS = 5

BEGIN = b"-----BEGIN CERTIFICATE-----\n"
END = b"\n-----END CERTIFICATE-----\n"


def _fastest(act: Callable[[], object]) -> float:
    """Return the best of some runs: noise only ever adds."""
    times = []
    for _ in range(7):
        begin = thread_time()
        act()
        times.append(thread_time() - begin)
    return min(times)


def _expect_growth_in_proportion(small: Callable[[], object], large: Callable[[], object]) -> None:
    """Measure again where the growth was too large: a machine may be busy once, a quadratic cost is there each time."""
    growth = 0.0
    for _ in range(ATTEMPTS):
        growth = _fastest(large) / _fastest(small)
        if growth <= GROWTH * SLACK:
            return
    raise AssertionError(f"{GROWTH} times as much costs {growth:.1f} times as much, {GROWTH * SLACK} is the limit")


def _fill(unit: bytes, size: int) -> bytes:
    return unit * (size // len(unit))


HOSTILE_TEXTS: dict[str, tuple[Encoding, Callable[[int], bytes]]] = {
    "base64": (Encoding.B64_DER, lambda size: _fill(b"QUJD", size)),
    "base64 in PEM": (Encoding.PEM_SPACES, lambda size: BEGIN + _fill(b"QUJD", size) + END),
    "base64 of base64 in PEM": (Encoding.B64_PEM, lambda size: _fill(b"QUJD", size)),
    "white space": (Encoding.PEM_SPACES, lambda size: _fill(b" \t\r\n", size)),
    "white space in PEM": (Encoding.PEM_SPACES, lambda size: BEGIN + _fill(b" \n", size) + END),
    "BEGIN in BEGIN": (Encoding.PEM_SPACES, lambda size: _fill(BEGIN, size)),
    "BEGIN in BEGIN and one END": (Encoding.PEM_SPACES, lambda size: _fill(BEGIN, size) + END),
    "END after END": (Encoding.PEM_SPACES, lambda size: BEGIN + b"QUJD" + _fill(END, size)),
    "many certificates": (Encoding.PEM_SPACES, lambda size: _fill(BEGIN + b"QUJD" + END, size)),
    "percent signs": (Encoding.URL_PEM, lambda size: _fill(b"%25", size)),
    "broken percent signs": (Encoding.URL_PEM, lambda size: _fill(b"%41", size) + b"%"),
    "encoded newlines": (Encoding.URL_PEM, lambda size: _fill(b"%0A", size)),
    "commas": (Encoding.B64_DER_LIST, lambda size: _fill(b",", size)),
    "a list": (Encoding.B64_DER_LIST, lambda size: _fill(b"QUJD,", size)),
    "colons": (Encoding.RFC9440, lambda size: _fill(b":", size)),
    "a list of items": (Encoding.RFC9440, lambda size: _fill(b":QUJD:, ", size)),
    "elements": (Encoding.XFCC, lambda size: _fill(b"By=x,", size)),
    "pairs": (Encoding.XFCC, lambda size: _fill(b"DNS=x;", size)),
    "quotes": (Encoding.XFCC, lambda size: _fill(b'"', size)),
    "open quotes": (Encoding.XFCC, lambda size: _fill(b'"\\', size)),
    "quoted separators": (Encoding.XFCC, lambda size: _fill(b'",', size)),
    "escaped quotes": (Encoding.XFCC, lambda size: b'Subject="' + _fill(b'\\"', size)),
    "a long Cert": (Encoding.XFCC, lambda size: b'Hash=0;Cert="' + _fill(b"%0A", size) + b'"'),
}


def _decode(encoding: Encoding, text: bytes) -> object:
    header_names = HeaderNames(certificate="X-Cert", encoding=encoding, bundled=True)
    source = HeaderSource(name="custom", header_names=header_names)
    return outcome(lambda: parse_chain(source.decode(Presented(parts=(text,)), LIMIT)))


@pytest.mark.parametrize(("encoding", "make"), HOSTILE_TEXTS.values(), ids=HOSTILE_TEXTS.keys())
def test_a_hostile_header_costs_in_proportion_to_its_size(encoding: Encoding, make: Callable[[int], bytes]) -> None:
    small, large = make(SMALL), make(LARGE)
    assert _decode(encoding, large) is Reason.CERTIFICATE_MALFORMED
    _expect_growth_in_proportion(lambda: _decode(encoding, small), lambda: _decode(encoding, large))


def test_a_megabyte_of_base64_is_malformed() -> None:
    assert _decode(Encoding.B64_DER, _fill(b"QUJD", 1_000_000)) is Reason.CERTIFICATE_MALFORMED


def test_a_text_of_many_certificates_is_cut_in_proportion() -> None:
    def read(size: int) -> Callable[[], object]:
        connection = request(tls={"client_cert_chain": _fill(BEGIN + b"QUJD" + END, size).decode()})
        fields = collect(connection, frozenset())
        return lambda: TLSSource().read(connection, fields, LIMIT)

    _expect_growth_in_proportion(read(SMALL), read(LARGE))


HOSTILE_PATHS = {
    "letters": "a",
    "slashes": "/",
    "dots": "../",
    "parameters": ";x",
    "semicolons": ";",
    "percent signs": "%25",
    "encoded slashes": "%2f",
    "backslashes": "\\",
    "colons": "a:",
    "schemes": "a://",
    "blanks": " ",
    "blanks in segments": "/ ",
    "dots alone": ".",
    "encoded twice": "%2561",
    "question marks": "?",
    "encoded letters beyond ASCII": "%C3%A9",
    "encoded marks": "%CC%81%CC%A7",
    "marks of two classes": "\u0301\u0327",
    "decomposed letters": "e\u0301",
    "a letter that becomes eighteen": "\ufdfa",
    "a letter that becomes two": "\xdf",
}

LONGEST_PATH = 16_000
"""A longer one is not even looked at."""


@pytest.mark.parametrize("unit", HOSTILE_PATHS.values(), ids=HOSTILE_PATHS.keys())
def test_a_long_path_costs_in_proportion_to_its_length(unit: str) -> None:
    """Looking for a scheme anywhere in 16,000 letters took more than a second."""
    protection = Protection(protected=("/actions",), exempt=("/health",))

    def judge(size: int) -> Callable[[], object]:
        path_ = "/" + unit * ((size - 1) // len(unit))
        connection = request(path=path_, raw_path=path_.encode(), root_path="/api")
        return lambda: protection.covers(connection)

    _expect_growth_in_proportion(judge(LONGEST_PATH // GROWTH), judge(LONGEST_PATH))
    _expect_growth_in_proportion(judge(LONGEST_PATH), judge(LONGEST_PATH * GROWTH))


# ------------------------------------------------------------------------------------------------------------- paths


class Verifier:
    """Stand in for the one that builds paths, find none, and count the intermediates that it is given."""

    def __init__(self) -> None:
        self.given: list[int] = []

    def time(self, _: object) -> Self:
        return self

    def build_client_verifier(self) -> Self:
        return self

    def verify(self, _: x509.Certificate, intermediates: list[x509.Certificate]) -> object:
        self.given.append(len(intermediates))
        raise ValueError


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Return the results of the signatures that are checked before a path is built."""
    results: list[bool] = []
    is_signed_by = signatures._is_signed_by

    def counting(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
        results.append(is_signed_by(certificate, issuer))
        return results[-1]

    monkeypatch.setattr(signatures, "_is_signed_by", counting)
    return results


CROWD = 96


@pytest.mark.parametrize("expired", [False, True])
@pytest.mark.parametrize("same_key", [False, True])
def test_no_path_is_looked_for_in_a_crowd_of_strangers(*, same_key: bool, expired: bool, checks: list[bool]) -> None:
    """They bear one name, so each could have signed each other: building every path would take for ever."""
    stranger = new_ca("Stranger")
    crowd = [stranger.renewed(same_key=same_key).certificate for _ in range(CROWD)]
    verifier = Verifier()
    trust = replace(custom(regional_ca(), max_chain=CROWD + 1), verifier=verifier)  # type: ignore[arg-type] # it looks like one
    assert reason(presented(stranger.client(expired=expired), *crowd), trust) is Reason.ISSUER_UNTRUSTED
    assert verifier.given == []
    assert checks == []


def test_a_crowd_of_certificates_of_one_intermediate_is_one_on_the_path(checks: list[bool]) -> None:
    intermediate = regional_ca().intermediate("one")
    crowd = [intermediate.renewed(same_key=True).certificate for _ in range(CROWD)]
    verifier = Verifier()
    trust = custom(regional_ca(), max_chain=CROWD + 1)
    chain = presented(intermediate.client(), *crowd)
    assert reason(chain, trust) is None
    assert checks == [True, True]
    assert reason(chain, replace(trust, verifier=verifier)) is Reason.ISSUER_UNTRUSTED  # type: ignore[arg-type] # it looks like one
    assert verifier.given == [1]


def test_a_callers_intermediates_are_not_even_looked_through_under_a_regional_root() -> None:
    verifier = Verifier()
    trust = replace(genesys(regional_ca()), verifier=verifier)  # type: ignore[arg-type] # it looks like one
    chain = presented(good_client(), *(new_ca().certificate for _ in range(3)))
    assert reason(chain, trust) is Reason.ISSUER_UNTRUSTED
    assert verifier.given == [0]


def test_many_names_cost_in_proportion() -> None:
    def judge(count: int) -> Callable[[], object]:
        client = regional_ca().client(names=[f"host-{number}.example" for number in range(count)])
        return lambda: reason(parse_chain([client.der]), custom(regional_ca()))

    _expect_growth_in_proportion(judge(200), judge(200 * GROWTH))


def test_a_long_subject_costs_in_proportion() -> None:
    def judge(count: int) -> Callable[[], object]:
        client = regional_ca().client(common_names=[f"name {number}" for number in range(count)])
        return lambda: reason(parse_chain([client.der]), custom(regional_ca()))

    _expect_growth_in_proportion(judge(50), judge(50 * GROWTH))
