"""The keywords of ``Settings(…)``, for editors and type checkers (PEP 692)."""

from collections.abc import Iterable
from inspect import Parameter, Signature
from pathlib import PurePath
from typing import Literal, TypeAlias, TypedDict, get_type_hints

from mtls_middleware._core.gate import Mode
from mtls_middleware.identity import Authority

Texts: TypeAlias = str | Iterable[str] | None
"""Entries of a list, or one text with commas between them."""

Paths: TypeAlias = str | PurePath | Iterable[str | PurePath] | None
"""Paths, each perhaps as text with its prefix, such as ``us-east-1=/etc/genesys/root.pem``."""

AuthorityName: TypeAlias = Authority | Literal["genesys", "digicert", "custom"]


class SettingsKeywords(TypedDict, total=False):
    """Every variable in lower case, without the prefix; None is the same as leaving it out."""

    regions: Texts
    authorities: AuthorityName | Iterable[AuthorityName] | None
    trust: Paths
    cert_names: Texts
    pins: Paths
    genesys_client_id: Texts
    genesys_client_secret: Texts
    genesys_client_secret_file: str | PurePath | None
    source: str | None
    header: str | None
    header_encoding: str | None
    chain_header: str | None
    verify_header: str | None
    verify_value: str | None
    xfcc_elements: int | None
    trusted_proxies: Texts
    proxy_secret: Texts
    proxy_secret_file: str | PurePath | None
    proxy_secret_header: str | None
    proxy_drops_underscores: bool | None
    protect: Texts
    exempt: Texts
    revocation: Literal["require", "check", "off"] | None
    crl_urls: Paths
    crl_networks: Texts
    organization_ids: Texts
    organization_header: str | None
    caller_secret: Texts
    caller_secret_file: str | PurePath | None
    caller_secret_header: str | None
    mode: Mode | Literal["enforce", "report"] | None
    state: str | PurePath | None
    state_secret: Texts
    state_secret_file: str | PurePath | None
    refresh_seconds: int | None
    max_header_bytes: int | None
    max_chain: int | None


SIGNATURE = Signature(
    [
        Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=hint)
        for name, hint in get_type_hints(SettingsKeywords).items()
    ]
)
"""The same for ``help()`` and for completion at a prompt, which know nothing of PEP 692."""
