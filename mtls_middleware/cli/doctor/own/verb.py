"""``doctor`` without ``--url``."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text

from mtls_middleware.cli.doctor.own.examination import World, examine, status_of
from mtls_middleware.cli.doctor.own.table import facts, show


def run_examination(*, offline: bool, as_json: bool, environ: Mapping[str, str] | None = None) -> int:
    """Examine the deployment, print the findings, and return the exit status."""
    with progress() as tell:
        findings = examine(World(environ=os.environ if environ is None else environ, offline=offline), tell)
    if as_json:
        sys.stdout.write(json.dumps(facts(findings), indent=2) + "\n")
    else:
        show(findings)
    return status_of(findings)


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Show on a terminal what is looked at."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    with console.status("looking …") as status:
        yield lambda what: status.update(Text(f"looking at {what} …"))
