"""What a good caller notices of strangers who send bad certificates as fast as the server refuses them."""

import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from mtls_middleware.testing import ClientCertificate, KeyKind, RegionalCA
from tests.benchmarks.calls import PROXY, Site
from tests.benchmarks.client import DRAWN, Load
from tests.benchmarks.machine import nanoseconds
from tests.benchmarks.served import ORDER, REQUESTS, ROUNDS, Place, ask, command
from tests.benchmarks.table import Table
from tests.e2e.processes import HOST

ON_THE_LOOP = "/actions/orders-on-the-loop/o-1001"
REFUSED = "/refused"
"""Where one of the applications itself refuses everybody."""

BEGUN = 50_000_000
"""Nanoseconds of the server's processor time after which a flood is there."""

GOALS = {"one who retries": "2.60"}

_AFTER = """\
How to read it: the server has one process, so a good call waits for each stranger's request that came before, one for
each of their connections, and here that is one. The good caller, the stranger and the server are three busy processes:
on two cores one of them always waits for a core. A handler in a thread also needs CPython's lock, which the loop holds
while it refuses, and gives away after `sys.getswitchinterval()`, 5 ms, at the latest. The last row is the floor: what a
good call waits for where a refusal costs next to nothing. Where it is at the goal itself, a handler in a thread cannot
meet the goal behind any middleware, and what is above the floor is what a refusal costs (the last column).

Where a refusal of one who retries goes on CPython 3.11, in instructions as callgrind counts them, of 563,000:

| what                                                                  | instructions |
|-----------------------------------------------------------------------|--------------|
| looking for a certificate chain, in `cryptography`                    | 78,000       |
| telling hooks and metrics, without a log line                         | 73,000       |
| exceptions and values on the way from the gate to the answer          | 69,000       |
| what is wrong with key, times and purpose, and why there is no chain  | 59,000       |
| the scope as a value that nobody can change                           | 59,000       |
| picking our headers out of all, in every spelling                     | 54,000       |
| answer and correlation id                                             | 36,000       |
| counting                                                              | 33,000       |
| the boundary: doubles, secret, peer                                   | 29,000       |
| what the log would show of the certificate                            | 16,000       |

A different certificate each time costs 565,000 more: 415,000 to read it, 125,000 to decode the header, 25,000 for its
fingerprint. What is never kept is a refusal: each call is judged anew, since trust may have changed meanwhile."""


def table(rounds: int = ROUNDS) -> Table:
    """Measure, and describe."""
    with tempfile.TemporaryDirectory() as folder:
        rows = _rows(Place(Path(folder)), rounds)
    return Table(
        title="A good caller during a flood",
        text=(
            "One caller with the right certificate, behind a proxy, beside one connection on which a stranger sends a "
            "bad certificate as soon as the one before was refused. *In a thread*, *on the loop*: the 99th percentile "
            "of the good caller's requests, as a multiple of that in quiet, where the application answers them in a "
            "thread (`def`), and on the event loop (`async def`). *CPU time*: what the server spends on a refusal, as "
            "a multiple of what it spends on a good call that is answered on the loop. *The application's own 403*: "
            "the same where there is no middleware, and the application refuses the strangers at once. No middleware "
            "can be better than that. The goal is for the handler in a thread, as in the tutorial."
        ),
        head=("strangers", "in a thread", "on the loop", "goal", "CPU time"),
        rows=rows,
        after=_AFTER,
    )


def _rows(place: Place, rounds: int) -> list[tuple[str, ...]]:
    stranger = headers_of(RegionalCA("stranger", key=KeyKind.RSA2048).client(key=KeyKind.RSA2048))
    with (
        place.uvicorn("tests.benchmarks.applications:guarded", "--factory", tls=False, **PROXY) as ours,
        place.uvicorn("tests.benchmarks.applications:refusing", tls=False, **PROXY) as theirs,
    ):
        good = Load(
            host=HOST, port=ours, path=ORDER, requests=REQUESTS, callers=1, headers=headers_of(place.site.client)
        )
        bad = replace(good, headers=stranger, status=403)
        floods = {
            "one who retries": bad,
            "a different one each time": replace(bad, headers={**stranger, **drawn(stranger)}),
            "the application's own 403": replace(bad, port=theirs, path=REFUSED),
        }
        slowest: dict[str, dict[str, list[float]]] = {name: {ORDER: [], ON_THE_LOOP: []} for name in floods}
        spent: dict[str, list[float]] = {name: [] for name in floods}
        for _ in range(rounds):
            accepted = _cpu_time(place, replace(good, path=ON_THE_LOOP))
            for name, flood in floods.items():
                spent[name].append(_cpu_time(place, flood) / accepted)
                for path, found in slowest[name].items():
                    calls = replace(good, port=flood.port, path=path)
                    quiet = ask(calls)[1]
                    with _flooded(place, flood):
                        found.append(ask(calls)[1] / quiet)
    return [
        (name, *(_median(found) for found in slowest[name].values()), GOALS.get(name, ""), _median(spent[name]))
        for name in floods
    ]


def _cpu_time(place: Place, load: Load) -> float:
    """Return what a server spends on a load, in nanoseconds of a processor."""
    pid = place.pids[load.port]
    before = nanoseconds(pid)
    ask(load)
    return nanoseconds(pid) - before


@contextmanager
def _flooded(place: Place, load: Load) -> Iterator[None]:
    """Send bad certificates until the block ends; it begins when the server is busy with them."""
    pid = place.pids[load.port]
    idle, deadline = nanoseconds(pid), time.monotonic() + 60
    endless = command(replace(load, requests=10**9))
    with subprocess.Popen(endless, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            while nanoseconds(pid) < idle + BEGUN and time.monotonic() < deadline:
                time.sleep(0.01)
            yield
            if process.poll() is not None:
                raise RuntimeError("the flood ended before its time")
        finally:
            process.terminate()
            process.wait(timeout=10)


def headers_of(client: ClientCertificate) -> dict[str, str]:
    """Return the headers that a proxy adds."""
    return {name.decode(): value.decode() for name, value in Site.through_proxy(client)}


def drawn(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the certificate with other digits in its signature each time."""
    name, value = next((name, value) for name, value in headers.items() if "CERTIFICATE" in value)
    lines = value.split("%0A")
    lines[-4] = DRAWN  # a whole line: the last one is shorter, and two more follow
    return {name: "%0A".join(lines)}


def _median(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):.2f}"
