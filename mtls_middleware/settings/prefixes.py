"""Entries with a prefix: what each is bound to."""

from collections.abc import Callable, Iterable
from re import compile as regex
from typing import TypeVar

from mtls_middleware import regions
from mtls_middleware._core.trust import Binding, Bound
from mtls_middleware.identity import Authority
from mtls_middleware.settings.reader import Reader

Item = TypeVar("Item")

_PREFIXED = regex(r"(?s)([A-Za-z0-9.-]+)\s*=\s*(.*)")
"""A path with "=" in it has a "/" before that, or a "./" put there."""


def bound_entries(
    reader: Reader,
    name: str,
    parser: Callable[[str], Item],
    possible: tuple[Binding, ...],
    *,
    prefix_needed: bool = True,
) -> tuple[Bound[Item], ...]:
    """Return the entries of a list with what they are bound to.

    Args:
        reader: the operator's values.
        name: of the variable.
        parser: of what stands behind the prefix.
        possible: what an entry of this variable may be bound to.
        prefix_needed: whether an entry without prefix is bound to the only possibility, and else a problem; it stays
            unbound where its name may say what it is for.
    """
    if not possible and reader.is_bad("REGIONS", "AUTHORITIES"):
        return ()
    if not possible and reader.is_set(name):
        reader.report(
            name, f"has no use here, because no authority among {reader.prefix}AUTHORITIES reads it: remove it"
        )
        return ()
    entries: list[Bound[Item]] = []
    for item in reader.entries(name):
        written, text = split_prefix(item)
        binding = possible[0] if prefix_needed and len(possible) == 1 else None
        if written is not None:
            binding = reader.parsed(name, written, lambda prefix: _binding(prefix, possible, reader))
            if binding is None:
                continue
        elif binding is None and prefix_needed:
            reader.report(name, f"{reader.shown(name, item)} needs a prefix: {_prefixes(possible)}")
            continue
        if not text:
            reader.report(name, f"{reader.shown(name, item)} has nothing behind its prefix")
            continue
        value = reader.parsed(name, text, parser)
        if value is not None:
            entries.append(Bound(binding, value))
    return tuple(entries)


def split_prefix(item: str) -> tuple[str | None, str]:
    """Return the prefix of an entry, None where it has none, and the rest."""
    match = _PREFIXED.fullmatch(item)
    return (match[1], match[2]) if match else (None, item)


def _binding(prefix: str, possible: tuple[Binding, ...], reader: Reader) -> Binding:
    region = regions.find(prefix)
    for binding in possible:
        if prefix.lower() == str(binding) or (region is not None and region.aws_region == binding.region):
            return binding
    if region is not None and any(binding.region for binding in possible):
        raise ValueError(f"is {region.aws_region}, which is not configured: add it to {reader.prefix}REGIONS")
    if region is not None or prefix.lower() in set(Authority):
        raise ValueError(f"is a prefix of something that is not configured here; configured are {_prefixes(possible)}")
    raise ValueError(f"is no prefix that is possible here: write {_prefixes(possible)}, or ./ before a path with '='")


def _prefixes(possible: Iterable[Binding]) -> str:
    return " or ".join(f"{binding}=" for binding in possible)
