"""Valkey or Redis as a process would use it: which step of connecting, TLS, login, rights or writing fails."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime

from mtls_middleware._io.files import InputError
from mtls_middleware._io.redis_client import AwayError, Doing, EngineClient
from mtls_middleware._io.store import Kind
from mtls_middleware.cli.doctor.finding import About, Check, Finding, Topic
from mtls_middleware.cli.doctor.network import MAX_CLOCK_DIFFERENCE, ReadOnlyStore
from mtls_middleware.engine import Engine
from mtls_middleware.fleet_state import engine_client
from mtls_middleware.settings import Settings

_ABOUT = About(Topic.STATE)


def check_engine(
    settings: Settings, engine: Engine, store: ReadOnlyStore, clock: Callable[[], datetime]
) -> Iterator[Finding]:
    """Use the engine for a moment: a key that it forgets after a second is written."""
    client = engine_client(settings, engine)
    yield from _clear_text(settings, engine)
    try:
        seconds, microseconds = client.call(Doing.READ, lambda one: one.time())
    except AwayError:
        yield _failed(Check.ENGINE_ANSWERS, client)
        return
    yield _ABOUT.ok(Check.ENGINE_ANSWERS, f"{client.shown} answers")
    yield _clock(datetime.fromtimestamp(seconds + microseconds / 1_000_000, UTC), clock())
    try:
        client.call(Doing.WRITE, lambda one: one.set(f"{settings.state_name}:doctor", b"", px=1_000))
    except AwayError:
        yield _failed(Check.ENGINE_WRITES, client)
    else:
        yield _ABOUT.ok(Check.ENGINE_WRITES, "it can be written")
    yield _memory(client, store)
    client.close()


def _clear_text(settings: Settings, engine: Engine) -> Iterator[Finding]:
    if not engine.tls and not engine.is_local and (engine.password or settings.state_password is not None):
        yield _ABOUT.warning(
            Check.ENGINE_TLS, f"the password for {engine.shown} goes over the network in clear text", "use rediss://"
        )


def _failed(check: Check, client: EngineClient) -> Finding:
    trouble, *_ = client.troubles
    words = f" ({trouble.words})" if trouble.words else ""
    return _ABOUT.error(check, f"{trouble.what}: {client.shown}{words}", trouble.fix)


def _clock(theirs: datetime, ours: datetime) -> Finding:
    seconds = round((ours - theirs).total_seconds())
    if abs(seconds) <= MAX_CLOCK_DIFFERENCE.total_seconds():
        return _ABOUT.ok(Check.ENGINE_CLOCK, f"its clock is within {max(abs(seconds), 1)} seconds of this one")
    return _ABOUT.warning(
        Check.ENGINE_CLOCK,
        f"this clock is {abs(seconds):,} seconds {'ahead of' if seconds > 0 else 'behind'} that of the engine",
        "set both by NTP: what is more than five minutes ahead is not believed",
    )


def _memory(client: EngineClient, store: ReadOnlyStore) -> Finding:
    try:
        limit = client.call(Doing.READ, lambda one: one.info("memory")).get("maxmemory")
    except AwayError:
        limit = None
    if not isinstance(limit, int):  # the least rights do not allow to ask, and a cluster has several
        return _ABOUT.not_checked(Check.ENGINE_MEMORY, "this user may not ask how much memory it has")
    kept = sum(map(len, _contents(store)))
    if 0 < limit < 2 * kept:
        seen = f"its maxmemory is {limit:,} bytes, and {kept:,} are kept here"
        return _ABOUT.warning(Check.ENGINE_MEMORY, seen, "raise maxmemory to twice that")
    return _ABOUT.ok(Check.ENGINE_MEMORY, "it has memory for what is kept")


def _contents(store: ReadOnlyStore) -> Iterator[bytes]:
    for kind in Kind:
        for entry in store.entries(kind):
            with suppress(InputError):  # it was replaced just now
                yield entry.read()
