"""What an entry of MTLS_TRUST is bound to: the only possible binding, or what a prefix or a name says. No guesses."""

from collections.abc import Iterable
from pathlib import Path

from mtls_middleware._core.trust import Binding
from mtls_middleware._io.files import InputError
from mtls_middleware.identity import Authority
from mtls_middleware.regions import find


class OtherRegionError(InputError):
    """A file that is named after a region that is not configured."""

    def __init__(self, region: str, possible: tuple[Binding, ...]) -> None:
        self.region = region
        super().__init__(
            f"is named after {region}, which is not among MTLS_REGIONS: add the region, "
            f"or write {_prefixes(possible)} in front of the path if the file is for that"
        )


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


def bind(path: Path, possible: tuple[Binding, ...]) -> Binding:
    """Return what a file stands for by its stem, which may be a zip label or an AWS region name.

    Raises:
        OtherRegionError: named after a region that is not configured. A root of one region under another is a mistake.
        InputError: several bindings are possible, and the name does not choose.
    """
    region = _region_of(path.stem)
    if region is not None and any(binding.authority is Authority.GENESYS for binding in possible):
        binding = Binding(Authority.GENESYS, region)
        if binding in possible:
            return binding
        raise OtherRegionError(region, possible)
    if len(possible) == 1:
        return possible[0]
    raise InputError(f"does not say by its name what it vouches for: write {_prefixes(possible)} in front of the path")


def require_possible(binding: Binding, possible: tuple[Binding, ...]) -> Binding:
    """Return a binding that the operator wrote.

    Raises:
        InputError: nothing is configured that it could serve.
    """
    if binding not in possible:
        missing = "MTLS_REGIONS" if binding.authority is Authority.GENESYS else "MTLS_AUTHORITIES"
        raise InputError(f"is bound to {binding}, which is not among {missing}: add it there or remove the file")
    return binding


def _region_of(stem: str) -> str | None:
    region = find(stem)
    if region is None or stem.casefold() == region.domain.casefold():
        return None
    return region.aws_region


def _prefixes(possible: tuple[Binding, ...]) -> str:
    *others, last = (f"{binding}=" for binding in possible)
    return f"{', '.join(others)} or {last}" if others else last
