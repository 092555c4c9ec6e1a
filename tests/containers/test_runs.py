"""The image, compose file and Deployment of example_app, run without an engine: as any user, on a read-only root."""

import http.client
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mtls_middleware.testing import ClientCertificate, RegionalCA, present
from tests.containers import rooms
from tests.containers.images import Image, build, context_of
from tests.containers.manifests import DOCKERFILE, IGNORED, PORT, pod, publish, service
from tests.containers.rooms import Mount, Running, run
from tests.e2e.processes import HOST, accepts, free_port, run_server
from tests.io.engines import SERVER, needs_engine

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.skipif(not rooms.CAN_BE_MADE, reason=rooms.REASON),
]

SOON = 30.0
LOOKUP = json.dumps({"phone": "+13175550100"})
SECRET = "a-secret-of-the-integration"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    folder = tmp_path_factory.mktemp("image")
    return build(DOCKERFILE, context_of(folder / "context", IGNORED), folder)


def test_the_image_runs_as_a_user_without_an_account_and_has_no_more_than_it_needs(image: Image) -> None:
    ended = subprocess.run(image.room().command("id", "-u"), capture_output=True, text=True, check=True)

    assert ended.stdout.strip() == "10001"
    assert {path.name for path in (image.root / "app").rglob("*") if path.is_file()} == {"__init__.py", "main.py"}
    assert not (image.root / "src").exists()


# --- compose ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def volumes(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the volumes after the service `prepare` ran."""
    volumes = tmp_path_factory.mktemp("volumes")
    prepare = service("prepare", image, volumes)
    subprocess.run(prepare.room.command(*prepare.argv), check=True, timeout=120, stdin=subprocess.DEVNULL)
    return volumes


@pytest.fixture(scope="module")
def composed(image: Image, volumes: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, int]]:
    """Run the application and nginx, and give the application and nginx's port."""
    nginx = shutil.which("nginx")
    if nginx is None:
        pytest.skip("nginx is not installed")
    folder = tmp_path_factory.mktemp("composed")
    application, port, front = service("application", image, volumes), free_port(), free_port()
    argv = [str(port) if one == PORT else one for one in application.argv]
    with ExitStack() as stack:
        running = stack.enter_context(
            run(application.room, argv, output=folder / "application.log", ready=accepts(port))
        )
        configuration = nginx_of(folder, volumes, port, front)
        command: list[str | Path] = [nginx, "-c", configuration, "-p", folder, "-e", "stderr"]
        stack.enter_context(run_server(command, output=folder / "nginx.log", port=front))
        yield running, front


def nginx_of(folder: Path, volumes: Path, behind: int, port: int) -> Path:
    """Return the file that `prepare` wrote, where nginx finds it without the network of compose."""
    printed = (volumes / "nginx" / "data-actions.conf").read_text(encoding="utf-8")
    for written, ours in {
        "0.0.0.0:443": f"{HOST}:{port}",
        "application:8000": f"{HOST}:{behind}",
        "/dev-ca/": f"{volumes}/dev-ca/",
        "/var/log/nginx/": f"{folder}/",
    }.items():
        assert written in printed
        printed = printed.replace(written, ours)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    (folder / "data-actions.conf").write_text(printed, encoding="utf-8")
    main = folder / "nginx.conf"
    main.write_text(
        f"user root;\ndaemon off;\npid {folder}/pid;\nevents {{ worker_connections 64; }}\n"
        f"http {{\naccess_log off;\n{temporary}include {folder}/data-actions.conf;\n}}\n",
        encoding="ascii",
    )
    return main


@pytest.mark.parametrize(
    ("more", "status", "told"),
    [
        pytest.param((), 0, "tier", id="good"),
        pytest.param(("--as=other-region",), 1, "region_mismatch", id="other-region"),
        pytest.param(("--as=revoked",), 1, "certificate_revoked", id="revoked"),
        pytest.param(("--as=none",), 1, "certificate_missing", id="none"),
        pytest.param(("--as=stranger",), 1, "400", id="nginx refuses by itself"),
    ],
)
def test_compose_each_caller_gets_what_it_must(
    composed: tuple[Running, int], image: Image, volumes: Path, more: tuple[str, ...], status: int, told: str
) -> None:
    call = service("call", image, volumes, *more)
    argv = [one.replace("nginx:443", f"{HOST}:{composed[1]}") for one in call.argv]

    ended = subprocess.run(
        call.room.command(*argv), capture_output=True, text=True, check=False, timeout=120, stdin=subprocess.DEVNULL
    )

    assert (ended.returncode, told in ended.stdout) == (status, True), ended.stdout + ended.stderr


def test_compose_the_health_check_says_that_it_is_ready(
    composed: tuple[Running, int], image: Image, volumes: Path
) -> None:
    ended = soon(
        lambda: composed[0].exec(*service("application", image, volumes).healthcheck), lambda one: not one.returncode
    )

    assert ended.stdout.startswith("ready"), ended.stderr


def test_compose_the_configuration_is_the_one_that_the_command_prints(image: Image, volumes: Path) -> None:
    secret = (volumes / "secret" / "proxy-secret").read_text(encoding="ascii").strip()
    options = {"certificate": "server.pem", "private-key": "server.key", "trust": "root.pem"}
    paths = [f"--{name}=/dev-ca/{file}" for name, file in options.items()]
    command = ["mtls-middleware", "proxy-config", "nginx", "--server-name=localhost", "--application=application:8000"]

    printed = subprocess.run(
        image.room().command(*command, f"--secret={secret}", *paths), capture_output=True, check=True
    ).stdout

    assert (volumes / "nginx" / "data-actions.conf").read_bytes() == printed


def test_compose_preparing_again_changes_nothing(image: Image, volumes: Path) -> None:
    def content() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in volumes.rglob("*") if path.is_file()}

    before = content()
    prepare = service("prepare", image, volumes)
    subprocess.run(prepare.room.command(*prepare.argv), check=True, timeout=120, stdin=subprocess.DEVNULL)

    assert content() == before
    assert {path.stat().st_mode & 0o077 for path in before if path.suffix == ".key"} == {0}


@needs_engine
def test_compose_containers_share_their_state(image: Image, volumes: Path, tmp_path: Path) -> None:
    prepare = service("prepare-state", image, volumes, fleet=True)
    subprocess.run(prepare.room.command(*prepare.argv), check=True, timeout=120, stdin=subprocess.DEVNULL)
    engine, port = service("valkey", image, volumes, fleet=True), free_port()
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "valkey-server").symlink_to(str(SERVER))
    room = replace(
        engine.room,
        mounts=(*engine.room.mounts, Mount(programs, "/programs")),
        environ={**engine.room.environ, "PATH": f"/programs:{engine.room.environ['PATH']}"},
    )
    *shell, script = engine.argv
    script = script.replace("exec valkey-server", f"exec valkey-server --bind {HOST} --port {port}")
    application = service("application", image, volumes, fleet=True)
    state = application.room.environ["MTLS_STATE"].replace("valkey:6379", f"{HOST}:{port}")
    named = replace(application.room, environ={**application.room.environ, "MTLS_STATE": state})
    with ExitStack() as stack:
        stack.enter_context(run(room, [*shell, script], output=tmp_path / "valkey.log", ready=accepts(port)))
        for number in range(2):
            own = free_port()
            argv = [str(own) if one == PORT else one for one in application.argv]
            running = stack.enter_context(run(named, argv, output=tmp_path / f"{number}.log", ready=accepts(own)))
        told = soon(lambda: running.exec("mtls-middleware", "status").stdout, lambda text: text.count("| alive |") == 2)

    assert told.count("| alive |") == 2, told
    assert "cannot be" not in told


# --- Kubernetes ------------------------------------------------------------------------------------------------------

ROOT_NAME = "us-east-1.pem"


@pytest.fixture
def ca() -> RegionalCA:
    return RegionalCA("us-east-1")


Deploy = Callable[..., tuple[Running, int]]


@pytest.fixture
def deploy(image: Image, ca: RegionalCA, tmp_path: Path) -> Iterator[Deploy]:
    """Return what starts a pod, and gives it with its port."""
    with ExitStack() as stack:

        def deployed(**environ: str) -> tuple[Running, int]:
            files = {"genesys-roots": {ROOT_NAME: ca.pem.encode()}, "data-actions": {"caller-secret": SECRET.encode()}}
            given = {"MTLS_TRUSTED_PROXIES": HOST, "MTLS_REVOCATION": "off", **environ}
            room, port = pod(image, tmp_path, files, given), free_port()
            argv = [str(port) if one == PORT else one for one in image.command]
            return stack.enter_context(run(room, argv, output=tmp_path / "pod.log", ready=accepts(port))), port

        yield deployed


def ask(port: int, path: str, client: ClientCertificate | None = None, body: str | None = None) -> tuple[int, Any]:
    """Return the status and the JSON of a call as the load balancer passes it on."""
    headers: Mapping[str, str] = {"content-type": "application/json"}
    if client is not None:
        headers = {**headers, **dict(present("aws-alb", client).headers), "x-caller-secret": SECRET}
    connection = http.client.HTTPConnection(HOST, port, timeout=SOON)
    try:
        connection.request("POST" if body else "GET", path, body, dict(headers))
        answer = connection.getresponse()
        content = answer.read()
        return answer.status, json.loads(content) if content else None
    finally:
        connection.close()


def soon(act: Callable[[], Any], holds: Callable[[Any], bool]) -> Any:
    """Return what an act gives once something holds of it, or what it gave last."""
    deadline = time.monotonic() + SOON
    while not holds(found := act()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def test_kubernetes_a_pod_judges_calls_keeps_state_and_is_ready(deploy: Deploy, ca: RegionalCA, tmp_path: Path) -> None:
    running, port = deploy()

    assert ask(port, "/actions/customer-lookup", ca.client(), LOOKUP)[1]["tier"] == "gold"
    assert (
        ask(port, "/actions/customer-lookup", RegionalCA("eu-west-1").client(), LOOKUP)[1]["reason"]
        == "issuer_untrusted"
    )
    assert [ask(port, path)[0] for path in ("/health", "/ready")] == [200, 200]
    assert (
        soon(lambda: running.exec("mtls-middleware", "status", "--ready").returncode, lambda status: status == 0) == 0
    )
    (own,) = (tmp_path / "state").iterdir()
    assert (own.name, own.stat().st_uid) == ("mtls-middleware-10001", 10001)
    assert [path for path in own.rglob("*") if path.is_file()]


def test_kubernetes_a_changed_config_map_is_in_force_without_a_restart(
    deploy: Deploy, ca: RegionalCA, tmp_path: Path
) -> None:
    running, port = deploy()
    renewed = RegionalCA("us-east-1")
    publish(tmp_path / "roots", {ROOT_NAME: (ca.pem + renewed.pem).encode()})

    accepted = soon(
        lambda: ask(port, "/actions/customer-lookup", renewed.client(), LOOKUP)[0], lambda status: status == 200
    )

    assert accepted == 200, running.server.log
    assert ask(port, "/actions/customer-lookup", ca.client(), LOOKUP)[0] == 200


@pytest.mark.parametrize(
    ("mode", "status"), [pytest.param("enforce", 503, id="enforce"), pytest.param("report", 200, id="report")]
)
def test_kubernetes_without_trust_a_pod_is_alive_and_not_ready(
    deploy: Deploy, ca: RegionalCA, mode: str, status: int
) -> None:
    running, port = deploy(MTLS_REVOCATION="require", MTLS_MODE=mode)  # and no CRL: nobody can be accepted

    assert [ask(port, path)[0] for path in ("/health", "/ready")] == [200, status]
    assert ask(port, "/actions/customer-lookup", ca.client(), LOOKUP)[0] == status
    ended = soon(lambda: running.exec("mtls-middleware", "status", "--ready"), lambda one: one.returncode != 2)
    assert ended.returncode == (status != 200), ended.stdout


def test_kubernetes_a_pod_that_is_told_to_end_finishes_the_call_in_progress(deploy: Deploy, ca: RegionalCA) -> None:
    running, port = deploy()
    headers = dict(present("aws-alb", ca.client()).headers)
    connection = http.client.HTTPConnection(HOST, port, timeout=SOON)
    connection.putrequest("POST", "/actions/customer-lookup")
    for name, value in {
        **headers,
        "X-Caller-Secret": SECRET,
        "Content-Type": "application/json",
        "Content-Length": str(len(LOOKUP)),
    }.items():
        connection.putheader(name, value)
    connection.endheaders(LOOKUP[:5].encode())

    ask(port, "/health")  # the call before has arrived by now
    running.stop()
    refuses = soon(lambda: not accepts(port)(), bool)
    connection.send(LOOKUP[5:].encode())

    assert refuses
    assert connection.getresponse().status == 200
    assert running.server.process.wait(timeout=SOON) is not None
