"""One writer, many readers; versions count up from 1."""

import os
import threading
from datetime import datetime

from mtls_middleware._trust.service import CurrentTrust


def test_there_is_nothing_before_the_first_snapshot() -> None:
    assert CurrentTrust().snapshot is None


def test_a_replacement_becomes_current(now: datetime) -> None:
    holder = CurrentTrust()
    snapshot = holder.replace((), now)
    assert holder.snapshot is snapshot
    assert (snapshot.version, snapshot.built_at, snapshot.trusts) == (1, now, ())


def test_a_reader_keeps_what_it_read(now: datetime) -> None:
    holder = CurrentTrust()
    first = holder.replace((), now)
    second = holder.replace((), now)
    assert (first.version, second.version) == (1, 2)
    assert first.verdicts is not second.verdicts


def test_no_two_writers_make_the_same_version(now: datetime) -> None:
    holder = CurrentTrust()
    versions: list[int] = []
    writers = [
        threading.Thread(target=lambda: versions.extend(holder.replace((), now).version for _ in range(100)))
        for _ in range(8)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted(versions) == list(range(1, 801))


def test_a_child_does_not_inherit_a_held_lock(now: datetime) -> None:
    holder = CurrentTrust()
    with holder._writing:
        child = os.fork()
        if child == 0:
            os._exit(holder.replace((), now).version)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
