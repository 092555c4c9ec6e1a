"""What ``explain`` does."""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from mtls_middleware._core.decision import Accepted, Rejected
from mtls_middleware._core.gate import Mode
from mtls_middleware.cli.console import console_for
from mtls_middleware.cli.explain.facts import facts
from mtls_middleware.cli.explain.judging import Judged, can_be_read, judge
from mtls_middleware.cli.explain.reading import (
    BYTES,
    CONFIGURED,
    Given,
    UnreadableError,
    certificates,
    header,
    settings_of,
)
from mtls_middleware.cli.explain.steps import steps_of
from mtls_middleware.cli.explain.table import show
from mtls_middleware.cli.extras import WRONG
from mtls_middleware.cli.waiting import waiting
from mtls_middleware.display import displayed

REFUSED = 1
"""Exit status: the certificate would be refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Hold what the command line said.

    Attributes:
        source: a file, or ``-`` for standard input.
        header: source or encoding of a header's value that it holds; None where it holds certificates.
        overrides: settings instead of the environment's.
        at: the time of the verdict; None for now.
        refresh: ask API and lists first.
        as_json: for a script.
    """

    source: str
    header: str | None
    overrides: Mapping[str, str]
    at: datetime | None
    refresh: bool
    as_json: bool


def run_explain(options: Options, console: Console | None = None) -> int:
    """Print the verdict on a certificate, and return the exit status.

    Raises:
        ValueError: ``header`` is neither a source nor an encoding.
    """
    environ = {**os.environ, **options.overrides}
    settings = None if options.header is None else settings_of(options.header, environ)
    try:
        given = _given(_read(options.source), settings, environ)
    except (OSError, UnreadableError) as error:
        reason = error.strerror or str(error) if isinstance(error, OSError) else str(error)
        sys.stderr.write(f"{displayed(options.source)}: {displayed(reason)}\n")
        return WRONG
    with waiting("asking every source …" if options.refresh else "judging …"):
        judged = judge(given, environ, options.at, refresh=options.refresh)
    steps, notes = steps_of(judged), tuple(_notes(judged, environ, options, given))
    if options.as_json:
        sys.stdout.write(json.dumps(facts(judged, steps, notes), indent=2) + "\n")
    else:
        show(judged, steps, notes, console_for(console))
    return 0 if isinstance(judged.decision, Accepted) else REFUSED


def moment(text: str) -> datetime:
    """Return a time as an operator writes it; UTC where no zone stands there.

    Raises:
        ValueError: it is no ISO 8601 date or time.
    """
    found = datetime.fromisoformat(text)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _read(source: str) -> bytes:
    if source == "-":
        return sys.stdin.buffer.read(BYTES + 1)
    with Path(source).open("rb") as file:
        return file.read(BYTES + 1)


def _given(data: bytes, settings: Mapping[str, str] | None, environ: Mapping[str, str]) -> Given:
    """Read what came as it was said; where nothing was said, as a certificate, then as the configured header."""
    if settings is not None:
        return header(data, settings)
    try:
        return certificates(data)
    except UnreadableError:
        with suppress(ValueError):
            given = header(data, settings_of(environ.get(CONFIGURED, ""), environ))
            if can_be_read(given, environ):
                return given
        raise


def _notes(judged: Judged, environ: Mapping[str, str], options: Options, given: Given) -> Iterator[str]:
    """Say what the steps cannot: how it was read, what failed on the way, and what else becomes of the call."""
    if given.header is not None and options.header is None:
        yield f"read as the header of MTLS_SOURCE={displayed(environ[CONFIGURED])}"
    if options.refresh:
        yield from judged.status.problems
    if isinstance(judged.decision, Rejected) and environ.get("MTLS_MODE") == Mode.REPORT:
        yield "MTLS_MODE=report: the application only logs this refusal, and lets the call through"
