"""Software outside the middleware that records request headers, the secret ones too."""

import re
from collections.abc import Iterator, Mapping

from mtls_middleware.cli.doctor.finding import About, Check, Finding, Topic
from mtls_middleware.cli.doctor.servers import VersionOf, installed_version
from mtls_middleware.display import displayed
from mtls_middleware.settings import Settings

CAPTURED = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST"
SANITIZED = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS"

_ABOUT = About(Topic.SETTINGS)


def tell_recorders(
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
            f"denylist=[*DEFAULT_DENYLIST, {denied}], recursive=True)): see docs/telemetry.md",
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
