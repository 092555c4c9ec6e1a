"""The command ``doctor``: with ``--url`` from the outside, without it from the inside."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from cryptography import x509

from mtls_middleware.cli.attack.campaign import attack_boundary
from mtls_middleware.cli.attack.forgery import ForgedSource, Plan, first_readable, known_sources, read_certificate
from mtls_middleware.cli.attack.page import facts, show
from mtls_middleware.cli.doctor.examination import World, examine
from mtls_middleware.cli.doctor.finding import finding_facts, show_findings, status_of
from mtls_middleware.cli.options import DoctorOptions
from mtls_middleware.cli.page import print_json, waiting
from mtls_middleware.cli.wire.exchange import SocketLine
from mtls_middleware.cli.wire.message import Target, method_of
from mtls_middleware.cli.wire.tls import client_context
from mtls_middleware.errors import ConfigurationError, MTLSError
from mtls_middleware.settings.reader import DEFAULT_PREFIX, Reader
from mtls_middleware.settings.sources import header_names_of, source_name
from mtls_middleware.settings.values import whole_number

_OF_HEADERS = (
    "SOURCE",
    "HEADER",
    "HEADER_ENCODING",
    "CHAIN_HEADER",
    "VERIFY_HEADER",
    "VERIFY_VALUE",
    "XFCC_ELEMENTS",
)
_FILES = ("--server-ca", "--client-certificate", "--client-key")
_READ = (*_OF_HEADERS, "PROXY_SECRET_HEADER", "PINS")


def run_doctor(options: DoctorOptions, environ: Mapping[str, str] | None = None) -> int:
    """Examine or attack the deployment, print what was seen, and return the exit status.

    Raises:
        MTLSError: before anything is sent: what is wrong with the options or the environment.
    """
    if options.url is None:
        _require_url(options)
        return run_examination(offline=options.offline, as_json=options.as_json, environ=environ)
    if options.offline:
        raise MTLSError("--offline goes without --url, which attacks over the network")
    plan = make_plan(options, options.url, os.environ if environ is None else environ)
    with waiting("attacking …") as progress:
        report = attack_boundary(plan, SocketLine(timeout=options.timeout), progress)
    if options.as_json:
        print_json(facts(report, options.url))
    else:
        show(report, options.url)
    return report.status


def _require_url(options: DoctorOptions) -> None:
    """Refuse what means something for an attack only: nobody shall believe that one was made."""
    given = {
        "--source": options.source,
        "--all-sources": options.all_sources or None,
        "--certificate": options.certificate,
        "--client-certificate": options.client_certificate,
        "--client-key": options.client_key,
        "--server-ca": options.server_ca,
        "--connect": options.connect,
        "--direct": options.direct,
    }
    names = [name for name, value in given.items() if value is not None]
    if names:
        raise MTLSError(f"{', '.join(names)}: needs --url URL, the address of your deployment, with a protected path")


def make_plan(options: DoctorOptions, url: str, environ: Mapping[str, str]) -> Plan:
    """Return what is attacked, and with what.

    Raises:
        MTLSError: what is wrong with the options or the environment.
    """
    reader = _reader(options, environ)
    target = Target.of_option(url, options.connect, option="--url")
    direct = None if options.direct is None else Target.of_option(options.direct, option="--direct")
    own = options.client_certificate
    if own is None and options.client_key is not None:
        raise MTLSError("--client-key needs --client-certificate")
    origin, certificate = _certificate(options, reader)
    plan = Plan(
        target=target,
        sources=_sources(options, reader),
        secret_header=reader.text("PROXY_SECRET_HEADER"),
        certificate=certificate,
        origin=origin,
        context=client_context(options.server_ca, options=_FILES),
        own=None if own is None else client_context(options.server_ca, own, options.client_key, options=_FILES),
        direct=None if direct is None else replace(direct, path=target.path),
        method=method_of(options.method),
    )
    if reader.problems:
        raise ConfigurationError(reader.problems)
    return plan


def _reader(options: DoctorOptions, environ: Mapping[str, str]) -> Reader:
    """Return the operator's variables, without those that describe another source than the one asked for."""
    given = {name: environ[f"{DEFAULT_PREFIX}{name}"] for name in _READ if f"{DEFAULT_PREFIX}{name}" in environ}
    asked = options.source
    if options.all_sources or (asked is not None and given.get("SOURCE", asked).lower() != asked.lower()):
        given = {name: text for name, text in given.items() if name not in _OF_HEADERS}
    if asked is not None:
        given["SOURCE"] = asked
    return Reader(given, DEFAULT_PREFIX)


def _sources(options: DoctorOptions, reader: Reader) -> tuple[ForgedSource, ...]:
    if options.all_sources or not reader.is_set("SOURCE"):
        return known_sources()
    name = reader.one("SOURCE", source_name)
    header_names = header_names_of(reader, name)
    elements = reader.one("XFCC_ELEMENTS", whole_number(1, 16)) or 1
    if name is None or header_names is None:
        return known_sources()  # the certificate comes in no header, so none must be believed
    return (ForgedSource(name=name, header_names=header_names, elements=elements),)


def _certificate(options: DoctorOptions, reader: Reader) -> tuple[str, x509.Certificate | None]:
    """Return a genuine certificate and where it is from: the one given, else one that is pinned in a file."""
    if options.certificate is not None:
        return str(options.certificate), read_certificate(options.certificate)
    found = first_readable(Path(item.rpartition("=")[2].strip()) for item in reader.items("PINS"))
    return (f"{found[0]} (MTLS_PINS)", found[1]) if found else ("", None)


def run_examination(*, offline: bool, as_json: bool, environ: Mapping[str, str] | None = None) -> int:
    """Examine the deployment, print the findings, and return the exit status."""
    with waiting("examining …") as progress:
        findings = examine(World(environ=os.environ if environ is None else environ, offline=offline), progress)
    if as_json:
        print_json(finding_facts(findings))
    else:
        show_findings(findings)
    return status_of(findings)
