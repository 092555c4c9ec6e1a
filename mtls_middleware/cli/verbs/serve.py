"""The verb `serve`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mtls_middleware.cli.extras import extra


class Parser(StrEnum):
    """Name what parses HTTP."""

    AUTO = "auto"
    H11 = "h11"
    HTTPTOOLS = "httptools"


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
    head_timeout: Annotated[
        float, typer.Option(min=0.1, max=3600, help="Seconds for a request head; then the connection is closed.")
    ] = 30.0,
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
    with extra("serve"):
        from mtls_middleware.cli.serve import Listening, ServerTLS, run_server  # noqa: PLC0415 - an optional extra
    tls = None
    if ssl_certfile is not None:
        tls = ServerTLS(
            certificate=ssl_certfile, private_key=ssl_keyfile or ssl_certfile, password=ssl_keyfile_password
        )
    run_server(
        application,
        Listening(
            host=host,
            port=port,
            uds=uds,
            workers=workers,
            http=http,
            loop=loop,
            log_level=log_level,
            head_timeout=head_timeout,
        ),
        tls,
        factory=factory,
        app_dir=app_dir,
    )
