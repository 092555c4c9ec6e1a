"""Judge the corpora, run the suites, and write docs/conformance.md.

From the folder of the project, with the dependency group `conformance` installed::

    TEST_VECTORS=… python -m tests.conformance            # everything; suites of others are fetched from the index
    TEST_VECTORS=… python -m tests.conformance --check    # the corpora alone; fails where the page says anything else
"""

import argparse
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.conformance.page import PAGE, corpora_of, text
from tests.conformance.suites import SUITES, Outcome, run


def main(arguments: Sequence[str] | None = None) -> int:
    """Write, or compare; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description="Write docs/conformance.md.")
    parser.add_argument("--check", action="store_true", help="judge the corpora, compare, and write nothing")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")  # cryptography warns of what some cases are made of
    if options.check:
        if corpora_of(PAGE.read_text(encoding="utf-8")) == corpora_of(text(())):
            return 0
        print("docs/conformance.md is not what the corpora say: run python -m tests.conformance")  # noqa: T201
        return 1
    PAGE.write_text(text([_outcome(name) for name in SUITES]), encoding="utf-8")
    return 0


def _outcome(name: str) -> Outcome:
    with TemporaryDirectory() as folder:
        return run(name, Path(folder))


if __name__ == "__main__":
    sys.exit(main())
