"""The whole examination, one topic after the other; what has to be asked over the network is asked side by side."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mtls_middleware._io.fetch import open_session
from mtls_middleware._io.http import OpenSession
from mtls_middleware._trust.asking import Asker
from mtls_middleware._trust.gathering import GatheredTrust
from mtls_middleware.cli.doctor.finding import About, Check, Finding, Grade, Topic
from mtls_middleware.cli.doctor.network import ANSWER_SECONDS, ReadOnlyStore, ask_clocks, check_api, check_clock
from mtls_middleware.cli.doctor.processes import check_processes
from mtls_middleware.cli.doctor.servers import VersionOf, check_servers, installed_version
from mtls_middleware.cli.doctor.settings import check_proxy, check_user, read_settings
from mtls_middleware.cli.doctor.state import check_revocation, check_state
from mtls_middleware.cli.doctor.surroundings import check_paths, check_recorders
from mtls_middleware.cli.doctor.trust import check_files, check_future, check_regions, check_roots
from mtls_middleware.composition import Secrets, gatherer_of, local_store_of, store_of
from mtls_middleware.engine import Engine
from mtls_middleware.errors import TrustError
from mtls_middleware.guard import Guard, utc_now
from mtls_middleware.settings import Settings

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The surroundings that are examined beside the settings.

    Attributes:
        environ: variables.
        clock: the present, aware, UTC.
        offline: ask nobody over the network.
        open_session: the way to the network.
        version_of: returns the version of an installed package.
        user: who looks.
    """

    environ: Mapping[str, str]
    clock: Callable[[], datetime] = utc_now
    offline: bool = False
    open_session: OpenSession = open_session
    version_of: VersionOf = installed_version
    user: int | None = None


def examine(world: World, progress: Progress = lambda _: None) -> tuple[Finding, ...]:
    """Examine a deployment from the inside, and return all findings in the order of the topics."""
    progress("looking at settings …")
    configured, found = read_settings(world.environ)
    found.append(check_user(os.geteuid() if world.user is None else world.user))
    settings = configured.settings
    if settings is None:
        missing = [topic for topic in Topic if topic is not Topic.SETTINGS]
        return (*found, *(_not_looked_at(topic) for topic in missing))
    found += check_paths(settings, world.environ)
    if configured.secrets is not None:
        found += _examine_trust(settings, configured.secrets, world, progress)
    else:
        found += _without_secrets(settings, world)
    programs: frozenset[str] = frozenset()
    if world.offline and isinstance(settings.state, Engine):
        found.append(About(Topic.PROCESSES).not_checked(Check.PROCESSES_ALIVE, "their reports are in the engine"))
    else:
        guard = Guard.silent(settings, clock=world.clock)
        fleet = guard.fleet()
        programs = frozenset(worker.application.partition(" ")[0] for worker in fleet.alive)
        found += check_processes(guard.status(), fleet, world.clock())
    found += check_recorders(settings, world.environ, world.version_of)
    found += check_regions(settings)
    found += check_servers(settings, programs, world.version_of)
    found += check_proxy(settings, world.environ)
    order = list(Topic)
    return tuple(sorted(_without_echoes(found, settings.state), key=lambda finding: order.index(finding.topic)))


def _without_echoes(found: list[Finding], state: Engine | Path | None) -> list[Finding]:
    """Leave out what store and reports say of an engine, where the step that fails was found."""
    has_failed = any(one.severity is Grade.ERROR and one.check in _OF_ENGINE for one in found)
    if not (has_failed and isinstance(state, Engine)):
        return found
    return [one for one in found if not one.seen.startswith(f"state in {state.shown} ")]


def _examine_trust(settings: Settings, secrets: Secrets, world: World, progress: Progress) -> list[Finding]:
    now = world.clock()
    kept = local_store_of(settings, secrets) if world.offline else store_of(settings, secrets, reads_only=True)
    store = ReadOnlyStore(kept)
    asker = Asker(seconds=ANSWER_SECONDS, left=lambda left: progress(f"asking the network: {left} to go …"))
    gatherer = gatherer_of(
        settings, secrets, world.clock, now, store=store, open_session=world.open_session, asker=asker
    )
    progress("looking at files …")
    trust: GatheredTrust | None = None
    problems: tuple[str, ...] = ()
    try:
        trust = gatherer.load(now)
    except TrustError as error:
        problems = error.problems
    found: list[Finding] = []
    differences = None
    if not world.offline:
        progress("asking the network …")
        if trust is not None:
            trust = gatherer.refresh(now, world.clock, force=True)
        else:
            gatherer.ask_apis(now)
        differences = ask_clocks(settings, world.clock, world.open_session)
    warnings = [one for one in trust.warnings if one not in trust.pin_warnings] if trust is not None else []
    found += check_files(settings, now, problems, warnings)
    found.append(check_clock(differences))
    if trust is not None:
        found += check_roots(trust, now)
        found += check_future(trust, now)
        found += check_revocation(gatherer.crl_views, settings.revocation, now, offline=world.offline)
    else:
        found += [_not_looked_at(Topic.ROOTS), _not_looked_at(Topic.REVOCATION)]
    found += check_api(settings, gatherer.apis, trust, now, offline=world.offline)
    found += check_state(settings, store)
    if isinstance(settings.state, Engine):
        found += _examine_engine(settings, settings.state, store, world)
    return found


def _examine_engine(settings: Settings, engine: Engine, store: ReadOnlyStore, world: World) -> Iterable[Finding]:
    from mtls_middleware.cli.doctor.engine import check_engine  # noqa: PLC0415 - an optional back end

    if world.offline:
        return [About(Topic.STATE).not_checked(Check.ENGINE_ANSWERS, f"{engine.shown} was not asked")]
    return check_engine(settings, engine, store, world.clock)


def _without_secrets(settings: Settings, world: World) -> list[Finding]:
    """Check what needs no secret."""
    found = check_files(settings, world.clock(), (), ())
    found += check_state(settings, None)
    return [*found, *map(_not_looked_at, (Topic.ROOTS, Topic.CLOCK, Topic.REVOCATION, Topic.API))]


_OF_ENGINE = {Check.ENGINE_ANSWERS, Check.ENGINE_WRITES}

_FIRST = {
    Topic.FILES: Check.FILES_USABLE,
    Topic.REGIONS: Check.REGION_NAME,
    Topic.ROOTS: Check.ROOT_LIFE,
    Topic.CLOCK: Check.CLOCK_RIGHT,
    Topic.REVOCATION: Check.REVOCATION_LIST,
    Topic.API: Check.API_ANSWERS,
    Topic.STATE: Check.STATE_FOLDER,
    Topic.PROCESSES: Check.PROCESSES_ALIVE,
    Topic.SERVERS: Check.SERVER_LINE,
    Topic.PROXY: Check.PROXY_NETWORKS,
}


def _not_looked_at(topic: Topic) -> Finding:
    return About(topic).not_checked(_FIRST[topic], "cannot be checked before the errors above are fixed")
