"""A parser of bytes from outside, and simple ways to damage what it reads."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

SPICES = (
    *(b"", b"\0", b"\xff", b"\n", b"\r\n", b" ", b"\t", b",", b";", b":", b'"', b"\\", b"=", b"%", b"%00", b"%25"),
    *(b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----", b"\x30\x80", b"\x30\x84\xff\xff\xff\xff"),
    *(b"{", b"}", b"[", b"]", b"null", b"true", b"1e999", b"NaN", b"\\ud800", b"PK\x05\x06", b"/../", b"%2f", b";a"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parser:
    """What reads bytes from outside.

    Attributes:
        modules: files of the package that parse, below it.
        seeds: good input, to begin with.
        read: reads any bytes; whatever it raises is a fault.
    """

    modules: tuple[str, ...]
    seeds: Callable[[], Sequence[bytes]]
    read: Callable[[bytes], object]


def damaged(seeds: Sequence[bytes], chance: random.Random) -> Iterator[bytes]:
    """Yield damaged seeds without end: what is used where atheris is not installed."""
    while True:
        data = chance.choice(seeds)
        for _ in range(chance.randint(1, 4)):
            begin = chance.randint(0, len(data))
            end = min(len(data), begin + chance.choice((0, 1, 1, 2, 8, 64)))
            match chance.randint(0, 4):
                case 0:
                    new = chance.randbytes(chance.choice((1, 1, 2, 4)))
                case 1:
                    new = chance.choice(SPICES)
                case 2:
                    new = data[begin:end] * chance.choice((2, 3, 100))
                case 3:
                    other = chance.choice(seeds)
                    new = other[chance.randint(0, len(other)) :][: chance.randint(0, 200)]
                case _:
                    new = bytes(byte ^ 1 << chance.randint(0, 7) for byte in data[begin:end])
            data = (data[:begin] + new + data[end:])[:200_000]
        yield data
