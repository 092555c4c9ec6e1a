"""What `from mtls_middleware import MTLSMiddleware` costs, beside what it cannot do without."""

import json
import statistics
import subprocess
import sys

from tests.benchmarks.table import Table

ROUNDS = 15
NEEDED = (
    "import starlette.middleware.trustedhost, starlette.authentication, starlette.requests; import cryptography.x509"
)
OURS = "from mtls_middleware import MTLSMiddleware"

_PROGRAM = """
import json, time
begin = time.perf_counter()
{statement}
spent = time.perf_counter() - begin
status = open("/proc/self/status").read()
held = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
print(json.dumps([spent, held]))
"""


def ratios(rounds: int = ROUNDS) -> tuple[float, float]:
    """Return time and memory as ratios to those of starlette and cryptography's x509 alone."""
    figures: dict[str, list[list[float]]] = {NEEDED: [], OURS: []}
    for _ in range(rounds):
        for statement, found in figures.items():
            said = subprocess.run(
                [sys.executable, "-c", _PROGRAM.format(statement=statement)],
                capture_output=True,
                text=True,
                check=True,
                timeout=60,
            ).stdout
            found.append(json.loads(said))
    needed, ours = ([statistics.median(column) for column in zip(*found, strict=True)] for found in figures.values())
    return ours[0] / needed[0], ours[1] / needed[1]


def table(rounds: int = ROUNDS) -> Table:
    """Measure, and describe."""
    time, memory = ratios(rounds)
    return Table(
        title="Importing it",
        text=(
            f"`{OURS}` in a new process, as a multiple of importing starlette's middleware and cryptography's x509 "
            "alone: the median of several processes, in turns. What is optional is imported when it is used."
        ),
        head=("", "ratio", "goal"),
        rows=[("time", f"{time:.2f}", "1.30"), ("memory", f"{memory:.2f}", "1.30")],
    )
