"""The verb `demo`."""

import sys
from typing import Annotated

import typer

from mtls_middleware.cli.extras import extra


def demo(*, json: Annotated[bool, typer.Option("--json", help="Print the outcomes for a script.")] = False) -> None:
    """Make a regional CA, protect a small app with it, and call it as the data actions service would, well and badly.

    Nothing has to be installed or configured, and nothing is left behind. The exit status is 0 only if every call ended
    exactly as it must.
    """
    with extra("demo"):
        from mtls_middleware.cli.demo.verb import run_demo  # noqa: PLC0415 - an optional extra
    sys.exit(run_demo(as_json=json))
