"""What doctor says of Valkey or Redis, each step of which can fail."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from mtls_middleware import Settings
from mtls_middleware._io.store import Kind
from mtls_middleware.cli.doctor.engine import check_engine
from mtls_middleware.cli.doctor.finding import Check, Finding, Grade, conclusion
from mtls_middleware.cli.doctor.network import ReadOnlyStore
from mtls_middleware.engine import Engine
from mtls_middleware.guard import utc_now
from mtls_middleware.testing import RegionalCA
from tests.cli.doctor.deployment import Deployment, those
from tests.io.engines import Running, free_port, needs_engine, running
from tests.io.fake_engines import REFUSALS, serving
from tests.io.test_engine_failures import RULES
from tests.trust.crl.doubles import Memory

pytestmark = needs_engine

PASSWORD = "a-password-of-the-engine"
SECRET = "a-secret-of-the-state"


@pytest.fixture(scope="module")
def engine() -> Iterator[Running]:
    with running() as one:
        with one.admin() as admin:
            admin.execute_command("ACL", "SETUSER", "mtls", "on", f">{PASSWORD}", *RULES.split())
            admin.execute_command("ACL", "SETUSER", "few", "on", f">{PASSWORD}", "~*", "-@all", "+ping", "+client")
        yield one


def environ(folder: Path, address: str) -> dict[str, str]:
    return {
        "MTLS_REGIONS": "us-east-1",
        "MTLS_TRUST": str(RegionalCA("us-east-1").write(folder)),
        "MTLS_STATE": f"{address},off",
        "MTLS_STATE_SECRET": SECRET,
    }


def findings(
    folder: Path, address: str, *, clock: Callable[[], datetime] = utc_now, kept: int = 0, **more: str
) -> dict[Check, Finding]:
    named = {f"MTLS_{name.upper()}": value for name, value in more.items()}
    settings = Settings.from_env({**environ(folder, address), **named})
    assert isinstance(settings.state, Engine)
    store = Memory()
    store.put(Kind.CRL, "a", bytes(kept), utc_now())
    return {one.check: one for one in check_engine(settings, settings.state, ReadOnlyStore(store), clock)}


def grades(found: dict[Check, Finding]) -> dict[Check, Grade]:
    return {check: one.severity for check, one in found.items()}


@pytest.mark.usefixtures("patient")
def test_a_sound_one_is_good(tmp_path: Path, engine: Running) -> None:
    found = findings(tmp_path, engine.url)

    assert grades(found) == dict.fromkeys(
        (Check.ENGINE_ANSWERS, Check.ENGINE_CLOCK, Check.ENGINE_WRITES, Check.ENGINE_MEMORY), Grade.OK
    )


@pytest.mark.usefixtures("patient")
def test_with_the_least_rights_only_its_memory_is_not_known(tmp_path: Path, engine: Running) -> None:
    address = f"redis://mtls@127.0.0.1:{engine.port}"
    found = findings(tmp_path, address, state_password=PASSWORD)

    assert {check for check, grade in grades(found).items() if grade is not Grade.OK} == {Check.ENGINE_MEMORY}
    assert found[Check.ENGINE_MEMORY].severity is Grade.NOT_CHECKED


@pytest.mark.parametrize(
    ("user", "password", "what"),
    [("mtls", "a-wrong-password", "the login is refused"), ("few", PASSWORD, "its rights are too few")],
    ids=["password", "rights"],
)
def test_the_step_that_fails_is_named(tmp_path: Path, engine: Running, user: str, password: str, what: str) -> None:
    found = findings(tmp_path, f"redis://{user}@127.0.0.1:{engine.port}", state_password=password)
    (finding,) = found.values()

    assert (finding.check, finding.severity) == (Check.ENGINE_ANSWERS, Grade.ERROR)
    assert finding.seen.startswith(what)
    assert password not in finding.seen


def test_where_nothing_listens_it_cannot_be_reached(tmp_path: Path) -> None:
    found = findings(tmp_path, f"redis://127.0.0.1:{free_port()}")

    assert found[Check.ENGINE_ANSWERS].seen.startswith("it cannot be reached")


def test_tls_to_a_plain_port_is_named(tmp_path: Path, engine: Running) -> None:
    (finding,) = findings(tmp_path, f"rediss://127.0.0.1:{engine.port}").values()

    assert (finding.check, finding.severity) == (Check.ENGINE_ANSWERS, Grade.ERROR)
    assert finding.seen.startswith("that port speaks no TLS")
    assert finding.cure == "name its TLS port in MTLS_STATE, or write redis:// in place of rediss://"


def test_plain_text_to_a_tls_port_is_named(tmp_path: Path) -> None:
    with running(tls=RegionalCA("us-east-1").server("localhost").write(tmp_path, "server")) as one:
        (finding,) = findings(tmp_path, one.url).values()

    assert (finding.check, finding.severity) == (Check.ENGINE_ANSWERS, Grade.ERROR)
    assert finding.seen.startswith("that port speaks TLS")
    assert finding.cure == "write rediss:// in place of redis:// in MTLS_STATE"


@pytest.mark.parametrize("code", [code for code in REFUSALS if "script" not in code])
def test_each_refusal_is_named(tmp_path: Path, code: str) -> None:
    serve, what = REFUSALS[code]
    with serving(serve) as port:
        found = findings(tmp_path, f"redis://127.0.0.1:{port}")
    failed = [finding for finding in found.values() if finding.severity is Grade.ERROR]

    assert [finding.seen.partition(":")[0] for finding in failed] == [what]
    assert [finding for finding in failed if not finding.cure] == []


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("--replicaof", "127.0.0.1", "1"), "it is a replica, which cannot be written"),
        (("--maxmemory", "1000", "--maxmemory-policy", "noeviction"), "its memory is full"),
    ],
    ids=["replica", "full"],
)
def test_one_that_cannot_be_written_says_why(tmp_path: Path, arguments: tuple[str, ...], what: str) -> None:
    with running(*arguments) as one:
        found = findings(tmp_path, one.url)

    assert found[Check.ENGINE_ANSWERS].severity is Grade.OK
    assert found[Check.ENGINE_WRITES].severity is Grade.ERROR
    assert found[Check.ENGINE_WRITES].seen.startswith(what)


def test_too_little_memory_is_a_warning(tmp_path: Path) -> None:
    with running("--maxmemory", "20mb") as one:
        found = [findings(tmp_path, one.url, kept=kept)[Check.ENGINE_MEMORY] for kept in (1_000, 15_000_000)]

    assert [finding.severity for finding in found] == [Grade.OK, Grade.WARNING]


@pytest.mark.parametrize(("off", "grade"), [(-59, Grade.OK), (90, Grade.WARNING), (-90, Grade.WARNING)])
def test_a_clock_that_is_more_than_a_minute_off_is_a_warning(
    tmp_path: Path, engine: Running, off: int, grade: Grade
) -> None:
    found = findings(tmp_path, engine.url, clock=lambda: utc_now() + timedelta(seconds=off))

    assert found[Check.ENGINE_CLOCK].severity is grade


@pytest.mark.parametrize(
    ("address", "warns"),
    [("redis://mtls@192.0.2.1:6379", True), ("rediss://mtls@192.0.2.1:6379", False)],
    ids=["plain", "TLS"],
)
def test_a_password_in_clear_text_is_a_warning(tmp_path: Path, address: str, warns: bool) -> None:
    assert (Check.ENGINE_TLS in findings(tmp_path, address, state_password=PASSWORD)) is warns


def connections(engine: Running) -> int:
    with engine.admin() as admin:
        return int(admin.info("stats")["total_connections_received"])


@pytest.mark.parametrize("folder", ["off", "folder"])
def test_doctor_examines_it_unless_it_may_ask_nobody(tmp_path: Path, engine: Running, folder: str) -> None:
    beside = tmp_path / "beside" if folder == "folder" else "off"
    deployment = Deployment(tmp_path)
    deployment.environ |= {"MTLS_STATE": f"{engine.url},{beside}", "MTLS_STATE_SECRET": SECRET}
    online = deployment.examine()
    before = connections(engine)
    deployment.offline = True
    offline = deployment.examine()

    assert those(online, Check.ENGINE_WRITES, Grade.OK)
    assert bool(those(online, Check.STATE_FOLDER, Grade.WARNING)) is (folder == "off")
    assert connections(engine) == before + 1  # the one that counts them
    for check in (Check.ENGINE_ANSWERS, Check.PROCESSES_ALIVE):
        assert those(offline, check, Grade.NOT_CHECKED)


def test_one_that_is_away_is_told_once_and_refuses_nobody(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path)
    deployment.environ |= {"MTLS_STATE": f"redis://127.0.0.1:{free_port()},{tmp_path}", "MTLS_STATE_SECRET": SECRET}
    found = deployment.examine()
    (error,) = those(found, Check.ENGINE_ANSWERS, Grade.ERROR)

    assert [one.seen for one in found if "it cannot be reached" in one.seen] == [error.seen]
    assert "no caller is refused for them" in conclusion(found)


def test_what_it_writes_is_gone_after_a_second(tmp_path: Path, engine: Running) -> None:
    findings(tmp_path, engine.url)
    with engine.admin() as admin:
        left = int(admin.pttl("mtls-middleware:doctor"))

    assert left <= 1_000
    assert left != -1
