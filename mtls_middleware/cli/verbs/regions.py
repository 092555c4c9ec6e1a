"""The verb `regions`."""

import sys
from typing import Annotated

import typer

from mtls_middleware.cli.extras import extra


def regions(
    name: Annotated[
        str | None, typer.Argument(help="AWS region, login domain or label of the download; all without one.")
    ] = None,
    *,
    json: Annotated[bool, typer.Option("--json", help="For a script.")] = False,
) -> None:
    """Show the regions of Genesys Cloud: how each is called, and which certificate its data actions show.

    `mtls-middleware regions mypurecloud.ie`
    """
    with extra("cli"):
        from mtls_middleware.cli.regions import run_regions  # noqa: PLC0415 - an optional extra
    sys.exit(run_regions(name, as_json=json))
