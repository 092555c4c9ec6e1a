"""Exempt paths behind a path prefix: whether health checks get through."""

from collections.abc import Iterator, Mapping

from mtls_middleware._core.connection import Connection, Interface
from mtls_middleware._core.protection import Protection
from mtls_middleware.cli.doctor.finding import About, Check, Finding, Topic
from mtls_middleware.display import displayed
from mtls_middleware.settings import Settings

PREFIXES = ("UVICORN_ROOT_PATH", "SCRIPT_NAME", "GRANIAN_URL_PATH_PREFIX")
"""Variables by which servers are told the prefix under which the application is mounted."""

_ABOUT = About(Topic.SETTINGS)


def tell_paths(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Compare exempt paths with the path prefix of the server, where its variable is here."""
    for name in PREFIXES if settings.exempt else ():
        root = environ.get(name, "").rstrip("/")
        if not root:
            continue
        exempt = _complete(settings, root)
        shown = f"{name}={displayed(root)}"
        if exempt == settings.exempt:
            yield _ABOUT.ok(Check.SETTINGS_PATHS, f"{shown}: exempt paths are exempt with and without it")
        else:
            yield _ABOUT.warning(
                Check.SETTINGS_PATHS,
                f"{shown}: paths are read with and without it, and MTLS_EXEMPT has only one of both",
                f"set MTLS_EXEMPT={displayed(','.join(exempt))}",
            )


def _complete(settings: Settings, root: str) -> tuple[str, ...]:
    exempt = settings.exempt
    for prefix in settings.exempt:
        protection = Protection(protected=settings.protect, exempt=exempt)
        connection = Connection(
            interface=Interface.ASGI, path=prefix, raw_path=None, root_path=root, headers=(), client=None
        )
        if protection.covers(connection) and (missing := protection.missing_exemption(connection)) is not None:
            exempt = (*exempt, missing)
    return exempt
