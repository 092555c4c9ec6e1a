"""From settings to the parts that keep trust: the one place that knows both."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from importlib.util import find_spec
from ipaddress import ip_network
from pathlib import Path
from typing import Self

from mtls_middleware._core.boundary import Boundary, Secret
from mtls_middleware._core.gate import Gate, Mode
from mtls_middleware._core.policy import CallerPolicy
from mtls_middleware._core.protection import Protection
from mtls_middleware._core.revocation import RevocationMode
from mtls_middleware._core.sources import source_of
from mtls_middleware._io.board import Board, FolderBoard
from mtls_middleware._io.fetch import AddressPolicy, Fetcher, open_session
from mtls_middleware._io.folder import FolderStore
from mtls_middleware._io.http import OpenSession
from mtls_middleware._io.store import NoStore, Store
from mtls_middleware._trust.asking import Asker
from mtls_middleware._trust.crl.revocations import Revocations
from mtls_middleware._trust.files.loading import TrustSources
from mtls_middleware._trust.gathering import GatheredTrust, Gatherer
from mtls_middleware._trust.genesys.client import CertificatesAPI
from mtls_middleware._trust.genesys.source import APISource
from mtls_middleware.engine import Engine
from mtls_middleware.errors import ConfigurationError, TrustError
from mtls_middleware.fleet_state import engine_board, engine_store
from mtls_middleware.identity import Authority
from mtls_middleware.regions import Region, find
from mtls_middleware.settings import SecretSetting, Settings

_LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """All secrets of a guard, as they were read at its start.

    Attributes:
        proxy: what the proxy adds.
        caller: what the integration's credentials add.
        state: authenticate what is kept: answers of the certificates API, and everything with a secret of its own; the
            first also new entries.
        clients: of OAuth clients, by region.
    """

    proxy: Secret | None
    caller: Secret | None
    state: tuple[bytes, ...] = field(repr=False)
    clients: Mapping[str, tuple[str, ...]] = field(repr=False)

    @classmethod
    def read(cls, settings: Settings, problems: list[str]) -> Self:
        """Read secrets, also from files; what is wrong is added to `problems`."""
        clients: Mapping[str, tuple[str, ...]] = {}
        if settings.genesys_client_secret is not None:
            try:
                clients = settings.genesys_client_secret.read_by_region(settings.genesys_client_id)
            except ConfigurationError as error:
                problems += error.problems
        state = _read(settings.state_secret, problems)
        of_clients = tuple(secret.encode() for secrets in clients.values() for secret in secrets)
        return cls(
            proxy=_read(settings.proxy_secret, problems),
            caller=_read(settings.caller_secret, problems),
            state=state.values if state is not None else () if isinstance(settings.state, Engine) else of_clients,
            clients=clients,
        )


def never_right(setting: SecretSetting | None) -> Secret | None:
    """Return a secret that nothing matches; its header is hidden from the application all the same."""
    return Secret(header=setting.header, values=()) if setting is not None else None


def gate_of(settings: Settings, *, proxy_secret: Secret | None, caller_secret: Secret | None, mode: Mode) -> Gate:
    """Return what judges by `settings`, with secrets that were read."""
    return Gate(
        source=source_of(settings.source, settings.header_names, settings.xfcc_elements),
        boundary=Boundary(
            networks=settings.trusted_proxies,
            unix_socket=settings.trusts_unix_socket,
            secret=proxy_secret,
            drops_underscores=settings.proxy_drops_underscores,
        ),
        protection=Protection(protected=settings.protect, exempt=settings.exempt),
        callers=CallerPolicy(
            organization_ids=settings.organization_ids,
            organization_header=settings.organization_header,
            secret=caller_secret,
        ),
        max_header_bytes=settings.max_header_bytes,
        max_chain=settings.max_chain,
        mode=mode,
        revocation=settings.revocation,
    )


def boundary_risk(settings: Settings) -> str:
    """Return why a boundary may be too weak; empty where it is not, or where only the network can tell.

    A load balancer of a platform can add no secret: of its networks nothing is said.
    """
    if settings.header_names is None or settings.proxy_secret is not None:
        return ""
    is_local = settings.trusts_unix_socket or any(
        network.version == local.version and network.overlaps(local)
        for network in settings.trusted_proxies
        for local in _LOOPBACK
    )
    if not is_local:
        return ""
    return (
        "peers on this machine are trusted without a secret: every process here may speak for any caller, and uvicorn "
        "rewrites their address"
    )


def trust_sources(settings: Settings) -> TrustSources:
    """Return what `settings` say about files and pins."""
    return TrustSources(
        authorities=settings.authorities,
        regions=settings.regions,
        files=settings.trust,
        pins=settings.pins,
        names=settings.cert_names,
        max_chain=settings.max_chain,
        regions_with_api_pins=frozenset(settings.genesys_client_id),
    )


def genesys_names(settings: Settings) -> dict[str, str]:
    """Return the region of each certificate name that a root of Genesys vouches for."""
    return {
        name: binding.region
        for binding, names in settings.cert_names.items()
        if binding.authority is Authority.GENESYS and binding.region is not None
        for name in names
    }


def closed_gate(settings: Settings) -> Gate:
    """Return what judges until everything is loaded: no secret is right, and no mode lets a refused call through."""
    return gate_of(
        settings,
        proxy_secret=never_right(settings.proxy_secret),
        caller_secret=never_right(settings.caller_secret),
        mode=Mode.ENFORCE,
    )


def load_all(
    settings: Settings, clock: Callable[[], datetime], now: datetime, *, lenient: bool = False
) -> tuple[Gate, Gatherer, GatheredTrust]:
    """Read secrets, trust and state: half a configuration lets nobody in.

    With `lenient` it begins without trust where its files cannot be used.

    Raises:
        ConfigurationError: every problem at once.
    """
    problems: list[str] = []
    secrets = Secrets.read(settings, problems)
    gatherer = gatherer_of(settings, secrets, clock, now)
    try:
        trust = gatherer.load(now, lenient=lenient)
    except TrustError as error:
        raise TrustError([*problems, *error.problems]) from error
    if problems:
        raise ConfigurationError(problems)
    gate = gate_of(settings, proxy_secret=secrets.proxy, caller_secret=secrets.caller, mode=settings.mode)
    return gate, gatherer, trust


def gatherer_of(
    settings: Settings,
    secrets: Secrets,
    clock: Callable[[], datetime],
    now: datetime,
    *,
    store: Store | None = None,
    open_session: OpenSession = open_session,
    asker: Asker | None = None,
) -> Gatherer:
    """Return the sources of trust that `settings` ask for. Nothing is read or asked yet.

    Args:
        settings: what the operator wants.
        secrets: as they were read.
        clock: returns the time, aware, UTC.
        now: aware, UTC.
        store: instead of the one that the settings name.
        open_session: the way to the network.
        asker: instead of one that lets each source have its own bound.
    """
    store = store_of(settings, secrets) if store is None else store
    interval = float(settings.refresh_seconds)
    apis = [
        APISource(
            region.aws_region,
            CertificatesAPI(
                region,
                client_id,
                *secrets.clients[region.aws_region],
                open_session=open_session,
                clock=clock,
            ),
            store,
            interval=interval,
            now=now,
        )
        for region, client_id in _clients(settings)
        if secrets.clients.get(region.aws_region)  # else it could not be read, and that is a problem of its own
    ]
    revocations = None
    if settings.revocation is not RevocationMode.OFF:
        fetcher = Fetcher(address_policy(settings), open_session=open_session)
        revocations = Revocations(origins=settings.crl_urls, fetch=fetcher, store=store, interval=interval)
    return Gatherer(trust_sources(settings), store=store, apis=apis, revocations=revocations, asker=asker)


def _clients(settings: Settings) -> list[tuple[Region, str]]:
    found = [(find(name), client_id) for name, client_id in settings.genesys_client_id.items()]
    return [(region, client_id) for region, client_id in found if region is not None]


def store_of(settings: Settings, secrets: Secrets, *, reads_only: bool = False) -> Store:
    """Return where state is kept. What was kept for other regions or authorities is not read there.

    Args:
        settings: what the operator wants.
        secrets: as they were read.
        reads_only: nothing is written to an engine, and nothing of it into the folder.

    Raises:
        ConfigurationError: the client library of an engine is not installed.
    """
    if settings.state is None:
        problems: list[str] = []
        if settings.lacks_state_folder:
            problems.append("nothing is kept over a restart, because this user has no home folder: set MTLS_STATE")
        return NoStore(problems=tuple(problems))
    if isinstance(settings.state, Engine):
        return engine_store(settings, settings.state, secrets.state, purpose=_purpose(settings), reads_only=reads_only)
    return local_store_of(settings, secrets)


def local_store_of(settings: Settings, secrets: Secrets) -> Store:
    """Return the folder, which may be the one beside an engine, and ask nobody over the network."""
    if settings.state_folder is None:
        return NoStore()
    seals_all = settings.state_secret is not None
    return FolderStore(settings.state_folder, purpose=_purpose(settings), keys=secrets.state, seals_all=seals_all)


def board_of(settings: Settings) -> Callable[[], Board] | None:
    """Return what opens the board of all processes; None where there is none: on Windows no lock tells them apart."""
    state, purpose = settings.state, _purpose(settings)
    folder = settings.state_folder if os.name != "nt" else None
    machine = partial(_folder_board, folder, f"tallies,{purpose}") if folder is not None else None
    if isinstance(state, Engine):
        has_library = find_spec("redis") is not None  # without it nothing starts
        return partial(engine_board, settings, state, purpose=purpose, machine=machine) if has_library else None
    return machine


def _folder_board(folder: Path, purpose: str) -> Board:
    return FolderBoard(FolderStore(folder, purpose=purpose))


def _purpose(settings: Settings) -> str:
    return ",".join((*sorted(settings.regions), "/", *sorted(settings.authorities)))


def address_policy(settings: Settings) -> AddressPolicy:
    """Return where CRLs may be fetched from."""
    addresses = [origin for origin in settings.crl_urls if "://" in origin]
    return AddressPolicy(networks=settings.crl_networks, listed=addresses)


def _read(setting: SecretSetting | None, problems: list[str]) -> Secret | None:
    try:
        return setting.read() if setting is not None else None
    except ConfigurationError as error:
        problems += error.problems
        return None
