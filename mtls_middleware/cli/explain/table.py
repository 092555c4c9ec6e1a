"""The verdict as a person likes to read it."""

from collections.abc import Sequence
from datetime import datetime

from rich.console import Console
from rich.text import Text

from mtls_middleware._core.certificate import PresentedChain, fingerprint
from mtls_middleware._core.decision import Accepted, Rejected
from mtls_middleware._core.response import refusal
from mtls_middleware.cli.explain.judging import Judged
from mtls_middleware.cli.explain.steps import Outcome, Step
from mtls_middleware.cli.runbook import RUNBOOK
from mtls_middleware.display import displayed

_STYLES = {
    Outcome.PASSED: "green",
    Outcome.FAILED: "bold red",
    Outcome.NOTED: "bold yellow",
    Outcome.NOT_REACHED: "dim",
}
_INDENT = 14


def show(chain: PresentedChain | None, judged: Judged, steps: Sequence[Step], now: datetime, console: Console) -> None:
    """Print what the certificate says of itself, each step, and the verdict with what to do."""
    if chain is not None:
        _certificate(chain, console)
    console.print(Text(f"\nJudged at {now:%Y-%m-%d %H:%M:%SZ}", style="bold"))
    for step in steps:
        line = Text(f"  {step.outcome:<{_INDENT - 2}}", style=_STYLES[step.outcome]) + Text(step.question)
        console.print(line, soft_wrap=True)
        if step.seen:
            console.print(Text(" " * _INDENT + step.seen), soft_wrap=True)
    console.print()
    match judged.decision:
        case Accepted(identity=identity):
            whose = f"region {identity.region}" if identity.region else str(identity.authority)
            console.print(Text(f"Accepted, as {whose}.", style="bold green"))
        case Rejected(reason=reason):
            status = refusal(reason, None).status
            console.print(Text(f"Refused with {status.value} {status.phrase}: {reason}.", style="bold red"))
            entry = RUNBOOK[reason]
            for label, text in (("means", entry.happened), ("what to do", entry.cure)):
                if text:
                    console.print(Text(f"{label:<{_INDENT}}{text}"), soft_wrap=True)


def _certificate(chain: PresentedChain, console: Console) -> None:
    rows = {
        "subject": displayed(chain.subject),
        "issuer": displayed(chain.issuer),
        "names": displayed(", ".join(chain.dns_names or ())) or "none",
        "SHA-256": fingerprint(chain.leaf_der),
    }
    for label, text in rows.items():
        console.print(Text(f"{label:<{_INDENT}}{text}"), soft_wrap=True)
