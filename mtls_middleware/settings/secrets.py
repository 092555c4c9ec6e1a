"""Secrets and OAuth clients: in a variable, or in a file that is read when a guard starts. They are never shown."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISREG

from mtls_middleware import regions
from mtls_middleware._core.boundary import Secret
from mtls_middleware._core.trust import Binding
from mtls_middleware.display import displayed
from mtls_middleware.errors import ConfigurationError
from mtls_middleware.settings import values
from mtls_middleware.settings.prefixes import bound_entries, split_prefix
from mtls_middleware.settings.reader import Reader

LEAST_CHARACTERS = 16
MOST_VALUES = 2
"""The old one and the new one, while it is rotated."""
_FILE_BYTES = 4096
_EVERYWHERE = (Path(), Path("/"))
"""Folders that exist, whatever was written."""

ID = "GENESYS_CLIENT_ID"
SECRET = "GENESYS_CLIENT_SECRET"  # noqa: S105 - the name of a variable


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretSetting:
    """A secret, or the file that has it.

    Attributes:
        variable: its name with the prefix, for messages.
        header: the header that carries it; empty where none does.
        values: the secrets, as an operator wrote them; empty where they are in a file.
        file: where they are, one each line; None where they are here. It may be the secret itself, by mistake.
    """

    variable: str
    header: str = ""
    values: tuple[str, ...] = field(default=(), repr=False)
    file: Path | None = field(default=None, repr=False)

    def read(self) -> Secret:
        """Return the secret.

        Raises:
            ConfigurationError: its file cannot be read, or holds no good secret.
        """
        values = self._entries()
        if weaknesses := _weaknesses(values):
            where = f"{shown_path(self.file)} " if self.file is not None else ""
            raise ConfigurationError(f"{self.variable}: {where}{weakness}" for weakness in weaknesses)
        return Secret(header=self.header, values=tuple(value.encode("ascii") for value in values))

    def read_password(self) -> str:
        """Return a password, which may be short.

        Raises:
            ConfigurationError: its file cannot be read, or holds none or several.
        """
        passwords = self._entries()
        if len(passwords) != 1:
            shown = f"{shown_path(self.file)} " if self.file is not None else ""
            raise ConfigurationError([f"{self.variable}: {shown}must hold one password, and nothing else"])
        return passwords[0]

    def read_by_region(self, regions: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
        """Return one secret, or two while it is rotated, for each region.

        Args:
            regions: AWS region names that must have one.

        Raises:
            ConfigurationError: everything that is wrong with them.
        """
        found, problems = _by_region(self._entries(), tuple(regions))
        if problems:
            raise ConfigurationError(f"{self.variable}: {problem}" for problem in problems)
        return found

    def _entries(self) -> tuple[str, ...]:
        if self.file is None:
            return self.values
        try:
            return _lines_of(self.file)
        except UnicodeDecodeError:
            problem = "holds something else than ASCII"
        except OSError as error:
            problem = f"cannot be read: {error.strerror or type(error).__name__}"
        except ValueError as error:
            problem = str(error)
        # Not `from error`: a traceback would show the path that the message leaves out.
        raise ConfigurationError([f"{self.variable}: {shown_path(self.file)} {problem}"])


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


def _weaknesses(values: tuple[str, ...]) -> tuple[str, ...]:
    """Return why these cannot be secrets, if they cannot: the first reason is enough."""
    if not values:
        return ("holds no secret",)
    if len(values) > MOST_VALUES:
        return (f"holds {len(values)} secrets; {MOST_VALUES} are enough to rotate one",)
    for value in values:
        if not (value.isascii() and value.isprintable()):
            return ("must be printable ASCII, because a header carries it",)
        if len(value) < LEAST_CHARACTERS:
            return (f"has a secret of {len(value)} characters; at least {LEAST_CHARACTERS} are needed",)
    return ()


def read_secret(
    reader: Reader,
    name: str,
    header: str = "",
    *,
    problems_of: Callable[[tuple[str, ...]], Iterable[str]] = _weaknesses,
) -> SecretSetting | None:
    """Return a secret's setting from its variable, or from the one that names its file."""
    file = f"{name}_FILE"
    if reader.is_set(name) and reader.is_set(file):
        reader.report(name, f"{reader.prefix}{file} is set too: keep one of them")
    elif reader.is_set(file):
        return SecretSetting(variable=f"{reader.prefix}{file}", header=header, file=Path(reader.text(file)))
    elif reader.is_set(name):
        values = reader.items(name)
        for problem in problems_of(values):
            reader.report(name, problem)
        return SecretSetting(variable=f"{reader.prefix}{name}", header=header, values=values)
    return None


def password_setting(reader: Reader, name: str) -> SecretSetting | None:
    """Return a password's setting: it may be short, hold a comma, and change at any time."""
    setting = read_secret(reader, name, problems_of=lambda _: ())
    if setting is None or setting.file is not None:
        return setting
    return SecretSetting(variable=setting.variable, values=(reader.text(name),))


def read_clients(reader: Reader, possible: tuple[Binding, ...]) -> tuple[Mapping[str, str], SecretSetting | None]:
    """Return the id of each region's client, and their secrets."""
    ids: dict[str, str] = {}
    for entry in bound_entries(reader, ID, values.visible_text, possible):
        region = entry.binding.region if entry.binding is not None else None
        if region is None:
            continue
        if ids.setdefault(region, entry.value) != entry.value:
            reader.report(ID, f"names two clients for {region}: an organisation has one there")
    return ids, _read_client_secret(reader, tuple(ids))


def _read_client_secret(reader: Reader, needed: tuple[str, ...]) -> SecretSetting | None:
    setting = read_secret(reader, SECRET, problems_of=lambda entries: _by_region(entries, needed)[1] if needed else ())
    if setting is None:
        if needed and not reader.is_bad(SECRET):
            reader.report(SECRET, f"is required beside {reader.prefix}{ID}")
    elif not needed:
        if not reader.is_set(ID):
            reader.report(ID, f"is required beside {setting.variable}")
        return None
    return setting


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
        problems += [f"the entry of {region} {weakness}" for weakness in _weaknesses(found.get(region, ()))]
    return found, list(dict.fromkeys(problems))


def _split(entry: str, needed: tuple[str, ...]) -> tuple[str | None, str]:
    """Return region and secret; a secret, too, may hold '=', and what stands before it may be no prefix."""
    prefix, secret = split_prefix(entry)
    region = regions.find(prefix) if prefix is not None else None
    if region is not None and region.aws_region in needed:
        return region.aws_region, secret
    return (needed[0] if len(needed) == 1 and region is None else None), entry
