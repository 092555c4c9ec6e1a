"""All command signatures on one page, and how the command line ends where something is wrong.

A missing extra is one sentence, and `--help` loads none.
"""

import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from mtls_middleware.cli.ending import WRONG, Commands, OutputError, abandon_output, extra, open_streams
from mtls_middleware.cli.options import (
    CallOptions,
    DoctorOptions,
    ExplainOptions,
    ProxyConfigOptions,
    ServeOptions,
    taking,
)
from mtls_middleware.cli.trust import commands as trust
from mtls_middleware.errors import MTLSError

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"mtls-middleware {version('mtls-middleware')}")
        raise typer.Exit


@app.callback()
def _commands(
    *,
    _version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Authenticate Genesys Cloud data action calls, and any other mTLS caller."""


@app.command()
def demo(*, json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False) -> None:
    """Create a regional CA, protect a small app with it, send good and bad calls like those of data actions.

    You need to install or configure nothing, and no files are left behind. The exit status is 0 only if every call had
    exactly the expected result.
    """
    with extra("demo"):
        from mtls_middleware.cli.demo.demo import run_demo  # noqa: PLC0415 - an optional extra
    sys.exit(run_demo(as_json=json))


@app.command()
@taking(ServeOptions)
def serve(options: ServeOptions) -> None:
    """Run APP under uvicorn, so that the client certificate and the real peer reach it.

    It is configured by the same `MTLS_` variables as the middleware, which APP adds by itself; settings made in code
    are named with `--settings`. With `MTLS_SOURCE=tls`, client certificates are requested and not required, strangers
    end in the handshake with a line in the log, and the TLS trust store follows `MTLS_TRUST` without a restart. Behind
    a proxy that ends TLS, set `MTLS_SOURCE` and leave the certificate out.

    APP may be an ASGI application, or a WSGI application such as those of Flask and Django, which runs in threads.

    `mtls-middleware serve my_service.main:app --ssl-certfile server.pem --ssl-keyfile server.key`
    """
    with extra("serve"):
        from mtls_middleware.cli.serve import run_server  # noqa: PLC0415 - an optional extra
    run_server(options)


@app.command()
@taking(DoctorOptions)
def doctor(options: DoctorOptions) -> None:
    """Examine your deployment from the inside or, with `--url`, attack it from the outside, and show what to do.

    Run it where the application runs, as its user and in its environment. Without `--url` it checks settings, files,
    regions, roots, clock, CRLs, the certificates API, the state folder, servers and proxy, and changes nothing. The
    exit status is 0 without errors, 1 with at least one error.

    `mtls-middleware doctor`

    With `--url` it sends forged certificate headers: once, twice, with underscores, in trailers, named in
    `Connection`, with a forged `X-Forwarded-For`, and in other ways that have worked somewhere. With
    `--client-certificate` it makes an honest call, too. The exit status is 0 if each attack was refused and the honest
    call was accepted, 1 if a header got past the proxy, was believed, or callers are kept out, and 2 if that cannot be
    told.

    `mtls-middleware doctor --url https://actions.example.com/actions/lookup --source nginx --client-certificate
    client.pem --client-key client.key`
    """
    with extra("cli"):
        from mtls_middleware.cli.doctor.doctor import run_doctor  # noqa: PLC0415 - an optional extra
    sys.exit(run_doctor(options))


app.add_typer(trust.app, name="trust")


@app.command()
def regions(
    name: Annotated[
        str | None, typer.Argument(help="AWS region, login domain or label of the download; default all.")
    ] = None,
    *,
    json: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
) -> None:
    """Show the regions of Genesys Cloud, with their names and the certificate names of their data actions.

    `mtls-middleware regions mypurecloud.ie`
    """
    with extra("cli"):
        from mtls_middleware.cli.regions import run_regions  # noqa: PLC0415 - an optional extra
    sys.exit(run_regions(name, as_json=json))


@app.command()
@taking(ExplainOptions)
def explain(options: ExplainOptions) -> None:
    """Judge a certificate as the running application would, and show each step with its evidence.

    Settings come from the environment, CRLs from files and the state folder. The exit status is 0 if the certificate is
    accepted, 1 if it is refused, 2 if the input cannot be read.

    `mtls-middleware explain client.pem`

    `mtls-middleware explain client.pem --region us-east-1 --trust US-East-1.zip --at 2027-03-01`

    `echo "$X_SSL_CLIENT_CERT" | mtls-middleware explain - --header nginx`
    """
    with extra("cli"):
        from mtls_middleware.cli.explain.evaluate import NAMES, settings_of  # noqa: PLC0415 - an optional extra
        from mtls_middleware.cli.explain.verdict import run_explain  # noqa: PLC0415
    try:
        if options.header is not None:
            settings_of(options.header, os.environ)
    except ValueError as error:
        raise typer.BadParameter(f"{options.header!r} is none of {', '.join(NAMES)}", param_hint="--header") from error
    try:
        at = options.moment
    except ValueError as error:
        raise typer.BadParameter("write it as 2027-03-01 or 2027-03-01T12:00:00Z", param_hint="--at") from error
    sys.exit(run_explain(options, at))


@app.command("proxy-config")
@taking(ProxyConfigOptions)
def proxy_config(options: ProxyConfigOptions) -> None:
    """Print a complete configuration of the proxy NAME: `mtls-middleware proxy-config nginx > data-actions.conf`.

    The proxy requests a certificate, removes its headers when callers send them, sets them itself, and adds a secret.
    The configuration goes to standard output, and the environment for the application to standard error. Paths are
    those on the proxy's machine. The first comment has the version that was tested, or says that the configuration
    comes from documentation: then test it with `mtls-middleware doctor --url`. Keep the file readable for the proxy
    only, because it contains the secret.
    """
    with extra("cli"):
        from mtls_middleware.cli.proxy_config import run_proxy_config  # noqa: PLC0415 - an optional extra
    sys.exit(run_proxy_config(options))


@app.command("dev-ca")
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
        from mtls_middleware.cli.dev_ca import run_dev_ca  # noqa: PLC0415 - an optional extra
    sys.exit(run_dev_ca(folder, region=region, force=force))


@app.command()
@taking(CallOptions)
def call(options: CallOptions) -> None:
    """Send a call to URL as a data action does, with a client certificate of your choice, and show the response.

    It sends what the data actions service sends: HTTP/1.1, chunked, its headers. It shows the time of each step, TLS
    parameters, whether the server requested a certificate, and for a refusal what to do. The exit status is 0 for a 2xx
    response, 1 for any other or none, and 2 for a wrong command line.

    `mtls-middleware call https://localhost:8443/actions/lookup --dev-ca dev --as expired`

    `mtls-middleware call https://actions.example.com/actions/lookup --data '{"phone": "+13175550100"}'`

    `mtls-middleware call https://actions.example.com/actions/lookup --cert own.pem --key own.key --header @secret`
    """
    with extra("cli"):
        from mtls_middleware.cli.call.call import run_call  # noqa: PLC0415 - an optional extra
    sys.exit(run_call(options))


@app.command()
def status(
    *,
    listen: Annotated[
        str | None, typer.Option(metavar="ADDR", help="Serve the page at this address: 127.0.0.1:9443 or [::1]:9443.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
    ready: Annotated[bool, typer.Option("--ready", help="Print one line: does trust let good calls through?")] = False,
) -> None:
    """Show the running processes: their trust, upcoming expiries, refusals by reason, and what to do next.

    Run it where the application runs, as its user and in its environment: it reads what the application's processes
    report in `MTLS_STATE`. The exit status is 0 if all is well, 1 if something needs attention, and 2 if it cannot be
    told: no process reports, or a setting is wrong.

    `mtls-middleware status`

    `--ready` is for readiness probes: 0 if no running process refuses good calls for lack of trust, also with stale
    trust and in report mode, else 1, or 2 if none reports. It knows nothing of the proxy and the callers, and refused
    ones do not change it.

    `mtls-middleware status --ready`

    With `--listen` it serves the same as a page, HTML at `/` and JSON at `/status.json`, until you stop it. Everybody
    who can reach that address can read it: listen on a loopback address only, and use a tunnel.

    `mtls-middleware status --listen 127.0.0.1:9443`
    """
    if listen is None:
        with extra("cli"):
            from mtls_middleware.cli.status import run_ready, run_status  # noqa: PLC0415 - an optional extra
        sys.exit(run_ready() if ready else run_status(as_json=json))
    with extra("status"):
        import jinja2  # noqa: F401, PLC0415 - the page needs it
    with extra("serve"):
        from mtls_middleware.cli.status_server import run_page  # noqa: PLC0415 - an optional extra
    run_page(listen)


def run() -> None:
    """Run the command line. What an operator can fix is shown without a traceback."""
    open_streams()
    try:
        try:
            app(prog_name="mtls-middleware")
        finally:
            sys.stdout.flush()
    except OutputError as error:
        abandon_output()
        typer.echo(f"the output cannot be written: {error.strerror}", err=True)
        sys.exit(WRONG)
    except MTLSError as error:
        typer.echo(str(error), err=True)
        sys.exit(WRONG)
