"""Hostile bytes that are nearly good: what was valid is flipped, cut, repeated, moved, and encoded again."""

import base64
from collections.abc import Callable, Sequence
from urllib.parse import quote_from_bytes, unquote_to_bytes

from hypothesis import strategies as st

SPICES = (
    b"",
    b" ",
    b"\t",
    b"\n",
    b"\r\n",
    b"\0",
    b"\xff",
    b"%",
    b"%25",
    b"%0A",
    b"%2",
    b",",
    b", ",
    b";",
    b":",
    b"::",
    b'"',
    b'\\"',
    b"\\",
    b"=",
    b"==",
    b"+",
    b"/",
    b"-----BEGIN CERTIFICATE-----",
    b"-----END CERTIFICATE-----",
    b"-----BEGIN CERTIFICATE-----\n",
    b"\x30\x80",
    b"\x30\x82\xff\xff",
    b"\x30\x84\xff\xff\xff\xff",
    b"\x30\x00",
    b"Cert=",
    b"Hash=",
    b";Cert=",
    b",Hash=",
)

ENCODE_AGAIN: tuple[Callable[[bytes], bytes], ...] = (
    base64.b64encode,
    base64.urlsafe_b64encode,
    base64.encodebytes,
    lambda data: quote_from_bytes(data, safe="").encode("ascii"),
    unquote_to_bytes,
    bytes.lower,
    bytes.upper,
    bytes.swapcase,
    lambda data: data[::-1],
    lambda data: data.replace(b"\n", b" "),
    lambda data: data.replace(b" ", b"\n"),
    lambda data: data + data,
)


@st.composite
def mutated(draw: st.DrawFn, originals: Sequence[bytes]) -> bytes:
    """Draw one of the originals, and change it in up to five steps; none leaves it valid."""
    data = draw(st.sampled_from(originals))
    for step in draw(st.lists(st.sampled_from(_STEPS), max_size=5)):
        data = step(draw, data)[:200_000]
    return data


def _flip(draw: st.DrawFn, data: bytes) -> bytes:
    if not data:
        return data
    index = draw(st.integers(0, len(data) - 1))
    return data[:index] + bytes([data[index] ^ 1 << draw(st.integers(0, 7))]) + data[index + 1 :]


def _cut(draw: st.DrawFn, data: bytes) -> bytes:
    start, end = _slice(draw, data)
    return data[:start] + data[end:]


def _keep(draw: st.DrawFn, data: bytes) -> bytes:
    start, end = _slice(draw, data)
    return data[start:end]


def _repeat(draw: st.DrawFn, data: bytes) -> bytes:
    start, end = _slice(draw, data)
    return data[:end] + data[start:end] * draw(st.integers(1, 5)) + data[end:]


def _move(draw: st.DrawFn, data: bytes) -> bytes:
    start, end = _slice(draw, data)
    rest = data[:start] + data[end:]
    index = draw(st.integers(0, len(rest)))
    return rest[:index] + data[start:end] + rest[index:]


def _spice(draw: st.DrawFn, data: bytes) -> bytes:
    start, end = _slice(draw, data)
    return data[:start] + draw(st.sampled_from(SPICES)) + data[draw(st.sampled_from([start, end])) :]


def _shuffle(draw: st.DrawFn, data: bytes) -> bytes:
    separator = draw(st.sampled_from([b",", b";", b"\n", b"%0A", b" ", b"="]))
    return separator.join(draw(st.permutations(data.split(separator)[:40])))


def _encode_again(draw: st.DrawFn, data: bytes) -> bytes:
    return draw(st.sampled_from(ENCODE_AGAIN))(data)


def _slice(draw: st.DrawFn, data: bytes) -> tuple[int, int]:
    start = draw(st.integers(0, len(data)))
    return start, min(len(data), start + draw(st.integers(0, 64) | st.integers(0, len(data))))


_STEPS = (_flip, _flip, _cut, _keep, _repeat, _move, _spice, _spice, _shuffle, _encode_again)
