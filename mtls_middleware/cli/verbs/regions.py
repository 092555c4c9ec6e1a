"""The verb `regions`."""

import sys
from typing import Annotated

import typer

from mtls_middleware.cli.extras import extra


def regions(
    name: Annotated[
        str | None, typer.Argument(help="AWS region, login domain or label of the download; default all.")
    ] = None,
    *,
    json: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
) -> None:
    """Show the regions of Genesys Cloud, with their names and the certificate names of their data actions.

    `mtls-middleware regions mypurecloud.ie`
    """
    with extra("cli"):
        from mtls_middleware.cli.regions import run_regions  # noqa: PLC0415 - an optional extra
    sys.exit(run_regions(name, as_json=json))
