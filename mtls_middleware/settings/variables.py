"""Every variable of the contract: a table."""

from dataclasses import dataclass
from difflib import get_close_matches
from re import compile as regex

DEFAULT_PREFIX = "MTLS_"

_INJECTED = regex(r".*(_SERVICE_HOST|_SERVICE_PORT(_\w+)?|_PORT(_\d+_\w+)?)")
"""What Kubernetes puts into every pod for a Service; one called ``mtls`` looks like ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """Describe one variable.

    Attributes:
        name: without the prefix, upper case.
        default: as an operator would write it; empty where there is none.
        secret: its value is never shown.
        may_hold_secret: people paste the secret here by mistake, so its value is not shown either.
    """

    name: str
    default: str = ""
    secret: bool = False
    may_hold_secret: bool = False

    @property
    def is_shown(self) -> bool:
        """Return whether the value may stand in messages and in a ``repr``."""
        return not (self.secret or self.may_hold_secret)


def _secret(name: str) -> tuple[Variable, Variable]:
    return Variable(name=name, secret=True), Variable(name=f"{name}_FILE", may_hold_secret=True)


VARIABLES: dict[str, Variable] = {
    variable.name: variable
    for variable in (
        Variable(name="REGIONS"),
        Variable(name="AUTHORITIES", default="genesys"),
        Variable(name="TRUST"),
        Variable(name="CERT_NAMES"),
        Variable(name="PINS"),
        Variable(name="GENESYS_CLIENT_ID", may_hold_secret=True),
        *_secret("GENESYS_CLIENT_SECRET"),
        Variable(name="SOURCE", default="tls"),
        Variable(name="HEADER"),
        Variable(name="HEADER_ENCODING"),
        Variable(name="CHAIN_HEADER"),
        Variable(name="VERIFY_HEADER"),
        Variable(name="VERIFY_VALUE"),
        Variable(name="XFCC_ELEMENTS", default="1"),
        Variable(name="TRUSTED_PROXIES"),
        *_secret("PROXY_SECRET"),
        Variable(name="PROXY_SECRET_HEADER", default="X-MTLS-Proxy-Secret", may_hold_secret=True),
        Variable(name="PROXY_DROPS_UNDERSCORES", default="no"),
        Variable(name="PROTECT", default="/"),
        Variable(name="EXEMPT"),
        Variable(name="REVOCATION", default="check"),
        Variable(name="CRL_URLS"),
        Variable(name="CRL_NETWORKS"),
        Variable(name="ORGANIZATION_IDS"),
        Variable(name="ORGANIZATION_HEADER", default="ININ-Organization-Id"),
        *_secret("CALLER_SECRET"),
        Variable(name="CALLER_SECRET_HEADER", default="X-Caller-Secret", may_hold_secret=True),
        Variable(name="MODE", default="enforce"),
        Variable(name="STATE"),
        *_secret("STATE_SECRET"),
        Variable(name="REFRESH_SECONDS", default="3600"),
        Variable(name="MAX_HEADER_BYTES", default="32768"),
        Variable(name="MAX_CHAIN", default="5"),
    )
}


def is_injected(name: str) -> bool:
    """Return whether a name without its prefix looks like one that Kubernetes makes for a Service."""
    return _INJECTED.fullmatch("_" + name) is not None


def nearest(name: str) -> str | None:
    """Return the variable that somebody who wrote `name` may have meant."""
    return next(iter(get_close_matches(name.upper(), VARIABLES, n=1, cutoff=0.6)), None)
