"""The application's settings and trust, as a command finds them where it runs."""

import os
from collections.abc import Mapping
from dataclasses import replace

from mtls_middleware.errors import ConfigurationError
from mtls_middleware.guard import Guard
from mtls_middleware.observing.status import Status
from mtls_middleware.settings import Settings
from mtls_middleware.settings.reader import DEFAULT_PREFIX

ELSEWHERE = "no variable of the application is set here"
WHERE = (
    "run this command where the application runs, as its user: docker exec, kubectl exec, or after "
    "`set -a; . ./app.env; set +a`"
)


def is_elsewhere(environ: Mapping[str, str]) -> bool:
    """Return whether an environment has no variable of the application."""
    return not any(name.startswith(DEFAULT_PREFIX) for name in environ)


def settings_here(environ: Mapping[str, str] | None = None, *, used: Mapping[str, str] | None = None) -> Settings:
    """Return the application's settings.

    Args:
        environ: of the command; None for that of this process.
        used: what they are read from, where that is not all of it.

    Raises:
        ConfigurationError: they are wrong, or this is not the environment of the application.
    """
    environ = os.environ if environ is None else environ
    try:
        return Settings.from_env(environ if used is None else used)
    except ConfigurationError as error:
        if is_elsewhere(environ):
            raise ConfigurationError([*error.problems, f"{ELSEWHERE}: {WHERE}"]) from error
        raise


def status_here(guard: Guard) -> Status:
    """Load trust, ask nobody over the network, and return the status of a guard: problems are what cannot be loaded."""
    try:
        guard.load()
    except ConfigurationError as error:
        return replace(guard.status(), problems=error.problems)
    return guard.status()
