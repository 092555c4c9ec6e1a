"""What is beside the middleware: software that records its headers, and the path prefix of the server."""

import re
from collections.abc import Iterator, Mapping

from mtls_middleware._core.connection import Connection, Interface
from mtls_middleware._core.protection import Protection
from mtls_middleware.cli.doctor.finding import About, Check, Finding, Topic
from mtls_middleware.cli.doctor.servers import VersionOf, installed_version
from mtls_middleware.display import DOCS, displayed
from mtls_middleware.settings import Settings

CAPTURED = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST"
SANITIZED = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS"

_ABOUT = About(Topic.SETTINGS)


def check_recorders(
    settings: Settings, environ: Mapping[str, str], version_of: VersionOf = installed_version
) -> Iterator[Finding]:
    """Return whether what is installed and configured here records the headers that carry secrets."""
    headers = [
        secret.header.lower() for secret in (settings.proxy_secret, settings.caller_secret) if secret is not None
    ]
    if not headers:
        return
    shown = displayed(" and ".join(headers))
    sentry = version_of("sentry-sdk")
    if sentry is not None:
        denied = ", ".join(repr(displayed(header)) for header in headers)
        yield _ABOUT.warning(
            Check.SETTINGS_RECORDED,
            f"sentry-sdk {sentry} is installed: it records {shown} in clear text, unless sentry_sdk.init is told not "
            "to; that cannot be seen from here",
            "sentry_sdk.init(include_local_variables=False, event_scrubber=EventScrubber("
            f"denylist=[*DEFAULT_DENYLIST, {denied}], recursive=True)): see {DOCS}telemetry/",
        )
    recorded = [header for header in headers if _is_captured(header, environ)]
    if recorded:
        names = displayed(",".join(recorded))
        yield _ABOUT.warning(
            Check.SETTINGS_RECORDED,
            f"{CAPTURED} makes OpenTelemetry record {names} in clear text",
            f"set {SANITIZED}={names}",
        )
    if sentry is None and not recorded:
        yield _ABOUT.ok(Check.SETTINGS_RECORDED, f"nothing known here records {shown}")


def _is_captured(header: str, environ: Mapping[str, str]) -> bool:
    """Return whether OpenTelemetry's instrumentation records a header: lists of expressions, matched without case."""
    if not any(re.fullmatch(each, header, re.IGNORECASE) for each in _expressions(environ, CAPTURED)):
        return False
    return not any(re.search(each, header, re.IGNORECASE) for each in _expressions(environ, SANITIZED))


def _expressions(environ: Mapping[str, str], name: str) -> Iterator[str]:
    for entry in environ.get(name, "").split(","):
        expression = entry.strip()
        try:
            re.compile(expression)
        except re.error:
            continue  # OpenTelemetry fails there
        if expression:
            yield expression


PREFIXES = ("UVICORN_ROOT_PATH", "SCRIPT_NAME", "GRANIAN_URL_PATH_PREFIX")
"""Variables by which servers are told the prefix under which the application is mounted."""


def check_paths(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
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
