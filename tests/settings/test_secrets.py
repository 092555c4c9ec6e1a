"""Secrets are read when a guard starts, and shown nowhere."""

import traceback
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


PASTED = [
    "Zb0kq-tyZ_s8PmA2nC4v",
    "c29tZS1zZWNyZXQtb2YtbWluZQ==",
    "us-east-2=Zb0kqtyZs8PmA2n",
    "with a blank, ä",
    "/aZb0kq/tyZ=",
    "x" * 300,
]
"""Secrets of several makes, put where they do not belong."""

MISTAKEN = ["GENESYS_CLIENT_ID", "PROXY_SECRET_HEADER", "CALLER_SECRET_HEADER"]
FILES = ["PROXY_SECRET_FILE", "CALLER_SECRET_FILE", "STATE_SECRET_FILE", "GENESYS_CLIENT_SECRET_FILE"]


def everything_shown(error: BaseException) -> str:
    """Return what a traceback prints, causes included."""
    return "".join(traceback.format_exception(error))


@pytest.mark.parametrize("secret", PASTED)
@pytest.mark.parametrize("name", MISTAKEN)
@pytest.mark.parametrize("regions", ["us-east-1", "us-east-1,eu-west-1"])
def test_a_secret_in_the_wrong_setting_is_not_echoed(name: str, secret: str, regions: str) -> None:
    environ = {**ONE_REGION, "MTLS_REGIONS": regions, f"MTLS_{name}": secret, "MTLS_GENESYS_CLIENT_SECRET": SECRET}
    shown = ""
    try:
        shown = repr(Settings.from_env(environ))
    except ConfigurationError as error:
        shown = everything_shown(error)

    assert [part for part in secret.split(",") if len(part) > 9 if part in shown] == []
    assert "Zb0kq" not in shown


@pytest.mark.parametrize("secret", PASTED)
@pytest.mark.parametrize("name", FILES)
def test_a_secret_in_place_of_its_file_is_not_echoed(name: str, secret: str) -> None:
    client = {"MTLS_GENESYS_CLIENT_ID": "us-east-1=an-id"} if "CLIENT" in name else {}
    settings = Settings.from_env({**ONE_REGION, **client, f"MTLS_{name}": secret})
    setting = getattr(settings, name.removesuffix("_FILE").lower())

    with pytest.raises(
        ConfigurationError, match=f"MTLS_{name}: .*must be the path of a file, not the secret"
    ) as raised:
        setting.read()

    for shown in (everything_shown(raised.value), repr(settings), repr(setting)):
        assert secret not in shown
        assert "Zb0kq" not in shown


@pytest.mark.parametrize("path", ["none", "none/none", "\u00e4"])
def test_a_path_that_begins_somewhere_is_shown(path: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as raised:
        setting_of(tmp_path / path).read()

    assert f"'{tmp_path / path}' cannot be read" in str(raised.value)


@pytest.mark.parametrize("password", ["hunter2-hunter2", "hunter2/@:hunter2"])
def test_the_password_of_an_address_is_not_echoed(password: str) -> None:
    with pytest.raises(ConfigurationError, match=r"MTLS_CRL_URLS: 'https://…@example\.com/a\.crl'") as raised:
        Settings.from_env({**ONE_REGION, "MTLS_CRL_URLS": f"https://me:{password}@example.com/a.crl"})

    assert "hunter2" not in everything_shown(raised.value)
