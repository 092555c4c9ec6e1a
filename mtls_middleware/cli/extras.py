"""What a command needs and is not installed: the error has the line that installs it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

WRONG = 2
"""Exit status where the configuration is wrong, or something is not installed."""

INTERRUPTED = 130
"""Exit status of shells for an interrupt: 128 and the signal's number."""


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Exit with the line that installs what is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("mtls_middleware"):
            raise
        typer.echo(f"{error.name} is not installed: pip install 'mtls-middleware[{name}]'", err=True)
        sys.exit(WRONG)
