"""What the test command leaves out: never all tests of a module, of a server or of a proxy."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.e2e import matrix

ROOT = Path(__file__).parents[1]


class Selection(NamedTuple):
    """The tests of a run: their modules, and the rows of docs/matrix.md that they speak for."""

    modules: set[str]
    rows: set[tuple[str, str]]


def selection(folder: Path, *options: str) -> Selection:
    cells = folder / "cells.json"
    command = [sys.executable, "-m", "pytest", "--collect-only", "-qq", "-p", "no:cacheprovider", *options]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    done = subprocess.run(
        command, cwd=ROOT, env={**environment, matrix.VARIABLE: str(cells)}, check=True, capture_output=True, text=True
    )
    tests = json.loads(cells.read_text(encoding="utf-8"))["tests"]
    return Selection(
        modules={line.partition(":")[0] for line in done.stdout.splitlines() if ".py" in line},
        rows={(cell["table"], cell["row"]) for test in tests for cell in test["cells"]},
    )


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_no_module_server_or_proxy_is_left_out_as_a_whole(tmp_path: Path) -> None:
    everything, usual = selection(tmp_path, "-m", ""), selection(tmp_path)

    assert len(everything.modules) > 100
    assert len(everything.rows) > 20
    assert everything.modules - usual.modules == {"tests/test_selection.py"}
    assert everything.rows - usual.rows == set()
