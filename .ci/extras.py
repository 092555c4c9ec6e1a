"""Install the wheel alone, and with each extra alone, each into an empty environment, and run what it is for."""

import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from venvs import DISTRIBUTION, Environment

HERE = Path(__file__).parent
PROBES = HERE.parent / "tests" / "packaging" / "probes"
PROGRAM = "mtls-middleware"
JOBS = 2
START_SECONDS = 20.0
OLD_PYTEST = "pytest==8.0.*"
"""The floor of the extra; this project's own tests need a newer one."""
OLD_FASTAPI = ("fastapi==0.133.0", "starlette==1.0.0")
VERBS: dict[str, tuple[str, tuple[str, ...]]] = {
    "call": ("cli", ("http://127.0.0.1:9/",)),
    "demo": ("demo", ()),
    "dev-ca": ("cli", ("somewhere",)),
    "doctor": ("cli", ("--offline",)),
    "explain": ("cli", ("some.pem",)),
    "proxy-config": ("cli", ("nginx",)),
    "regions": ("cli", ()),
    "serve": ("serve", ("service:app",)),
    "status": ("cli", ()),
    "trust": ("cli", ("show",)),
}
"""The extra that brings each verb, and arguments with which it would do something."""
SERVICE = """
from mtls_middleware import MTLSMiddleware, caller
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route


def look_up(request):
    return JSONResponse({"caller": caller(request).region})


app = Starlette(routes=[Route("/", look_up, methods=["POST"])])
app.add_middleware(MTLSMiddleware)
"""


class ProbeError(Exception):
    """Say what did not do what it is for."""


def main(wheel: Path, work: Path) -> int:
    """Return the exit status. The environment of the wheel alone stays in `work`/core."""
    probes: dict[str, Callable[[Environment], None]] = {
        "core": core,
        "cli": cli,
        "serve": serve,
        "demo": demo,
        "fastapi": fastapi,
        "testing": testing,
        "status": lambda environment: python(environment, "status.py"),
        "otel": lambda environment: python(environment, "otel.py"),
        "redis": lambda environment: python(environment, "redis.py"),
        "all": everything,
    }
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    if {"core", *project["optional-dependencies"]} != set(probes):
        print("FAILED: an extra that is not tried, or one that does not exist")
        return 1
    with ThreadPoolExecutor(JOBS) as pool:
        done = list(pool.map(lambda name: tried(name, probes[name], wheel, work / name), probes))
    return 0 if all(done) else 1


def tried(name: str, probe: Callable[[Environment], None], wheel: Path, folder: Path) -> bool:
    """Install one, try it, and tell how it ended."""
    begin = time.monotonic()
    environment = Environment.create(folder)
    try:
        environment.install(f"{DISTRIBUTION}{'' if name == 'core' else f'[{name}]'} @ {wheel.resolve().as_uri()}")
        probe(environment)
    except (ProbeError, RuntimeError, subprocess.TimeoutExpired) as error:
        print(f"FAILED: {name}: {error}", flush=True)
        return False
    print(f"{name}: {time.monotonic() - begin:.0f} s", flush=True)
    return True


def core(environment: Environment) -> None:
    """Both adapters, and each verb says how to install the command line."""
    python(environment, "core.py")
    for verb, (_, arguments) in VERBS.items():
        missing(environment, "cli", verb, *arguments)
    missing(environment, "cli")


def cli(environment: Environment) -> None:
    """Each verb is there and does something, or says which extra it needs."""
    listed = ours(environment, "--help").partition("Commands")[2]
    verbs = set(re.findall(r"^\W*([a-z][a-z-]+) {2,}", listed, re.MULTILINE))
    if verbs != set(VERBS):
        raise ProbeError(f"these verbs are there, and not all of them are tried: {', '.join(sorted(verbs))}")
    for verb, (extra, arguments) in VERBS.items():
        ours(environment, verb, "--help")
        if extra != "cli":
            missing(environment, extra, verb, *arguments)
    hint = missing(environment, "serve", "status", "--listen", "127.0.0.1:9443")
    ours(environment, "dev-ca", "dev")
    for command, status in (
        ("regions", 0),
        ("proxy-config nginx", 0),
        ("explain dev/good.pem", 0),
        ("trust show", 2),  # nothing runs here, so they cannot tell
        ("status", 2),
    ):
        ours(environment, *command.split(), settings=True, status=status)
    ours(environment, "call", "http://127.0.0.1:9/", status=1)
    environment.install(hint)
    succeed(environment, "python", "-c", "import uvicorn")


def serve(environment: Environment) -> None:
    """A service on a real TLS port lets in the caller of the region, and nobody else; the status page answers."""
    (environment.home / "service.py").write_text(SERVICE, encoding="utf-8")
    ours(environment, "dev-ca", "dev")
    tls = ("--ssl-certfile", "dev/server.pem", "--ssl-keyfile", "dev/server.key")
    with running(environment, lambda port: ("serve", "service:app", "--port", str(port), *tls)) as port:
        address = f"https://localhost:{port}/"
        ours(environment, "call", address, "--dev-ca", "dev")
        ours(environment, "call", address, "--dev-ca", "dev", "--as", "other-region", status=1)
    with running(environment, lambda port: ("status", "--listen", f"127.0.0.1:{port}")) as port:
        ours(environment, "call", f"http://127.0.0.1:{port}/", "--method", "GET", "--data", "")
    missing(environment, "demo", "demo")


def demo(environment: Environment) -> None:
    """The demo ends well."""
    ours(environment, "demo")


def fastapi(environment: Environment) -> None:
    """A route takes its caller, also with the lowest FastAPI and Starlette; other extras ask for newer ones."""
    python(environment, "fastapi.py")
    environment.install(*OLD_FASTAPI)
    python(environment, "fastapi.py")


def testing(environment: Environment) -> None:
    """A user's test passes, also with the oldest pytest that the extra admits."""
    shutil.copy(PROBES / "testing_kit.py", environment.home)  # away from the configuration of this project
    pytest = ("pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "testing_kit.py")
    succeed(environment, *pytest)
    environment.install(OLD_PYTEST)
    succeed(environment, *pytest)


def everything(environment: Environment) -> None:
    """All extras together get along."""
    environment.uv("pip", "check")
    python(environment, "fastapi.py")
    python(environment, "status.py")
    testing(environment)
    demo(environment)


def python(environment: Environment, probe: str) -> None:
    """Run a probe; what it warns of fails it."""
    succeed(environment, "python", "-W", "error", "-I", str(PROBES / probe))


def ours(environment: Environment, *arguments: str, status: int = 0, settings: bool = False) -> str:
    """Run our program, with the settings that `dev-ca dev` wrote or without, and return what it printed."""
    command: Sequence[str] = (PROGRAM, *arguments)
    if settings:
        command = ("sh", "-c", '. dev/dev.sh && exec "$@"', "sh", *command)
    return succeed(environment, *command, status=status)


def missing(environment: Environment, extra: str, *arguments: str) -> str:
    """Expect that our program names the one command that installs the extra; return what that tells pip."""
    output = ours(environment, *arguments, status=2)
    found = re.fullmatch(rf"[^\n]* pip install '({DISTRIBUTION}\[{extra}\] @ file:[^\n]*\.whl)'\n", output)
    if found is None:
        raise ProbeError(f"{' '.join(arguments)}: does not say how to install the extra {extra}: {output}")
    return found[1]


def succeed(environment: Environment, *command: str, status: int = 0) -> str:
    """Run a command, and return what it printed."""
    done = environment.run(*command)
    if done.status != status:
        raise ProbeError(f"{' '.join(command)}: ended with {done.status} instead of {status}:\n{done.output}")
    return done.output


@contextmanager
def running(environment: Environment, arguments: Callable[[int], Sequence[str]]) -> Iterator[int]:
    """Run our program on a free port until the block ends, and yield the port when somebody listens there."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    log = environment.folder / "server.log"
    command = ["sh", "-c", '. dev/dev.sh && exec "$@"', "sh", str(environment.bin / PROGRAM), *arguments(port)]
    with log.open("wb") as output:
        server = subprocess.Popen(command, cwd=environment.home, env=environment.environ, stdout=output, stderr=output)  # noqa: S603 - our own command
    try:
        wait_for(port, server, log)
        yield port
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(START_SECONDS)


def wait_for(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    """Return when the port answers."""
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError as error:
            if server.poll() is not None or time.monotonic() > end:
                raise ProbeError(f"nobody listens: {log.read_text(encoding='utf-8')}") from error
            time.sleep(0.05)
        else:
            return


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
