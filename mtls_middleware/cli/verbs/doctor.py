"""The verb `doctor`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from mtls_middleware.cli.extras import extra


def doctor(  # noqa: PLR0913 - one argument for each option
    *,
    url: Annotated[str | None, typer.Option(help="Attack your deployment at this URL, with a protected path.")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Without --url: do not use the network.")] = False,
    source: Annotated[str | None, typer.Option(help="Source that the application reads; default MTLS_SOURCE.")] = None,
    all_sources: Annotated[bool, typer.Option("--all-sources", help="Forge the headers of every source.")] = False,
    certificate: Annotated[
        Path | None, typer.Option(help="A client certificate that would be accepted, to forge with.")
    ] = None,
    client_certificate: Annotated[Path | None, typer.Option(help="Certificate for the TLS handshake.")] = None,
    client_key: Annotated[Path | None, typer.Option(help="PEM of its private key.")] = None,
    server_ca: Annotated[Path | None, typer.Option(help="PEM to verify the server with.")] = None,
    connect: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Connect there instead of using DNS.")
    ] = None,
    direct: Annotated[str | None, typer.Option(metavar="URL", help="The application, without the proxy.")] = None,
    method: Annotated[str, typer.Option(help="HTTP method of the requests.")] = "GET",
    timeout: Annotated[float, typer.Option(min=0.1, max=60, help="Seconds for each response.")] = 10.0,
    json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Examine your deployment from the inside or, with `--url`, attack it from the outside, and show what to do.

    Run it where the application runs, as its user and in its environment. Without `--url` it checks settings, files,
    regions, roots, clock, CRLs, the certificates API, the state folder, servers and proxy, and changes nothing. The
    exit status is 0 without errors, 1 with at least one error.

    `mtls-middleware doctor`

    With `--url` it sends forged certificate headers: once, twice, with underscores, in trailers, named in
    `Connection`, with a forged `X-Forwarded-For`, and in other ways that have worked somewhere. The exit status is 0 if
    each attack was refused, 1 if a header got past the proxy or was believed, and 2 if there is no result.

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
