"""Byte sequences of structured fields (RFC 9651), as RFC 9440 uses them, compared with the parser of `http-sf`.

That one comes from an author of the RFC. The cases are made by its grammar: every ASCII character at every kind of
place, every type of parameter, good and bad, and every way to separate the members of a list.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from types import MappingProxyType

from mtls_middleware._core.decision import RejectionError
from mtls_middleware._core.sources.decoders import rfc9440_chain, rfc9440_item

LIMIT = 9

VALUES = (
    *("1", "-1", "999999999999999", "1000000000000000", "-", "--1", "+1", "1.", ".5", "1.5", "-1.123", "1.1234"),
    *("123456789012.1", "1234567890123.1", "0", "-0", "00", "1e5", "0x1", "1_0", "1 0"),
    *("?0", "?1", "?2", "?", "??", "?true", "true", "TRUE", "*", "*a", "a/b:c", "1a", "a,b", "tok en", "a;b", "a=b"),
    *('""', '"a"', '"a\\"b"', '"a\\\\b"', '"a\\b"', '"', '"a', '"\t"', '"\x7f"', '"\xe9"', '"a"b', "'a'"),
    *(":YQ==:", "::", ":YQ:", ":Y:", ":Y Q:", ":YQ==", "YQ==:", ":_-:", "@0", "@-1", "@1.5", "@", "@a"),
    *('%"a"', '%"%c3%a9"', '%"%zz"', "%", "(1 2)", "()", "", " 1", "1 ", "\t1", "=1"),
)
KEYS = ("a", "*", "a-b", "a.b", "a_b", "a*", "a1", "1", "A", "aB", "-a", ".a", "a b", "a=", "", "é", "a\t", "a" * 70)
SEPARATORS = (
    *(",", ", ", " ,", " , ", "\t,\t", ",\t ", ",,", ", ,", ";", "", " ", "\n", ", \n", ",\r\n ", "\x00,", ",\x0b"),
)
FIRST, SECOND = ":MAA=:", ":MAEA:"
"""DER of its own, so that they are no certificates in a row."""

DIVERGENT: Mapping[str, str] = MappingProxyType(
    {
        "an empty byte sequence": "it is no certificate, and a chain header that is sent holds one",
        "a display string as parameter": "no parameter of a certificate is one; RFC 9440 defines none at all",
        "an empty list": "a chain header that is sent holds a certificate",
        "too much padding": "no form of RFC 4648 §4; Python's base64, which the other parser uses, lets it pass",
        "one byte sequence that is no DER": "it may hold certificates in a row, as HAProxy's, and is cut at DER",
        "white space at the ends": "what surrounds a field's value was taken off before (RFC 9110 §5.5)",
    }
)
"""Kinds that the RFC's grammar takes, and that are refused here."""


@dataclass(slots=True)
class Outcome:
    """What became of all cases.

    Attributes:
        refused: that both refuse.
        read: that both read to the same bytes.
        divergent: that only this package refuses, by kind.
        wrong: any other.
    """

    refused: int = 0
    read: int = 0
    divergent: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


def outcome() -> Outcome | None:
    """Compare both parsers on every case; None where `http-sf` is not installed."""
    try:
        parse: Callable[..., object] = import_module("http_sf").parse
    except ImportError:
        return None
    found = Outcome()
    for kind, text in sorted(set(_cases())):
        expected = _by_rfc(parse, kind, text)
        ours = _here(kind, text)
        if ours == expected:
            found.refused += ours is None
            found.read += ours is not None
        elif ours is None and (why := _divergence(text, expected)) is not None:
            found.divergent[why] = found.divergent.get(why, 0) + 1
        else:
            found.wrong.append(f"{kind} {text!r}: {ours!r} instead of {expected!r}")
    return found


def _divergence(text: str, expected: tuple[bytes, ...] | None) -> str | None:
    if expected is None:
        return None
    if expected == ():
        return "an empty list"
    if b"" in expected:
        return "an empty byte sequence"
    if '%"' in text:
        return "a display string as parameter"
    if text != text.strip(" \t"):
        return "white space at the ends"
    if "==:" in text and len(expected[0]) % 3 != 1:
        return "too much padding"
    return "one byte sequence that is no DER" if len(expected) == 1 and expected[0] != b"\x30\0" else None


def _by_rfc(parse: Callable[..., object], kind: str, text: str) -> tuple[bytes, ...] | None:
    """Return the bytes; None where the RFC's parser fails, or finds anything but byte sequences."""
    try:
        value = parse(text.encode("utf-8"), tltype=kind)
    except (ValueError, IndexError):
        return None
    members = value if isinstance(value, list) else [value]
    found = [one[0] for one in members if isinstance(one, tuple)]
    return tuple(one for one in found if isinstance(one, bytes)) if _all_bytes(found, members) else None


def _all_bytes(found: list[object], members: list[object]) -> bool:
    return len(found) == len(members) and not [one for one in found if not isinstance(one, bytes)]


def _here(kind: str, text: str) -> tuple[bytes, ...] | None:
    try:
        data = text.encode("utf-8")
        return (rfc9440_item(data),) if kind == "item" else rfc9440_chain(data, LIMIT)
    except RejectionError:
        return None


def _cases() -> Iterator[tuple[str, str]]:
    for text in (*_items(), *_parameters(FIRST)):
        yield "item", text
        yield "list", text
    for separator in SEPARATORS:
        for text in (f"{FIRST}{separator}{SECOND}", f"{FIRST}{separator}", f"{separator}{FIRST}"):
            yield "list", text
            yield "list", f"{text};a=1"
    for member in (*_items(), *VALUES):
        yield "list", f"{FIRST}, {member}"
        yield "list", f"{member}, {FIRST}"
    yield "list", ""


def _items() -> Iterator[str]:
    yield from (
        "",
        ":",
        "::",
        ":::",
        "MAA=",
        ":MAA",
        "MAA=:",
        ":MAA:",
        ":MAA==:",
        ":MA=A:",
        ":=MAA:",
        ":MAE=:",
        ":M:",
        ":MA==:",
    )
    yield from (f" {FIRST}", f"{FIRST} ", f"\t{FIRST}", f"{FIRST}\t", f"{FIRST}{SECOND}", f"{FIRST}a", f"a{FIRST}")
    for character in map(chr, range(128)):
        for place in range(len(FIRST) + 1):
            yield FIRST[:place] + character + FIRST[place:]


def _parameters(item: str) -> Iterator[str]:
    for key in KEYS:
        yield f"{item};{key}"
        yield f"{item};{key}=1"
    for value in VALUES:
        for key in ("a", "a;b"):
            yield f"{item};{key}={value}"
            yield f"{item}; {key}={value};c"
    yield from (f"{item};", f"{item};;a", f"{item} ;a", f"{item};  a", f"{item};\ta", f"{item};a =1", f"{item};a= 1")
    yield f"{item};a=1;a=2"
    yield item + ";a" * 300
