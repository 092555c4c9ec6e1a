"""What ``serve`` hands to uvicorn; real servers are in tests/e2e."""

import asyncio
import builtins
import os
import pickle
import ssl
import sys
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from mtls_middleware import ConfigurationError
from mtls_middleware.__main__ import main
from mtls_middleware._trust.refresher import Refresher
from mtls_middleware.cli.app import app, run
from mtls_middleware.cli.application import STARTUP_FAILURE, Application, starting
from mtls_middleware.cli.options import ServeOptions
from mtls_middleware.cli.serve import CALLER_KEEP_ALIVE, PROXY_KEEP_ALIVE, BoundedProtocol, ServerTLS, run_server
from mtls_middleware.guard import Guard
from mtls_middleware.servers.context import trust_of
from mtls_middleware.servers.head_deadline import HEAD_TIMEOUT
from mtls_middleware.servers.uvicorn import HttpToolsProtocol
from mtls_middleware.settings import Settings
from mtls_middleware.testing import RegionalCA


@pytest.fixture
def regional_ca() -> RegionalCA:
    return RegionalCA("us-east-1")


@pytest.fixture
def trust(regional_ca: RegionalCA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = regional_ca.write(tmp_path)
    monkeypatch.setenv("MTLS_REGIONS", "us-east-1")
    monkeypatch.setenv("MTLS_TRUST", str(path))
    return path


@pytest.fixture
def server_tls(tmp_path: Path) -> ServerTLS:
    certificate, key = RegionalCA("servers").server().write(tmp_path, "server")
    return ServerTLS(certificate=certificate, private_key=key)


def options(tls: ServerTLS | None = None) -> ServeOptions:
    files: dict[str, Any] = {"ssl_certfile": tls.certificate, "ssl_keyfile": tls.private_key} if tls else {}
    return ServeOptions(application="json:dumps", port=0, **files)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[uvicorn.Config]:
    """Return what uvicorn would have been started with."""
    calls: list[uvicorn.Config] = []

    def run(server: uvicorn.Server) -> None:
        calls.append(server.config)
        server.started = True

    monkeypatch.setattr(uvicorn.Server, "run", run)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return calls


@pytest.mark.usefixtures("trust")
def test_the_command_line_starts_uvicorn_with_our_protocol_and_context(
    started: list[uvicorn.Config], server_tls: ServerTLS, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = ["--ssl-certfile", str(server_tls.certificate), "--ssl-keyfile", str(server_tls.private_key)]
    monkeypatch.setattr(sys, "argv", ["mtls-middleware", "serve", "json:dumps", "--http", "h11", *files])

    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == 0
    (how,) = started
    protocol: object = how.http  # uvicorn's type knows classes only
    assert how.app == Application(name="json:dumps", is_factory=False)
    assert protocol == BoundedProtocol(name="H11Protocol", head_timeout=HEAD_TIMEOUT)
    assert how.ssl_context_factory == server_tls
    assert how.proxy_headers is False
    assert how.timeout_keep_alive == CALLER_KEEP_ALIVE


@pytest.mark.parametrize("mode", ["enforce", "report"])
def test_before_it_listens_it_asks_nobody_over_the_network(
    started: list[uvicorn.Config], trust: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """A host that does not answer would delay the start, and the first line about it."""
    asked: list[object] = []
    monkeypatch.setattr(Refresher, "start", asked.append)
    for name, value in {"SOURCE": "nginx", "PROXY_SECRET": "a-secret-of-the-proxy", "MODE": mode}.items():
        monkeypatch.setenv(f"MTLS_{name}", value)
    if mode == "report":
        trust.unlink()  # it serves all the same

    run_server(options())

    assert (len(started), asked) == (1, [])


@pytest.mark.usefixtures("trust")
def test_refusals_are_logged_as_uvicorn_logs(started: list[uvicorn.Config], server_tls: ServerTLS) -> None:
    run_server(options(server_tls))

    (config,) = started
    assert isinstance(config.log_config, dict)
    assert config.log_config["loggers"]["mtls_middleware"]["handlers"] == ["mtls_middleware"]


@pytest.mark.usefixtures("trust")
def test_behind_a_proxy_that_ends_tls_no_certificate_is_needed(
    started: list[uvicorn.Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MTLS_SOURCE", "nginx")
    monkeypatch.setenv("MTLS_PROXY_SECRET", "a-secret-of-the-proxy")

    run_server(options())

    assert started[0].ssl_context_factory is None
    assert started[0].timeout_keep_alive == PROXY_KEEP_ALIVE


@pytest.mark.usefixtures("trust")
def test_where_it_ends_tls_itself_a_certificate_is_needed(started: list[uvicorn.Config]) -> None:
    with pytest.raises(ConfigurationError, match="--ssl-certfile"):
        run_server(options())

    assert not started


def test_nothing_listens_where_trust_cannot_be_loaded(
    started: list[uvicorn.Config], server_tls: ServerTLS, trust: Path
) -> None:
    trust.write_text("garbage", encoding="ascii")

    with pytest.raises(ConfigurationError, match=r"US-East-1\.pem"):
        run_server(options(server_tls))

    assert not started


@pytest.mark.usefixtures("trust")
def test_each_worker_makes_its_own_context(server_tls: ServerTLS) -> None:
    travelled = pickle.loads(pickle.dumps(server_tls))

    context = travelled(uvicorn.Config("a:b"), ssl.create_default_context)

    assert context.verify_mode is ssl.CERT_OPTIONAL


@pytest.mark.usefixtures("trust")
def test_each_worker_makes_protocols_with_the_deadline_of_the_option(
    started: list[uvicorn.Config], server_tls: ServerTLS, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = ["--ssl-certfile", str(server_tls.certificate), "--ssl-keyfile", str(server_tls.private_key)]
    options = ["--http", "httptools", "--head-timeout", "7.5", *files]
    monkeypatch.setattr(sys, "argv", ["mtls-middleware", "serve", "json:dumps", *options])
    with pytest.raises(SystemExit):
        main()

    make: Any = pickle.loads(pickle.dumps(started[0].http))
    with asyncio.Runner() as runner:
        made = make(uvicorn.Config(str, log_config=None), ServerState(), {}, runner.get_loop())

    assert isinstance(made, HttpToolsProtocol)
    assert made.head_timeout == 7.5


def test_the_password_of_a_key_is_not_shown(server_tls: ServerTLS) -> None:
    secret = ServerTLS(certificate=server_tls.certificate, private_key=server_tls.private_key, password="hush-hush")

    assert "hush" not in repr(secret)


def test_a_guard_that_has_not_started_vouches_for_no_ca(trust: Path) -> None:
    view = trust_of(Guard.silent(Settings(regions="us-east-1", trust=trust)))

    assert view() == (0, ())


def test_a_wrong_configuration_ends_with_its_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["mtls-middleware", "serve", "a:b"])
    monkeypatch.setenv("MTLS_REGIONS", "us-east-11")

    with pytest.raises(SystemExit) as ended:
        run()

    assert ended.value.code == 2
    assert "did you mean 'us-east-1'?" in capsys.readouterr().err


MISTYPED = {
    "a module": (["nosuch_module:app"], "APP 'nosuch_module:app': there is no module 'nosuch_module'"),
    "a module, for workers": (["nosuch_module:app", "--workers", "2"], "there is no module 'nosuch_module'"),
    "a module, reloaded": (["nosuch_module:app", "--reload"], "there is no module 'nosuch_module'"),
    "an attribute": (["json:JSONDecoderr"], "the module 'json' has no 'JSONDecoderr': did you mean 'JSONDecoder'?"),
    "a path": (["json.py:dumps"], "write module:attribute"),
    "settings": (["json:dumps", "--settings", "json:dumps"], "no Settings(…)"),
    "a file": (["json:dumps", "--log-config", "nosuch.json"], "--log-config nosuch.json: [Errno 2]"),
    "JSON": (["json:dumps", "--log-config", "{folder}/text.json"], "text.json: Expecting value"),
    "YAML": (["json:dumps", "--log-config", "{folder}/text.yaml"], "text.yaml: while parsing a flow node"),
    "an ini file": (["json:dumps", "--log-config", "{folder}/text.ini"], "text.ini"),
    "a folder for the socket": (["json:dumps", "--uds", "{folder}/nosuch/socket"], "nothing can listen on"),
    "a level": (["json:dumps", "--log-level", "loud"], "--log-level"),
    "a loop": (["json:dumps", "--loop", "round"], "--loop"),
    "a port": (["json:dumps", "--port", "65536"], "--port"),
}


@pytest.mark.usefixtures("trust")
@pytest.mark.parametrize(("arguments", "problem"), MISTYPED.values(), ids=MISTYPED)
def test_what_is_mistyped_is_a_sentence(
    arguments: list[str],
    problem: str,
    server_tls: ServerTLS,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for ending in ("json", "yaml", "ini"):
        (tmp_path / f"text.{ending}").write_text("[")
    files = ["--ssl-certfile", str(server_tls.certificate), "--ssl-keyfile", str(server_tls.private_key)]
    arguments = [argument.format(folder=tmp_path) for argument in arguments]
    monkeypatch.setattr(sys, "argv", ["mtls-middleware", "serve", *arguments, *files])
    monkeypatch.setattr(sys, "path", [*sys.path])

    with pytest.raises(SystemExit) as ended:
        run()

    assert ended.value.code == 2
    assert problem in capsys.readouterr().err


def test_settings_in_code_are_suggested_where_no_variable_is_set(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in os.environ if name.startswith("MTLS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(sys, "argv", ["mtls-middleware", "serve", "json:dumps"])
    monkeypatch.setattr(sys, "path", [*sys.path])

    with pytest.raises(SystemExit):
        run()

    assert "--settings" in capsys.readouterr().err


@pytest.mark.parametrize(("error", "is_told_in_full"), [(ConfigurationError(["wrong"]), False), (ValueError(), True)])
def test_a_worker_that_cannot_start_ends_the_server(
    error: Exception, is_told_in_full: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("mtls_middleware.cli.application.parent_process", lambda: "another")

    with pytest.raises(SystemExit) as ended, starting():
        raise error

    assert ended.value.code == STARTUP_FAILURE
    assert bool(caplog.records[0].exc_info) == is_told_in_full


def test_what_is_broken_in_ourselves_is_no_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mtls_middleware.cli.demo.demo", None)
    monkeypatch.setattr(sys, "argv", ["mtls-middleware", "demo"])

    with pytest.raises(ModuleNotFoundError):
        run()


def test_the_demo_is_a_verb(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["mtls-middleware", "demo", "--json"])

    with pytest.raises(SystemExit) as ended:
        app()

    assert ended.value.code == 0
    assert "certificate_missing" in capsys.readouterr().out


@pytest.mark.parametrize("missing", ["typer", "somewhere_else"])
def test_only_a_missing_command_line_is_told_as_such(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = builtins.__import__

    def import_fails(name: str, *arguments: Any, **keywords: Any) -> Any:
        if name == "mtls_middleware.cli.app":
            raise ModuleNotFoundError(name=missing)
        return real(name, *arguments, **keywords)

    monkeypatch.delitem(sys.modules, "mtls_middleware.cli.app")
    monkeypatch.setattr(builtins, "__import__", import_fails)

    with pytest.raises((SystemExit, ModuleNotFoundError)) as ended:
        main()

    monkeypatch.undo()
    assert (ended.type is SystemExit) == (missing == "typer")
    assert ("[cli]" in capsys.readouterr().err) == (missing == "typer")
