"""The command line as a process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mtls_middleware.installation import install_command
from mtls_middleware.testing import RegionalCA

ROOT = Path(__file__).parents[2]


def run(*arguments: str, code: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    program = ["-c", code] if code else ["-m", "mtls_middleware"]
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200", **environment}
    return subprocess.run(
        [sys.executable, *program, *arguments], env=variables, capture_output=True, text=True, timeout=60, check=False
    )


WITHOUT = """
import sys
sys.modules[{missing!r}] = None
sys.argv = ["mtls-middleware", *{arguments!r}]
from mtls_middleware.__main__ import main
main()
"""


@pytest.mark.parametrize(
    ("missing", "arguments", "extra"),
    [
        ("typer", ["demo"], "cli"),
        ("rich", ["demo"], "demo"),
        ("fastapi", ["demo"], "demo"),
        ("httpx2", ["demo"], "demo"),
        ("uvicorn", ["serve", "app:app"], "serve"),
    ],
)
def test_a_missing_extra_is_named_with_the_one_command_that_installs_it(
    missing: str, arguments: list[str], extra: str
) -> None:
    ended = run(code=WITHOUT.format(missing=missing, arguments=arguments))

    assert ended.returncode == 2
    assert ended.stderr.endswith(f"{install_command(extra)}\n")
    assert "Traceback" not in ended.stderr


def test_help_names_every_verb() -> None:
    assert {"demo", "serve"} <= set(run("--help").stdout.split())


def test_a_wrong_configuration_is_told_without_a_traceback() -> None:
    ended = run("serve", "app:app", MTLS_REGIONS="us-east-11")

    assert ended.returncode == 2
    assert "did you mean 'us-east-1'?" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "title"),
    [
        (["explain", "{ca}"], "mtls-middleware explain: these settings cannot be used:"),
        (["trust", "refresh"], "mtls-middleware trust refresh: these settings cannot be used:"),
        (["serve", "app:app", "--host", "127.0.0.1"], "mtls-middleware cannot start:"),
    ],
)
def test_only_a_command_that_starts_an_application_says_that_it_cannot_start(
    arguments: list[str], title: str, tmp_path: Path
) -> None:
    ca = RegionalCA("us-east-1").write(tmp_path / "ca.pem")
    junk = tmp_path / "junk.pem"
    junk.write_text("junk", encoding="ascii")
    given = [argument.format(ca=ca) for argument in arguments]
    ended = run(*given, MTLS_REGIONS="us-east-1", MTLS_TRUST=str(junk), MTLS_SOURCE="tls", MTLS_STATE="off")

    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"{title}\n  - ")


def test_serve_asks_for_its_own_certificate_where_it_ends_tls(tmp_path: Path) -> None:
    ended = run("serve", "app:app", MTLS_REGIONS="us-east-1", MTLS_TRUST=str(tmp_path))

    assert ended.returncode == 2
    assert "--ssl-certfile" in ended.stderr
