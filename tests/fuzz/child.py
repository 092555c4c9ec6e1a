"""One parser in a process of its own: ``python -m tests.fuzz.child NAME SECONDS CORPUS``."""

import hashlib
import random
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.fuzz.parser import Parser, damaged

MOST_BYTES = 16_384
STUCK_SECONDS = 60


def main(name: str, seconds: str, corpus: str) -> None:
    """Fuzz until a fault, or the end of the time."""
    folder = Path(corpus)
    try:
        atheris = import_module("atheris")
    except ImportError:
        _without(_parser(name), int(seconds), folder)
        return
    with atheris.instrument_imports(include=["mtls_middleware"]):
        parser = _parser(name)
    for seed in parser.seeds():
        (folder / hashlib.sha256(seed).hexdigest()).write_bytes(seed)
    options = (
        f"-max_total_time={seconds}",
        f"-timeout={STUCK_SECONDS}",
        f"-max_len={MOST_BYTES}",
        f"-artifact_prefix={folder.parent}/{name}-",
        "-rss_limit_mb=4096",
    )
    atheris.Setup([sys.argv[0], str(folder), *options], parser.read)
    atheris.Fuzz()


def _parser(name: str) -> Parser:
    parsers: Any = import_module("tests.fuzz.parsers")
    found: Parser = parsers.PARSERS[name]
    return found


def _without(parser: Parser, seconds: int, folder: Path) -> None:
    end, runs = time.monotonic() + seconds, 0
    for data in damaged(parser.seeds(), random.Random(0)):
        if time.monotonic() > end:
            break
        (folder.parent / "last").write_bytes(data)
        parser.read(data)
        runs += 1
    sys.stderr.write(f"Done {runs} runs without atheris\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
