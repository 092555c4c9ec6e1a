"""OAuth clients: one for each region, given in variables or in files, and never shown."""

from pathlib import Path

import pytest

from mtls_middleware import ConfigurationError, Settings

SECRET = "a-secret-of-an-oauth-client"
OTHER = "another-secret-of-a-client"
ONE = {"MTLS_REGIONS": "us-east-1", "MTLS_TRUST": "/t"}
TWO = {"MTLS_REGIONS": "us-east-1,eu-west-1", "MTLS_AUTHORITIES": "digicert"}
IDS = {"MTLS_GENESYS_CLIENT_ID": "us-east-1=a,mypurecloud.ie=b"}


def read(environ: dict[str, str]) -> dict[str, tuple[str, ...]]:
    settings = Settings.from_env(environ)
    setting = settings.genesys_client_secret
    assert setting is not None
    return dict(setting.read_by_region(settings.genesys_client_id))


def problems(environ: dict[str, str]) -> str:
    with pytest.raises(ConfigurationError) as failure:
        read(environ)
    return "\n".join(failure.value.problems)


def test_with_one_region_no_prefix_is_needed() -> None:
    environ = {**ONE, "MTLS_GENESYS_CLIENT_ID": "an-id", "MTLS_GENESYS_CLIENT_SECRET": SECRET}

    assert Settings.from_env(environ).genesys_client_id == {"us-east-1": "an-id"}
    assert read(environ) == {"us-east-1": (SECRET,)}


def test_each_region_has_its_own() -> None:
    environ = {**TWO, **IDS, "MTLS_GENESYS_CLIENT_SECRET": f"eu-west-1={OTHER},us-east-1={SECRET}"}

    assert Settings.from_env(environ).genesys_client_id == {"us-east-1": "a", "eu-west-1": "b"}
    assert read(environ) == {"us-east-1": (SECRET,), "eu-west-1": (OTHER,)}


def test_two_may_be_given_while_one_is_replaced() -> None:
    environ = {**ONE, "MTLS_GENESYS_CLIENT_ID": "an-id", "MTLS_GENESYS_CLIENT_SECRET": f"{SECRET},{OTHER}"}

    assert read(environ) == {"us-east-1": (SECRET, OTHER)}


def test_a_secret_may_hold_an_equals_sign() -> None:
    environ = {**ONE, "MTLS_GENESYS_CLIENT_ID": "an-id", "MTLS_GENESYS_CLIENT_SECRET": "YWJjZGVmZ2hpamtsbW5v=="}

    assert read(environ) == {"us-east-1": ("YWJjZGVmZ2hpamtsbW5v==",)}


def test_a_file_has_one_each_line(tmp_path: Path) -> None:
    file = tmp_path / "secrets"
    file.write_text(f"us-east-1={SECRET}\n\n eu-west-1 = {OTHER}\n", encoding="ascii")

    assert read({**TWO, **IDS, "MTLS_GENESYS_CLIENT_SECRET_FILE": str(file)}) == {
        "us-east-1": (SECRET,),
        "eu-west-1": (OTHER,),
    }


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot be read"),
        (b"", "the entry of us-east-1 holds no secret"),
        (b"us-east-1=\xff" + SECRET.encode(), "something else than ASCII"),
        (SECRET.encode(), "needs a prefix: us-east-1= or eu-west-1="),
        (b"us-east-1=short\neu-west-1=" + OTHER.encode(), "at least 16"),
        (b"x" * 5000, "larger than"),
    ],
    ids=["missing", "empty", "no-ascii", "no-prefix", "short", "large"],
)
def test_a_bad_file_is_told_without_a_word_of_it(tmp_path: Path, content: bytes | None, told: str) -> None:
    file = tmp_path / "secrets"
    if content is not None:
        file.write_bytes(content)

    text = problems({**TWO, **IDS, "MTLS_GENESYS_CLIENT_SECRET_FILE": str(file)})
    assert told in text
    assert SECRET not in text


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({**ONE, "MTLS_GENESYS_CLIENT_ID": "a"}, "MTLS_GENESYS_CLIENT_SECRET: is required beside"),
        ({**ONE, "MTLS_GENESYS_CLIENT_SECRET": SECRET}, "MTLS_GENESYS_CLIENT_ID: is required beside"),
        ({**TWO, **IDS, "MTLS_GENESYS_CLIENT_SECRET": f"us-east-1={SECRET}"}, "the entry of eu-west-1 holds no secret"),
        ({**TWO, "MTLS_GENESYS_CLIENT_ID": "us-east-1=a"}, "MTLS_PINS: has no client certificate for eu-west-1"),
        ({**TWO, "MTLS_GENESYS_CLIENT_ID": "us-east-1=a,us-east-1=b"}, "names two clients for us-east-1"),
        (
            {
                **ONE,
                "MTLS_GENESYS_CLIENT_ID": "a",
                "MTLS_GENESYS_CLIENT_SECRET": SECRET,
                "MTLS_GENESYS_CLIENT_SECRET_FILE": "/s",
            },
            "MTLS_GENESYS_CLIENT_SECRET_FILE is set too",
        ),
    ],
    ids=["no-secret", "no-id", "one-of-two", "neither-pins-nor-client", "two-clients", "both-twins"],
)
def test_half_of_it_is_a_problem(environ: dict[str, str], told: str) -> None:
    text = problems(environ)

    assert told in text
    assert SECRET not in text


def test_it_is_not_shown() -> None:
    settings = Settings.from_env({**ONE, "MTLS_GENESYS_CLIENT_ID": "a", "MTLS_GENESYS_CLIENT_SECRET": SECRET})

    assert SECRET not in repr(settings)
