"""A user's program is checked by mypy as strictly as ours."""

import subprocess
import sys
from pathlib import Path

import pytest

GOOD = """
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import assert_type

import falcon
import falcon.asgi
import flask
import litestar
import quart
from litestar.datastructures import State
from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.types import Scope
from starlette.websockets import WebSocket

from mtls_middleware import (
    Accepted, Authority, ClientIdentity, ConfigurationError, Connection, Guard, Interface, Mode, MTLSError,
    MTLSMiddleware, MTLSWSGIMiddleware, Reason, Rejected, Settings, Status, TrustError, caller, optional_caller,
)

app = Starlette()
app.add_middleware(MTLSMiddleware)

settings = Settings.from_env({"MTLS_REGIONS": "us-east-1"}, prefix="MTLS_")
assert_type(settings, Settings)
guard = Guard.from_settings(settings, clock=lambda: datetime.now(UTC))
assert_type(guard.refresh(), Status)
assert_type(guard.status(), Status)
MTLSMiddleware(app, guard=guard)
MTLSMiddleware(app, settings=Settings(regions=["us-east-1"], trust="/etc/genesys", max_chain=3))
Settings(
    regions="us-east-1", authorities=["genesys", Authority.DIGICERT], mode="report", revocation="off",
    trust=["eu-west-1=/etc/genesys", Path("/etc/genesys")], proxy_drops_underscores=True, proxy_secret=None,
)
assert_type(settings.replace(mode=Mode.REPORT, exempt=("/health",)), Settings)
assert_type(settings.mode, Mode)

with guard as started:
    assert_type(started, Guard)

with Guard.from_settings(settings) as started:
    assert_type(started, Guard)


def who(
    scope: Scope, environ: dict[str, object], connection: HTTPConnection, request: Request, socket: WebSocket,
    of_flask: flask.Request, of_quart: quart.Request, of_litestar: litestar.Request[object, object, State],
    of_falcon: falcon.Request, of_falcon_asgi: falcon.asgi.Request,
) -> None:
    assert_type(caller(scope), ClientIdentity)
    assert_type(optional_caller(scope), ClientIdentity | None)
    caller(environ), caller(connection), caller(request), caller(socket), caller(of_flask), caller(flask.request)
    caller(of_quart), caller(of_litestar), caller(of_falcon), caller(of_falcon_asgi)


def application(environ: dict[str, object], start_response: object) -> Iterable[bytes]:
    return []


def judge(connection: Connection) -> ClientIdentity | Reason:
    decision = guard.decide(connection)
    assert_type(decision, Accepted | Rejected)
    if isinstance(decision, Accepted):
        assert_type(decision.identity.region, str | None)
        assert_type(decision.identity.dns_names, tuple[str, ...])
        assert_type(decision.identity.serial_number, int)
        assert_type(decision.identity.not_after, datetime)
        return decision.identity
    return decision.reason


try:
    MTLSWSGIMiddleware(application, settings=settings)
except TrustError as error:
    assert_type(error.problems, tuple[str, ...])
except ConfigurationError:
    pass
"""

BAD = """
from mtls_middleware import ClientIdentity, Guard, MTLSMiddleware, Settings, caller, optional_caller

Guard.from_settings("us-east-1")
MTLSMiddleware(lambda: None)
Settings.from_env(prefix=None)


def rename(identity: ClientIdentity) -> str:
    identity.source = "tls"
    return identity.region


Settings(regoins="us-east-1")
Settings(mode="reprot")
Settings(max_chain="five")
Settings(regions="us-east-1").replace(exmept=["/health"])
caller("us-east-1")
caller(None)
optional_caller({}).region
caller({}).regoin
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Return what mypy says of both programs, in one run: it reads all frameworks for each."""
    pytest.importorskip("mypy")
    folder = tmp_path_factory.mktemp("programs")
    for name, program in (("good", GOOD), ("bad", BAD)):
        (folder / f"{name}.py").write_text(program, encoding="utf-8")
    answer = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--strict", "--config-file=", f"--cache-dir={folder}"),
            *(str(folder / "good.py"), str(folder / "bad.py")),
        ],
        check=False,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        timeout=110,
    )
    assert answer.returncode == 1, answer.stdout + answer.stderr
    *lines, last = answer.stdout.splitlines()
    assert last.endswith("in 1 file (checked 2 source files)"), answer.stdout
    return tuple(lines)


def test_what_users_write_is_understood(said: tuple[str, ...]) -> None:
    assert [line for line in said if "good.py:" in line] == []


def test_their_mistakes_are_found(said: tuple[str, ...]) -> None:
    found = {int(line.split(":")[1]) for line in said if "bad.py:" in line and ": error: " in line}
    assert sorted(found) == [4, 5, 6, 10, 11, *range(14, 22)]
