"""Secrets are read when a guard starts, and shown nowhere."""

from pathlib import Path

import pytest

from mtls_middleware.errors import ConfigurationError
from mtls_middleware.settings import SecretSetting, Settings

SECRET = "correct-horse-battery"  # long enough, and nobody's
ONE_REGION = {"MTLS_REGIONS": "us-east-1", "MTLS_TRUST": "/trust/US-East-1.zip"}
NGINX = {**ONE_REGION, "MTLS_SOURCE": "nginx", "MTLS_PROXY_SECRET": SECRET}
OTHER = SECRET[::-1]


def setting_of(path: Path) -> SecretSetting:
    setting = Settings.from_env({**ONE_REGION, "MTLS_CALLER_SECRET_FILE": str(path)}).caller_secret
    assert setting is not None
    return setting


@pytest.mark.parametrize(
    ("content", "values"),
    [
        pytest.param(SECRET, (SECRET,), id="bare"),
        pytest.param(f"{SECRET}\n", (SECRET,), id="line"),
        pytest.param(f"{SECRET}\r\n{OTHER}\r\n\r\n", (SECRET, OTHER), id="two-lines"),
        pytest.param("comma,comma,comma,comma\n", ("comma,comma,comma,comma",), id="commas-belong-to-it"),
    ],
)
def test_a_file_holds_one_secret_a_line(tmp_path: Path, content: str, values: tuple[str, ...]) -> None:
    (tmp_path / "secret").write_bytes(content.encode())
    secret = setting_of(tmp_path / "secret").read()
    assert secret.header == "X-Caller-Secret"
    assert secret.values == tuple(value.encode() for value in values)


@pytest.mark.parametrize(
    "content",
    [b"", b"\n\n", b"short\n", f"{SECRET}\n".encode() * 3, b"\xff" * 20, b"a\0" * 16, b"x" * 5000],
    ids=["empty", "blank", "short", "three", "not-ascii", "nul", "large"],
)
def test_a_bad_file_is_told_without_its_content(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "secret").write_bytes(content)
    with pytest.raises(ConfigurationError, match="MTLS_CALLER_SECRET_FILE: ") as raised:
        setting_of(tmp_path / "secret").read()
    assert SECRET not in str(raised.value)
    assert "short" not in str(raised.value)


def test_a_missing_file_is_a_problem_of_the_start_only(tmp_path: Path) -> None:
    setting = setting_of(tmp_path / "none")
    with pytest.raises(ConfigurationError, match="MTLS_CALLER_SECRET_FILE: "):
        setting.read()


def test_a_folder_is_no_secret(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="MTLS_CALLER_SECRET_FILE: "):
        setting_of(tmp_path).read()


def test_two_secrets_are_right_while_one_is_rotated() -> None:
    setting = Settings.from_env({**NGINX, "MTLS_PROXY_SECRET": f"{SECRET}, {OTHER}"}).proxy_secret
    assert setting is not None
    assert setting.read().values == (SECRET.encode(), OTHER.encode())


def test_neither_repr_nor_str_shows_a_secret() -> None:
    settings = Settings.from_env({**NGINX, "MTLS_CALLER_SECRET": OTHER})
    assert settings.proxy_secret is not None
    for shown in (repr(settings), str(settings), repr(settings.proxy_secret), repr(settings.proxy_secret.read())):
        assert SECRET not in shown
        assert OTHER not in shown


@pytest.mark.parametrize("name", ["PROXY_SECRET", "CALLER_SECRET", "STATE_SECRET", "GENESYS_CLIENT_SECRET"])
@pytest.mark.parametrize("text", ["hunter2", f"{SECRET}-ä", f"{SECRET},{SECRET}1,{SECRET}2"])
def test_no_problem_shows_a_secret(name: str, text: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Settings.from_env({**ONE_REGION, f"MTLS_{name}": text})
    assert "hunter2" not in str(raised.value)
    assert SECRET not in str(raised.value)
