"""What bytes from anybody on the way may cost: a bounded number of objects, and memory for a few copies of them."""

import base64
import tracemalloc
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest

from mtls_middleware._core.crl import CRL
from mtls_middleware._io.fetch import CRL_BYTES
from mtls_middleware._io.files import InputError
from mtls_middleware._trust.crl import der
from mtls_middleware._trust.crl import entries as entries_of
from mtls_middleware._trust.crl import parsing as parser
from mtls_middleware._trust.crl.parsing import parse_crl
from mtls_middleware.testing import RegionalCA
from tests.core.certs import genesys, new_ca, regional_ca
from tests.core.crls import crl, edited, with_entries
from tests.trust.crl.doubles import A, Bench, Host

SIZE = 2_000_000
"""A tenth of the largest list; what is measured grows with it."""

COPIES = 4
"""Of the bytes, that reading them may take; ten million elements took 77."""

STEPS = 2_000
"""Elements that are looked at before a list without a valid entry is refused."""

CA = regional_ca()
DATE = b"\x17\x0d261101000000Z"
Make = Callable[[], bytes]


def _filled(unit: bytes, size: int = SIZE) -> bytes:
    return unit * (size // len(unit))


def _sequence(*parts: bytes) -> bytes:
    return der.encode(der.SEQUENCE, b"".join(parts))


def _entry(extensions: bytes) -> bytes:
    return _sequence(b"\2\1\1", DATE, extensions)


def _extension(number: int) -> bytes:
    return _sequence(b"\6\3\x2a\3\4", der.encode(der.OCTET_STRING, number.to_bytes(4, "big")))


def _pem(content: bytes) -> bytes:
    return b"-----BEGIN X509 CRL-----\n" + content + b"\n-----END X509 CRL-----\n"


def _field(index: int, content: bytes) -> bytes:
    """Put something else in the place of a field of the signed part."""
    return edited(CA, crl(CA, [7]), lambda fields: [*fields[:index], content, *fields[index + 1 :]])


def _nested(depth: int) -> bytes:
    content = b""
    for _ in range(depth):
        content = _sequence(content)
    return content


NULL = b"\5\0"
HOSTILE: Mapping[str, Make] = {
    "NULLs": lambda: _sequence(_filled(NULL)),
    "NULLs behind what a list begins with": lambda: _sequence(_sequence(), _sequence(), _filled(NULL)),
    "NULLs that are signed": lambda: _sequence(_sequence(_filled(NULL)), _sequence(), b"\3\0"),
    "NULLs for entries": lambda: with_entries(CA, _filled(NULL)),
    "NULLs for extensions of an entry": lambda: with_entries(CA, _entry(_sequence(_filled(NULL)))),
    "NULLs in an extension of an entry": lambda: with_entries(CA, _entry(_sequence(_sequence(_filled(NULL))))),
    "one entry with many extensions": lambda: with_entries(CA, _entry(_sequence(_filled(_extension(1))))),
    "one entry with a long extension": lambda: with_entries(
        CA, _entry(_sequence(_sequence(b"\6\1\x2a", der.encode(4, bytes(SIZE)))))
    ),
    "entries with 50 extensions": lambda: with_entries(CA, _filled(_entry(_sequence(_extension(1) * 50)))),
    "entries without a date": lambda: with_entries(CA, _filled(_sequence(b"\2\1\1\x17\0"))),
    "a huge number": lambda: with_entries(CA, _sequence(der.encode(der.INTEGER, b"\1" * SIZE), DATE)),
    "a huge date": lambda: with_entries(CA, _sequence(b"\2\1\1", der.encode(der.UTC_TIME, b"1" * SIZE))),
    "a huge signature": lambda: _sequence(_sequence(DATE), _sequence(), der.encode(der.BIT_STRING, bytes(SIZE))),
    "a huge issuer": lambda: _field(2, _sequence(_filled(der.encode(0x31, _sequence(b"\6\3\x55\4\3\x0c\1a"))))),
    "huge extensions": lambda: _field(6, der.encode(0xA0, _sequence(_filled(_extension(1))))),
    "deep": lambda: _nested(10_000),
    "indefinite lengths": lambda: _filled(b"\x30\x80"),
    "PEM of NULLs": lambda: _pem(base64.b64encode(_sequence(_filled(NULL)))),
    "PEM with a million lines": lambda: _pem(_filled(b"A\n")),
    "PEM with blanks only": lambda: _pem(_filled(b"\n")),
    "PEM blocks": lambda: _filled(_pem(b"MAA=")),
    "BEGIN lines": lambda: _filled(b"-----BEGIN X509 CRL-----\n"),
    "dashes": lambda: _filled(b"-"),
    "blanks": lambda: _filled(b" "),
}


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Note where each element begins that is looked at."""
    seen: list[int] = []
    find = der.element

    def noting(data: bytes, begin: int, limit: int) -> der.Element:
        seen.append(begin)
        return find(data, begin, limit)

    monkeypatch.setattr(der, "element", noting)
    return seen


def _peak(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_list_is_refused_after_few_steps_and_within_a_few_copies(make: Make, looked_at: list[int]) -> None:
    data = make()
    looked_at.clear()

    def read() -> None:
        with pytest.raises(InputError):
            parse_crl(data, A, pause=lambda: None)

    assert _peak(read) < COPIES * max(len(data), SIZE)
    assert len(looked_at) < STEPS


SHORTEST = _sequence(b"\2\1\1", b"\x17\x0b2611010000Z")
READ: Mapping[str, Callable[[int], Iterable[bytes]]] = {
    "the shortest entries": lambda size: (SHORTEST for _ in range(size // len(SHORTEST))),
    "entries with extensions that are all different": lambda size: (
        _entry(_sequence(_extension(number))) for number in range(size // 40)
    ),
    "entries with as many extensions as there may be": lambda size: (
        _entry(_sequence(*(_extension(number + 16 * index) for number in range(entries_of.EXTENSIONS))))
        for index in range(size // 260)
    ),
}


@pytest.mark.parametrize("make", READ.values(), ids=READ.keys())
def test_a_long_list_of_odd_entries_is_read_within_a_few_copies(make: Callable[[int], Iterable[bytes]]) -> None:
    data = with_entries(CA, b"".join(make(SIZE)))
    assert _peak(lambda: parse_crl(data, A, pause=lambda: None)) < COPIES * len(data)


def test_no_list_holds_more_entries_than_the_shortest_ones_that_fit() -> None:
    with pytest.raises(InputError, match="without a date"):
        parse_crl(with_entries(CA, _sequence(b"\2\1\1", b"\x17\x0a261101000Z")), A)
    assert CRL_BYTES // len(SHORTEST) < 1_200_000


# --- the signature comes first ------------------------------------------------------------------------------------


@pytest.fixture
def entries_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Note how many bytes of entries are read."""
    seen: list[int] = []
    read = entries_of.read_entries

    def noting(data: bytes, begin: int, end: int, *others: Any, **named: Any) -> object:
        seen.append(end - begin)
        return read(data, begin, end, *others, **named)

    monkeypatch.setattr(parser, "read_entries", noting)
    return seen


NAMESAKE = new_ca()
"""It has the name of `CA`, and a key of its own."""


@pytest.mark.parametrize(
    ("signer", "why"),
    [(NAMESAKE, "did not sign it"), (new_ca("Somebody"), "is not known")],
    ids=["in the name of the CA", "of another CA"],
)
def test_the_entries_of_a_forged_list_are_not_read(signer: RegionalCA, why: str, entries_read: list[int]) -> None:
    worker = Bench(genesys(CA), Host({A: crl(signer, range(1, 100))}))
    worker.learn(CA.client(crl_url=A))
    worker.refresh()
    assert why in worker.revocations.problems[0]
    assert entries_read == []


def test_the_entries_of_a_true_list_are_read_once(entries_read: list[int]) -> None:
    worker = Bench(genesys(CA), Host({A: crl(CA, range(1, 100))}))
    worker.learn(CA.client(crl_url=A))
    worker.refresh()
    assert worker.revocations.problems == ()
    assert len(entries_read) == 1


def test_a_forged_list_that_was_kept_is_not_read_either(entries_read: list[int]) -> None:
    client = CA.client(crl_url=A)
    first = Bench(genesys(CA), Host({A: crl(CA, [1])}))
    first.learn(client)
    first.refresh()
    second = Bench(genesys(CA))
    for (kind, key), entry in first.memory.kept.items():
        second.memory.put(kind, key, crl(NAMESAKE, [2]) if key == A else entry.read(), entry.at)
    entries_read.clear()
    second.recall()
    assert entries_read == []


def test_what_is_believed_is_shown_with_its_signature_and_without_entries() -> None:
    shown: list[CRL] = []
    found = parse_crl(crl(CA, [7]), A, believe=shown.append)
    assert shown[0].is_signed_by(CA.certificate)
    assert len(shown[0].serial_numbers) == 0
    assert shown[0] == found
    assert 7 in found.serial_numbers
