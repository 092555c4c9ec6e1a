"""The verb `dev-ca`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from mtls_middleware.cli.extras import extra


def dev_ca(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write to; created if missing.")],
    *,
    region: Annotated[str, typer.Option(help="Region to imitate: an AWS region name or a login domain.")] = (
        "us-east-1"
    ),
    force: Annotated[bool, typer.Option("--force", help="Overwrite the files of an earlier run in DIR.")] = False,
) -> None:
    """Create a regional root, client certificates and settings to try a service without Genesys.

    **For development only.** DIR gets the root, a certificate for `localhost`, good and bad client certificates with
    their keys, a CRL, the environment for the application, and a README with the commands to run next:

    `mtls-middleware dev-ca dev`, then `. dev/dev.sh`

    `mtls-middleware serve main:app --ssl-certfile dev/server.pem --ssl-keyfile dev/server.key`

    `mtls-middleware call https://localhost:8443/actions/lookup --dev-ca dev --as expired`

    Anybody who can read a key in DIR can pretend to be that region: never trust this root in another deployment.
    """
    with extra("cli"):
        from mtls_middleware.cli.dev_ca.verb import run_dev_ca  # noqa: PLC0415 - an optional extra
    sys.exit(run_dev_ca(folder, region=region, force=force))
