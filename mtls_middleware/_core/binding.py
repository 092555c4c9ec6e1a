"""What an anchor, a name or a pin is bound to: it vouches for that, and for nothing else."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from mtls_middleware.identity import Authority
from mtls_middleware.members import require_members

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Binding:
    """Name an authority and, for ``genesys`` and for pins of ``digicert``, one region of it.

    Attributes:
        authority: who vouches.
        region: AWS region name; None for ``custom``, and for what serves all regions of ``digicert``.
    """

    authority: Authority
    region: str | None = None

    def __post_init__(self) -> None:
        require_members(self, authority=Authority)

    def __str__(self) -> str:
        """Return the prefix that an operator would write."""
        return self.region or str(self.authority)


@dataclass(frozen=True, slots=True)
class Bound(Generic[Value]):
    """Tie a value to what it was bound to; None where the operator left the prefix out."""

    binding: Binding | None
    value: Value
