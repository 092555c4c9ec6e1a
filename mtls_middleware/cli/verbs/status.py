"""The verb `status`."""

import sys
from typing import Annotated

import typer

from mtls_middleware.cli.extras import extra


def status(
    *,
    listen: Annotated[
        str | None, typer.Option(metavar="ADDR", help="Serve the page at this address: 127.0.0.1:9443 or [::1]:9443.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Show trust, upcoming expiries, refusals by reason, and what to do next.

    Run it where the application runs, as its user and in its environment: it reads the same settings and files, and
    the counts that the application's processes wrote into `MTLS_STATE`. The exit status is 0 if trust is fresh, and 1
    if it is not.

    `mtls-middleware status`

    With `--listen` it serves the same as a page, HTML at `/` and JSON at `/status.json`, until you stop it. Everybody
    who can reach that address can read it: listen on a loopback address only, and use a tunnel.

    `mtls-middleware status --listen 127.0.0.1:9443`
    """
    if listen is None:
        with extra("cli"):
            from mtls_middleware.cli.status import run_status  # noqa: PLC0415 - an optional extra
        sys.exit(run_status(as_json=json))
    with extra("status"):
        import jinja2  # noqa: F401, PLC0415 - the page needs it
    with extra("serve"):
        from mtls_middleware.cli.status_server import run_page  # noqa: PLC0415 - an optional extra
    run_page(listen)
