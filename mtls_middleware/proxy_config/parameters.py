"""What differs from one deployment of a proxy to the next."""

import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from mtls_middleware.errors import ConfigurationError

SECRET_LENGTH = 16
"""Characters that a secret has at least, as in ``MTLS_PROXY_SECRET``."""

SECRET_HEADER = "X-MTLS-Proxy-Secret"  # noqa: S105 - the name of a header
"""The default of ``MTLS_PROXY_SECRET_HEADER``."""

_PATH = re.compile(r"/[A-Za-z0-9._/@+~-]+")
_A_PATH = "an absolute path without blanks and special characters"

# Nothing that any of the languages would take for syntax: no blank, quote, brace, '$', '%', '#' or ';'.
_PATTERNS: Mapping[str, tuple[re.Pattern[str], str]] = {
    "server_name": (re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?"), "a host name"),
    "address": (re.compile(r"[0-9.]+"), "an IPv4 address"),
    "port": (re.compile(r"[1-9][0-9]{0,4}"), "a port"),
    **dict.fromkeys(("certificate", "private_key", "trust", "crl", "secret_file"), (_PATH, _A_PATH)),
    "application": (re.compile(r"[A-Za-z0-9.-]+:[1-9][0-9]{0,4}"), "host:port"),
    "secret": (
        re.compile(rf"[A-Za-z0-9._~+/=-]{{{SECRET_LENGTH},}}"),
        f"{SECRET_LENGTH} or more characters out of A-Z a-z 0-9 . _ ~ + / = -",
    ),
    "secret_header": (re.compile(r"[A-Za-z][A-Za-z0-9]*(?:-[A-Za-z0-9]+)+"), "a header name such as X-Secret"),
    "regions": (re.compile(r"[a-z0-9-]+(?:,[a-z0-9-]+)*"), "a list of AWS region names"),
    "trust_setting": (
        re.compile(r"[A-Za-z0-9._/@+~=-]+(?:,[A-Za-z0-9._/@+~=-]+)*"),
        "a list of paths without blanks and special characters",
    ),
    "exempt": (re.compile(r"/[A-Za-z0-9._/~-]*(?:,/[A-Za-z0-9._/~-]*)*"), "a list of path prefixes"),
    "trusted_proxies": (re.compile(r"[0-9a-z.:/]+(?:,[0-9a-z.:/]+)*"), "a list of addresses and networks"),
}


def _new_secret() -> str:
    return secrets.token_urlsafe(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """The values that are written into a configuration; nothing in them can be syntax of a proxy.

    Attributes:
        server_name: under which callers reach the proxy.
        address: where it listens, IPv4.
        port: where it listens.
        certificate: path of the PEM of the server's certificate and its chain; for HAProxy with the key in it.
        private_key: path of the PEM of its key.
        trust: path of the PEM of the regional root, or of several.
        application: host and port of the application behind the proxy.
        secret: what the proxy adds; a new one by default.
        secret_header: the header that it adds it in, as ``MTLS_PROXY_SECRET_HEADER``.
        secret_file: of ``MTLS_PROXY_SECRET_FILE``, for the application; None where it has ``MTLS_PROXY_SECRET``.
        crl: path of the PEM of the root's CRL; None for no check by the proxy.
        regions: of ``MTLS_REGIONS``.
        trust_setting: of ``MTLS_TRUST``; None for `trust`.
        exempt: of ``MTLS_EXEMPT``; None where only health checks need one.
        trusted_proxies: of ``MTLS_TRUSTED_PROXIES``; None for what the platform needs.

    Raises:
        ConfigurationError: a value that is not what it should be. A secret is not shown.
    """

    server_name: str = "actions.example.com"
    address: str = "0.0.0.0"  # noqa: S104 - a proxy is there to be reached
    port: int = 443
    certificate: str = "/etc/mtls/server.pem"
    private_key: str = "/etc/mtls/server.key"
    trust: str = "/etc/mtls/us-east-1.pem"
    application: str = "127.0.0.1:8000"
    secret: str = field(default_factory=_new_secret, repr=False)
    secret_header: str = SECRET_HEADER
    secret_file: str | None = None
    crl: str | None = None
    regions: str = "us-east-1"
    trust_setting: str | None = None
    exempt: str | None = None
    trusted_proxies: str | None = None

    def __post_init__(self) -> None:
        problems = list(self._problems())
        if problems:
            raise ConfigurationError(problems)

    @property
    def health(self) -> str:
        """Return the path that health checks ask for: the first that is exempt."""
        return (self.exempt or "/health").partition(",")[0]

    def values(self) -> Mapping[str, str]:
        """Return each text by its name in the templates."""
        host, _, port = self.application.rpartition(":")
        header = self.secret_header
        return {
            **{name: str(getattr(self, name)) for name in _PATTERNS},
            "application_host": host,
            "application_port": port,
            "health": self.health,
            "secret_header_lower": header.lower(),
            "secret_header_pattern": header.lower().replace("-", "[-_]"),
            "secret_header_twin": header.replace("-", "_"),
        }

    def _problems(self) -> Iterator[str]:
        for name, (pattern, meaning) in _PATTERNS.items():
            value = getattr(self, name)
            if value is not None and not pattern.fullmatch(str(value)):
                shown = "" if name == "secret" else f" {value!r}"
                yield f"{name}{shown} is not {meaning}"
