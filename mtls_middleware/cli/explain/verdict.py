"""The command ``explain``: its verdict, for a person and for a script."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from rich.console import Console
from rich.text import Text

from mtls_middleware._core.certificate import PresentedChain, fingerprint
from mtls_middleware._core.decision import Accepted, Rejected
from mtls_middleware._core.gate import Mode
from mtls_middleware._core.response import refusal
from mtls_middleware.advice import Advice, advice_for
from mtls_middleware.cli.ending import WRONG
from mtls_middleware.cli.explain.evaluate import (
    CONFIGURED,
    MAX_INPUT_BYTES,
    Evaluation,
    Given,
    UnreadableError,
    can_be_read,
    certificates,
    evaluate,
    header,
    settings_of,
)
from mtls_middleware.cli.explain.steps import Step, StepResult, steps_of
from mtls_middleware.cli.options import ExplainOptions
from mtls_middleware.cli.page import console_for, print_json, waiting
from mtls_middleware.display import displayed

REFUSED = 1
"""Exit status: the certificate would be refused."""

_STYLES = {
    StepResult.PASSED: "green",
    StepResult.FAILED: "bold red",
    StepResult.NOTED: "bold yellow",
    StepResult.NOT_REACHED: "dim",
}
_INDENT = 14


def run_explain(options: ExplainOptions, at: datetime | None, console: Console | None = None) -> int:
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
        evaluation = evaluate(given, environ, at, refresh=options.refresh)
    steps, notes = steps_of(evaluation), tuple(_notes(evaluation, environ, options, given))
    if options.as_json:
        print_json(facts(evaluation, steps, notes))
    else:
        show(evaluation, steps, notes, console_for(console))
    return 0 if isinstance(evaluation.decision, Accepted) else REFUSED


def _read(source: str) -> bytes:
    if source == "-":
        return sys.stdin.buffer.read(MAX_INPUT_BYTES + 1)
    with Path(source).open("rb") as file:
        return file.read(MAX_INPUT_BYTES + 1)


def _given(data: bytes, settings: Mapping[str, str] | None, environ: Mapping[str, str]) -> Given:
    """Read the input as configured; by default as a certificate, then as the configured header."""
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


def _notes(evaluation: Evaluation, environ: Mapping[str, str], options: ExplainOptions, given: Given) -> Iterator[str]:
    """Yield what the steps do not show: how it was read, what failed to refresh, and what report mode would do."""
    if given.header is not None and options.header is None:
        yield f"read as the header of MTLS_SOURCE={displayed(environ[CONFIGURED])}"
    if options.refresh:
        yield from evaluation.status.problems
    if isinstance(evaluation.decision, Rejected) and environ.get("MTLS_MODE") == Mode.REPORT:
        yield "MTLS_MODE=report: the application only logs this refusal, and lets the call through"


def show(evaluation: Evaluation, steps: Sequence[Step], notes: Sequence[str], console: Console) -> None:
    """Print the certificate, each step, and the verdict with what to do."""
    if evaluation.presented is not None:
        _certificate_rows(evaluation.presented, console)
        console.print()
    console.print(Text(f"Judged at {evaluation.now:%Y-%m-%d %H:%M:%SZ}", style="bold"))
    for step in steps:
        line = Text(f"  {step.outcome:<{_INDENT - 2}}", style=_STYLES[step.outcome]) + Text(step.question)
        console.print(line, soft_wrap=True)
        for seen in step.seen:
            _row("", seen, console)
    console.print()
    if isinstance(evaluation.decision, Accepted):
        identity = evaluation.decision.identity
        whose = f"region {identity.region}" if identity.region else str(identity.authority)
        console.print(Text(f"Accepted, as {whose}.", style="bold green"))
    else:
        _refusal(evaluation, evaluation.decision, steps, console)
    for note in notes:
        _row("note", note, console)


def _advice(evaluation: Evaluation, refused: Rejected) -> Advice:
    settings = evaluation.settings
    return advice_for(refused.reason, settings.authorities, has_client=bool(settings.genesys_client_id))


def _refusal(evaluation: Evaluation, refused: Rejected, steps: Sequence[Step], console: Console) -> None:
    status = refusal(refused.reason, None).status
    console.print(Text(f"Refused with {status.value} {status.phrase}: {refused.reason}.", style="bold red"))
    advice = _advice(evaluation, refused)
    is_shown = any(step.outcome is StepResult.FAILED for step in steps)
    for label, text in (
        ("because", "" if is_shown else displayed(refused.detail)),
        ("means", advice.happened),
        ("what to do", advice.fix),
    ):
        if text:
            _row(label, text, console)


def _certificate_rows(chain: PresentedChain, console: Console) -> None:
    leaf = chain.leaf
    rows = {
        "subject": displayed(chain.subject),
        "issuer": displayed(chain.issuer),
        "names": displayed(", ".join((*(chain.dns_names or ()), *chain.uris))) or "none",
        "valid": f"from {leaf.not_valid_before_utc:%Y-%m-%d %H:%MZ} to {leaf.not_valid_after_utc:%Y-%m-%d %H:%MZ}",
        "SHA-256": chain.fingerprint_sha256,
    }
    for label, text in rows.items():
        _row(label, text, console)


def _row(label: str, text: str, console: Console) -> None:
    console.print(Text(f"{label:<{_INDENT}}{text}"), soft_wrap=True)


def facts(evaluation: Evaluation, steps: Sequence[Step], notes: Sequence[str]) -> dict[str, Any]:
    """Return everything that `show` prints. Texts of certificates are not escaped here: JSON does that."""
    decision = evaluation.decision
    refused = decision if isinstance(decision, Rejected) else None
    identity = decision.identity if isinstance(decision, Accepted) else None
    return {
        "accepted": refused is None,
        "at": f"{evaluation.now:%Y-%m-%dT%H:%M:%SZ}",
        "reason": None if refused is None else str(refused.reason),
        "status": None if refused is None else refusal(refused.reason, None).status.value,
        "detail": None if refused is None else refused.detail,
        "cure": None if refused is None else _advice(evaluation, refused).fix,
        "region": None if identity is None else identity.region,
        "authority": None if identity is None else str(identity.authority),
        "certificate": None if evaluation.presented is None else _leaf(evaluation.presented),
        "path": [_certificate(one) for one in decision.chain],
        "steps": [{"question": one.question, "outcome": str(one.outcome), "seen": list(one.seen)} for one in steps],
        "notes": list(notes),
    }


def _leaf(chain: PresentedChain) -> dict[str, Any]:
    return _certificate(chain.leaf) | {"dns_names": list(chain.dns_names or ()), "uris": list(chain.uris)}


def _certificate(one: x509.Certificate) -> dict[str, Any]:
    return {
        "subject": one.subject.rfc4514_string(),
        "issuer": one.issuer.rfc4514_string(),
        "serial_number": f"{one.serial_number:x}",
        "fingerprint_sha256": fingerprint(one.public_bytes(Encoding.DER)),
        "not_before": f"{one.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}",
        "not_after": f"{one.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}",
    }
