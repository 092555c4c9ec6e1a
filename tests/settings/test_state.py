"""MTLS_STATE: a folder, Valkey or Redis with a folder beside it, or nothing; and what goes with it."""

from pathlib import Path
from typing import Any

import pytest

from mtls_middleware import ConfigurationError, Settings
from mtls_middleware.engine import Engine

SECRET = "correct-horse-battery"
PASSWORD = "hunter2"
BASE = {"MTLS_REGIONS": "us-east-1", "MTLS_TRUST": "/trust/US-East-1.zip"}
FOLDER = "/var/cache/mtls"


def settings(state: str, **others: str) -> Settings:
    named = {f"MTLS_{name}": text for name, text in others.items()}
    return Settings.from_env({**BASE, "MTLS_STATE": state, "MTLS_STATE_SECRET": SECRET, **named})


def engine(state: str, **others: str) -> Engine:
    found = settings(state, **others).state
    assert isinstance(found, Engine)
    return found


def problems(state: str, **others: str) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as raised:
        settings(state, **others)
    assert PASSWORD not in str(raised.value)
    return raised.value.problems


GOOD: dict[str, dict[str, Any]] = {
    "redis://h": {"hosts": (("h", 6379),), "tls": False, "shown": "redis://h"},
    "rediss://mtls@valkey.internal:6380/3": {
        "hosts": (("valkey.internal", 6380),),
        "tls": True,
        "user": "mtls",
        "database": 3,
        "shown": "rediss://valkey.internal:6380/3",
    },
    "valkey://:hunter2@h": {"password": PASSWORD, "user": "", "tls": False, "shown": "valkey://h"},
    "valkeys://u%40x:a%2Cb%23@[::1]:7": {
        "hosts": (("::1", 7),),
        "user": "u@x",
        "password": "a,b#",
        "tls": True,
        "shown": "valkeys://[::1]:7",
    },
    "redis+sentinel://a,b:26380/main/2": {
        "hosts": (("a", 26379), ("b", 26380)),
        "service": "main",
        "database": 2,
    },
    "rediss+cluster://a:1,b:2": {"hosts": (("a", 1), ("b", 2)), "is_cluster": True, "tls": True},
    "rediss://h?ca=/ca.pem&cert=/c.pem&key=/k.pem": {"ca": "/ca.pem", "cert": "/c.pem", "key": "/k.pem"},
    "unix://mtls:hunter2@/run/valkey.sock": {
        "hosts": (),
        "socket": "/run/valkey.sock",
        "user": "mtls",
        "password": PASSWORD,
        "shown": "unix:///run/valkey.sock",
    },
}


@pytest.mark.parametrize("state", GOOD)
@pytest.mark.parametrize("beside", ["", f",{FOLDER}", ",off"], ids=["alone", "folder", "off"])
def test_an_address_is_read(state: str, beside: str) -> None:
    found = engine(state + beside)

    assert {name: getattr(found, name) for name in GOOD[state]} == GOOD[state]
    if beside == ",off":
        assert found.folder is None
    elif beside:
        assert found.folder == settings(state + beside).state_folder == Path(FOLDER)
    else:
        assert found.folder == Settings.from_env(BASE).state
    assert PASSWORD not in repr(settings(state + beside))


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ("http://h", "must be a folder, off, or an address"),
        ("redis+ssl://h", "must be a folder, off, or an address"),
        ("redis://", "must name a host"),
        ("redis://h:0", "a port from 1 to 65535"),
        ("redis://h:x", "a port from 1 to 65535"),
        ("redis://h:", "a port from 1 to 65535"),
        ("redis://h/x", "number of a database"),
        ("redis://h/12345", "number of a database"),
        ("redis://a,b", "must have one host"),
        ("redis://h,cache", "must have one host"),
        ("redis+sentinel://a,b", "must name the primary"),
        ("redis+cluster://a/1", "a cluster has only 0"),
        ("redis://u:hunter2#x@h", "write %23"),
        ("rediss://h?ssl_cert_reqs=none", "and nothing else"),
        ("rediss://h?password=hunter2", "and nothing else"),
        ("rediss://h?ca=/a&ca=/b", "each once"),
        ("rediss://h?ca=", "each once"),
        ("redis://u:hunter2@h?ca=/a", "write rediss://"),
        ("rediss://h?key=/k", "without cert=PATH"),
    ],
)
def test_a_bad_address_stops_the_start(state: str, says: str) -> None:
    (problem,) = problems(state)

    assert problem.startswith("MTLS_STATE: ")
    assert says in problem


def test_an_engine_needs_a_secret() -> None:
    with pytest.raises(ConfigurationError, match="MTLS_STATE_SECRET: is required, because others may write") as raised:
        Settings.from_env({**BASE, "MTLS_STATE": "redis://u:hunter2@h"})
    assert PASSWORD not in str(raised.value)


def test_a_password_is_set_in_one_place(tmp_path: Path) -> None:
    assert "keep one of them" in "".join(problems("redis://u:hunter2@h", STATE_PASSWORD="x"))
    assert "keep one of them" in "".join(problems("redis://h", STATE_PASSWORD="x", STATE_PASSWORD_FILE="/x"))
    found = settings("redis://h", STATE_PASSWORD="a,short").state_password
    assert found is not None
    assert found.read_password() == "a,short"
    file = tmp_path / "password"
    file.write_text("hunter2\n")
    found = settings("redis://h", STATE_PASSWORD_FILE=str(file)).state_password
    assert found is not None
    assert found.read_password() == PASSWORD
    file.write_text("hunter2\nhunter3\n")
    with pytest.raises(ConfigurationError, match="must hold one password") as raised:
        found.read_password()
    assert PASSWORD not in str(raised.value)


@pytest.mark.parametrize("state", ["off", FOLDER])
@pytest.mark.parametrize("name", ["STATE_PASSWORD", "STATE_PASSWORD_FILE", "STATE_NAME"])
def test_what_belongs_to_an_engine_needs_one(state: str, name: str) -> None:
    (problem,) = problems(state, **{name: "checkout"})

    assert problem.startswith(f"MTLS_{name}: has a meaning only where MTLS_STATE names Valkey or Redis")


@pytest.mark.parametrize("name", ["", "{x}", "a b", "a" * 65, "a:b"])
def test_a_name_is_plain(name: str) -> None:
    assert any(problem.startswith("MTLS_STATE_NAME: ") for problem in problems("redis://h", STATE_NAME=name))


def test_a_name_has_a_default() -> None:
    assert settings("redis://h").state_name == "mtls-middleware"
    assert settings("redis://h", STATE_NAME="checkout-production").state_name == "checkout-production"


@pytest.mark.parametrize(
    ("state", "is_local"),
    [("redis://127.0.0.1", True), ("redis://localhost", True), ("redis://h", False), ("unix:///s", True)],
)
def test_what_stays_on_the_machine(state: str, is_local: bool) -> None:
    assert engine(state).is_local is is_local


def test_a_replaced_setting_leaves_the_engine() -> None:
    assert settings("redis://h,off").replace(mode="report").state == engine("redis://h,off")


@pytest.mark.parametrize(
    "address",
    [
        "redis://:hunter2",
        "redis://u:hunter2",
        "redis:/u:hunter2@h",
        "REDIS://u:hunter2@h",
        "redis://u:12/hunter2@h",
        "redis://u:12?hunter2@h",
        "redis://u:hunter2\n@h",
        "unix:///tmp/x?password=hunter2",
        "redis+sentinel://u:12/hunter2@h1:26379/0",
        "redis+cluster://u:1,h:2/hunter2@h2",
    ],
)
def test_an_address_that_is_written_wrongly_stops_the_start_without_its_password(address: str) -> None:
    told = "".join(problems(address))

    assert "STATE" in told
    assert "hunter2" not in told
