"""The options of the commands that have many: the command line and the command read the same definition."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeVar, get_type_hints

import typer

T = TypeVar("T")

_JSON = typer.Option("--json", help="Print the result as JSON.")


def taking(options: Callable[..., T]) -> Callable[[Callable[[T], None]], Callable[..., None]]:
    """Make a command of a function that takes one object: the fields of its class are the command's options."""

    def decorate(function: Callable[[T], None]) -> Callable[..., None]:
        def command(**given: object) -> None:
            function(options(**given))

        command.__name__, command.__doc__ = function.__name__, function.__doc__
        command.__annotations__ = get_type_hints(options, include_extras=True)
        command.__signature__ = inspect.signature(options)  # type: ignore[attr-defined]  # typer asks for it
        return command

    return decorate


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions:
    """The options of ``call``."""

    url: Annotated[str, typer.Argument(metavar="URL", help="URL of the action: https://host/actions/lookup.")]
    method: Annotated[str, typer.Option(help="HTTP method.")] = "POST"
    data: Annotated[str, typer.Option(help="Request body; @FILE reads a file, '' sends none.")] = field(
        default="{}", repr=False
    )
    header: Annotated[
        list[str] | None, typer.Option(help="'Name: value', or @FILE with one per line, for secrets; repeatable.")
    ] = field(default=None, repr=False)
    certificate: Annotated[
        Path | None, typer.Option("--cert", help="PEM of the client certificate; may contain chain and key.")
    ] = None
    key: Annotated[Path | None, typer.Option(help="PEM of its private key.")] = None
    folder: Annotated[
        Path | None, typer.Option("--dev-ca", metavar="DIR", help="Use certificates and root written by dev-ca.")
    ] = None
    caller: Annotated[
        str, typer.Option("--as", metavar="NAME", help="Certificate in DIR: good, expired, other-region …, or none.")
    ] = "good"
    ca: Annotated[Path | None, typer.Option(help="PEM to verify the server with, instead of system CAs.")] = None
    connect: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Connect there instead of using DNS.")] = None
    timeout: Annotated[float, typer.Option(min=0.1, max=120, help="Seconds for the call; Genesys waits 60.")] = 60.0
    as_json: Annotated[bool, _JSON] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorOptions:
    """The options of ``doctor``."""

    url: Annotated[str | None, typer.Option(help="Attack your deployment at this URL, with a protected path.")] = None
    offline: Annotated[bool, typer.Option("--offline", help="Without --url: do not use the network.")] = False
    source: Annotated[str | None, typer.Option(help="Source that the application reads; default MTLS_SOURCE.")] = None
    all_sources: Annotated[bool, typer.Option("--all-sources", help="Forge the headers of every source.")] = False
    certificate: Annotated[
        Path | None, typer.Option(help="A client certificate that would be accepted, to forge with.")
    ] = None
    client_certificate: Annotated[Path | None, typer.Option(help="Certificate for an honest call.")] = None
    client_key: Annotated[Path | None, typer.Option(help="PEM of its private key.")] = None
    server_ca: Annotated[Path | None, typer.Option(help="PEM to verify the server with.")] = None
    connect: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Connect there instead of using DNS.")] = None
    direct: Annotated[str | None, typer.Option(metavar="URL", help="The application, without the proxy.")] = None
    method: Annotated[str, typer.Option(help="HTTP method of the requests.")] = "GET"
    timeout: Annotated[float, typer.Option(min=0.1, max=60, help="Seconds for each response.")] = 10.0
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainOptions:
    """The options of ``explain``."""

    source: Annotated[str, typer.Argument(metavar="CERT", help="PEM or DER, the leaf first; - for standard input.")]
    header: Annotated[
        str | None,
        typer.Option(metavar="SOURCE", help="CERT is a header value of this source or encoding; default MTLS_SOURCE."),
    ] = None
    trust: Annotated[Path | None, typer.Option(help="Instead of MTLS_TRUST.")] = None
    region: Annotated[str | None, typer.Option(help="Instead of MTLS_REGIONS.")] = None
    authority: Annotated[str | None, typer.Option(help="Instead of MTLS_AUTHORITIES.")] = None
    at: Annotated[str | None, typer.Option(metavar="TIME", help="Judge at this time (ISO 8601, UTC); default now.")] = (
        None
    )
    refresh: Annotated[bool, typer.Option("--refresh", help="Refresh API answers and CRLs first.")] = False
    as_json: Annotated[bool, _JSON] = False

    @property
    def overrides(self) -> dict[str, str]:
        """Return settings instead of those of the environment."""
        given = {"MTLS_TRUST": self.trust, "MTLS_REGIONS": self.region, "MTLS_AUTHORITIES": self.authority}
        return {name: str(value) for name, value in given.items() if value is not None}

    @property
    def moment(self) -> datetime | None:
        """Return the time of the verdict, UTC where it names no zone; None for now.

        Raises:
            ValueError: it is no ISO 8601 date or time.
        """
        if self.at is None:
            return None
        found = datetime.fromisoformat(self.at)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


class Parser(StrEnum):
    """The implementation that parses HTTP."""

    AUTO = "auto"
    H11 = "h11"
    HTTPTOOLS = "httptools"


class Loop(StrEnum):
    """The event loop."""

    AUTO = "auto"
    ASYNCIO = "asyncio"
    UVLOOP = "uvloop"


class Level(StrEnum):
    """The lowest level of log lines that are written."""

    CRITICAL = "critical"
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    DEBUG = "debug"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """The options of ``serve``."""

    application: Annotated[str, typer.Argument(metavar="APP", help="module:attribute of an ASGI or WSGI application.")]
    settings: Annotated[
        str | None, typer.Option(metavar="NAME", help="module:attribute of Settings made in code; default MTLS_….")
    ] = None
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port to listen on.")] = 8443
    uds: Annotated[Path | None, typer.Option(help="Unix socket to listen on, instead.")] = None
    ssl_certfile: Annotated[Path | None, typer.Option(help="PEM of the server's certificate and its chain.")] = None
    ssl_keyfile: Annotated[Path | None, typer.Option(help="PEM of its private key.")] = None
    ssl_keyfile_password: Annotated[
        str | None, typer.Option(help="Of the private key.", envvar="SSL_KEYFILE_PASSWORD", show_envvar=True)
    ] = field(default=None, repr=False)
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1
    reload: Annotated[
        bool, typer.Option("--reload", help="For development: restart when a Python file in --app-dir changes.")
    ] = False
    root_path: Annotated[str, typer.Option(help="Path prefix that a proxy in front cuts off, such as /api.")] = ""
    http: Annotated[Parser, typer.Option(help="What parses HTTP.")] = Parser.AUTO
    loop: Annotated[Loop, typer.Option(help="The event loop.")] = Loop.AUTO
    head_timeout: Annotated[
        float, typer.Option(min=0.1, max=3600, help="Seconds for a request head; then the connection is closed.")
    ] = 30.0
    factory: Annotated[bool, typer.Option("--factory", help="APP is a function that makes the application.")] = False
    app_dir: Annotated[Path, typer.Option(help="Where modules are looked for first.")] = Path()
    log_level: Annotated[Level, typer.Option(help="The lowest level that is logged.")] = Level.INFO
    log_config: Annotated[Path | None, typer.Option(help="Configuration of logging, as JSON, YAML or an ini file.")] = (
        None
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyConfigOptions:
    """The options of ``proxy-config``."""

    name: Annotated[str | None, typer.Argument(help="Name of a proxy or platform; without it, list all.")] = None
    list_names: Annotated[bool, typer.Option("--list", help="List all names, with a description.")] = False
    server_name: Annotated[str | None, typer.Option(help="Host name by which callers reach the proxy.")] = None
    address: Annotated[str | None, typer.Option(help="IPv4 address that the proxy listens on.")] = None
    port: Annotated[int | None, typer.Option(help="Port that the proxy listens on.")] = None
    certificate: Annotated[str | None, typer.Option(help="PEM of the server's certificate and its chain.")] = None
    private_key: Annotated[str | None, typer.Option(help="PEM of its private key.")] = None
    region: Annotated[str | None, typer.Option(help="AWS region name or login domain; default MTLS_REGIONS.")] = None
    trust: Annotated[str | None, typer.Option(help="PEM of the regional root; default MTLS_TRUST.")] = None
    application: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Address of the application.")] = None
    secret: Annotated[
        str | None, typer.Option(help="Secret of the proxy; default MTLS_PROXY_SECRET, its file, or a new one.")
    ] = field(default=None, repr=False)
    with_crl: Annotated[
        bool, typer.Option("--with-crl", help="Let the proxy check a CRL too; the application does anyway.")
    ] = False
    crl: Annotated[str | None, typer.Option(help="PEM of that CRL.")] = None
