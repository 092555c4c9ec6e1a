"""The verb ``demo``."""

import json
import sys

from mtls_middleware.cli.demo.calls import Outcome, make_calls
from mtls_middleware.cli.demo.refusals import listening
from mtls_middleware.cli.demo.stage import staged
from mtls_middleware.cli.demo.table import show


def run_demo(*, as_json: bool) -> int:
    """Play the demo, print what happened, and return the exit status."""
    with listening() as refusals, staged() as stage:
        outcomes = tuple(make_calls(stage, refusals))
    if as_json:
        sys.stdout.write(json.dumps([_facts(outcome) for outcome in outcomes], indent=2) + "\n")
    else:
        show(outcomes)
    return 0 if all(outcome.is_right for outcome in outcomes) else 1


def _facts(outcome: Outcome) -> dict[str, object]:
    return {
        "call": outcome.call.title,
        "way": str(outcome.call.way),
        "ended_at": str(outcome.place),
        "status": outcome.status,
        "reason": outcome.reason,
        "as_it_must": outcome.is_right,
    }
