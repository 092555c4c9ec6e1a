"""The verb `explain`."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from mtls_middleware.cli.extras import extra


def explain(  # noqa: PLR0913 - one argument for each option
    certificate: Annotated[
        str, typer.Argument(metavar="CERT", help="PEM or DER, the leaf first; - for standard input.")
    ],
    *,
    header: Annotated[
        str | None,
        typer.Option(metavar="SOURCE", help="CERT is a header value of this source or encoding; default MTLS_SOURCE."),
    ] = None,
    trust: Annotated[Path | None, typer.Option(help="Instead of MTLS_TRUST.")] = None,
    region: Annotated[str | None, typer.Option(help="Instead of MTLS_REGIONS.")] = None,
    authority: Annotated[str | None, typer.Option(help="Instead of MTLS_AUTHORITIES.")] = None,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="Judge at this time (ISO 8601, UTC); default now.")
    ] = None,
    refresh: Annotated[bool, typer.Option("--refresh", help="Refresh API answers and CRLs first.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Judge a certificate as the running application would, and show each step with its evidence.

    Settings come from the environment, CRLs from files and the state folder. The exit status is 0 if the certificate is
    accepted, 1 if it is refused, 2 if the input cannot be read.

    `mtls-middleware explain client.pem`

    `mtls-middleware explain client.pem --region us-east-1 --trust US-East-1.zip --at 2027-03-01`

    `echo "$X_SSL_CLIENT_CERT" | mtls-middleware explain - --header nginx`
    """
    with extra("cli"):
        from mtls_middleware.cli.explain.reading import NAMES, settings_of  # noqa: PLC0415 - an optional extra
        from mtls_middleware.cli.explain.verb import Options, moment, run_explain  # noqa: PLC0415
    try:
        if header is not None:
            settings_of(header, os.environ)
    except ValueError as error:
        raise typer.BadParameter(f"{header!r} is none of {', '.join(NAMES)}", param_hint="--header") from error
    try:
        when = None if at is None else moment(at)
    except ValueError as error:
        raise typer.BadParameter("write it as 2027-03-01 or 2027-03-01T12:00:00Z", param_hint="--at") from error
    given = {"MTLS_TRUST": trust, "MTLS_REGIONS": region, "MTLS_AUTHORITIES": authority}
    overrides = {name: str(value) for name, value in given.items() if value is not None}
    options = Options(source=certificate, header=header, overrides=overrides, at=when, refresh=refresh, as_json=json)
    sys.exit(run_explain(options))
