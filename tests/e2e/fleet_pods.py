"""Processes of a fleet: each has a guard, and asks a simulated API and CRL host on loopback in place of the network.

Arguments: the port of these hosts, and how many processes. Each prints ``serves PID`` once it has pins and a CRL. They
end with the standard input; SIGUSR1 lets one ask everything again. With a third argument, a step of `STEPS`, the first
one that comes to it prints ``dies PID``, and is killed.
"""

import http.client
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from mtls_middleware import Guard, Settings, composition
from mtls_middleware._io.http import FailureKind, HTTPFailure, Response
from mtls_middleware._io.redis_lease import EngineLease
from mtls_middleware._io.redis_store import EngineStore
from mtls_middleware._io.store import Kind
from tests.trust.sessions import sessions

PORT, NUMBER, *STEP = int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]

STEPS = ("has the lease", "has an answer", "has put it", "has put everything")
"""Of a process that asks for all."""

FIRST, LATER = os.pipe()
os.write(LATER, b"1")
os.set_blocking(FIRST, False)


def ask(method: str, url: str, headers: Mapping[str, str], content: bytes) -> Response:
    dies_if("has the lease")
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
    try:
        about = {"X-Url": url, "X-Pid": str(os.getpid()), "X-Headers": json.dumps(dict(headers))}
        connection.request(method, "/", body=content, headers=about)
        answer = connection.getresponse()
        return Response(status=answer.status, headers=dict(answer.getheaders()), body=answer.read())
    except (OSError, http.client.HTTPException) as error:
        raise HTTPFailure(FailureKind.UNREACHABLE, "no connection") from error
    finally:
        connection.close()


def say(*words: object) -> None:
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def dies_if(step: str) -> None:
    if step in STEP:
        with suppress(BlockingIOError):
            os.read(FIRST, 1)
            say("dies", os.getpid())
            os.kill(os.getpid(), signal.SIGKILL)


def watch_steps() -> None:
    """Let a process come by the steps that lie in the store."""
    put, release, kinds = EngineStore.put, EngineLease.release, set[Kind]()

    def watched_put(self: EngineStore, kind: Kind, key: str, content: bytes, at: datetime) -> None:
        dies_if("has an answer")
        put(self, kind, key, content, at)
        dies_if("has put it")
        kinds.add(kind)

    def watched_release(self: EngineLease) -> None:
        if self._owner is not None and kinds >= {Kind.API, Kind.CRL}:
            dies_if("has put everything")
        release(self)

    EngineStore.put, EngineLease.release = watched_put, watched_release  # type: ignore[method-assign]


def serve() -> None:
    guard = Guard.from_settings(Settings.from_env())
    asked = threading.Event()
    signal.signal(signal.SIGUSR1, lambda *_: asked.set())
    guard.start()
    seen: Any = None
    while True:
        snapshot = guard.snapshot
        if snapshot is not None and snapshot.pins and snapshot.crls.crls:
            now = [one.fingerprint_sha256 for one in snapshot.crls.crls]
            if now != seen:
                say("serves" if seen is None else "changed", os.getpid(), *now)
                seen = now
        if asked.is_set():
            asked.clear()
            guard.refresh()
        time.sleep(0.02)


def main() -> None:
    watch_steps()
    defaults = composition.gatherer_of.__kwdefaults__
    assert defaults is not None
    defaults["open_session"] = sessions(ask)
    children = []
    for _ in range(NUMBER):
        child = os.fork()
        if child == 0:
            try:
                serve()
            finally:
                os._exit(1)
        children.append(child)
    sys.stdin.read()
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
