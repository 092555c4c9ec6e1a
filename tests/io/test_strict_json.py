"""JSON from outside is an object without surprises, or it is refused."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtls_middleware._io.files import InputError, parse_object

HOSTILE = {
    "empty": b"",
    "no JSON": b"<html>",
    "no UTF-8": b'{"a": "\xff"}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "byte order mark": b'\xef\xbb\xbf{"a": 1}',
    "list": b"[]",
    "text": b'"a"',
    "number": b"1",
    "null": b"null",
    "name twice": b'{"a": 1, "a": 2}',
    "name twice, deeper": b'{"a": [{"b": 1, "b": 1}]}',
    "NaN": b'{"a": NaN}',
    "infinity": b'{"a": -Infinity}',
    "deep lists": b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "huge number": b'{"a": ' + b"9" * 100_000 + b"}",
    "two values": b"{} {}",
    "cut off": b'{"a": [1, 2',
}


def test_an_object_is_read() -> None:
    assert parse_object(b'{"a": [1, "b", null, true, 1.5, {}]}') == {"a": [1, "b", None, True, 1.5, {}]}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(InputError, match="JSON"):
        parse_object(data)


@given(st.binary())
def test_any_bytes_are_an_object_or_unusable(data: bytes) -> None:
    with suppress(InputError):
        assert isinstance(parse_object(data), dict)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), values))
def test_what_was_written_is_read(value: dict[str, object]) -> None:
    assert parse_object(json.dumps(value).encode("utf-8")) == value
