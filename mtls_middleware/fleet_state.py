"""State in Valkey or Redis, as settings ask for it. What talks to an engine is loaded only here, and only then."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from mtls_middleware._io.board import Board, LocalBoard, NoBoard
from mtls_middleware._io.folder import FolderStore
from mtls_middleware._io.memory import MemoryStore
from mtls_middleware._io.sealing import Seal
from mtls_middleware._io.store import NoStore, Store
from mtls_middleware.engine import Engine
from mtls_middleware.errors import ConfigurationError
from mtls_middleware.installation import install_command
from mtls_middleware.observing.history import merged
from mtls_middleware.observing.report import read_report, report_of
from mtls_middleware.settings import Settings

if TYPE_CHECKING:
    from mtls_middleware._io.redis_client import EngineClient


def engine_store(
    settings: Settings, engine: Engine, secrets: Iterable[bytes], *, purpose: str, reads_only: bool
) -> Store:
    """Return the store of a fleet, with the folder or the memory that is its local level.

    Args:
        settings: what the operator wants.
        engine: of these settings.
        secrets: of MTLS_STATE_SECRET; none where they cannot be read, which is a problem of its own.
        purpose: what the entries are about.
        reads_only: nothing is written to an engine, and nothing of it into the folder.

    Raises:
        ConfigurationError: the client library is not installed.
    """
    try:
        from mtls_middleware._io.redis_store import EngineStore  # noqa: PLC0415 - an optional back end
    except ImportError as error:
        raise ConfigurationError([f"MTLS_STATE: {engine.shown} needs {install_command('redis')}"]) from error
    keys, folder = tuple(secrets), engine.folder
    if not keys:
        return NoStore()
    kept = FolderStore(folder, purpose=purpose, keys=keys, seals_all=True) if folder is not None else None
    return EngineStore(
        engine_client(settings, engine),
        _seals(settings, keys, purpose),
        local=kept or MemoryStore(),
        lock=kept.lock("fetch") if kept is not None else None,
        reads_only=reads_only,
    )


def engine_client(settings: Settings, engine: Engine) -> "EngineClient":
    """Return what connects to an engine when it is first used."""
    from mtls_middleware._io.redis_client import EngineClient  # noqa: PLC0415 - an optional back end

    return EngineClient(engine, partial(_password, settings, engine))


def engine_board(settings: Settings, engine: Engine, *, purpose: str, machine: Callable[[], Board] | None) -> Board:
    """Return the board of a fleet; nobody joins it where the secret cannot be read.

    Args:
        settings: what the operator wants.
        engine: of these settings.
        purpose: what the reports are about.
        machine: opens the board that is read as long as the engine cannot be; None where there is none.
    """
    from mtls_middleware._io.redis_board import EngineBoard  # noqa: PLC0415 - an optional back end

    try:
        keys = settings.state_secret.read().values if settings.state_secret is not None else ()
    except ConfigurationError:  # it stops the start, and is told there
        keys = ()
    if not keys:
        return NoBoard()
    board = EngineBoard(engine_client(settings, engine), _seals(settings, keys, purpose)[0], fold=summed)
    return LocalBoard(board, machine()) if machine is not None else board


def summed(reports: Sequence[bytes]) -> bytes:
    """Return the sum of what processes have counted, as the report of one that ended.

    Raises:
        ValueError: one of them is damaged, or of another version.
    """
    return report_of(merged(*(read_report(report)[0] for report in reports)), None)


def _seals(settings: Settings, secrets: Iterable[bytes], purpose: str) -> list[Seal]:
    return [Seal(secret, name=settings.state_name, purpose=purpose) for secret in secrets]


def _password(settings: Settings, engine: Engine) -> str:
    return settings.state_password.read_password() if settings.state_password is not None else engine.password
