"""Members of enumerations at the edge: a member is compared by identity, and a plain text would be nobody."""

from enum import Enum


def require_members(value: object, **kinds: type[Enum]) -> None:
    """Replace plain texts by members in a frozen dataclass.

    Raises:
        ValueError: a text names no member.
    """
    for name, kind in kinds.items():
        given = getattr(value, name)
        if type(given) is not kind:
            object.__setattr__(value, name, kind(given))
