"""Members of enumerations at the edge: a member is compared by identity, and a plain text would be nobody."""

from enum import Enum


def require_members(value: object, **kinds: type[Enum]) -> None:
    """Make members of plain texts in a frozen dataclass.

    Args:
        value: the dataclass, while it is made.
        kinds: the enumeration of each field.

    Raises:
        ValueError: a text names no member.
    """
    for name, kind in kinds.items():
        given = getattr(value, name)
        if type(given) is not kind:
            object.__setattr__(value, name, kind(given))
