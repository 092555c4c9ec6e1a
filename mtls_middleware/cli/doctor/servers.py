"""Which servers are installed here, and what each needs with the configured source: as docs/servers.md has it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from mtls_middleware._core.sources.presets import TLS, HeaderNames
from mtls_middleware.cli.doctor.finding import About, Check, Finding, Topic
from mtls_middleware.display import DOCS
from mtls_middleware.settings import Settings

_ABOUT = About(Topic.SERVERS)

VersionOf = Callable[[str], str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownServer:
    """One server.

    Attributes:
        package: on the package index.
        line: how it hands over the certificate, and the real peer; empty where nothing makes it.
        believes: whether its WSGI side believes header sources by itself: always, with a marker, or never.
        most: how long headers may be; empty where that is enough for a long chain.
        long_headers: what to do about it.
        note: what else an operator must know where the server ends TLS.
    """

    package: str
    line: str = ""
    believes: str = ""
    most: str = ""
    long_headers: str = ""
    note: str = ""


ALWAYS, WITH_MARKER, NEVER = "always", "with a marker", "never"

SERVERS = (
    KnownServer(
        package="uvicorn",
        line="--http mtls_middleware.servers.uvicorn:HttpToolsProtocol (or H11Protocol), or mtls-middleware serve",
        believes=WITH_MARKER,
    ),
    KnownServer(
        package="hypercorn",
        line="python -m mtls_middleware.servers.hypercorn instead of hypercorn",
        believes=WITH_MARKER,
        most="16 KiB of headers in all by default",
        long_headers="set h11_max_incomplete_size in its configuration file",
        note="with --quic-bind, HTTP/3 callers have no certificate and are refused",
    ),
    KnownServer(
        package="gunicorn",
        line="--worker-class mtls_middleware.servers.gunicorn.ASGIWorker for ASGI; WSGI workers need nothing",
        believes=ALWAYS,
        most="8,190 bytes by default",
        long_headers="start it with --limit-request-field_size 65535",
    ),
    KnownServer(
        package="daphne",
        line="python -m mtls_middleware.servers.daphne instead of daphne",
        most="16 KiB of headers in all",
        long_headers="let the proxy send the leaf alone: nothing can be set",
    ),
    KnownServer(
        package="pyvoy",
        line="python -m mtls_middleware.servers.pyvoy instead of pyvoy",
        note="HTTP/3 and WebSocket callers have no certificate and are refused",
    ),
    KnownServer(package="granian", believes=NEVER),
    KnownServer(
        package="cheroot",
        line="mtls_middleware.servers.cheroot.BuiltinSSLAdapter as ssl_adapter",
        believes=NEVER,
    ),
    KnownServer(package="waitress", believes=ALWAYS),
    KnownServer(
        package="uwsgi",
        line="--https with --lazy-apps --enable-threads --need-app",
        believes=WITH_MARKER,
        most="4 KiB in all by default",
        long_headers="start it with --buffer-size 65535",
    ),
)

_KEEP_TRAILERS = {"mtls-middleware", "mtls_middleware"}.union(
    server.package for server in SERVERS if server.package not in {"uvicorn", "gunicorn"}
)
"""Programs that do not run uvicorn's own parsers; gunicorn may."""


def installed_version(package: str) -> str | None:
    """Return the version of a package in this environment."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def check_servers(
    settings: Settings, programs: frozenset[str] = frozenset(), version_of: VersionOf = installed_version
) -> Iterator[Finding]:
    """Check what each installed server needs.

    Args:
        settings: of the application.
        programs: that run it now; none where it is not known.
        version_of: returns the version of an installed package.
    """
    found = [(server, version) for server in SERVERS if (version := version_of(server.package)) is not None]
    if not found:
        yield _ABOUT.not_checked(
            Check.SERVER_LINE, "no server that is known is installed here", f"see {DOCS}servers/ for what yours needs"
        )
    for server, version in found:
        if settings.source == TLS:
            yield from _tls(server, version)
        elif settings.header_names is not None:
            yield from _long_headers(server, version, settings.source, settings.header_names)
    if settings.header_names is not None:
        yield from _spelling(tuple(found), settings, settings.header_names)
        if version_of("uvicorn"):
            yield _trailers(programs, has_httptools=version_of("httptools") is not None)


def _trailers(programs: frozenset[str], *, has_httptools: bool) -> Finding:
    if programs and programs <= _KEEP_TRAILERS:
        return _ABOUT.ok(Check.SERVER_TRAILERS, f"{', '.join(sorted(programs))}: trailers are kept apart from headers")
    if not has_httptools:
        return _ABOUT.ok(Check.SERVER_TRAILERS, "uvicorn parses with h11, which keeps trailers apart")
    return _ABOUT.warning(
        Check.SERVER_TRAILERS,
        "uvicorn with its own httptools parser takes trailers for headers. There every chunked request is refused "
        "(source_untrusted), and data actions send chunked requests",
        "run the application with mtls-middleware serve, or start uvicorn with --http "
        "mtls_middleware.servers.uvicorn:HttpToolsProtocol, or with --http h11",
    )


def _tls(server: KnownServer, version: str) -> Iterator[Finding]:
    if server.line:
        note = f"; {server.note}" if server.note else ""
        yield _ABOUT.ok(Check.SERVER_LINE, f"{server.package} {version}: {server.line}{note}")
    else:
        yield _ABOUT.warning(
            Check.SERVER_LINE,
            f"{server.package} {version} passes on no certificate, and has no place for an adapter",
            "if it runs the application, let a proxy end TLS in front of it, and set MTLS_SOURCE: "
            "mtls-middleware proxy-config",
        )


def _spelling(
    found: tuple[tuple[KnownServer, str], ...], settings: Settings, header_names: HeaderNames
) -> Iterator[Finding]:
    """Check which servers would be believed under WSGI; ASGI keeps the spellings apart."""
    believing = {ALWAYS, WITH_MARKER} if header_names.has_marker else {ALWAYS}
    if settings.proxy_drops_underscores:
        believing = {ALWAYS, WITH_MARKER, NEVER}
    believed = [server.package for server, _ in found if server.believes in believing]
    refused = [server.package for server, _ in found if server.believes and server.believes not in believing]
    if believed:
        yield _ABOUT.ok(
            Check.SERVER_SPELLING, f"WSGI: headers of {settings.source} are believed on {', '.join(believed)}"
        )
    if refused:
        yield _ABOUT.warning(
            Check.SERVER_SPELLING,
            f"WSGI: {', '.join(refused)} take X_Name for X-Name: headers of {settings.source} are not believed there",
            "nothing for ASGI; for WSGI set MTLS_PROXY_DROPS_UNDERSCORES=yes if the proxy drops header names with an "
            "underscore, or use gunicorn",
        )


def _long_headers(server: KnownServer, version: str, source: str, header_names: HeaderNames) -> Iterator[Finding]:
    if not server.long_headers:
        return
    shown = f"{server.package} {version}"
    if header_names.chain or header_names.bundled:
        yield _ABOUT.warning(
            Check.SERVER_LONG_HEADERS,
            f"{shown}: the header of a long chain is too long, {server.most}",
            server.long_headers,
        )
    else:
        yield _ABOUT.ok(Check.SERVER_LONG_HEADERS, f"{shown}: {source} sends the leaf alone, which fits")
