"""The pages of docs/reference/, docs/refusals.md and the picture of how a call is decided, made from the code.

From the folder of the project::

    python -m tests.documentation.reference            # writes them
    python -m tests.documentation.reference --check    # fails where one of them says anything else
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.documentation import api_page, commands_page, decision_picture, reasons_page, refusals_page, settings_page
from tests.documentation.pages import DOCS

GENERATED: Mapping[str, Callable[[], str]] = {
    "reference/settings.md": settings_page.text,
    "reference/reasons.md": reasons_page.text,
    "refusals.md": refusals_page.text,
    "reference/commands.md": commands_page.text,
    "reference/api.md": api_page.text,
    "decision.svg": decision_picture.text,
}


def stale(folder: Path = DOCS) -> list[str]:
    """Return the files that say anything else than the code."""
    return [name for name, make in GENERATED.items() if _content(folder / name) != make()]


def write(folder: Path = DOCS) -> None:
    """Write every file."""
    for name, make in GENERATED.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(make(), encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write, or compare; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.documentation.reference", description="Make docs/reference.")
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    parser.add_argument("--folder", type=Path, default=DOCS, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if not options.check:
        write(options.folder)
        return 0
    found = stale(options.folder)
    for name in found:
        print(f"docs/{name} is not what the code says: run python -m tests.documentation.reference")  # noqa: T201 - a command line
    return 1 if found else 0


def _content(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


if __name__ == "__main__":
    sys.exit(main())
