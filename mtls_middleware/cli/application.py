"""What `serve` imports by name: the application, ASGI or WSGI, and settings made in code."""

import inspect
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec
from multiprocessing import parent_process
from pathlib import Path
from typing import Any

from asgiref.sync import iscoroutinefunction

from mtls_middleware.cli.environment import is_elsewhere
from mtls_middleware.display import displayed
from mtls_middleware.errors import ConfigurationError, MTLSError
from mtls_middleware.observing.events import EventName
from mtls_middleware.observing.logging import named
from mtls_middleware.servers.wsgi_bridge import WSGIBridge
from mtls_middleware.settings import Settings

LOGGER = logging.getLogger("uvicorn.error")

STARTUP_FAILURE = 3
"""The exit status of uvicorn where an application cannot start."""
"""Where uvicorn tells why it does not start."""

_ENVIRON = ("environ", "env")
"""The first parameter of a WSGI application, as frameworks call it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """An application by its name. Workers are new processes: this travels, and an application cannot.

    Attributes:
        name: module:attribute.
        is_factory: a function of that name makes the application.
    """

    name: str
    is_factory: bool

    def __call__(self) -> Any:  # noqa: ANN401 - anything that uvicorn runs
        """Import the application, and return one that uvicorn runs; uvicorn takes this for a factory."""
        with starting():
            found = imported("APP", self.name)
            if self.is_factory or _takes_nothing(found):
                found = found()
            if not callable(found):
                raise ConfigurationError([f"APP {displayed(self.name)!r} is {_named(found)}, and no application"])
            return WSGIBridge(found) if is_wsgi(found) else found


@contextmanager
def starting() -> Iterator[None]:
    """End a worker that cannot start, and with it the server: the next worker would fail in the same way."""
    try:
        yield
    except Exception as error:
        if parent_process() is None:
            raise
        if isinstance(error, MTLSError):
            LOGGER.error("%s", error, extra=named(EventName.START))  # noqa: TRY400 - it says what to do
        else:
            LOGGER.exception("the application cannot be imported", extra=named(EventName.START))
        sys.exit(STARTUP_FAILURE)


def imported(what: str, name: str) -> Any:  # noqa: ANN401 - anything
    """Return what a name such as ``my_service.main:app`` stands for.

    Args:
        what: the argument or the option, for messages.
        name: module:attribute.

    Raises:
        ConfigurationError: there is no such module, or nothing of that name in it. What the module itself raises is
            raised as it is.
    """
    module_name, attributes = parts_of(what, name)
    try:
        found: object = import_module(module_name)
    except ModuleNotFoundError as error:
        if f"{module_name}.".startswith(f"{error.name}."):
            raise ConfigurationError([_no_module(what, name, error.name or "")]) from error
        raise
    for attribute in attributes.split("."):
        if not hasattr(found, attribute):
            raise ConfigurationError(
                [f"{what} {displayed(name)!r}: {_named(found)} has no {attribute!r}{_nearest(attribute, found)}"]
            )
        found = getattr(found, attribute)
    return found


def parts_of(what: str, name: str) -> tuple[str, str]:
    """Return module and attribute of a name. Nothing of theirs is imported.

    Raises:
        ConfigurationError: it is no such name, or nothing is there that its module could be in.
    """
    module, _, attributes = name.partition(":")
    parts = (*module.split("."), *attributes.split("."))
    if not all(part.isidentifier() for part in parts) or module.endswith(".py"):
        raise ConfigurationError([f"{what} {displayed(name)!r}: write module:attribute, such as my_service.main:app"])
    if parts[0] not in sys.modules and find_spec(parts[0]) is None:
        raise ConfigurationError([_no_module(what, name, parts[0])])
    return module, attributes


def _no_module(what: str, name: str, missing: str) -> str:
    where = displayed(str(Path(sys.path[0]).resolve()))
    return f"{what} {displayed(name)!r}: there is no module {displayed(missing)!r} in {where}: see --app-dir"


def settings_of(name: str | None) -> Settings:
    """Return settings made in code, or those of the environment.

    Raises:
        ConfigurationError: they are wrong, or are not there.
    """
    if name is None:
        try:
            return Settings.from_env()
        except ConfigurationError as error:
            if not is_elsewhere(os.environ):
                raise
            raise ConfigurationError([*error.problems, "settings made in code: name them with --settings"]) from error
    found = imported("--settings", name)
    if not isinstance(found, Settings):
        raise ConfigurationError([f"--settings {displayed(name)!r} is {_named(found)}, and no Settings(…)"])
    return found


def is_wsgi(application: Any) -> bool:  # noqa: ANN401 - anything
    """Return whether an application takes an environ and start_response. ASGI takes three arguments, or first one."""
    if iscoroutinefunction(application) or iscoroutinefunction(type(application).__call__):
        return False
    return (
        _takes(application, 2)
        and not _takes(application, 1)
        and (not _takes(application, 3) or next(iter(inspect.signature(application).parameters)) in _ENVIRON)
    )


def _takes_nothing(found: object) -> bool:
    """Return whether it makes an application, and is none itself."""
    return _takes(found, 0) and not _takes(found, 2) and not _takes(found, 3)


def _takes(function: Any, number: int) -> bool:  # noqa: ANN401 - anything
    try:
        inspect.signature(function).bind(*range(number))
    except (TypeError, ValueError):  # other parameters, nothing to be called, or compiled code that does not say
        return False
    return True


def _named(found: object) -> str:
    if inspect.ismodule(found):
        return f"the module {found.__name__!r}"
    return f"of the type {type(found).__name__!r}"


def _nearest(attribute: str, found: object) -> str:
    close = get_close_matches(attribute, [name for name in dir(found) if not name.startswith("_")], 1)
    return f": did you mean {close[0]!r}?" if close else ""
