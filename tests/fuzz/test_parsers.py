"""Every module that decodes bytes is in the table of the fuzzers; every parser there reads what is a little damaged."""

import random
import re
from itertools import islice
from pathlib import Path

import pytest

from tests.claims import runs_through
from tests.fuzz.parser import damaged
from tests.fuzz.parsers import ELSEWHERE, PARSERS

PACKAGE = Path(__file__).parents[2] / "mtls_middleware"

DECODES = re.compile(
    r"\b(json\.loads|load_(?:der|pem)_\w+|b64decode|a2b_base64|ZipFile\(|int\.from_bytes|unquote(?:_to_bytes)?\b|"
    r"fromisoformat|ip_(?:address|network)\(|decompressobj|bytes\.fromhex|csv\.|unpack_from|parse_object\()"
)
"""What a module calls that makes something of bytes or text from outside."""

TOOLS = ("testing/",)
"""For tests of users, who have no strangers' bytes."""

TRIES = 60


def _decoding() -> set[str]:
    names = {path.relative_to(PACKAGE).as_posix(): path for path in PACKAGE.rglob("*.py")}
    return {
        name for name, path in names.items() if not name.startswith(TOOLS) and DECODES.search(path.read_text("utf-8"))
    }


def test_every_module_that_decodes_is_fuzzed_or_has_a_reason() -> None:
    fuzzed = {module for parser in PARSERS.values() for module in parser.modules}

    assert _decoding() - fuzzed - ELSEWHERE.keys() == set()
    assert fuzzed & ELSEWHERE.keys() == set()
    assert ELSEWHERE.keys() - _decoding() == set()
    assert [module for module in fuzzed if not (PACKAGE / module).is_file()] == []


@pytest.mark.parametrize("name", PARSERS)
@pytest.mark.filterwarnings("ignore")
def test_what_is_good_is_read(name: str) -> None:
    for seed in PARSERS[name].seeds():
        runs_through(PARSERS[name].read, seed)


@pytest.mark.parametrize("name", PARSERS)
@pytest.mark.filterwarnings("ignore")
def test_what_is_damaged_is_read_or_refused(name: str) -> None:
    for data in islice(damaged(PARSERS[name].seeds(), random.Random(name)), TRIES):
        runs_through(PARSERS[name].read, data)
