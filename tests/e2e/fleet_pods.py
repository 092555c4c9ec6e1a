"""Processes of a fleet: each has a guard, and asks a simulated API and CRL host on loopback in place of the network.

Arguments: the port of these hosts, and how many processes. Each prints ``serves PID`` once it has pins and a CRL. They
end with the standard input; SIGUSR1 lets one ask everything again.
"""

import http.client
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

from mtls_middleware import Guard, Settings, composition
from mtls_middleware._io.http import FailureKind, HTTPFailure, Response
from tests.trust.sessions import sessions

PORT, NUMBER = int(sys.argv[1]), int(sys.argv[2])


def ask(method: str, url: str, headers: Mapping[str, str], content: bytes) -> Response:
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
