"""The verdict as a person likes to read it."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from mtls_middleware._core.certificate import PresentedChain, fingerprint
from mtls_middleware._core.decision import Accepted, Rejected
from mtls_middleware._core.response import refusal
from mtls_middleware.advice import RUNBOOK
from mtls_middleware.cli.explain.judging import Judged
from mtls_middleware.cli.explain.steps import Outcome, Step
from mtls_middleware.display import displayed

_STYLES = {
    Outcome.PASSED: "green",
    Outcome.FAILED: "bold red",
    Outcome.NOTED: "bold yellow",
    Outcome.NOT_REACHED: "dim",
}
_INDENT = 14


def show(judged: Judged, steps: Sequence[Step], notes: Sequence[str], console: Console) -> None:
    """Print what the certificate says of itself, each step, and the verdict with what to do."""
    if judged.chain is not None:
        _certificate(judged.chain, console)
        console.print()
    console.print(Text(f"Judged at {judged.now:%Y-%m-%d %H:%M:%SZ}", style="bold"))
    for step in steps:
        line = Text(f"  {step.outcome:<{_INDENT - 2}}", style=_STYLES[step.outcome]) + Text(step.question)
        console.print(line, soft_wrap=True)
        for seen in step.seen:
            _row("", seen, console)
    console.print()
    if isinstance(judged.decision, Accepted):
        identity = judged.decision.identity
        whose = f"region {identity.region}" if identity.region else str(identity.authority)
        console.print(Text(f"Accepted, as {whose}.", style="bold green"))
    else:
        _refusal(judged.decision, steps, console)
    for note in notes:
        _row("note", note, console)


def _refusal(refused: Rejected, steps: Sequence[Step], console: Console) -> None:
    status = refusal(refused.reason, None).status
    console.print(Text(f"Refused with {status.value} {status.phrase}: {refused.reason}.", style="bold red"))
    entry = RUNBOOK[refused.reason]
    is_told = any(step.outcome is Outcome.FAILED for step in steps)
    for label, text in (
        ("because", "" if is_told else displayed(refused.detail)),
        ("means", entry.happened),
        ("what to do", entry.cure),
    ):
        if text:
            _row(label, text, console)


def _certificate(chain: PresentedChain, console: Console) -> None:
    leaf = chain.leaf
    rows = {
        "subject": displayed(chain.subject),
        "issuer": displayed(chain.issuer),
        "names": displayed(", ".join(chain.dns_names or ())) or "none",
        "valid": f"from {leaf.not_valid_before_utc:%Y-%m-%d %H:%MZ} to {leaf.not_valid_after_utc:%Y-%m-%d %H:%MZ}",
        "SHA-256": fingerprint(chain.leaf_der),
    }
    for label, text in rows.items():
        _row(label, text, console)


def _row(label: str, text: str, console: Console) -> None:
    console.print(Text(f"{label:<{_INDENT}}{text}"), soft_wrap=True)
