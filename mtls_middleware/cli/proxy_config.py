"""The command ``proxy-config``: a configuration to standard output, and what belongs to it to standard error."""

import re
import sys
from difflib import get_close_matches
from pathlib import PurePosixPath

from mtls_middleware.cli.options import ProxyConfigOptions
from mtls_middleware.display import displayed
from mtls_middleware.errors import ConfigurationError
from mtls_middleware.proxy_config import TABLE, Parameters, render
from mtls_middleware.regions import find

WRONG = 2
"""Exit status: the same as for a wrong command line."""

CRL = "/etc/mtls/us-east-1.crl.pem"
"""Where the CRL is, if nothing else is said."""

HTTPS = 443

SERVICE = "application:8000"
"""The application in a cluster: the name of a Service instead of an address, and its port."""

_EXAMPLE_REGION = "us-east-1"
_SERVICE_NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
_REGION_OF_TEMPLATES = re.compile(rf"(?<=MTLS_REGIONS)(=|', value: '){_EXAMPLE_REGION}")
_SETTING = re.compile(r"^(?:#|//) +(MTLS_[A-Z_]+=\S+)$", re.MULTILINE)
_SENTENCE = re.compile(r"(?:#|//) (.+?)(?=[.:](?: |$))", re.MULTILINE)


def run_proxy_config(options: ProxyConfigOptions) -> int:
    """Print a configuration, or the list of them, and return the exit status."""
    name = options.name
    if name is None or options.list_names:
        sys.stdout.write(listing())
        return 0
    if name not in TABLE:
        sys.stderr.write(f"{unknown(name)}\n")
        return WRONG
    given = {attribute: getattr(options, attribute) for attribute in Parameters.__slots__}
    chosen: dict[str, str | int] = {attribute: value for attribute, value in given.items() if value is not None}
    if _is_cluster(name):
        chosen.setdefault("application", SERVICE)
    if options.with_crl:
        chosen.setdefault("crl", CRL)
    try:
        parameters = Parameters(**chosen)  # type: ignore[arg-type]  # each value is checked there
        _require_service(name, parameters)
        text = _in_region(render(name, parameters), parameters.trust)
    except ConfigurationError as error:
        sys.stderr.write("".join(f"{_as_option(problem)}\n" for problem in error.problems))
        return WRONG
    sys.stdout.write(text)
    sys.stderr.write("\nThe application needs this environment:\n\n")
    sys.stderr.write("".join(f"  {setting}\n" for setting in environment(name, parameters, text)))
    sys.stderr.write(f"\nThen attack it, with a path that needs a certificate:\n\n  {check(name, parameters)}\n")
    return 0


def listing() -> str:
    """Return one line for each configuration: its name, and what it is founded on."""
    width = max(map(len, TABLE))
    return "".join(f"{name:<{width}}  {_first_sentence(name)}\n" for name in TABLE)


def unknown(name: str) -> str:
    """Return what to say about a name that no configuration has."""
    near = get_close_matches(name.lower(), TABLE, n=1, cutoff=0.5)
    meant = f": did you mean '{near[0]}'?" if near else "."
    return f"There is no configuration '{displayed(name)}'{meant} All names: mtls-middleware proxy-config --list"


def environment(name: str, parameters: Parameters, text: str) -> tuple[str, ...]:
    """Return the settings of the application behind a proxy."""
    names = tuple(_SETTING.findall(text))
    if names:
        return names
    return (
        f"MTLS_REGIONS={_region(parameters.trust)}",
        f"MTLS_TRUST={parameters.trust}",
        f"MTLS_SOURCE={TABLE[name].source}",
        f"MTLS_PROXY_SECRET={parameters.secret}",
    )


def check(name: str, parameters: Parameters) -> str:
    """Return the command that attacks the deployed boundary from outside."""
    port = "" if parameters.port == HTTPS else f":{parameters.port}"
    return (
        f"mtls-middleware doctor --url https://{parameters.server_name}{port}/actions/lookup "
        f"--source {TABLE[name].source}"
    )


def _is_cluster(name: str) -> bool:
    return name.startswith("kubernetes-") or name == "ingress-nginx"


def _require_service(name: str, parameters: Parameters) -> None:
    host = parameters.application.rpartition(":")[0]
    if _is_cluster(name) and not _SERVICE_NAME.fullmatch(host):
        raise ConfigurationError([f"application {host!r} is not the name of a Service: write SERVICE:PORT"])


def _region(trust: str) -> str:
    region = find(PurePosixPath(trust).name.partition(".")[0])
    return region.aws_region if region else _EXAMPLE_REGION


def _in_region(text: str, trust: str) -> str:
    """Return a text whose settings name the region that the root's file is called after."""
    return _REGION_OF_TEMPLATES.sub(rf"\g<1>{_region(trust)}", text)


def _first_sentence(name: str) -> str:
    text = render(name, Parameters())
    found = _SENTENCE.match(text)
    return found[1] if found else ""


def _as_option(problem: str) -> str:
    """Return a problem with a parameter as one with the option that sets it."""
    attribute, _, rest = problem.partition(" ")
    return f"--{attribute.replace('_', '-')} {rest}" if attribute in Parameters.__slots__ else problem
