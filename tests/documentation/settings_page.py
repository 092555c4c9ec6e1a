"""docs/reference/settings.md: every variable, source and region, from the tables that the code reads."""

from collections.abc import Iterator

from mtls_middleware import ConfigurationError, Settings
from mtls_middleware._core.sources.presets import PRESETS, HeaderNames
from mtls_middleware.regions import Certainty, table
from mtls_middleware.settings.keywords import VARIABLES
from mtls_middleware.settings.reader import DEFAULT_PREFIX
from tests.documentation import tables
from tests.documentation.docstrings import parsed
from tests.documentation.tables import code

HEAD = """\
# Settings: reference

Generated from the code by `python -m tests.documentation.reference`; do not edit it. For an explanation see
[settings](../settings.md).

## Variables

In code, each is a keyword of `Settings`: the name in lower case, without the prefix. If the column *`_FILE`* says
yes, you can set `…_FILE` instead, to the path of a file with one entry per line. "Values" is what the start-up
message asks for if a value is wrong.

"""

SOURCES = """
## Sources

The headers that each value of `MTLS_SOURCE` reads. A marker must be present exactly once, with this value; one in
brackets may be absent. `tls` reads the server's own TLS, and `aws-api-gateway` the event of the gateway; `custom`
reads the headers that `MTLS_HEADER` and the related variables name.

"""

REGIONS = """
## Regions

`MTLS_REGIONS` accepts the AWS name, the login domain, or the name of the download. A name that is not confirmed may be
wrong: then the log line of the refusal has the `MTLS_CERT_NAMES` entry that would accept the certificate.

"""

MEANINGS = {
    "REGIONS": "regions whose data actions may call: AWS names, login domains or names of downloads.",
    "GENESYS_CLIENT_ID": "id of the OAuth client for the certificates API, for each region that has one.",
    "GENESYS_CLIENT_SECRET": "the secret of that client.",
    "HEADER": "the header with the certificate.",
    "HEADER_ENCODING": "the encoding of the certificate and the chain.",
    "CHAIN_HEADER": "the header with the intermediates.",
    "VERIFY_HEADER": "the header in which the proxy reports that its verification succeeded.",
    "VERIFY_VALUE": "the exact value on success.",
    "PROXY_SECRET_HEADER": "the header with the proxy's secret.",
    "CALLER_SECRET_HEADER": "the header with the caller's secret.",
}
"""Of variables that are no attribute of `Settings`, or whose attribute says it in words of the code."""

VALUES = {"STATE_PASSWORD": "one password"}
"""Of variables that are secret, and may be short."""

_BASE = {
    "MTLS_REGIONS": "us-east-1",
    "MTLS_AUTHORITIES": "genesys,digicert,custom",
    "MTLS_TRUST": "us-east-1=root.pem,custom=other.pem",
    "MTLS_CERT_NAMES": "custom=caller.example.com",
    "MTLS_PINS": "pin.pem",
    "MTLS_SOURCE": "custom",
    "MTLS_HEADER": "X-Certificate",
    "MTLS_HEADER_ENCODING": "url-pem",
    "MTLS_VERIFY_HEADER": "X-Verify",
    "MTLS_VERIFY_VALUE": "SUCCESS",
    "MTLS_PROXY_SECRET": "a-secret-of-the-proxy",
}
"""An environment in which every variable has a meaning."""

_PROBES = ("?!", "*", "\N{SNOWMAN}", "ftp://x", "0/")
"""Values of which every variable that is particular finds one wrong."""


def text() -> str:
    """Return the page."""
    return "".join(
        [
            HEAD,
            tables.table(("variable", "keyword", "default", "`_FILE`", "values", "meaning"), _variables()),
            SOURCES,
            tables.table(("`MTLS_SOURCE`", "certificate", "encoding", "chain", "markers"), _sources()),
            REGIONS,
            tables.table(("AWS name", "login domain", "download", "name in the certificate", "certainty"), _regions()),
        ]
    )


def demand(name: str) -> str:
    """Return what a variable's values must be, as the start-up message says it; empty where any will do."""
    full = DEFAULT_PREFIX + name
    for probe in _PROBES:
        try:
            Settings.from_env({**_BASE, full: probe})
        except ConfigurationError as error:
            own = [problem for problem in error.problems if problem.startswith(f"{full}: ")]
            demands = [problem.partition(" must ")[2] for problem in own if " must " in problem]
            if demands:
                return demands[0].removeprefix("be ")
    return ""


def _variables() -> Iterator[tuple[str, ...]]:
    meanings = parsed(Settings.__doc__).entries("Attributes")
    for name, variable in VARIABLES.items():
        plain = name.removesuffix("_FILE")
        if plain != name and plain in VARIABLES:
            continue
        has_file = "yes" if f"{name}_FILE" in VARIABLES else ""
        kind = VALUES.get(name) or ("a secret of 16 characters or more" if variable.secret else demand(name))
        meaning = MEANINGS.get(name) or meanings[name.lower()]
        yield code(DEFAULT_PREFIX + name), code(name.lower()), code(variable.default), has_file, kind, meaning


def _sources() -> Iterator[tuple[str, ...]]:
    for name, names in PRESETS.items():
        yield code(name), code(names.certificate), code(names.encoding), _chain(names), _markers(names)


def _chain(header_names: HeaderNames) -> str:
    return ", ".join(map(code, header_names.chain)) or ("in it" if header_names.bundled else "")


def _markers(header_names: HeaderNames) -> str:
    return ", ".join(
        f"`{marker.header}` = `{marker.value}`" if marker.always_set else f"(`{marker.header}`)"
        for marker in header_names.markers
    )


def _regions() -> Iterator[tuple[str, ...]]:
    for region in table():
        certainty = str(region.certainty) if region.certainty is Certainty.CONFIRMED else f"**{region.certainty}**"
        download = f"{region.zip_label}.zip" if region.zip_label else ""
        yield code(region.aws_region), code(region.domain), code(download), code(region.cert_name or ""), certainty
