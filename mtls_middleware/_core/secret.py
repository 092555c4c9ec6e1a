"""A secret that a header carries."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from hmac import compare_digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """Compare a header with a secret, or with either of two while it is rotated.

    Attributes:
        header: the header's name.
        values: the secrets that are right.
    """

    header: str
    values: tuple[bytes, ...]

    def matches(self, presented: bytes | None) -> bool:
        """Compare in constant time, and with every value, so that time does not tell which one came close."""
        found = False
        for value in self.values:
            if compare_digest(value, presented or b""):
                found = True
        return found

    def comparison(self) -> Callable[[bytes], bool]:
        """Return what compares as `matches` does, and soonest."""
        return partial(compare_digest, self.values[0]) if len(self.values) == 1 else self.matches

    def __repr__(self) -> str:
        """Show the header's name only."""
        return f"Secret(header={self.header!r})"
