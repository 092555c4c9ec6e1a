"""What ``explain`` does."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from mtls_middleware._core.certificate import PresentedChain, fingerprint, parse_chain
from mtls_middleware._core.decision import Accepted, Rejected, Rejection
from mtls_middleware._core.response import refusal
from mtls_middleware._core.sources.presets import Encoding
from mtls_middleware.cli.console import console_for
from mtls_middleware.cli.explain.judging import Judged, judge
from mtls_middleware.cli.explain.reading import BYTES, UnreadableError, ders_of_file, ders_of_header
from mtls_middleware.cli.explain.steps import Step, steps_of
from mtls_middleware.cli.explain.table import show
from mtls_middleware.cli.extras import WRONG
from mtls_middleware.cli.runbook import RUNBOOK
from mtls_middleware.display import displayed
from mtls_middleware.guard import utc_now

REFUSED = 1
"""Exit status: the certificate would be refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Hold what the command line said.

    Attributes:
        source: a file, or ``-`` for standard input.
        header: encoding of a header's value that it holds; None where it holds certificates.
        overrides: settings instead of the environment's.
        at: the time of the verdict; None for now.
        refresh: ask API and lists first.
        as_json: for a script.
    """

    source: str
    header: Encoding | None
    overrides: Mapping[str, str]
    at: datetime | None
    refresh: bool
    as_json: bool


def run_explain(options: Options, console: Console | None = None) -> int:
    """Print the verdict on a certificate, and return the exit status."""
    try:
        data = _read(options.source)
        ders = ders_of_file(data) if options.header is None else ders_of_header(data, options.header, BYTES)
    except (OSError, UnreadableError) as error:
        reason = error.strerror or str(error) if isinstance(error, OSError) else str(error)
        sys.stderr.write(f"{displayed(options.source)}: {displayed(reason)}\n")
        return WRONG
    now = options.at or utc_now()
    judged = judge(ders, {**os.environ, **options.overrides}, now, refresh=options.refresh)
    chain = _chain(ders)
    steps = steps_of(chain, judged, now)
    if options.as_json:
        sys.stdout.write(json.dumps(facts(chain, judged, steps, now), indent=2) + "\n")
    else:
        show(chain, judged, steps, now, console_for(console))
    return 0 if isinstance(judged.decision, Accepted) else REFUSED


def facts(chain: PresentedChain | None, judged: Judged, steps: Sequence[Step], now: datetime) -> dict[str, Any]:
    """Return the verdict for a script."""
    decision = judged.decision
    refused = decision if isinstance(decision, Rejected) else None
    identity = decision.identity if isinstance(decision, Accepted) else None
    return {
        "accepted": refused is None,
        "at": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "reason": None if refused is None else str(refused.reason),
        "status": None if refused is None else refusal(refused.reason, None).status.value,
        "detail": None if refused is None else refused.detail,
        "cure": None if refused is None else RUNBOOK[refused.reason].cure,
        "region": None if identity is None else identity.region,
        "authority": None if identity is None else str(identity.authority),
        "certificate": None if chain is None else _certificate(chain),
        "steps": [{"question": one.question, "outcome": str(one.outcome), "seen": one.seen} for one in steps],
    }


def _certificate(chain: PresentedChain) -> dict[str, Any]:
    return {
        "subject": chain.subject,
        "issuer": chain.issuer,
        "serial_number": f"{chain.leaf.serial_number:x}",
        "dns_names": list(chain.dns_names or ()),
        "fingerprint_sha256": fingerprint(chain.leaf_der),
        "not_before": f"{chain.leaf.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}",
        "not_after": f"{chain.leaf.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}",
    }


def _chain(ders: Sequence[bytes]) -> PresentedChain | None:
    try:
        return parse_chain(ders)
    except Rejection:
        return None


def _read(source: str) -> bytes:
    if source == "-":
        return sys.stdin.buffer.read(BYTES + 1)
    with Path(source).open("rb") as file:
        return file.read(BYTES + 1)


def moment(text: str) -> datetime:
    """Return a time as an operator writes it; UTC where no zone stands there.

    Raises:
        ValueError: it is no ISO 8601 date or time.
    """
    found = datetime.fromisoformat(text)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
