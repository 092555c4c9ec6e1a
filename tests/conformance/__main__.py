"""Judge the corpora, run the suites, and write docs/conformance.md.

From the folder of the project, with the dependency group `conformance` installed::

    TEST_VECTORS=… python -m tests.conformance            # everything; suites of others are fetched from the index
    TEST_VECTORS=… python -m tests.conformance --corpora  # the corpora alone; what suites gave stays as it is
    TEST_VECTORS=… python -m tests.conformance --check    # the same, but writes nothing; fails on any difference
"""

import argparse
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.conformance.page import PAGE, corpora_of, text, with_limbo_of
from tests.conformance.suites import SUITES, Outcome, run
from tests.core import limbo


def main(arguments: Sequence[str] | None = None) -> int:
    """Write, or compare; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description="Write docs/conformance.md.")
    parser.add_argument("--check", action="store_true", help="judge the corpora, compare, and write nothing")
    parser.add_argument("--corpora", action="store_true", help="judge the corpora, and write their part of the page")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")  # cryptography warns of what some cases are made of
    if options.check or options.corpora:
        written = PAGE.read_text(encoding="utf-8")
        judged = corpora_of(with_limbo_of(written, text(())))
        if not limbo.cases():
            print("not run: x509-limbo needs TEST_VECTORS")  # noqa: T201
        if options.corpora:
            PAGE.write_text(judged + written.removeprefix(corpora_of(written)), encoding="utf-8")
        if options.corpora or corpora_of(written) == judged:
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
