"""``proxy-config`` and the application's own variables: an option, else the variable, else a default."""

from itertools import product
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mtls_middleware import Settings
from mtls_middleware.cli.app import app
from mtls_middleware.proxy_config import TABLE
from tests.cli.test_proxy_config import environment_in

SECRET = "a-secret-of-the-proxy"
CLEAN = dict.fromkeys(
    (
        "MTLS_REGIONS",
        "MTLS_TRUST",
        "MTLS_SOURCE",
        "MTLS_PROXY_SECRET",
        "MTLS_PROXY_SECRET_FILE",
        "MTLS_PROXY_SECRET_HEADER",
        "MTLS_TRUSTED_PROXIES",
        "MTLS_EXEMPT",
        "MTLS_PROTECT",
    )
)


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(app, ["proxy-config", *arguments], env={**CLEAN, **environment})


REGIONS: dict[str, tuple[tuple[str, ...], dict[str, str], str, str]] = {
    "nothing": ((), {}, "us-east-1", "/etc/mtls/us-east-1.pem"),
    "option": (("--region", "eu-west-1"), {}, "eu-west-1", "/etc/mtls/eu-west-1.pem"),
    "login domain": (("--region", "mypurecloud.ie"), {}, "eu-west-1", "/etc/mtls/eu-west-1.pem"),
    "variable": ((), {"MTLS_REGIONS": "eu-west-1"}, "eu-west-1", "/etc/mtls/eu-west-1.pem"),
    "option before variable": (
        ("--region", "eu-west-1"),
        {"MTLS_REGIONS": "us-west-2"},
        "eu-west-1",
        "/etc/mtls/eu-west-1.pem",
    ),
    "name of the root": (("--trust", "/srv/EU-West-1.pem"), {}, "eu-west-1", "/srv/EU-West-1.pem"),
    "root without a region": (
        ("--trust", "/srv/root.pem"),
        {"MTLS_REGIONS": "eu-west-1"},
        "eu-west-1",
        "/srv/root.pem",
    ),
    "option and root": (("--trust", "/srv/root.pem", "--region", "eu-west-1"), {}, "eu-west-1", "/srv/root.pem"),
    "trust": ((), {"MTLS_TRUST": "/srv/r.pem", "MTLS_REGIONS": "eu-west-1"}, "eu-west-1", "/srv/r.pem"),
    "option before trust": (("--trust", "/srv/a.pem"), {"MTLS_TRUST": "/srv/b.pem"}, "us-east-1", "/srv/a.pem"),
}


@pytest.mark.parametrize("name", ["nginx", "kubernetes-traefik", "azure-app-service", "aws-alb"])
@pytest.mark.parametrize(("arguments", "environment", "region", "trust"), REGIONS.values(), ids=REGIONS)
def test_the_region_and_its_root(
    name: str, arguments: tuple[str, ...], environment: dict[str, str], region: str, trust: str
) -> None:
    ended = run(name, *arguments, **environment)

    told = environment_in(ended.stderr)
    assert (told["MTLS_REGIONS"], told["MTLS_TRUST"]) == (region, trust), ended.stderr
    assert trust in ended.stdout
    assert Settings.from_env(told).regions == (region,)


@pytest.mark.parametrize("name", TABLE)
def test_no_configuration_names_a_region_that_is_not_asked_for(name: str) -> None:
    crl = ["--with-crl"] if TABLE[name].takes_crl else []

    told = run(name, "--region", "eu-west-1", *crl)

    lines = [line for line in told.output.splitlines() if "ACM of us-east-1" not in line]  # CloudFront's own
    assert [line for line in lines if "us-east-1" in line] == []


def test_several_regions_have_several_roots_and_the_proxy_one_file() -> None:
    ended = run("nginx", MTLS_REGIONS="us-east-1,eu-west-1")

    told = environment_in(ended.stderr)
    assert told["MTLS_REGIONS"] == "us-east-1,eu-west-1"
    assert told["MTLS_TRUST"] == "/etc/mtls/us-east-1.pem,/etc/mtls/eu-west-1.pem"
    assert "/etc/mtls/roots.pem" in ended.stdout
    assert "cat /etc/mtls/us-east-1.pem /etc/mtls/eu-west-1.pem > /etc/mtls/roots.pem" in ended.stderr


@pytest.mark.parametrize("trust", ["/srv/roots", "/srv/US-East-1.zip", "us-east-1=/srv/a.pem,/srv/us-east-1.pem"])
def test_trust_that_is_not_one_file_is_told_of(trust: str) -> None:
    ended = run("nginx", MTLS_TRUST=trust)

    assert environment_in(ended.stderr)["MTLS_TRUST"] == trust
    assert "Put all roots into /etc/mtls/us-east-1.pem" in ended.stderr
    assert "/etc/mtls/us-east-1.pem" in ended.stdout


def test_a_prefix_of_the_root_is_for_the_application_only() -> None:
    ended = run("nginx", MTLS_TRUST="us-east-1=/srv/root.pem")

    assert environment_in(ended.stderr)["MTLS_TRUST"] == "us-east-1=/srv/root.pem"
    assert "ssl_client_certificate /srv/root.pem;" in ended.stdout


def test_relative_paths_of_the_application_are_absolute_for_the_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret").write_text(SECRET)

    ended = run("nginx", MTLS_TRUST="us-east-1=dev/root.pem", MTLS_PROXY_SECRET_FILE="secret")

    assert f"ssl_client_certificate {tmp_path}/dev/root.pem;" in ended.stdout
    assert environment_in(ended.stderr)["MTLS_TRUST"] == "us-east-1=dev/root.pem"
    assert environment_in(ended.stderr)["MTLS_PROXY_SECRET_FILE"] == f"{tmp_path}/secret"


def test_what_reads_no_root_is_told_nothing_about_roots() -> None:
    assert "cat /etc" not in run("azure-container-apps", MTLS_REGIONS="us-east-1,eu-west-1").stderr


@pytest.mark.parametrize(
    ("option", "variable", "file"),
    [each for each in product((True, False), repeat=3) if any(each) and each[1:] != (1, 1)],
)
def test_a_secret_that_exists_is_used(option: bool, variable: bool, file: bool, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("the-secret-in-the-file\n")
    arguments = ["--secret", "the-secret-of-the-option"] if option else []
    environment = {
        **({"MTLS_PROXY_SECRET": "the-secret-in-the-variable"} if variable else {}),
        **({"MTLS_PROXY_SECRET_FILE": str(path)} if file else {}),
    }

    ended = run("haproxy", *arguments, **environment)

    told = environment_in(ended.stderr)
    expected = "option" if option else "variable" if variable else "file"
    assert f"set-header X-MTLS-Proxy-Secret    the-secret-{'of' if option else 'in'}-the-{expected}\n" in ended.stdout
    if expected == "file":
        assert told["MTLS_PROXY_SECRET_FILE"] == str(path)
        assert "MTLS_PROXY_SECRET" not in told
        assert "the-secret-in-the-file" not in ended.stderr
    else:
        assert expected in told["MTLS_PROXY_SECRET"]
    Settings.from_env(told)


def test_of_two_secrets_the_proxy_gets_the_first() -> None:
    ended = run("nginx", MTLS_PROXY_SECRET="the-first-of-two-secrets,the-second-of-two-secrets")

    assert '"the-first-of-two-secrets"' in ended.stdout
    assert "the proxy gets the first" in ended.stderr


def test_the_header_of_the_secret() -> None:
    ended = run("nginx", MTLS_PROXY_SECRET_HEADER="Between-Us")

    assert "proxy_set_header Between-Us " in ended.stdout
    assert environment_in(ended.stderr)["MTLS_PROXY_SECRET_HEADER"] == "Between-Us"


@pytest.mark.parametrize("name", ["nginx", "aws-alb"])
def test_proxies_that_are_trusted_stay_trusted(name: str) -> None:
    assert environment_in(run(name, MTLS_TRUSTED_PROXIES="10.1.0.0/24,10.1.1.0/24").stderr)["MTLS_TRUSTED_PROXIES"] == (
        "10.1.0.0/24,10.1.1.0/24"
    )


def test_doctor_asks_for_a_protected_path() -> None:
    assert "https://actions.example.com/genesys " in run("nginx", MTLS_PROTECT="/genesys,/other").stderr


@pytest.mark.parametrize(("source", "is_told"), [("nginx", False), ("haproxy", True)])
def test_a_variable_that_describes_another_source_is_told(source: str, is_told: bool) -> None:
    assert ("MTLS_SOURCE has another value" in run("nginx", MTLS_SOURCE=source).stderr) is is_told


WRONG: dict[str, tuple[tuple[str, ...], dict[str, str], str]] = {
    "unknown region": (("--region", "us-east-11"), {}, "--region 'us-east-11' is no region; did you mean 'us-east-1'?"),
    "unknown regions": ((), {"MTLS_REGIONS": "us-east-11"}, "MTLS_REGIONS: 'us-east-11' is no region"),
    "root of another region": (
        ("--region", "us-east-1", "--trust", "/srv/eu-west-1.pem"),
        {},
        "--trust '/srv/eu-west-1.pem' is a root of eu-west-1, not of us-east-1",
    ),
    "two secrets": (
        (),
        {"MTLS_PROXY_SECRET": SECRET, "MTLS_PROXY_SECRET_FILE": "/srv/secret"},
        "MTLS_PROXY_SECRET: MTLS_PROXY_SECRET_FILE is set too",
    ),
    "no file": (
        (),
        {"MTLS_PROXY_SECRET_FILE": "/etc/hostname/x"},
        "MTLS_PROXY_SECRET_FILE: '/etc/hostname/x' cannot be",
    ),
    "secret with syntax": ((), {"MTLS_PROXY_SECRET": "a;secret;with;syntax;"}, "MTLS_PROXY_SECRET is not 16 or more"),
    "header with syntax": (
        (),
        {"MTLS_PROXY_SECRET_HEADER": "X_Secret"},
        "MTLS_PROXY_SECRET_HEADER 'X_Secret' is not a",
    ),
    "trust with syntax": ((), {"MTLS_TRUST": "/srv/the root"}, "MTLS_TRUST '/srv/the root' is not"),
    "exempt template": ((), {"MTLS_EXEMPT": "/{id}"}, "MTLS_EXEMPT: "),
    "network": ((), {"MTLS_TRUSTED_PROXIES": "10.0.0.1/8"}, "MTLS_TRUSTED_PROXIES: "),
}


@pytest.mark.parametrize(("arguments", "environment", "told"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_told_by_the_name_it_was_given(
    arguments: tuple[str, ...], environment: dict[str, str], told: str
) -> None:
    ended = run("nginx", *arguments, **environment)

    assert (ended.exit_code, ended.stdout) == (2, "")
    assert told in ended.stderr


def test_a_secret_is_never_shown_where_it_is_wrong() -> None:
    assert "with;syntax" not in run("nginx", MTLS_PROXY_SECRET="a;secret;with;syntax;").stderr
