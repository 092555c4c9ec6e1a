"""The command ``proxy-config``."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mtls_middleware import Settings
from mtls_middleware.cli.app import app
from mtls_middleware.proxy_config import TABLE, Parameters, render

ROOT = Path(__file__).parents[2]
SECRET = "a-secret-of-the-proxy"


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(app, ["proxy-config", *arguments], env={"MTLS_PROXY_SECRET": None, **environment})


def environment_in(told: str) -> dict[str, str]:
    return dict(line.strip().split("=", 1) for line in re.findall(r"^  MTLS_\w+=\S+$", told, re.MULTILINE))


@pytest.mark.parametrize("name", TABLE)
def test_the_configuration_alone_goes_to_standard_output(name: str) -> None:
    application = "backend:9000"

    ended = run(name, "--secret", SECRET, "--application", application)

    assert ended.exit_code == 0
    assert ended.stdout == render(name, Parameters(secret=SECRET, application=application))


@pytest.mark.parametrize("name", [name for name, template in TABLE.items() if template.part_of is None])
def test_the_environment_of_the_application_goes_to_standard_error(name: str) -> None:
    ended = run(name, "--secret", SECRET, "--trust", "/etc/mtls/us-east-1.pem")

    told = environment_in(ended.stderr)
    settings = Settings.from_env(told)
    assert settings.source == TABLE[name].source
    assert settings.regions == ("us-east-1",)
    assert told.get("MTLS_PROXY_SECRET", SECRET) == SECRET
    assert ("MTLS_PROXY_SECRET" in told) == (SECRET in ended.stdout)


@pytest.mark.parametrize(("port", "shown"), [("443", ""), ("8443", ":8443")])
def test_it_ends_with_the_command_that_checks_it(port: str, shown: str) -> None:
    ended = run("gcp", "--server-name", "calls.example.org", "--port", port)

    (command,) = re.findall(r"^  (mtls-middleware .*)$", ended.stderr, re.MULTILINE)
    assert command == (
        f"mtls-middleware doctor --url https://calls.example.org{shown}/actions/lookup --source gcp "
        "--client-certificate client.pem --client-key client.key"
    )
    assert "--server-ca FILE if a private CA" in ended.stderr


def test_of_two_files_one_comes_with_the_environment() -> None:
    told = run("traefik-static").stderr

    assert environment_in(told) == {}
    assert "mtls-middleware proxy-config traefik" in told


def test_each_option_is_written_into_the_configuration() -> None:
    given = {
        "--server-name": "calls.example.org",
        "--address": "192.0.2.7",
        "--port": "8443",
        "--certificate": "/srv/server.pem",
        "--private-key": "/srv/server.key",
        "--trust": "/srv/eu-west-1.pem",
        "--application": "192.0.2.8:9000",
        "--secret": SECRET,
    }

    ended = run("nginx", *(word for option in given.items() for word in option))

    assert [value for value in given.values() if value not in ended.stdout] == []


@pytest.mark.parametrize("name", TABLE)
def test_every_terminal_can_show_it(name: str) -> None:
    ended = run(name)

    assert (ended.stdout + ended.stderr).isascii()


def test_a_secret_is_made_anew_for_each_configuration() -> None:
    secrets = {environment_in(run("nginx").stderr)["MTLS_PROXY_SECRET"] for _ in range(2)}

    assert len(secrets) == 2
    assert min(map(len, secrets)) >= 32


@pytest.mark.parametrize("name", ["kubernetes-traefik", "azure-app-service"])
def test_the_region_is_the_one_that_the_root_is_called_after(name: str) -> None:
    ended = run(name, "--trust", "/etc/mtls/EU-West-1.pem")

    assert environment_in(ended.stderr)["MTLS_REGIONS"] == "eu-west-1"
    assert "us-east-1" not in ended.stdout


@pytest.mark.parametrize("arguments", [[], ["--list"], ["nginx", "--list"]], ids=["no name", "--list", "name and list"])
def test_the_list_has_a_line_for_each_name_and_says_what_it_is_founded_on(arguments: list[str]) -> None:
    ended = run(*arguments)

    lines = [line.split(maxsplit=1) for line in ended.stdout.splitlines()]
    assert ended.exit_code == 0
    assert [name for name, _ in lines] == list(TABLE)
    assert [(name, told) for name, told in lines if told.startswith("Run against") != TABLE[name].run] == []
    assert [(name, told) for name, told in lines if not TABLE[name].run if "not run" not in told] == []


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("ngnix", "nginx"), ("NGINX", "nginx"), ("k8s-istio", "kubernetes-istio"), ("alb", "aws-alb"), ("httpd", None)],
)
def test_an_unknown_name_is_told_with_the_nearest_right_one(wrong: str, right: str | None) -> None:
    ended = run(wrong)

    assert ended.exit_code == 2
    assert ended.stdout == ""
    assert f"There is no configuration '{wrong}'" in ended.stderr
    assert (f"did you mean '{right}'?" in ended.stderr) == (right is not None)
    assert "mtls-middleware proxy-config --list" in ended.stderr


def test_an_unknown_name_is_data_on_the_terminal() -> None:
    assert "\x1b" not in run("\x1b[2J").stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nginx", "--port", "0"], "--port 0 is not a port"),
        (["nginx", "--server-name", "a b"], "--server-name 'a b' is not a host name"),
        (["nginx", "--private-key", "server.key"], "--private-key 'server.key' is not an absolute path"),
        (["kubernetes-istio", "--application", "10.0.0.1:80"], "--application '10.0.0.1' is not the name of a Service"),
        (["caddy", "--with-crl"], "takes no CRL"),
    ],
    ids=["port", "server name", "path", "service", "list"],
)
def test_a_wrong_value_is_told_as_the_option_and_nothing_is_printed(arguments: list[str], told: str) -> None:
    ended = run(*arguments)

    assert ended.exit_code == 2
    assert ended.stdout == ""
    assert told in ended.stderr


def test_every_wrong_value_is_told_at_once_and_a_secret_is_not_shown() -> None:
    ended = run("nginx", "--port", "0", "--secret", "too-short")

    assert "--port" in ended.stderr
    assert "--secret is not 16 or more characters" in ended.stderr
    assert "too-short" not in ended.stderr


def test_in_a_cluster_the_application_is_a_service() -> None:
    assert 'name: "application"\n          port: 8000' in run("kubernetes-traefik").stdout


@pytest.mark.parametrize(
    ("arguments", "path"),
    [(["--with-crl"], "/etc/mtls/us-east-1.crl.pem"), (["--crl", "/srv/list.pem"], "/srv/list.pem")],
    ids=["where it is by default", "where it is said to be"],
)
def test_a_revocation_list_is_added_where_it_was_asked_for(arguments: list[str], path: str) -> None:
    assert path in run("aws-alb", *arguments).stdout
    assert path not in run("aws-alb").stdout


def test_the_help_teaches_the_first_command_and_the_check_afterwards() -> None:
    told = " ".join(run("--help", COLUMNS="200").stdout.split())

    assert "mtls-middleware proxy-config nginx > data-actions.conf" in told
    assert "mtls-middleware doctor --url" in told
    assert {"--server-name", "--trust", "--application", "--secret", "--with-crl", "--list"} <= set(told.split())


def test_redirected_the_file_is_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "data-actions.conf"
    arguments = [sys.executable, "-m", "mtls_middleware", "proxy-config", "nginx", "--secret", SECRET]

    with path.open("wb") as file:
        subprocess.run(arguments, cwd=ROOT, stdout=file, stderr=subprocess.DEVNULL, timeout=60, check=True)

    assert path.read_text() == render("nginx", Parameters(secret=SECRET))
