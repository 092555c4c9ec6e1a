"""The report of one process as bytes: written in one way, and read only if it has exactly that form."""

import json

from mtls_middleware._io.files import InputError, parse_object
from mtls_middleware.observing.history import History
from mtls_middleware.observing.records import decoded, encoded
from mtls_middleware.observing.worker import Worker

VERSION = 2

MAX_REPORT_BYTES = 65_536
"""Of one process; usual are 3,000."""


def report_of(history: History, worker: Worker | None) -> bytes:
    """Return the report; None for a worker that has ended."""
    report = {"version": VERSION, "history": encoded(history), "worker": encoded(worker)}
    return json.dumps(report).encode("ascii")


def read_report(content: bytes) -> tuple[History, Worker | None]:
    """Return what `report_of` was given.

    Raises:
        ValueError: it is anything else.
    """
    if len(content) > MAX_REPORT_BYTES:
        raise ValueError("is too large")
    try:
        report = parse_object(content)
        if report.get("version") != VERSION:
            raise ValueError("is of another version")
        history = decoded(History, report.get("history"))
        history.require_known()
        worker = report.get("worker")
        return history, None if worker is None else decoded(Worker, worker)
    except (InputError, OverflowError) as error:
        raise ValueError("is damaged") from error


def history_of(content: bytes) -> History:
    """Return what a process has left; what cannot be read counts for nothing."""
    try:
        return read_report(content)[0]
    except ValueError:
        return History()
