"""How long a request waits while a list of 100,000 entries is taken in: the longest wait of a thread beside it.

It prints the figures. What is asserted is a comparison on the same machine: checking the same list in one piece holds
every other thread up for longer.
"""

import sys
import threading
import time
from collections.abc import Callable

import pytest
from cryptography import x509

from mtls_middleware._core.decision import RevocationState
from tests.benchmarks.lists import list_of
from tests.core.certs import genesys, good_client, regional_ca
from tests.trust.crl.doubles import A, Bench, Host

ENTRIES = 100_000
TICK_SECONDS = 0.001


def longest_wait(work: Callable[[], object]) -> tuple[float, float]:
    """Return the longest lateness of a thread that wakes each millisecond, and the time of the work, in ms."""
    done = threading.Event()
    waits: list[float] = []

    def tick() -> None:
        while not done.is_set():
            before = time.perf_counter()
            time.sleep(TICK_SECONDS)
            waits.append(time.perf_counter() - before - TICK_SECONDS)

    beside = threading.Thread(target=tick)
    beside.start()
    begin = time.perf_counter()
    work()
    spent = time.perf_counter() - begin
    done.set()
    beside.join()
    return max(waits) * 1000, spent * 1000


def test_a_long_list_is_taken_in_without_holding_requests_up(capsys: pytest.CaptureFixture[str]) -> None:
    ca = regional_ca()
    signed = list_of(ca, ENTRIES)

    def in_slices() -> None:
        worker = Bench(genesys(ca), Host({A: signed}), origins=(A,))
        worker.refresh()
        assert worker.verdict(good_client()) is RevocationState.GOOD
        assert len(worker.revocations.crls([worker.trust]).crls[0].serial_numbers) == ENTRIES

    def in_one_piece() -> None:
        found = x509.load_der_x509_crl(signed)
        assert found.is_signature_valid(ca.private_key.public_key())
        assert len({entry.serial_number for entry in found}) == ENTRIES

    sliced, whole = [longest_wait(in_slices) for _ in range(3)], longest_wait(in_one_piece)
    with capsys.disabled():
        for name, (wait, spent) in {"in slices": max(sliced), "in one piece": whole}.items():
            sys.stdout.write(f"\n{ENTRIES:,} entries, {name}: longest wait {wait:.1f} ms of {spent:.0f} ms")
    assert min(sliced)[0] < whole[0]
