"""The verbs: what each takes. What they do stands in a file, or folder, of their own."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mtls_middleware.errors import MTLSError

WRONG = 2
"""Exit status where the configuration is wrong, or something is not installed."""


class Parser(StrEnum):
    """Name what parses HTTP."""

    AUTO = "auto"
    H11 = "h11"
    HTTPTOOLS = "httptools"


app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="markdown"
)


@app.callback()
def _verbs() -> None:
    """Authenticate Genesys Cloud data action calls, and any other mTLS caller."""


@app.command()
def demo(*, json: Annotated[bool, typer.Option("--json", help="Print the outcomes for a script.")] = False) -> None:
    """Make a regional CA, protect a small app with it, and call it as the data actions service would, well and badly.

    Nothing has to be installed or configured, and nothing is left behind. The exit status is 0 only if every call ended
    exactly as it must.
    """
    with _extra("demo"):
        from mtls_middleware.cli.demo.verb import run_demo  # noqa: PLC0415 - an optional extra
    sys.exit(run_demo(as_json=json))


@app.command()
def serve(  # noqa: PLR0913 - one argument for each option
    application: Annotated[str, typer.Argument(metavar="APP", help="module:attribute of an ASGI application.")],
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8443,
    uds: Annotated[Path | None, typer.Option(help="Unix socket to listen on, instead.")] = None,
    ssl_certfile: Annotated[Path | None, typer.Option(help="PEM of the server's certificate and its chain.")] = None,
    ssl_keyfile: Annotated[Path | None, typer.Option(help="PEM of its private key.")] = None,
    ssl_keyfile_password: Annotated[
        str | None, typer.Option(help="Of the private key.", envvar="SSL_KEYFILE_PASSWORD", show_envvar=True)
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    http: Annotated[Parser, typer.Option(help="What parses HTTP.")] = Parser.AUTO,
    loop: Annotated[str, typer.Option(help="auto, asyncio or uvloop.")] = "auto",
    factory: Annotated[bool, typer.Option("--factory", help="APP is a function that makes the application.")] = False,
    app_dir: Annotated[Path, typer.Option(help="Where modules are looked for first.")] = Path(),
    log_level: Annotated[str, typer.Option(help="critical, error, warning, info or debug.")] = "info",
) -> None:
    """Run APP under uvicorn, so that the client certificate and the real peer reach it.

    It is configured by the same `MTLS_` variables as the middleware, which APP adds by itself. With `MTLS_SOURCE=tls`,
    client certificates are requested and not required, strangers end in the handshake with a line in the log, and the
    TLS trust store follows `MTLS_TRUST` without a restart. Behind a proxy that ends TLS, set `MTLS_SOURCE` and leave
    the certificate out.
    """
    with _extra("serve"):
        from mtls_middleware.cli.serve import Listening, ServerTLS, run_server  # noqa: PLC0415 - an optional extra
    tls = None
    if ssl_certfile is not None:
        tls = ServerTLS(
            certificate=ssl_certfile, private_key=ssl_keyfile or ssl_certfile, password=ssl_keyfile_password
        )
    run_server(
        application,
        Listening(host=host, port=port, uds=uds, workers=workers, http=http, loop=loop, log_level=log_level),
        tls,
        factory=factory,
        app_dir=app_dir,
    )


@app.command()
def doctor(  # noqa: PLR0913 - one argument for each option
    *,
    url: Annotated[str | None, typer.Option(help="Your deployment, with a protected path.")] = None,
    source: Annotated[str | None, typer.Option(help="What the application reads; MTLS_SOURCE by default.")] = None,
    all_sources: Annotated[bool, typer.Option("--all-sources", help="Forge the headers of every source.")] = False,
    certificate: Annotated[
        Path | None, typer.Option(help="A client certificate that would be accepted; certificates are public.")
    ] = None,
    client_certificate: Annotated[Path | None, typer.Option(help="Show this one in the TLS handshake.")] = None,
    client_key: Annotated[Path | None, typer.Option(help="PEM of its private key.")] = None,
    server_ca: Annotated[Path | None, typer.Option(help="PEM that the server's certificate is checked by.")] = None,
    connect: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Connect there, whatever DNS says.")] = None,
    direct: Annotated[str | None, typer.Option(metavar="URL", help="The application itself, past the proxy.")] = None,
    method: Annotated[str, typer.Option(help="HTTP method of the requests.")] = "GET",
    timeout: Annotated[float, typer.Option(min=0.1, max=60, help="Seconds for each answer.")] = 10.0,
    json: Annotated[bool, typer.Option("--json", help="Print what was seen for a script.")] = False,
) -> None:
    """Attack your own deployment from outside, and tell what was believed and what to do about it.

    Forged certificate headers are sent once, doubled, with underscores, in trailers, named in `Connection`, with a
    forged `X-Forwarded-For`, and in other ways that have worked somewhere. The exit status is 0 if each attack was
    refused as it must be, 1 if anything came through the proxy or was believed, and 2 if that cannot be told.
    """
    with _extra("cli"):
        from mtls_middleware.cli.doctor.verb import Options, run_doctor  # noqa: PLC0415 - an optional extra
    options = Options(
        url=url,
        source=source,
        all_sources=all_sources,
        certificate=certificate,
        client_certificate=client_certificate,
        client_key=client_key,
        server_ca=server_ca,
        connect=connect,
        direct=direct,
        method=method,
        timeout=timeout,
        as_json=json,
    )
    sys.exit(run_doctor(options))


@app.command("proxy-config")
def proxy_config(  # noqa: PLR0913 - one argument for each option
    name: Annotated[str | None, typer.Argument(help="Of a proxy or platform; without one, all are listed.")] = None,
    *,
    list_names: Annotated[bool, typer.Option("--list", help="List the names, with a line about each.")] = False,
    server_name: Annotated[str | None, typer.Option(help="Under which callers reach the proxy.")] = None,
    address: Annotated[str | None, typer.Option(help="IPv4 address that the proxy listens on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port that the proxy listens on.")] = None,
    certificate: Annotated[str | None, typer.Option(help="PEM of the server's certificate and its chain.")] = None,
    private_key: Annotated[str | None, typer.Option(help="PEM of its private key.")] = None,
    trust: Annotated[str | None, typer.Option(help="PEM of the regional root.")] = None,
    application: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Behind the proxy.")] = None,
    secret: Annotated[
        str | None,
        typer.Option(help="What the proxy adds; a new one by default.", envvar="MTLS_PROXY_SECRET", show_envvar=True),
    ] = None,
    with_crl: Annotated[
        bool, typer.Option("--with-crl", help="Let the proxy check a revocation list too; the application does anyway.")
    ] = False,
    crl: Annotated[str | None, typer.Option(help="PEM of that list.")] = None,
) -> None:
    """Print a complete configuration of the proxy NAME: `mtls-middleware proxy-config nginx > data-actions.conf`.

    The proxy asks callers for a certificate, removes what they send under the names of our headers, sets these itself,
    and adds a secret. The configuration goes to standard output, and the environment that the application needs to
    standard error. Paths are those on the proxy's machine. The first comment says which version it was run against, or
    that it comes from documentation: then check it with `mtls-middleware doctor --url`. Whoever may read the file knows
    the secret.
    """
    with _extra("cli"):
        from mtls_middleware.cli.proxy_config import run_proxy_config  # noqa: PLC0415 - an optional extra
    given = {
        "server_name": server_name,
        "address": address,
        "port": port,
        "certificate": certificate,
        "private_key": private_key,
        "trust": trust,
        "application": application,
        "secret": secret,
        "crl": crl,
    }
    sys.exit(run_proxy_config(None if list_names else name, given, with_crl=with_crl or crl is not None))


def run() -> None:
    """Run the command line. What an operator can mend is told without a traceback."""
    try:
        app(prog_name="mtls-middleware")
    except MTLSError as error:
        typer.echo(str(error), err=True)
        sys.exit(WRONG)


@contextmanager
def _extra(name: str) -> Iterator[None]:
    """Say how to install what a verb needs."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("mtls_middleware"):
            raise
        typer.echo(f"{error.name} is not installed: pip install 'mtls-middleware[{name}]'", err=True)
        sys.exit(WRONG)
