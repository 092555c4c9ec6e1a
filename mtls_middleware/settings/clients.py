"""OAuth clients of Genesys Cloud: one for each region, because an organisation lives in one."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mtls_middleware import regions
from mtls_middleware._core.trust import Binding
from mtls_middleware.errors import ConfigurationError
from mtls_middleware.settings import values
from mtls_middleware.settings.prefixes import bound_entries
from mtls_middleware.settings.reader import Reader
from mtls_middleware.settings.secrets import require_strong, secrets_in

ID = "GENESYS_CLIENT_ID"
SECRET = "GENESYS_CLIENT_SECRET"  # noqa: S105 - the name of a variable
FILE = f"{SECRET}_FILE"

_PREFIXED = re.compile(r"([A-Za-z0-9.-]+)\s*=\s*(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSecrets:
    """Hold the secrets of OAuth clients, or say where they are. They are never shown.

    Attributes:
        variable: its name with the prefix, for messages.
        regions: AWS region names that must have a secret.
        values: as an operator wrote them; empty where they are in a file.
        file: where they are, one each line; None where they are here.
    """

    variable: str
    regions: tuple[str, ...]
    values: tuple[str, ...] = field(default=(), repr=False)
    file: Path | None = field(default=None, repr=False)

    def read(self) -> Mapping[str, tuple[str, ...]]:
        """Return one secret, or two while it is rotated, for each region.

        Raises:
            ConfigurationError: everything that is wrong with them.
        """
        entries = self.values
        if self.file is not None:
            entries = secrets_in(self.variable, self.file)
        found, problems = _by_region(entries, self.regions)
        if problems:
            raise ConfigurationError(f"{self.variable}: {problem}" for problem in problems)
        return found


def read_clients(reader: Reader, possible: tuple[Binding, ...]) -> tuple[Mapping[str, str], ClientSecrets | None]:
    """Return the id of each region's client, and their secrets.

    Args:
        reader: the operator's values.
        possible: one binding for each region.
    """
    ids: dict[str, str] = {}
    for entry in bound_entries(reader, ID, values.visible_text, possible):
        region = entry.binding.region if entry.binding is not None else None
        if region is None:
            continue
        if ids.setdefault(region, entry.value) != entry.value:
            reader.say(ID, f"names two clients for {region}: an organisation has one there")
    return ids, _read_secrets(reader, tuple(ids))


def _read_secrets(reader: Reader, needed: tuple[str, ...]) -> ClientSecrets | None:
    if reader.is_set(SECRET) and reader.is_set(FILE):
        reader.say(SECRET, f"{reader.prefix}{FILE} is set too: keep one of them")
        return None
    given = next((name for name in (SECRET, FILE) if reader.is_set(name)), None)
    if given is None:
        if needed:
            reader.say(SECRET, f"is required beside {reader.prefix}{ID}")
        return None
    if not needed:
        if not reader.is_set(ID):
            reader.say(ID, f"is required beside {reader.prefix}{given}")
        return None
    if given == FILE:
        path = reader.parsed(FILE, reader.text(FILE), Path)
        return ClientSecrets(variable=f"{reader.prefix}{FILE}", regions=needed, file=path)
    entries = reader.items(SECRET)
    for problem in _by_region(entries, needed)[1]:
        reader.say(SECRET, problem)
    return ClientSecrets(variable=f"{reader.prefix}{SECRET}", regions=needed, values=entries)


def _by_region(entries: Iterable[str], needed: tuple[str, ...]) -> tuple[Mapping[str, tuple[str, ...]], list[str]]:
    """Sort secrets by their prefixes, and say what is wrong without a word of them."""
    found: dict[str, tuple[str, ...]] = {}
    problems: list[str] = []
    for entry in entries:
        region, secret = _split(entry, needed)
        if region is None:
            problems.append(f"an entry needs a prefix: {' or '.join(f'{one}=' for one in needed)}")
        else:
            found[region] = (*found.get(region, ()), secret)
    for region in needed:
        try:
            require_strong(found.get(region, ()))
        except ValueError as error:
            problems.append(f"the entry of {region} {error}")
    return found, list(dict.fromkeys(problems))


def _split(entry: str, needed: tuple[str, ...]) -> tuple[str | None, str]:
    """Return region and secret; a secret, too, may hold '=', and what stands before it may be no prefix."""
    match = _PREFIXED.fullmatch(entry)
    region = regions.find(match[1]) if match else None
    if match and region is not None and region.aws_region in needed:
        return region.aws_region, match[2]
    return (needed[0] if len(needed) == 1 and region is None else None), entry
