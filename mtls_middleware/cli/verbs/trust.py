"""The verb `trust`, with verbs of its own."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from mtls_middleware.cli.extras import extra

trust = typer.Typer(
    no_args_is_help=True,
    help="See what callers are judged by, refresh it, and hand it to proxies. Settings come from the environment.",
)


@trust.command()
def show(*, json: Annotated[bool, typer.Option("--json", help="For a script.")] = False) -> None:
    """Show what files and the state folder give: roots, pins, revocation lists, and what will end. Nobody is asked.

    The exit status is 1 where callers of some region could not be accepted now.
    """
    with extra("cli"):
        from mtls_middleware.cli.trust.verb import run_show  # noqa: PLC0415 - an optional extra
    sys.exit(run_show(as_json=json))


@trust.command()
def refresh(*, json: Annotated[bool, typer.Option("--json", help="For a script.")] = False) -> None:
    """Ask the certificates API and the places of revocation lists now, and tell what changed and what failed.

    What came is kept in the state folder; running workers take it from there within seconds. The exit status is 1 where
    something failed; the last good trust stays.
    """
    with extra("cli"):
        from mtls_middleware.cli.trust.verb import run_refresh  # noqa: PLC0415 - an optional extra
    sys.exit(run_refresh(as_json=json))


@trust.command()
def export(
    *,
    form: Annotated[str, typer.Option("--format", metavar="pem|nginx|aws-alb", help="Who is to read it.")] = "pem",
    output: Annotated[Path | None, typer.Option(help="A file, replaced in one step; standard output without.")] = None,
    crl: Annotated[Path | None, typer.Option(help="A file for the revocation lists in force, PEM.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also replace a file that holds something else than certificates and lists.")
    ] = False,
) -> None:
    """Write the roots in force, with configured intermediates, for the proxy that ends TLS.

    `pem` and `nginx` have a comment for each certificate; `aws-alb`, the trust store of a load balancer, takes none.

    `mtls-middleware trust export --format nginx --output /etc/nginx/genesys.pem && nginx -s reload`

    `mtls-middleware trust export --format aws-alb --output bundle.pem --crl revoked.pem`
    """
    with extra("cli"):
        from mtls_middleware.cli.trust.export import Format  # noqa: PLC0415 - an optional extra
        from mtls_middleware.cli.trust.verb import run_export  # noqa: PLC0415 - an optional extra
    if form not in set(Format):
        raise typer.BadParameter(f"{form!r} is none of {', '.join(Format)}", param_hint="--format")
    sys.exit(run_export(Format(form), output, crl, force=force))
