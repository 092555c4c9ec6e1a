"""The verb `trust`, with verbs of its own."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from mtls_middleware.cli.extras import extra

trust = typer.Typer(
    no_args_is_help=True,
    help="Show, refresh and export roots, pins and CRLs. Settings come from the environment.",
)


@trust.command()
def show(*, json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False) -> None:
    """Show roots, pins, CRLs and upcoming expiries, from files and the state folder, without using the network.

    The exit status is 1 if callers of some region could not be accepted now.
    """
    with extra("cli"):
        from mtls_middleware.cli.trust.verb import run_show  # noqa: PLC0415 - an optional extra
    sys.exit(run_show(as_json=json))


@trust.command()
def refresh(*, json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False) -> None:
    """Ask the certificates API and the CRL addresses now, and show what changed and what failed.

    The results are stored in the state folder, where running workers read them within seconds. The exit status is 1 if
    something failed; the last good trust stays.
    """
    with extra("cli"):
        from mtls_middleware.cli.trust.verb import run_refresh  # noqa: PLC0415 - an optional extra
    sys.exit(run_refresh(as_json=json))


@trust.command()
def export(
    *,
    form: Annotated[str, typer.Option("--format", metavar="pem|nginx|aws-alb", help="Format of the file.")] = "pem",
    output: Annotated[Path | None, typer.Option(help="File to replace atomically; default standard output.")] = None,
    crl: Annotated[Path | None, typer.Option(help="File for the CRLs in force, as PEM.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a file even if it contains anything but certificates and CRLs.")
    ] = False,
) -> None:
    """Write the roots in force, with configured intermediates, for the proxy that terminates TLS.

    `pem` and `nginx` have a comment for each certificate; `aws-alb`, the trust store of a load balancer, has none.

    `mtls-middleware trust export --format nginx --output /etc/nginx/genesys.pem && nginx -s reload`

    `mtls-middleware trust export --format aws-alb --output bundle.pem --crl revoked.pem`
    """
    with extra("cli"):
        from mtls_middleware.cli.trust.export import Format  # noqa: PLC0415 - an optional extra
        from mtls_middleware.cli.trust.verb import run_export  # noqa: PLC0415 - an optional extra
    if form not in set(Format):
        raise typer.BadParameter(f"{form!r} is none of {', '.join(Format)}", param_hint="--format")
    sys.exit(run_export(Format(form), output, crl, force=force))
