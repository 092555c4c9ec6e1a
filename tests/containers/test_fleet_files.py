"""The examples that share a state: their commands start a real engine, which the application's settings can use."""

import re
import shlex
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml
from redis.backoff import NoBackoff
from redis.retry import Retry

from mtls_middleware import Settings
from mtls_middleware.engine import Engine
from mtls_middleware.testing import RegionalCA
from tests.containers.manifests import COMPOSE_FLEET, KUBERNETES, compose, kind
from tests.e2e.processes import HOST, ROOT, free_port, run_server
from tests.io.engines import SERVER, needs_engine
from tests.io.test_engine_failures import RULES, shares

PASSWORD = "a-password-of-the-engine"
MANIFEST = (KUBERNETES / "fleet.yaml").read_text(encoding="utf-8")
KEPT_APART = {"password", "secret", "valkey.pem", "valkey.key"}

usable = pytest.mark.parametrize("example", ["compose", "kubernetes"])


def pod(name: str, workload: str) -> dict[str, Any]:
    found = kind(name, workload)["spec"]["template"]["spec"]
    assert isinstance(found, dict)
    return found


def script_of(example: str) -> str:
    """Return what starts Valkey, as its shell reads it."""
    if example == "compose":
        *shell, script = compose(fleet=True)["services"]["valkey"]["command"]
        script = script.replace("$$", "$")
    else:
        *shell, script = pod("fleet.yaml", "StatefulSet")["containers"][0]["command"]
    assert shell == ["sh", "-ec"]
    return str(script)


def settings_of(example: str) -> dict[str, str]:
    """Return the settings of the application."""
    if example == "compose":
        return dict(compose(fleet=True)["services"]["application"]["environment"])
    return {**kind("application.yaml", "ConfigMap")["data"], **kind("fleet.yaml", "ConfigMap")["data"]}


def commands(program: str) -> list[list[str]]:
    """Return the commands of the manifest's comment."""
    return [shlex.split(line) for line in re.findall(rf"^#   ({program} .*)$", MANIFEST, re.MULTILINE)]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Return the folder of what the commands make, once."""
    folder = tmp_path / "made"
    folder.mkdir()
    for name in ("password", "secret"):
        (folder / name).write_text(f"{PASSWORD}\n", encoding="ascii")
    return folder


def make_certificate(files: Path) -> None:
    (command,) = commands("openssl")
    subprocess.run(command, cwd=files, check=True, capture_output=True, timeout=60)


@contextmanager
def started(script: str, files: Path) -> Iterator[int]:
    """Run the engine of an example by its own command, and give its port."""
    assert SERVER is not None
    port, data = free_port(), files.parent / "data"
    data.mkdir()
    ours = script.replace("/fleet/", f"{files}/").replace("/data/", f"{data}/")
    ours = ours.replace("--tls-port 6379", f"--tls-port {port}") if "6379" in ours else f"{ours.rstrip()} --port {port}"
    script = ours.replace("exec valkey-server", f"exec {SERVER} --bind {HOST} --dir {data}")
    with run_server(["sh", "-ec", script], output=files.parent / "log", port=port):
        yield port


@needs_engine
@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
@usable
def test_the_application_shares_its_state_through_the_engine_that_the_example_starts(
    example: str, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_certificate(files)
    resolve = socket.getaddrinfo
    monkeypatch.setattr(
        "redis.connection.socket.getaddrinfo",
        lambda host, *rest, **more: resolve(HOST if host == "valkey" else host, *rest, **more),
    )
    environ = settings_of(example)
    root = RegionalCA("us-east-1").write(files.parent)
    mounted = {
        name: value.replace("/etc/genesys/fleet/", f"{files}/").replace("/fleet/", f"{files}/")
        for name, value in environ.items()
        if name.startswith("MTLS_STATE")
    }
    settings = Settings.from_env({"MTLS_REGIONS": "us-east-1", "MTLS_TRUST": str(root), **mounted})
    assert isinstance(settings.state, Engine)
    assert settings.state_password is not None
    assert settings.state.hosts == (("valkey", 6379),)
    with started(script_of(example), files) as port:
        shares(replace(settings.state, hosts=(("valkey", port),)), settings.state_password.read_password())


@needs_engine
@usable
def test_its_user_has_the_least_rights_and_nobody_else_has_any(example: str, files: Path) -> None:
    (rules,) = re.findall(r'"user mtls on >\$\(cat /fleet/password\) (.*)"', script_of(example))
    assert rules == RULES
    plain = re.sub(r" --port 0 .*", "", script_of(example))  # without TLS
    with started(plain, files) as port:
        address: dict[str, Any] = {"host": HOST, "port": port, "protocol": 2, "retry": Retry(NoBackoff(), 0)}
        with pytest.raises(redis.AuthenticationError), redis.Redis(**address) as nobody:
            nobody.ping()
        with redis.Redis(**address, username="mtls", password=PASSWORD) as ours:
            ours.hset("mtls-middleware:a", "b", "c")
            refused: list[Callable[[], object]] = [
                lambda: ours.get("another:key"),
                lambda: ours.config_get("*"),
                ours.flushall,
                lambda: ours.keys("*"),
            ]
            for act in refused:
                with pytest.raises(redis.exceptions.NoPermissionError):
                    act()


def test_compose_publishes_no_port_and_lets_only_the_application_in() -> None:
    (more,) = yaml.safe_load_all(COMPOSE_FLEET.read_text(encoding="utf-8"))
    merged = compose(fleet=True)
    networks = {name: set(one.get("networks", ["default"])) for name, one in merged["services"].items()}

    assert [name for name, one in more["services"].items() if "ports" in one] == []
    assert {name for name, found in networks.items() if "state" in found} == {"valkey", "application"}
    assert networks["valkey"] == {"state"}
    assert networks["application"] >= networks["nginx"]
    assert merged["networks"]["state"] == {"internal": True}
    assert merged["services"]["application"]["scale"] > 1


@needs_engine
@pytest.mark.skipif(shutil.which("redis-cli") is None or shutil.which("openssl") is None, reason="needs both")
def test_kubernetes_the_probes_succeed_while_it_answers(files: Path) -> None:
    make_certificate(files)
    (container,) = pod("fleet.yaml", "StatefulSet")["containers"]
    readiness, liveness = (container[name]["exec"]["command"] for name in ("readinessProbe", "livenessProbe"))
    assert readiness == liveness
    program, *options = (part.replace("/fleet/", f"{files}/") for part in readiness)
    assert program == "valkey-cli"

    def succeeds(port: int) -> bool:
        command = ["redis-cli", "-h", HOST, "-p", str(port), *options]
        return subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 0

    with started(script_of("kubernetes"), files) as port:
        assert succeeds(port)
    assert not succeeds(port)


def test_kubernetes_lets_only_the_application_in() -> None:
    policy = kind("fleet.yaml", "NetworkPolicy")["spec"]
    application = kind("application.yaml", "Deployment")["spec"]["template"]["metadata"]["labels"]
    labels = kind("fleet.yaml", "StatefulSet")["spec"]["template"]["metadata"]["labels"]
    (rule,) = policy["ingress"]

    assert rule["from"] == [{"podSelector": {"matchLabels": application}}]
    assert policy["podSelector"] == {"matchLabels": labels}
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert "egress" not in policy
    assert kind("fleet.yaml", "Service")["spec"]["selector"] == labels


def test_kubernetes_what_the_command_makes_is_what_is_mounted() -> None:
    (command,) = commands("kubectl")
    made = {one.partition("=")[2].partition("=")[0] for one in command if one.startswith("--from-")}
    mounted = {
        workload: {
            item["path"]
            for volume in pod(name, workload)["volumes"]
            if volume.get("secret", {}).get("secretName") == command[4]
            for item in volume["secret"]["items"]
            if item["key"] == item["path"]
        }
        for name, workload in (("application.yaml", "Deployment"), ("fleet.yaml", "StatefulSet"))
    }

    assert made == KEPT_APART
    assert mounted == {"Deployment": KEPT_APART - {"valkey.key"}, "StatefulSet": KEPT_APART - {"secret"}}


def test_kubernetes_the_application_takes_the_settings_if_they_are_there() -> None:
    (container,) = pod("application.yaml", "Deployment")["containers"]
    *_, last = (one["configMapRef"] for one in container["envFrom"])

    assert last == {"name": kind("fleet.yaml", "ConfigMap")["metadata"]["name"], "optional": True}


def test_kubernetes_the_engine_runs_with_no_rights_on_a_read_only_root() -> None:
    own, shared = pod("fleet.yaml", "StatefulSet"), pod("application.yaml", "Deployment")
    (container,), (application,) = own["containers"], shared["containers"]

    assert container["securityContext"] == application["securityContext"]
    assert own["securityContext"] == shared["securityContext"]


def test_both_examples_run_the_same_engine() -> None:
    (container,) = pod("fleet.yaml", "StatefulSet")["containers"]

    assert compose(fleet=True)["services"]["valkey"]["image"] == container["image"]


def test_the_page_starts_them_as_their_comments_do() -> None:
    text = (ROOT / "docs" / "containers.md").read_text(encoding="utf-8")
    (compose_file,) = re.findall(r"^#   export (COMPOSE_FILE=.*)$", COMPOSE_FLEET.read_text("utf-8"), re.MULTILINE)

    assert compose_file in text
    assert "kubectl apply -f application.yaml -f fleet.yaml" in text
