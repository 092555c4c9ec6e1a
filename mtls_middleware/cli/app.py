"""The verbs together, and how they end where something is wrong."""

import sys

import typer

from mtls_middleware.cli.extras import WRONG
from mtls_middleware.cli.verbs.call import call
from mtls_middleware.cli.verbs.demo import demo
from mtls_middleware.cli.verbs.dev_ca import dev_ca
from mtls_middleware.cli.verbs.doctor import doctor
from mtls_middleware.cli.verbs.explain import explain
from mtls_middleware.cli.verbs.proxy_config import proxy_config
from mtls_middleware.cli.verbs.regions import regions
from mtls_middleware.cli.verbs.serve import serve
from mtls_middleware.cli.verbs.status import status
from mtls_middleware.cli.verbs.trust import trust
from mtls_middleware.errors import MTLSError

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="markdown"
)


@app.callback()
def _verbs() -> None:
    """Authenticate Genesys Cloud data action calls, and any other mTLS caller."""


app.command()(demo)
app.command()(serve)
app.command()(doctor)
app.add_typer(trust, name="trust")
app.command()(regions)
app.command()(explain)
app.command("proxy-config")(proxy_config)
app.command("dev-ca")(dev_ca)
app.command()(call)
app.command()(status)


def run() -> None:
    """Run the command line. What an operator can mend is told without a traceback."""
    try:
        app(prog_name="mtls-middleware")
    except MTLSError as error:
        typer.echo(str(error), err=True)
        sys.exit(WRONG)
