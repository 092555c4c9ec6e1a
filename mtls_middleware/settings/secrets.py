"""Secrets: given in a variable, or in a file that is read when a guard starts. They are never shown."""

from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISREG

from mtls_middleware._core.boundary import Secret
from mtls_middleware.display import displayed
from mtls_middleware.errors import ConfigurationError
from mtls_middleware.settings.reader import Reader

LEAST_CHARACTERS = 16
MOST_VALUES = 2
"""The old one and the new one, while it is rotated."""
_FILE_BYTES = 4096
_EVERYWHERE = (Path(), Path("/"))
"""Folders that exist, whatever was written."""


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
