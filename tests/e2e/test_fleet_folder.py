"""Three processes with one folder: what one of them learns is in force in all, long before they would ask again."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from mtls_middleware.testing import RegionalCA
from tests.e2e.crl_host import run_crl_host
from tests.e2e.processes import ROOT

pytestmark = pytest.mark.e2e

PROCESSES = 3
LIMIT = 30
"""Seconds after which a process that says nothing has failed."""

LIST = "/region.crl"

MEMBER = """
import sys, time
from mtls_middleware import Guard, Settings
guard = Guard.from_settings(Settings.from_env())
guard.start()
for line in sys.stdin:
    what, number = line.split()
    if what == "refresh":
        guard.refresh()
    end = time.monotonic() + 30
    while int(number) not in {one.number for one in guard.snapshot.crls.crls} and time.monotonic() < end:
        time.sleep(0.01)
    print(number if time.monotonic() < end else "nothing", time.monotonic(), flush=True)
"""


@dataclass
class Member:
    """One process, which says when a CRL of some number is in force."""

    process: subprocess.Popen[str]

    def ask(self, what: str, number: int) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{what} {number}\n")
        self.process.stdin.flush()

    def answer(self) -> tuple[str, float]:
        assert self.process.stdout is not None
        number, seconds = self.process.stdout.readline().split()
        return number, float(seconds)


@contextmanager
def members(environ: dict[str, str]) -> Iterator[list[Member]]:
    with ExitStack() as stack:
        yield [
            Member(
                stack.enter_context(
                    subprocess.Popen(
                        [sys.executable, "-c", MEMBER],
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        text=True,
                        env={**os.environ, **environ, "PYTHONPATH": str(ROOT)},
                    )
                )
            )
            for _ in range(PROCESSES)
        ]


def test_a_revocation_that_one_process_learns_is_soon_in_force_in_all(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    ca = RegionalCA("us-east-1")
    client = ca.client()
    with run_crl_host() as host:
        host.answers[LIST] = ca.crl(number=1)
        environ = {
            "MTLS_REGIONS": "us-east-1",
            "MTLS_TRUST": str(ca.write(tmp_path)),
            "MTLS_CRL_URLS": host.address(LIST),
            "MTLS_STATE": str(tmp_path / "state"),
        }
        with members(environ) as fleet:
            for member in fleet:
                member.ask("await", 1)
            before = [member.answer()[0] for member in fleet]
            asked = host.asked[LIST]
            host.answers[LIST] = ca.crl([client], number=2)
            for number, member in enumerate(fleet):
                member.ask("await" if number else "refresh", 2)
            told = [member.answer() for member in fleet]
            times = [seconds for _, seconds in told]
            record_property("seconds after the first", max(times) - min(times))
            again = host.asked[LIST] - asked

    assert (before, [number for number, _ in told]) == (["1"] * PROCESSES, ["2"] * PROCESSES)
    assert (asked, again) == (1, 1)
