"""The verb `demo`."""

import sys
from typing import Annotated

import typer

from mtls_middleware.cli.extras import extra


def demo(*, json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False) -> None:
    """Create a regional CA, protect a small app with it, send good and bad calls like those of data actions.

    You need to install or configure nothing, and no files are left behind. The exit status is 0 only if every call had
    exactly the expected result.
    """
    with extra("demo"):
        from mtls_middleware.cli.demo.verb import run_demo  # noqa: PLC0415 - an optional extra
    sys.exit(run_demo(as_json=json))
