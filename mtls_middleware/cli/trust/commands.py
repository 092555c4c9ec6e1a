"""The commands of ``trust``, with their signatures."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from mtls_middleware.cli.ending import Commands, extra

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    help="Show, refresh and export roots, pins and CRLs. Settings come from the environment.",
)


@app.command()
def show(*, json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False) -> None:
    """Show roots, pins, CRLs and upcoming expiries of the running processes, without using the network.

    Roots and pins are those of files and the state folder; it says so where a process has others. Where a file cannot
    be used, they are shown as the processes report them, and the file is a problem. The exit status is 1 if there is a
    problem, if processes differ, or if callers of some region cannot be accepted now, and 2 if no process reports or a
    setting is wrong.
    """
    with extra("cli"):
        from mtls_middleware.cli.trust.show import run_show  # noqa: PLC0415 - an optional extra
    sys.exit(run_show(as_json=json))


@app.command()
def refresh(*, json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False) -> None:
    """Ask the certificates API and the CRL addresses now, and show what changed and what failed.

    The results are stored in the state folder, where running workers read them within seconds. The exit status is 1 if
    something failed; the last good trust stays.
    """
    with extra("cli"):
        from mtls_middleware.cli.trust.refresh import run_refresh  # noqa: PLC0415 - an optional extra
    sys.exit(run_refresh(as_json=json))


@app.command(name="forget-crl")
def forget_crl(origin: Annotated[str, typer.Argument(help="Address or file of the CRL, as in the message.")]) -> None:
    """Accept a CRL with a lower number than the last one, once, after its CA was restored from a backup.

    A CRL whose number went back is refused, because it may be an old copy. This removes the last CRL from the state
    folder. Running workers keep it until they receive one with a later date.

    `mtls-middleware trust forget-crl http://crl.example.com/ca.crl`
    """
    with extra("cli"):
        from mtls_middleware.cli.trust.refresh import run_forget_crl  # noqa: PLC0415 - an optional extra
    sys.exit(run_forget_crl(origin))


@app.command()
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
        from mtls_middleware.cli.trust.export import Format, run_export  # noqa: PLC0415 - an optional extra
    if form not in set(Format):
        raise typer.BadParameter(f"{form!r} is none of {', '.join(Format)}", param_hint="--format")
    sys.exit(run_export(Format(form), output, crl, force=force))
