"""What `from mtls_middleware import MTLSMiddleware` costs, beside what it cannot do without."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.calls import Site
from tests.benchmarks.table import Table

ROUNDS = 15
NEEDED = (
    "import starlette.middleware.trustedhost, starlette.authentication, starlette.requests; import cryptography.x509"
)
OURS = "from mtls_middleware import MTLSMiddleware"
STARTED = "from mtls_middleware import Guard, Settings; guard = Guard.from_settings(Settings.from_env()); guard.start()"

_PROGRAM = """
import json, time
begin = time.perf_counter()
{statement}
spent = time.perf_counter() - begin
status = open("/proc/self/status").read()
held = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
print(json.dumps([spent, held]))
"""


def ratios(rounds: int = ROUNDS, statement: str = OURS) -> tuple[float, float]:
    """Return time and memory as ratios to those of starlette and cryptography's x509 alone."""
    figures: dict[str, list[list[float]]] = {NEEDED: [], statement: []}
    with tempfile.TemporaryDirectory() as folder:
        environ = {**os.environ, **Site(Path(folder)).environ({})}
        for _ in range(rounds):
            for one, found in figures.items():
                said = subprocess.run(
                    [sys.executable, "-c", _PROGRAM.format(statement=one)],
                    capture_output=True,
                    text=True,
                    check=True,
                    timeout=60,
                    env=environ,
                ).stdout
                found.append(json.loads(said))
    needed, ours = ([statistics.median(column) for column in zip(*found, strict=True)] for found in figures.values())
    return ours[0] / needed[0], ours[1] / needed[1]


def table(rounds: int = ROUNDS) -> Table:
    """Measure, and describe."""
    imported, started = ratios(rounds), ratios(rounds, STARTED)
    return Table(
        title="Importing it",
        text=(
            f"*Imported*: `{OURS}` in a new process. *Started*: a guard with one root and a CRL in a file, which no "
            "network is needed for. Both as a multiple of importing starlette's middleware and cryptography's x509 "
            "alone: the median of several processes, in turns. What is optional is imported when it is used."
        ),
        head=("", "time", "memory", "goal of both"),
        rows=[
            ("imported", *(f"{ratio:.2f}" for ratio in imported), "1.30"),
            ("started", *(f"{ratio:.2f}" for ratio in started), ""),
        ],
        after=(
            "Of the time of `from mtls_middleware import Guard, Settings`, a quarter (43 of 180 ms) is spent in "
            "`dataclasses`, which compiles the methods of 97 frozen classes; of that of `MTLSMiddleware` alone 8 of 28 "
            "ms, for 17. It is paid once for each process. Named tuples are compiled, too, equal each other across "
            "types and have no checks; classes by hand would repeat in code what is generated. So they stay."
        ),
    )
