"""The verb `call`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from mtls_middleware.cli.extras import extra


def call(  # noqa: PLR0913 - one argument for each option
    url: Annotated[str, typer.Argument(metavar="URL", help="URL of the action: https://host/actions/lookup.")],
    *,
    method: Annotated[str, typer.Option(help="HTTP method.")] = "POST",
    data: Annotated[str, typer.Option(help="Request body; @FILE reads a file, '' sends none.")] = "{}",
    header: Annotated[
        list[str] | None, typer.Option(help="'Name: value', or @FILE with one per line, for secrets; repeatable.")
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option("--cert", help="PEM of the client certificate; may contain chain and key.")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="PEM of its private key.")] = None,
    folder: Annotated[
        Path | None, typer.Option("--dev-ca", metavar="DIR", help="Use certificates and root written by dev-ca.")
    ] = None,
    caller: Annotated[
        str, typer.Option("--as", metavar="NAME", help="Certificate in DIR: good, expired, other-region …, or none.")
    ] = "good",
    ca: Annotated[Path | None, typer.Option(help="PEM to verify the server with, instead of system CAs.")] = None,
    connect: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Connect there instead of using DNS.")
    ] = None,
    timeout: Annotated[float, typer.Option(min=0.1, max=120, help="Seconds for the call; Genesys waits 60.")] = 60.0,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Send a call to URL as a data action does, with a client certificate of your choice, and show the response.

    It sends what the data actions service sends: HTTP/1.1, chunked, its headers. It shows the time of each step, TLS
    parameters, whether the server requested a certificate, and for a refusal what to do. The exit status is 0 for a 2xx
    response, 1 for any other or none, and 2 for a wrong command line.

    `mtls-middleware call https://localhost:8443/actions/lookup --dev-ca dev --as expired`

    `mtls-middleware call https://actions.example.com/actions/lookup --data '{"phone": "+13175550100"}'`

    `mtls-middleware call https://actions.example.com/actions/lookup --cert own.pem --key own.key --header @secret`
    """
    with extra("cli"):
        from mtls_middleware.cli.call.verb import Options, run_call  # noqa: PLC0415 - an optional extra
    options = Options(
        url=url,
        method=method,
        data=data,
        headers=tuple(header or ()),
        certificate=certificate,
        key=key,
        folder=folder,
        caller=caller,
        ca=ca,
        connect=connect,
        timeout=timeout,
        as_json=json,
    )
    sys.exit(run_call(options))
