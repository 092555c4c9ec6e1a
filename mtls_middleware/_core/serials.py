"""The serial numbers on a CRL: found in constant time, and cheap to keep."""

from collections.abc import Iterable
from typing import Self

PER_BUCKET = 8
"""Numbers that share a bucket, on average: a look-up compares that many."""

MAX_BYTES = 127
"""Of one number; RFC 5280 §5.1.2.6 allows 20, and certificates with longer ones exist."""


class SerialNumbers:
    """A set of serial numbers."""

    __slots__ = ("_buckets", "_count")

    def __init__(self, buckets: Iterable[bytes | bytearray], count: int) -> None:
        self._buckets = tuple(bytes(bucket) for bucket in buckets)
        self._count = count

    @classmethod
    def of(cls, *numbers: int) -> Self:
        """Return a few numbers."""
        collector = Collector(len(numbers))
        for number in numbers:
            collector.add(_encoded(number))
        return cls(collector.buckets, collector.count)

    def __contains__(self, number: int) -> bool:
        """Return whether `number` is one of them."""
        wanted = _encoded(number)
        bucket = self._buckets[_place(wanted, len(self._buckets))]
        at = 0
        while at < len(bucket):
            end = at + 1 + bucket[at]
            if bucket[at + 1 : end] == wanted:
                return True
            at = end
        return False

    def __len__(self) -> int:
        """Return how often `add` was called for it: a number that came twice counts twice."""
        return self._count


class Collector:
    """A collector of serial numbers. Each step costs the same, however many there are.

    Attributes:
        buckets: what `SerialNumbers` is made of.
        count: numbers so far.
    """

    __slots__ = ("buckets", "count")

    def __init__(self, expected: int) -> None:
        self.buckets = [bytearray() for _ in range(expected // PER_BUCKET + 1)]
        self.count = 0

    def add(self, encoded: bytes) -> None:
        """Take in one number.

        Args:
            encoded: two's complement, big-endian, as short as possible: the content of its DER.
        """
        bucket = self.buckets[_place(encoded, len(self.buckets))]
        bucket.append(len(encoded))
        bucket += encoded
        self.count += 1


def _place(encoded: bytes, buckets: int) -> int:
    # CAs draw numbers at random (RFC 5280 §4.1.2.2 asks for unique ones), or count them: both spread evenly.
    return int.from_bytes(encoded, "big") % buckets


def _encoded(number: int) -> bytes:
    return number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True)
