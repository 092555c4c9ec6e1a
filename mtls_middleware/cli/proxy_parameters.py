"""What ``proxy-config`` writes into a configuration: from its options, and from the application's own variables."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mtls_middleware.cli.options import ProxyConfigOptions
from mtls_middleware.errors import ConfigurationError
from mtls_middleware.proxy_config import TABLE, Parameters
from mtls_middleware.regions import find
from mtls_middleware.settings import values
from mtls_middleware.settings.prefixes import split_prefix
from mtls_middleware.settings.reader import DEFAULT_PREFIX, Reader
from mtls_middleware.settings.secrets import read_secret

SERVICE = "application:8000"
"""The application in a cluster: the name of a Service instead of an address, and its port."""

FOLDER = "/etc/mtls"
EXAMPLE_REGION = "us-east-1"
PATH = "/actions/lookup"
"""What ``doctor`` asks for where no path is configured."""

_READ = (
    "REGIONS",
    "TRUST",
    "TRUSTED_PROXIES",
    "PROXY_SECRET",
    "PROXY_SECRET_FILE",
    "PROXY_SECRET_HEADER",
    "PROTECT",
    "EXEMPT",
)
_VARIABLES = {
    "regions": "REGIONS",
    "trust_setting": "TRUST",
    "trusted_proxies": "TRUSTED_PROXIES",
    "secret": "PROXY_SECRET",
    "secret_file": "PROXY_SECRET_FILE",
    "secret_header": "PROXY_SECRET_HEADER",
    "exempt": "EXEMPT",
}
"""Parameters that a variable may have given, by their attribute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What is written, and what an operator should know of it.

    Attributes:
        parameters: of the configuration.
        path: a protected one.
        notes: what does not follow from the configuration itself.
    """

    parameters: Parameters
    path: str
    notes: tuple[str, ...]


def choose(name: str, options: ProxyConfigOptions, environ: Mapping[str, str]) -> Chosen:
    """Return what to write: an option, else the variable of the application, else a default.

    Raises:
        ConfigurationError: everything that is wrong with them.
    """
    found = {key: environ.get(f"{DEFAULT_PREFIX}{key}", "") for key in _READ}
    reader = Reader({key: text for key, text in found.items() if text.strip()}, DEFAULT_PREFIX)
    notes: list[str] = []
    given = {attribute: getattr(options, attribute, None) for attribute in Parameters.__slots__}
    chosen: dict[str, object] = {attribute: value for attribute, value in given.items() if value is not None}
    regions = _regions(options, reader)
    chosen["regions"] = ",".join(regions)
    if options.trust is None:
        chosen |= _trust(regions, reader, notes)
    if is_cluster(name):
        chosen.setdefault("application", SERVICE)
    if options.with_crl:
        chosen.setdefault("crl", f"{FOLDER}/{_stem(regions)}.crl.pem")
    if options.secret is None and TABLE[name].adds_secret:
        chosen |= _secret(reader, notes)
    chosen |= _texts(reader)
    protected = reader.each("PROTECT", values.path_prefix)
    if reader.problems:
        raise ConfigurationError(reader.problems)
    try:
        parameters = Parameters(**chosen)  # type: ignore[arg-type]  # each value is checked there
    except ConfigurationError as error:
        raise ConfigurationError(_as_typed(problem, options) for problem in error.problems) from error
    path = protected[0] if protected and protected[0] not in {"", "/"} else PATH
    return Chosen(parameters=parameters, path=path, notes=tuple(notes))


def is_cluster(name: str) -> bool:
    """Return whether a configuration is for Kubernetes."""
    return name.startswith("kubernetes-") or name == "ingress-nginx"


def _regions(options: ProxyConfigOptions, reader: Reader) -> tuple[str, ...]:
    named = None if options.trust is None else find(PurePosixPath(options.trust).name.partition(".")[0])
    if options.region is not None:
        try:
            region = values.region(options.region)
        except ValueError as error:
            raise ConfigurationError([f"--region {options.region!r} {error}"]) from error
    elif reader.is_set("REGIONS"):
        return reader.each("REGIONS", values.region)
    else:
        region = named.aws_region if named else EXAMPLE_REGION
    if named is not None and named.aws_region != region:
        raise ConfigurationError([f"--trust {options.trust!r} is a root of {named.aws_region}, not of {region}"])
    return (region,)


def _trust(regions: tuple[str, ...], reader: Reader, notes: list[str]) -> dict[str, object]:
    """Return the proxy's file of roots, and the application's setting."""
    joined = f"{FOLDER}/{_stem(regions)}.pem"
    items = reader.items("TRUST")
    if len(items) == 1 and _is_one_file(split_prefix(items[0])[1]):
        return {"trust": _absolute(split_prefix(items[0])[1]), "trust_setting": items[0]}
    if items:
        notes.append(f"MTLS_TRUST is not one PEM file. Put all roots into {joined}, one PEM after the other.")
        return {"trust": joined, "trust_setting": ",".join(items)}
    files = [f"{FOLDER}/{region}.pem" for region in regions]
    if len(files) > 1:
        notes.append(f"The proxy reads one file: cat {' '.join(files)} > {joined}")
    return {"trust": joined, "trust_setting": ",".join(files)}


def _absolute(path: str | Path) -> str:
    """Return a path as the proxy can use it, which starts in another folder than the application."""
    return str(Path(path).absolute())


def _is_one_file(path: str) -> bool:
    return PurePosixPath(path).suffix.lower() in {".pem", ".crt", ".cer"}


def _stem(regions: tuple[str, ...]) -> str:
    return regions[0] if len(regions) == 1 else "roots"


def _secret(reader: Reader, notes: list[str]) -> dict[str, object]:
    """Return the application's secret, and the file that it is in; nothing where it has none yet."""
    setting = read_secret(reader, "PROXY_SECRET")
    if setting is None or reader.problems:
        return {}
    secrets = [value.decode("ascii") for value in setting.read().values]
    if len(secrets) > 1:
        notes.append(f"{setting.variable} has {len(secrets)} secrets: the proxy gets the first.")
    return {"secret": secrets[0], "secret_file": None if setting.file is None else _absolute(setting.file)}


def _texts(reader: Reader) -> dict[str, object]:
    """Return what stands in the configuration as it stands in the variable."""
    texts: dict[str, object] = {}
    for attribute, parse in (("trusted_proxies", values.network), ("exempt", values.path_prefix)):
        if reader.each(_VARIABLES[attribute], parse):
            texts[attribute] = ",".join(reader.items(_VARIABLES[attribute]))
    if reader.is_set("PROXY_SECRET_HEADER"):
        texts["secret_header"] = reader.text("PROXY_SECRET_HEADER")
    return texts


def _as_typed(problem: str, options: ProxyConfigOptions) -> str:
    """Return a problem with a parameter as one with the option or the variable that sets it."""
    attribute, _, rest = problem.partition(" ")
    if attribute in _VARIABLES and getattr(options, attribute, None) is None:
        return f"{DEFAULT_PREFIX}{_VARIABLES[attribute]} {rest}"
    return f"--{attribute.replace('_', '-')} {rest}"
