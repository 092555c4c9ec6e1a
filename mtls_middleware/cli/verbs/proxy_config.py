"""The verb `proxy-config`."""

import sys
from typing import Annotated

import typer

from mtls_middleware.cli.extras import extra


def proxy_config(  # noqa: PLR0913 - one argument for each option
    name: Annotated[str | None, typer.Argument(help="Name of a proxy or platform; without it, list all.")] = None,
    *,
    list_names: Annotated[bool, typer.Option("--list", help="List all names, with a description.")] = False,
    server_name: Annotated[str | None, typer.Option(help="Host name by which callers reach the proxy.")] = None,
    address: Annotated[str | None, typer.Option(help="IPv4 address that the proxy listens on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port that the proxy listens on.")] = None,
    certificate: Annotated[str | None, typer.Option(help="PEM of the server's certificate and its chain.")] = None,
    private_key: Annotated[str | None, typer.Option(help="PEM of its private key.")] = None,
    trust: Annotated[str | None, typer.Option(help="PEM of the regional root.")] = None,
    application: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Address of the application.")] = None,
    secret: Annotated[
        str | None,
        typer.Option(help="Secret of the proxy; default a new one.", envvar="MTLS_PROXY_SECRET", show_envvar=True),
    ] = None,
    with_crl: Annotated[
        bool,
        typer.Option("--with-crl", help="Let the proxy check a CRL too; the application does anyway."),
    ] = False,
    crl: Annotated[str | None, typer.Option(help="PEM of that CRL.")] = None,
) -> None:
    """Print a complete configuration of the proxy NAME: `mtls-middleware proxy-config nginx > data-actions.conf`.

    The proxy requests a certificate, removes its headers when callers send them, sets them itself, and adds a secret.
    The configuration goes to standard output, and the environment for the application to standard error. Paths are
    those on the proxy's machine. The first comment has the version that was tested, or says that the configuration
    comes from documentation: then test it with `mtls-middleware doctor --url`. Keep the file readable for the proxy
    only, because it contains the secret.
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
