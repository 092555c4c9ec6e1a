"""The verb `dev-ca`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from mtls_middleware.cli.extras import extra


def dev_ca(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to write; it is made if it is missing.")],
    *,
    region: Annotated[str, typer.Option(help="Whose root is played: an AWS region name or a login domain.")] = (
        "us-east-1"
    ),
    force: Annotated[bool, typer.Option("--force", help="Write over what an earlier run left in DIR.")] = False,
) -> None:
    """Write a regional root, callers and all else that is needed to try a service without Genesys.

    **For development only.** DIR gets the root, a certificate for `localhost`, callers good and bad with their keys, a
    revocation list, the environment for the application, and a README with the commands to run next:

    `mtls-middleware dev-ca dev`, then `. dev/dev.sh`

    `mtls-middleware serve main:app --ssl-certfile dev/server.pem --ssl-keyfile dev/server.key`

    `mtls-middleware call https://localhost:8443/actions/lookup --dev-ca dev --as expired`

    Whoever can read a key in DIR can pretend to be that region, so no other deployment must trust this root.
    """
    with extra("cli"):
        from mtls_middleware.cli.dev_ca.verb import run_dev_ca  # noqa: PLC0415 - an optional extra
    sys.exit(run_dev_ca(folder, region=region, force=force))
