"""Secrets and OAuth clients: in a variable, or in a file that is read when a guard starts. They are never shown."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISREG

from mtls_middleware import regions
from mtls_middleware._core.boundary import Secret
from mtls_middleware._core.trust import Binding
from mtls_middleware.display import displayed
from mtls_middleware.errors import ConfigurationError
from mtls_middleware.settings import values
from mtls_middleware.settings.reader import Reader, bound_entries

LEAST_CHARACTERS = 16
MOST_VALUES = 2
"""The old one and the new one, while it is rotated."""
_FILE_BYTES = 4096
_EVERYWHERE = (Path(), Path("/"))
"""Folders that exist, whatever was written."""

ID = "GENESYS_CLIENT_ID"
SECRET = "GENESYS_CLIENT_SECRET"  # noqa: S105 - the name of a variable
FILE = f"{SECRET}_FILE"

_PREFIXED = re.compile(r"([A-Za-z0-9.-]+)\s*=\s*(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretSetting:
    """Hold a secret, or say where it is.

    Attributes:
        variable: its name with the prefix, for messages.
        header: the header that carries it.
        values: the secrets; empty where they are in a file.
        file: where they are, one each line; None where they are here.
    """

    variable: str
    header: str
    values: tuple[str, ...] = field(default=(), repr=False)
    file: Path | None = field(default=None, repr=False)

    def read(self) -> Secret:
        """Return the secret.

        Raises:
            ConfigurationError: its file cannot be read, or holds no good secret.
        """
        values = self.values
        if self.file is not None:
            values = secrets_in(self.variable, self.file)
            try:
                require_strong(values)
            except ValueError as error:
                raise ConfigurationError([f"{self.variable}: {shown_path(self.file)} {error}"]) from None
        return Secret(header=self.header, values=tuple(value.encode("ascii") for value in values))


def secrets_in(variable: str, path: Path) -> tuple[str, ...]:
    """Return the lines of a file of secrets.

    Args:
        variable: that names the file, for the message.
        path: of the file. It may be the secret itself, by mistake.

    Raises:
        ConfigurationError: it cannot be read.
    """
    try:
        return _lines_of(path)
    except UnicodeDecodeError:
        problem = "holds something else than ASCII"
    except OSError as error:
        problem = f"cannot be read: {error.strerror or type(error).__name__}"
    except ValueError as error:
        problem = str(error)
    # Not `from error`: a traceback would show the path that the message leaves out.
    raise ConfigurationError([f"{variable}: {shown_path(path)} {problem}"])


def shown_path(path: Path) -> str:
    """Return a path as messages may show it: not where it may be a secret, because nothing of it exists."""
    try:
        exists = any(part.exists() for part in (path, *path.parents) if part not in _EVERYWHERE)
    except (OSError, ValueError):
        exists = False
    return f"'{displayed(str(path))}'" if exists else "(not shown: it must be the path of a file, not the secret)"


def _lines_of(path: Path) -> tuple[str, ...]:
    """Return the lines of a file of secrets; raise OSError or ValueError where it is none."""
    if not S_ISREG(path.stat().st_mode):  # opening a FIFO would wait for somebody to write
        raise ValueError("is not a regular file")
    with path.open("rb") as file:
        content = file.read(_FILE_BYTES + 1)
    if len(content) > _FILE_BYTES:
        raise ValueError(f"is larger than {_FILE_BYTES} bytes")
    return tuple(line.strip() for line in content.decode("ascii").splitlines() if line.strip())


def require_strong(values: tuple[str, ...]) -> None:
    """Raise ValueError unless these can be secrets."""
    if not values:
        raise ValueError("holds no secret")
    if len(values) > MOST_VALUES:
        raise ValueError(f"holds {len(values)} secrets; {MOST_VALUES} are enough to rotate one")
    for value in values:
        if not (value.isascii() and value.isprintable()):
            raise ValueError("must be printable ASCII, because a header carries it")
        if len(value) < LEAST_CHARACTERS:
            raise ValueError(f"has a secret of {len(value)} characters; at least {LEAST_CHARACTERS} are needed")


def read_secret(reader: Reader, name: str, header: str) -> SecretSetting | None:
    """Return a secret's setting from its variable or its ``_FILE`` twin."""
    twin = f"{name}_FILE"
    if reader.is_set(name) and reader.is_set(twin):
        reader.say(name, f"{reader.prefix}{twin} is set too: keep one of them")
    elif reader.is_set(twin):
        path = reader.parsed(twin, reader.text(twin), Path)
        return SecretSetting(variable=f"{reader.prefix}{twin}", header=header, file=path)
    elif reader.is_set(name):
        values = reader.items(name)
        try:
            require_strong(values)
        except ValueError as error:
            reader.say(name, str(error))
        return SecretSetting(variable=f"{reader.prefix}{name}", header=header, values=values)
    return None


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
