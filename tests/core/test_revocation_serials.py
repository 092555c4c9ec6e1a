"""The numbers on a list: found exactly, whatever their size and however many."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtls_middleware._core.serials import PER_BUCKET, SerialNumbers

ANY = st.integers(min_value=-(2**160), max_value=2**160)


@given(st.lists(ANY, max_size=200), st.lists(ANY | st.integers(-300, 300)))
def test_exactly_the_numbers_on_it_are_found(numbers: list[int], others: list[int]) -> None:
    held = SerialNumbers.of(*numbers)
    assert [number for number in numbers if number not in held] == []
    assert [number in held for number in others] == [number in numbers for number in others]


@given(st.sets(ANY))
def test_it_tells_how_many(numbers: set[int]) -> None:
    assert len(SerialNumbers.of(*numbers)) == len(numbers)


@pytest.mark.parametrize("number", [0, 1, 127, 128, 255, 256, 2**64, 2**160 - 1, 2**1000, -1, -128, -129])
def test_numbers_of_every_length_are_found(number: int) -> None:
    held = SerialNumbers.of(number)
    assert number in held
    assert number + 1 not in held


def test_a_number_within_another_is_not_found() -> None:
    assert 0x0102 not in SerialNumbers.of(0x01020304, 0x03010204)


def test_a_bucket_stays_small() -> None:
    held = SerialNumbers.of(*range(10_000, 20_000))
    assert max(map(len, held._buckets)) <= 2 * PER_BUCKET * 3
    assert [len(SerialNumbers.of(*range(number))._buckets) for number in (0, 7, 8, 10_000)] == [1, 1, 2, 1_251]
