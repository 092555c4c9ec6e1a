"""The verb `proxy-config`."""

import sys
from typing import Annotated

import typer

from mtls_middleware.cli.extras import extra


def proxy_config(  # noqa: PLR0913 - one argument for each option
    name: Annotated[str | None, typer.Argument(help="Of a proxy or platform; without one, all are listed.")] = None,
    *,
    list_names: Annotated[bool, typer.Option("--list", help="List the names, with a line about each.")] = False,
    server_name: Annotated[str | None, typer.Option(help="Under which callers reach the proxy.")] = None,
    address: Annotated[str | None, typer.Option(help="IPv4 address that the proxy listens on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port that the proxy listens on.")] = None,
    certificate: Annotated[str | None, typer.Option(help="PEM of the server's certificate and its chain.")] = None,
    private_key: Annotated[str | None, typer.Option(help="PEM of its private key.")] = None,
    trust: Annotated[str | None, typer.Option(help="PEM of the regional root.")] = None,
    application: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Behind the proxy.")] = None,
    secret: Annotated[
        str | None,
        typer.Option(help="What the proxy adds; a new one by default.", envvar="MTLS_PROXY_SECRET", show_envvar=True),
    ] = None,
    with_crl: Annotated[
        bool, typer.Option("--with-crl", help="Let the proxy check a revocation list too; the application does anyway.")
    ] = False,
    crl: Annotated[str | None, typer.Option(help="PEM of that list.")] = None,
) -> None:
    """Print a complete configuration of the proxy NAME: `mtls-middleware proxy-config nginx > data-actions.conf`.

    The proxy asks callers for a certificate, removes what they send under the names of our headers, sets these itself,
    and adds a secret. The configuration goes to standard output, and the environment that the application needs to
    standard error. Paths are those on the proxy's machine. The first comment says which version it was run against, or
    that it comes from documentation: then check it with `mtls-middleware doctor --url`. Whoever may read the file knows
    the secret.
    """
    with extra("cli"):
        from mtls_middleware.cli.proxy_config import run_proxy_config  # noqa: PLC0415 - an optional extra
    given = {
        "server_name": server_name,
        "address": address,
        "port": port,
        "certificate": certificate,
        "private_key": private_key,
        "trust": trust,
        "application": application,
        "secret": secret,
        "crl": crl,
    }
    sys.exit(run_proxy_config(None if list_names else name, given, with_crl=with_crl or crl is not None))
