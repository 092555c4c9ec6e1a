"""What a root is bound to: the only possible binding, or what a prefix or a name says. It is never guessed.

The names are those of a file, of a folder that MTLS_TRUST names, and of what a zip holds. What is named after another
region than those that are configured is bound to nothing.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from mtls_middleware._core.trust import Binding
from mtls_middleware._io.files import InputError
from mtls_middleware.display import displayed
from mtls_middleware.identity import Authority
from mtls_middleware.regions import Region, find, named_in

_COPY = re.compile(r"[ _-]*\(\d+\)$")
"""What browsers add to the name of what they download again."""


class OtherRegionError(InputError):
    """A root that is named after a region that is not configured, or after two."""


def possible_bindings(authorities: Iterable[Authority], regions: Iterable[str]) -> tuple[Binding, ...]:
    """Return everything that a root could vouch for in this configuration."""
    regions = tuple(regions)
    bindings: list[Binding] = []
    for authority in authorities:
        if authority is Authority.GENESYS:
            bindings += (Binding(authority, region) for region in regions)
        else:
            bindings.append(Binding(authority))
    return tuple(bindings)


def bind(names: Sequence[str], possible: tuple[Binding, ...], regions: Sequence[str]) -> Binding:
    """Return what a root vouches for by its names.

    Args:
        names: of the folder, the file, and what is in a zip, from outside to inside.
        possible: every binding of this configuration.
        regions: configured AWS region names.

    Raises:
        OtherRegionError: named after a region that is not configured, or after two.
        InputError: several bindings are possible, and no name chooses.
    """
    named = {region.aws_region: name for name in names if (region := region_of(name)) is not None}
    if any(binding.authority is not Authority.CUSTOM for binding in possible):
        for other in named.keys() - set(regions):
            raise OtherRegionError(
                f"{displayed(named[other])} is the root of {other}, and MTLS_REGIONS is {' and '.join(regions)}"
            )
        if len(named) > 1:
            each = " and ".join(f"{displayed(name)} says {configured}" for configured, name in named.items())
            raise OtherRegionError(f"its names contradict each other: {each}")
        for configured, name in named.items():
            binding = Binding(Authority.GENESYS, configured)
            if binding in possible and _chooses(name):
                return binding
    if len(possible) == 1:
        return possible[0]
    raise InputError(f"does not say by its name what it vouches for: write {prefixes(possible)} in front of the path")


def require_possible(binding: Binding, possible: tuple[Binding, ...]) -> Binding:
    """Return a binding that the operator wrote.

    Raises:
        InputError: nothing is configured that it could serve.
    """
    if binding not in possible:
        missing = "MTLS_REGIONS" if binding.authority is Authority.GENESYS else "MTLS_AUTHORITIES"
        raise InputError(f"is bound to {binding}, which is not among {missing}: add it there or remove the file")
    return binding


def region_of(name: str) -> Region | None:
    """Return the region that a file, a folder or a member of a zip is named after, whatever its suffixes."""
    while True:
        region = find(_COPY.sub("", name))
        stem = PurePosixPath(name).stem
        if region is not None or stem == name:
            return region
        name = stem


def other_regions(texts: Iterable[str], binding: Binding) -> str:
    """Return the regions that texts name, if a root is bound to one and none of them is that one; else nothing."""
    named = {region.aws_region for text in texts for region in named_in(text)}
    return "" if binding.region is None or binding.region in named else " and ".join(sorted(named))


def prefixes(possible: tuple[Binding, ...]) -> str:
    """Return the prefixes that an operator can choose from."""
    *others, last = (f"{binding}=" for binding in possible)
    return f"{', '.join(others)} or {last}" if others else last


def _chooses(name: str) -> bool:
    """Return whether a name is a zip label or an AWS region name: a login domain may name something else."""
    region = region_of(name)
    keys = {key.casefold() for key in (region.zip_label, region.aws_region) if key} if region is not None else set()
    return not keys.isdisjoint({name.casefold(), PurePosixPath(name).stem.casefold()})
