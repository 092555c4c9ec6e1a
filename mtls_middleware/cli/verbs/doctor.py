"""The verb `doctor`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from mtls_middleware.cli.extras import extra


def doctor(  # noqa: PLR0913 - one argument for each option
    *,
    url: Annotated[str | None, typer.Option(help="Attack this deployment of yours; with a protected path.")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Without --url: ask nobody over the network.")] = False,
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
    """Examine your deployment from the inside or, with `--url`, attack it from the outside; and tell what to do.

    Without `--url` it looks, in the environment that it is run in, at settings, files, regions, roots, clock,
    revocation lists, the certificates API, the state folder, servers and proxy, and changes nothing. Run it where the
    application runs, as its user. The exit status is 0 if there is no error, 1 if there is one.

    `mtls-middleware doctor`

    With `--url` forged certificate headers are sent once, doubled, with underscores, in trailers, named in
    `Connection`, with a forged `X-Forwarded-For`, and in other ways that have worked somewhere. The exit status is 0 if
    each attack was refused as it must be, 1 if anything came through the proxy or was believed, and 2 if that cannot be
    told.

    `mtls-middleware doctor --url https://actions.example.com/actions/lookup --source nginx`
    """
    with extra("cli"):
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
        offline=offline,
        as_json=json,
    )
    sys.exit(run_doctor(options))
