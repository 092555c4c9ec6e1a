"""Fuzz parsers of bytes from outside, with atheris (`--group fuzz`), or with simple damage where it is not installed.

    python -m tests.fuzz --list
    python -m tests.fuzz crl --seconds 60
    python -m tests.fuzz --seconds 3            # all of them, one after the other, as CI does

What is found lies in build/fuzz; the corpus there grows from run to run.
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.fuzz.parsers import PARSERS

BUILD = Path(__file__).parents[2] / "build" / "fuzz"


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz each parser in a process of its own; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz parsers of bytes from outside.")
    parser.add_argument("parsers", nargs="*", metavar="PARSER", help="all without")
    parser.add_argument("--seconds", type=int, default=60, help="for each parser")
    parser.add_argument("--list", action="store_true", help="print their names")
    options = parser.parse_args(arguments)
    names = options.parsers or list(PARSERS)
    if unknown := [name for name in names if name not in PARSERS]:
        parser.error(f"no parser: {', '.join(unknown)}; there are {', '.join(PARSERS)}")
    if options.list:
        _say(*(f"{name:12} {', '.join(PARSERS[name].modules)}" for name in names))
        return 0
    failed = [name for name in names if not _fuzz(name, options.seconds)]
    if failed:
        _say(f"faults: {', '.join(failed)}; the inputs are in {BUILD}")
    return 1 if failed else 0


def _fuzz(name: str, seconds: int) -> bool:
    corpus = BUILD / name
    corpus.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-W", "ignore", "-m", "tests.fuzz.child", name, str(seconds), str(corpus)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace")
    runs = re.search(r"^Done (.*)$", done.stderr, re.MULTILINE)
    if done.returncode != 0 or runs is None:
        _say(done.stdout[-4000:], done.stderr[-4000:], f"{name}: a fault")
        return False
    _say(f"{name}: {runs[1]}")
    return True


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
