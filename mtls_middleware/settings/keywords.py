"""The table of variables: their keywords for editors and type checkers (PEP 692), defaults, and which are secret."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from inspect import Parameter, Signature
from pathlib import PurePath
from re import compile as regex
from typing import Annotated, Literal, TypeAlias, TypedDict, get_type_hints

from mtls_middleware._core.gate import Mode
from mtls_middleware.identity import Authority

Texts: TypeAlias = str | Iterable[str] | None
"""Entries of a list, or one text with commas between them."""

Paths: TypeAlias = str | PurePath | Iterable[str | PurePath] | None
"""Paths, each perhaps as text with its prefix, such as ``us-east-1=/etc/genesys/root.pem``."""

AuthorityName: TypeAlias = Authority | Literal["genesys", "digicert", "custom"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """The properties of a variable.

    Attributes:
        default: as an operator would write it; empty where there is none.
        secret: its value is never shown.
        may_hold_secret: people paste the secret here by mistake, so its value is not shown either.
    """

    default: str = ""
    secret: bool = False
    may_hold_secret: bool = False

    @property
    def is_shown(self) -> bool:
        """Return whether the value may be in messages and in a ``repr``."""
        return not (self.secret or self.may_hold_secret)


Secret: TypeAlias = Annotated[Texts, Variable(secret=True)]
SecretFile: TypeAlias = Annotated[str | PurePath | None, Variable(may_hold_secret=True)]


class SettingsKeywords(TypedDict, total=False):
    """Every variable in lower case, without the prefix; None is the same as leaving it out."""

    regions: Texts
    authorities: Annotated[AuthorityName | Iterable[AuthorityName] | None, Variable(default="genesys")]
    trust: Paths
    cert_names: Texts
    pins: Paths
    genesys_client_id: Annotated[Texts, Variable(may_hold_secret=True)]
    genesys_client_secret: Secret
    genesys_client_secret_file: SecretFile
    source: Annotated[str | None, Variable(default="tls")]
    header: str | None
    header_encoding: str | None
    chain_header: str | None
    verify_header: str | None
    verify_value: str | None
    xfcc_elements: Annotated[int | None, Variable(default="1")]
    trusted_proxies: Texts
    proxy_secret: Secret
    proxy_secret_file: SecretFile
    proxy_secret_header: Annotated[str | None, Variable(default="X-MTLS-Proxy-Secret", may_hold_secret=True)]
    proxy_drops_underscores: Annotated[bool | None, Variable(default="no")]
    protect: Annotated[Texts, Variable(default="/")]
    exempt: Texts
    revocation: Annotated[Literal["require", "check", "off"] | None, Variable(default="check")]
    crl_urls: Paths
    crl_networks: Texts
    organization_ids: Texts
    organization_header: Annotated[str | None, Variable(default="ININ-Organization-Id")]
    caller_secret: Secret
    caller_secret_file: SecretFile
    caller_secret_header: Annotated[str | None, Variable(default="X-Caller-Secret", may_hold_secret=True)]
    mode: Annotated[Mode | Literal["enforce", "report"] | None, Variable(default="enforce")]
    state: str | PurePath | None
    state_name: Annotated[str | None, Variable(default="mtls-middleware")]
    state_password: Annotated[str | None, Variable(secret=True)]
    state_password_file: SecretFile
    state_secret: Secret
    state_secret_file: SecretFile
    refresh_seconds: Annotated[int | None, Variable(default="3600")]
    max_header_bytes: Annotated[int | None, Variable(default="32768")]
    max_chain: Annotated[int | None, Variable(default="5")]
    max_chunked_body_bytes: Annotated[int | None, Variable(default="10485760")]


VARIABLES: dict[str, Variable] = {
    name.upper(): next(iter(getattr(hint, "__metadata__", ())), Variable())
    for name, hint in get_type_hints(SettingsKeywords, include_extras=True).items()
}
"""By name without the prefix, upper case."""

SIGNATURE = Signature(
    [
        Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=hint)
        for name, hint in get_type_hints(SettingsKeywords).items()
    ]
)
"""For ``help()`` and for completion at a prompt, which know nothing of PEP 692."""

_INJECTED = regex(r".*(_SERVICE_HOST|_SERVICE_PORT(_\w+)?|_PORT(_\d+_\w+)?)")
"""What Kubernetes puts into every pod for a Service; one called ``mtls`` looks like ours."""


def is_injected(name: str) -> bool:
    """Return whether a name without its prefix looks like one that Kubernetes makes for a Service."""
    return _INJECTED.fullmatch("_" + name) is not None


def nearest(name: str) -> str | None:
    """Return the variable that somebody who wrote `name` may have meant."""
    return next(iter(get_close_matches(name.upper(), VARIABLES, n=1, cutoff=0.6)), None)
