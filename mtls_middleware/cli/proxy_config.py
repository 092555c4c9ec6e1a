"""The command ``proxy-config``: a configuration to standard output, and what belongs to it to standard error."""

import os
import re
import sys
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from mtls_middleware.cli.options import ProxyConfigOptions
from mtls_middleware.cli.proxy_parameters import Chosen, choose, is_cluster
from mtls_middleware.display import displayed
from mtls_middleware.errors import ConfigurationError
from mtls_middleware.proxy_config import TABLE, Parameters, render, settings_behind

WRONG = 2
"""Exit status: the same as for a wrong command line."""

HTTPS = 443

_SERVICE_NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
_SENTENCE = re.compile(r"(?:#|//) (.+?)(?=[.:](?: |$))", re.MULTILINE)
_DESCRIBE_HEADERS = (
    "MTLS_SOURCE",
    "MTLS_HEADER",
    "MTLS_HEADER_ENCODING",
    "MTLS_CHAIN_HEADER",
    "MTLS_VERIFY_HEADER",
    "MTLS_VERIFY_VALUE",
    "MTLS_XFCC_ELEMENTS",
)


def run_proxy_config(options: ProxyConfigOptions, environ: Mapping[str, str] | None = None) -> int:
    """Print a configuration, or the list of them, and return the exit status."""
    environ = os.environ if environ is None else environ
    name = options.name
    if name is None or options.list_names:
        sys.stdout.write(listing())
        return 0
    if name not in TABLE:
        sys.stderr.write(f"{unknown(name)}\n")
        return WRONG
    try:
        chosen = choose(name, options, environ)
        _require_service(name, chosen.parameters)
        text = render(name, chosen.parameters)
    except ConfigurationError as error:
        sys.stderr.write("".join(f"{problem}\n" for problem in error.problems))
        return WRONG
    sys.stdout.write(text)
    notes = [note for note in chosen.notes if chosen.parameters.trust not in note or chosen.parameters.trust in text]
    sys.stderr.write("".join(f"{line}\n" for line in _what_belongs_to_it(name, chosen, notes, environ)))
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


def check(name: str, chosen: Chosen) -> str:
    """Return the command that attacks the deployed boundary from outside, and makes an honest call."""
    parameters = chosen.parameters
    port = "" if parameters.port == HTTPS else f":{parameters.port}"
    return (
        f"mtls-middleware doctor --url https://{parameters.server_name}{port}{chosen.path} "
        f"--source {TABLE[name].source} --client-certificate client.pem --client-key client.key"
    )


def _what_belongs_to_it(name: str, chosen: Chosen, notes: Iterable[str], environ: Mapping[str, str]) -> list[str]:
    if TABLE[name].part_of is not None:
        return ["", f"The application's environment comes with: mtls-middleware proxy-config {TABLE[name].part_of}"]
    settings = settings_behind(name, chosen.parameters)
    lines = ["", "The application needs this environment:", ""]
    lines += [f"  {setting}={value}" for setting, value in settings.items()]
    if others := [each for each in _DESCRIBE_HEADERS if environ.get(each, settings.get(each)) != settings.get(each)]:
        lines += ["", f"In this shell {', '.join(others)} has another value: change or unset it."]
    for note in notes:
        lines += ["", note]
    return [
        *lines,
        "",
        "Then attack it, with a path that needs a certificate, and with a client certificate that your root signed:",
        "",
        f"  {check(name, chosen)}",
        "",
        "Add --server-ca FILE if a private CA, such as that of dev-ca, signed the server's certificate.",
    ]


def _require_service(name: str, parameters: Parameters) -> None:
    host = parameters.application.rpartition(":")[0]
    if is_cluster(name) and not _SERVICE_NAME.fullmatch(host):
        raise ConfigurationError([f"--application {host!r} is not the name of a Service: write SERVICE:PORT"])


def _first_sentence(name: str) -> str:
    text = render(name, Parameters())
    found = _SENTENCE.match(text)
    return found[1] if found else ""
