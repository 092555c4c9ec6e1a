"""The settings as a whole, and whom to trust: regions, authorities, files, names and pins."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, Unpack

from mtls_middleware._core.boundary import Network
from mtls_middleware._core.gate import Mode
from mtls_middleware._core.revocation import RevocationMode
from mtls_middleware._core.sources.presets import Encoding, HeaderNames
from mtls_middleware._core.trust import Binding, Bound
from mtls_middleware.engine import Engine
from mtls_middleware.errors import ConfigurationError
from mtls_middleware.identity import Authority
from mtls_middleware.settings import values
from mtls_middleware.settings.authorities import read_authorities
from mtls_middleware.settings.keywords import SIGNATURE, VARIABLES, SettingsKeywords
from mtls_middleware.settings.reader import DEFAULT_PREFIX, Origin, Reader
from mtls_middleware.settings.secrets import SecretSetting, read_secret
from mtls_middleware.settings.sources import header_names_of, require_distinct, source_name
from mtls_middleware.settings.state import has_owners, read_state

UNIX = "unix"


@dataclass(frozen=True, slots=True, kw_only=True, init=False, repr=False)
class Settings:
    """The settings of one guard, parsed and checked. No file was read for them: a guard does that when it starts.

    Each variable of the environment is a keyword in lower case, without the prefix: ``Settings(regions="us-east-1",
    trust="/etc/genesys/US-East-1.zip")``. Lists may be given as lists, numbers as numbers, paths as paths.

    A pickle holds no secret: see docs/settings.md.

    Attributes:
        regions: AWS region names.
        authorities: whose callers are judged.
        trust: files and folders with anchors; unbound ones bind by their names.
        cert_names: allowed certificate names by binding, in lower case; the table's where the operator gave none.
        pins: for ``digicert``: files, or SHA-256 in lower-case hex.
        genesys_client_id: of the OAuth client of each AWS region name that has one.
        genesys_client_secret: theirs.
        source: the name of the source.
        header_names: its headers; None where it reads none.
        xfcc_elements: exactly how many elements Envoy's header has.
        trusted_proxies: networks of the direct peers that may speak for a client.
        trusts_unix_socket: whether a peer on a unix socket may.
        proxy_secret: what the proxy adds.
        proxy_drops_underscores: the operator's word that the WSGI server drops header names with an underscore.
        protect: path prefixes that need an identity.
        exempt: path prefixes that do not.
        revocation: whether certificates without a known CRL are accepted.
        crl_urls: addresses and paths of CRLs to preload.
        crl_networks: of private hosts from which they may be fetched.
        organization_ids: allowed organisations, lower-case UUIDs; empty for any.
        organization_header: where the caller names its organisation.
        caller_secret: what the integration's credentials add.
        mode: whether refusals are enforced.
        state: a folder for what should survive a restart, or an address of Valkey or Redis; None for none.
        state_name: of the deployment, where several share Valkey or Redis.
        state_password: for Valkey or Redis.
        state_secret: authenticates what is kept of the certificates API, and everything in Valkey or Redis.
        refresh_seconds: how often trust is refreshed.
        max_header_bytes: of all certificates of a request together, before decoding.
        max_chain: certificates of a request, the leaf included.
        max_chunked_body_bytes: of an accepted chunked call; WSGI applications and Django get it whole, with its length.

    Raises:
        ConfigurationError: everything that is wrong, at once.
    """

    __module__ = "mtls_middleware"
    __signature__ = SIGNATURE

    regions: tuple[str, ...]
    authorities: tuple[Authority, ...]
    trust: tuple[Bound[Path], ...]
    cert_names: Mapping[Binding, frozenset[str]]
    pins: tuple[Bound[Path | str], ...]
    genesys_client_id: Mapping[str, str]
    genesys_client_secret: SecretSetting | None
    source: str
    header_names: HeaderNames | None
    xfcc_elements: int
    trusted_proxies: tuple[Network, ...]
    trusts_unix_socket: bool
    proxy_secret: SecretSetting | None
    proxy_drops_underscores: bool
    protect: tuple[str, ...]
    exempt: tuple[str, ...]
    revocation: RevocationMode
    crl_urls: tuple[str, ...]
    crl_networks: tuple[Network, ...]
    organization_ids: frozenset[str]
    organization_header: str
    caller_secret: SecretSetting | None
    mode: Mode
    state: Path | Engine | None
    state_name: str
    state_password: SecretSetting | None
    state_secret: SecretSetting | None
    refresh_seconds: int
    max_header_bytes: int
    max_chain: int
    max_chunked_body_bytes: int
    _origin: Origin = field(compare=False)

    def __init__(self, **keywords: Unpack[SettingsKeywords]) -> None:
        given: dict[str, Any] = {**keywords}
        origin = given.get("_origin")
        if isinstance(origin, Origin):  # from `dataclasses.replace`
            given = _changed(given, origin)
            origin = origin.without(map(str.upper, given))
        else:
            origin = Origin(prefix=DEFAULT_PREFIX, values={})
        self._read(Reader.from_keywords(given, origin))

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, *, prefix: str = DEFAULT_PREFIX) -> Self:
        """Read the environment.

        Args:
            environ: ``os.environ`` where it is None.
            prefix: of the names that are ours; every such name must be known.

        Raises:
            ConfigurationError: everything that is wrong, at once.
        """
        if not prefix:
            raise ConfigurationError(["prefix: must not be empty, or every variable of the environment would be ours"])
        given = os.environ if environ is None else environ
        ours = {name.removeprefix(prefix): text for name, text in given.items() if name.startswith(prefix)}
        return cls._of(Reader(ours, prefix))

    def replace(self, **changes: Unpack[SettingsKeywords]) -> Self:
        """Return settings with other values, checked again. `dataclasses.replace` does the same, but is less typed.

        Raises:
            ConfigurationError: everything that is wrong, at once.
        """
        given: dict[str, Any] = {**changes}
        return self._of(Reader.from_keywords(given, self._origin.without(map(str.upper, given))))

    @classmethod
    def _of(cls, reader: Reader) -> Self:
        settings = cls.__new__(cls)
        settings._read(reader)  # noqa: SLF001 - our own instance
        return settings

    def _read(self, reader: Reader) -> None:
        parsed = _parse(reader)
        if reader.problems:
            raise ConfigurationError(dict.fromkeys(reader.problems))
        for name, value in parsed.items():
            object.__setattr__(self, name, value)
        object.__setattr__(self, "_origin", reader.origin)

    @property
    def state_folder(self) -> Path | None:
        """Return the folder for state, which may be the one beside Valkey or Redis; None for none."""
        return self.state.folder if isinstance(self.state, Engine) else self.state

    @property
    def lacks_state_folder(self) -> bool:
        """Return whether nothing is kept over a restart because ``state`` is not set, and this user has no home."""
        return self.state is None and "STATE" not in self._origin.values and has_owners()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._origin.shown()})"

    def __hash__(self) -> int:
        return hash((self.regions, self.trust, self.source, self.mode))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _from_origin, (type(self), self._origin)


def _changed(fields: dict[str, Any], origin: Origin) -> dict[str, Any]:
    """Return the fields that differ from what `origin` says: `dataclasses.replace` gives all of them."""
    before = _parse(Reader(origin.values, origin.prefix))
    return {
        name: value
        for name, value in fields.items()
        if name != "_origin" and (name not in before or before[name] != value)
    }


def _from_origin(kind: type[Settings], origin: Origin) -> Settings:
    return kind._of(Reader(origin.values, origin.prefix))  # noqa: SLF001 - our own class


def _parse(reader: Reader) -> dict[str, Any]:
    whom = read_authorities(reader)
    source = reader.one("SOURCE", source_name)
    header_names = header_names_of(reader, source)
    proxy_secret = read_secret(reader, "PROXY_SECRET", _header(reader, "PROXY_SECRET_HEADER"))
    caller_secret = read_secret(reader, "CALLER_SECRET", _header(reader, "CALLER_SECRET_HEADER"))
    organization_header = _header(reader, "ORGANIZATION_HEADER")
    organization_ids = frozenset(reader.each("ORGANIZATION_IDS", values.organization_id))
    networks = reader.each("TRUSTED_PROXIES", _proxy)
    if header_names is not None and not (
        any(map(reader.is_set, ("PROXY_SECRET", "PROXY_SECRET_FILE", "TRUSTED_PROXIES")))
    ):
        reader.report(
            "SOURCE",
            f"'{source}' needs {reader.prefix}PROXY_SECRET or {reader.prefix}TRUSTED_PROXIES: certificates are public, "
            "so a header by itself proves nothing",
        )
    _require_distinct_headers(
        reader, header_names, proxy_secret, caller_secret, organization_header if organization_ids else ""
    )
    return {
        **whom,
        "source": source,
        "header_names": header_names,
        "xfcc_elements": _xfcc_elements(reader, header_names),
        "trusted_proxies": tuple(network for network in networks if not isinstance(network, str)),
        "trusts_unix_socket": UNIX in networks,
        "proxy_secret": proxy_secret,
        "proxy_drops_underscores": reader.one("PROXY_DROPS_UNDERSCORES", values.yes_or_no),
        "protect": reader.each("PROTECT", values.path_prefix),
        "exempt": reader.each("EXEMPT", _exempt),
        "revocation": reader.one("REVOCATION", values.choice(RevocationMode)),
        "crl_urls": reader.each("CRL_URLS", values.crl_location),
        "crl_networks": reader.each("CRL_NETWORKS", values.network),
        "organization_ids": organization_ids,
        "organization_header": organization_header,
        "caller_secret": caller_secret,
        "mode": reader.one("MODE", values.choice(Mode)),
        **read_state(reader),
        "refresh_seconds": reader.one("REFRESH_SECONDS", values.whole_number(1, 86_400)),
        "max_header_bytes": reader.one("MAX_HEADER_BYTES", values.whole_number(1_024, 1_048_576)),
        "max_chain": reader.one("MAX_CHAIN", values.whole_number(1, 128)),
        "max_chunked_body_bytes": reader.one("MAX_CHUNKED_BODY_BYTES", values.whole_number(1_024, 1_073_741_824)),
    }


def _header(reader: Reader, name: str) -> str:
    return reader.one(name, values.header_name) or VARIABLES[name].default


def _proxy(text: str) -> Network | str:
    return UNIX if text.lower() == UNIX else values.network(text)


def _exempt(text: str) -> str:
    prefix = values.path_prefix(text, opens=True)
    if prefix == "/":
        raise ValueError("would exempt everything")
    return prefix


def _xfcc_elements(reader: Reader, header_names: HeaderNames | None) -> int | None:
    elements = reader.one("XFCC_ELEMENTS", values.whole_number(1, 16))
    if elements != 1 and (header_names is None or header_names.encoding is not Encoding.XFCC):
        reader.report("XFCC_ELEMENTS", "has a meaning only for the encoding xfcc")
    return elements


def _require_distinct_headers(
    reader: Reader,
    header_names: HeaderNames | None,
    proxy_secret: SecretSetting | None,
    caller_secret: SecretSetting | None,
    organization_header: str,
) -> None:
    roles: list[tuple[str, str]] = []
    if header_names is not None:
        roles.append((header_names.certificate, "HEADER"))
        roles += [(header, "CHAIN_HEADER") for header in header_names.chain]
        roles += [(marker.header, "VERIFY_HEADER") for marker in header_names.markers]
    if proxy_secret is not None:
        roles.append((proxy_secret.header, "PROXY_SECRET_HEADER"))
    if caller_secret is not None:
        roles.append((caller_secret.header, "CALLER_SECRET_HEADER"))
    if organization_header:
        roles.append((organization_header, "ORGANIZATION_HEADER"))
    require_distinct(reader, roles)
