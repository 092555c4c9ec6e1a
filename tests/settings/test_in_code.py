"""Settings as values of Python: made, replaced, compared, shown, copied and sent to another process."""

import copy
import dataclasses
import inspect
import multiprocessing
import pickle
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from mtls_middleware import ConfigurationError, Mode, Settings
from mtls_middleware.settings.keywords import VARIABLES, SettingsKeywords
from mtls_middleware.settings.reader import Origin

SECRET = "correct-horse-battery"  # long enough, and nobody's
OTHER = SECRET[::-1]
ONE_REGION = {"MTLS_REGIONS": "us-east-1", "MTLS_TRUST": "/trust/US-East-1.zip"}
CLIENT = {"MTLS_GENESYS_CLIENT_ID": "an-id", "MTLS_GENESYS_CLIENT_SECRET": SECRET}
SECRETS = {
    **ONE_REGION,
    **CLIENT,
    "MTLS_SOURCE": "nginx",
    "MTLS_PROXY_SECRET": f"{SECRET},{OTHER}",
    "MTLS_CALLER_SECRET": SECRET,
    "MTLS_STATE_SECRET": SECRET,
}
EVERYTHING: dict[str, dict[str, str]] = {
    "one region": ONE_REGION,
    "secrets": SECRETS,
    "files": {**ONE_REGION, "MTLS_CALLER_SECRET_FILE": "/run/secret", "MTLS_STATE": "off"},
    "custom": {"MTLS_AUTHORITIES": "custom", "MTLS_TRUST": "/t/ca.pem", "MTLS_CERT_NAMES": "caller.example.com"},
    "two regions": {**ONE_REGION, "MTLS_REGIONS": "us-east-1, eu-west-1", "MTLS_TRUST": "/trust"},
    "unix": {**ONE_REGION, "MTLS_SOURCE": "envoy", "MTLS_TRUSTED_PROXIES": "unix,10.0.0.5", "MTLS_XFCC_ELEMENTS": "2"},
    "limits": {**ONE_REGION, "MTLS_MAX_CHAIN": "7", "MTLS_EXEMPT": "/health,/ready", "MTLS_MODE": "report"},
}


@pytest.fixture(params=EVERYTHING)
def environ(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return an environment that is this process's own, too."""
    for name, value in EVERYTHING[request.param].items():
        monkeypatch.setenv(name, value)
    return EVERYTHING[request.param]


def one_region(**keywords: Any) -> Settings:
    return Settings(**{"regions": "us-east-1", "trust": "/trust/US-East-1.zip", **keywords})


class TestKeywords:
    def test_they_are_the_variables(self) -> None:
        assert get_type_hints(SettingsKeywords).keys() == {name.lower() for name in VARIABLES}
        assert SettingsKeywords.__optional_keys__ == get_type_hints(SettingsKeywords).keys()

    def test_a_prompt_completes_them(self) -> None:
        shown = inspect.signature(Settings).parameters
        assert shown.keys() == {name.lower() for name in VARIABLES}
        assert Settings(**{name: one.default for name, one in shown.items()} | {"regions": "us-east-1", "trust": "/t"})
        assert str(shown["max_chain"]) == "max_chain: int | None = None"

    @pytest.mark.parametrize(
        ("keyword", "right"), [("regoins", "regions"), ("proxy_secrets", "proxy_secret"), ("max_chains", "max_chain")]
    )
    def test_a_typo_is_answered_with_the_right_one(self, keyword: str, right: str) -> None:
        with pytest.raises(ConfigurationError) as raised:
            one_region(**{keyword: "x"})
        assert raised.value.problems == (f"{keyword}: there is no such keyword; did you mean {right}?",)

    @pytest.mark.parametrize("keyword", ["qwzx", "_origin", "self_"])
    def test_what_resembles_nothing_has_no_hint(self, keyword: str) -> None:
        with pytest.raises(ConfigurationError, match=f"{keyword}: there is no such keyword$"):
            one_region(**{keyword: "x"})

    def test_upper_case_is_told(self) -> None:
        with pytest.raises(ConfigurationError, match="MODE: keywords are written in lower case"):
            one_region(MODE="report")

    def test_a_mapping_is_not_read_as_the_list_of_its_keys(self) -> None:
        with pytest.raises(ConfigurationError, match="MTLS_CERT_NAMES: holds a mapping: give a list"):
            one_region(cert_names={"us-east-1": "caller.example.com"})

    def test_none_is_the_same_as_nothing(self) -> None:
        assert one_region(**{name.lower(): None for name in VARIABLES} | {"regions": "us-east-1", "trust": "/t"}) == (
            one_region(trust="/t")
        )


Replace = Callable[..., Settings]


WAYS: dict[str, Replace] = {"method": Settings.replace, "dataclasses": dataclasses.replace}
if sys.version_info >= (3, 13):
    WAYS["copy"] = copy.replace


@pytest.fixture(params=WAYS)
def replace(request: pytest.FixtureRequest) -> Replace:
    """Return one of the ways to the same."""
    return WAYS[request.param]


class TestReplace:
    def test_a_keyword_is_read_as_when_settings_are_made(self, replace: Replace) -> None:
        settings = one_region(exempt=["/health"], max_chain=7)

        replaced = replace(settings, mode=Mode.REPORT, exempt=("/ready",))
        assert replaced == one_region(exempt="/ready", max_chain=7, mode="report")
        assert settings == one_region(exempt=["/health"], max_chain=7)

    def test_without_changes_it_is_equal(self, replace: Replace, environ: dict[str, str]) -> None:
        settings = Settings.from_env(environ)
        assert replace(settings) == settings

    def test_everything_is_checked_again(self, replace: Replace) -> None:
        with pytest.raises(ConfigurationError, match="PROXY_SECRET"):
            replace(one_region(), source="nginx")
        with pytest.raises(ConfigurationError, match="mdoe: there is no such keyword; did you mean mode"):
            replace(one_region(), mdoe="report")

    def test_what_is_no_variable_cannot_be_replaced(self, replace: Replace) -> None:
        with pytest.raises(ConfigurationError, match="trusts_unix_socket: there is no such keyword"):
            replace(one_region(), trusts_unix_socket=True)

    def test_what_follows_from_a_value_follows_again(self, replace: Replace) -> None:
        moved = replace(one_region(), regions=("eu-west-1",), trust="/trust/EU-West-1.zip")
        assert moved == Settings(regions="eu-west-1", trust="/trust/EU-West-1.zip")

    @pytest.mark.parametrize("name", ["proxy_secret", "caller_secret", "state_secret"])
    def test_a_secret_takes_the_place_of_its_file_and_the_other_way_round(self, replace: Replace, name: str) -> None:
        file, text = {f"{name}_file": Path("/run/secret")}, {name: SECRET}

        assert replace(one_region(**file), **text) == one_region(**text)
        assert replace(one_region(**text), **file) == one_region(**file)
        assert replace(one_region(**file), **{name: None}) == one_region()

    def test_messages_keep_their_prefix(self, replace: Replace) -> None:
        settings = Settings.from_env({"X_REGIONS": "us-east-1", "X_TRUST": "/t"}, prefix="X_")
        with pytest.raises(ConfigurationError, match="X_MODE: 'loud' must be one of"):
            replace(settings, mode="loud")


class TestEquality:
    def test_it_asks_what_they_mean_and_not_how_it_was_written(self) -> None:
        settings = Settings.from_env(ONE_REGION)
        for same in (one_region(), one_region(regions=["mypurecloud.com"], mode="enforce")):
            assert same == settings
            assert hash(same) == hash(settings)

    def test_every_value_counts(self, environ: dict[str, str]) -> None:
        assert Settings.from_env(environ) != Settings.from_env({**environ, "MTLS_REFRESH_SECONDS": "17"})

    def test_they_can_be_keys(self, environ: dict[str, str]) -> None:
        assert {Settings.from_env(environ): 1}[Settings.from_env(environ)] == 1


class TestShown:
    def test_what_was_given_is_shown(self) -> None:
        shown = repr(one_region(exempt=["/health"], mode=Mode.REPORT))
        assert shown == (
            "Settings(regions='us-east-1', trust='/trust/US-East-1.zip', exempt=('/health',), mode='report')"
        )

    @pytest.mark.parametrize("show", [repr, str, "{!r:}".format, lambda one: f"{one._origin!r}"])
    def test_no_secret_is(self, show: Any) -> None:
        shown = show(Settings.from_env(SECRETS))
        assert SECRET not in shown
        assert OTHER not in shown

    @pytest.mark.parametrize("password", [SECRET, f"with/{SECRET}", f"with?{SECRET}", f"with#\n{SECRET}"])
    def test_an_address_with_a_password_is_a_secret_too(self, password: str) -> None:
        origin = Origin(prefix="MTLS_", values={"STATE": f"rediss://user:{password}@cache.example.com/0"})
        assert origin.shown() == "state='**********'"
        with pytest.raises(TypeError, match="a pickle must not hold MTLS_STATE"):
            pickle.dumps(origin)

    def test_that_there_is_one_is(self) -> None:
        assert "proxy_secret='**********'" in repr(Settings.from_env(SECRETS))


class TestCopies:
    def test_a_copy_is_the_same(self, environ: dict[str, str]) -> None:
        settings = Settings.from_env(environ)
        assert copy.copy(settings) is copy.deepcopy(settings) is settings
        assert copy.deepcopy({"settings": settings}) == {"settings": settings}

    @pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
    def test_a_pickle_is_equal_and_holds_no_secret(self, environ: dict[str, str], protocol: int) -> None:
        settings = Settings.from_env(environ)
        pickled = pickle.dumps(settings, protocol)

        assert pickle.loads(pickled) == settings
        assert SECRET.encode() not in pickled
        assert OTHER.encode() not in pickled

    def test_a_secret_is_read_where_the_pickle_is_loaded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MTLS_CALLER_SECRET", SECRET)
        pickled = pickle.dumps(Settings.from_env({**ONE_REGION, "MTLS_CALLER_SECRET": SECRET}))
        monkeypatch.setenv("MTLS_CALLER_SECRET", OTHER)

        assert pickle.loads(pickled) == Settings.from_env({**ONE_REGION, "MTLS_CALLER_SECRET": OTHER})

    def test_where_it_is_missing_the_variable_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MTLS_CALLER_SECRET", SECRET)
        pickled = pickle.dumps(Settings.from_env({**ONE_REGION, "MTLS_CALLER_SECRET": SECRET}))
        monkeypatch.delenv("MTLS_CALLER_SECRET")

        with pytest.raises(ConfigurationError, match="MTLS_CALLER_SECRET: is not in the environment of the process"):
            pickle.loads(pickled)

    @pytest.mark.parametrize("in_environment", [None, "", OTHER])
    def test_a_secret_that_nobody_could_read_again_is_not_pickled(
        self, in_environment: str | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("MTLS_CALLER_SECRET", raising=False)
        if in_environment is not None:
            monkeypatch.setenv("MTLS_CALLER_SECRET", in_environment)

        with pytest.raises(TypeError, match="a pickle must not hold MTLS_CALLER_SECRET") as raised:
            pickle.dumps(one_region(caller_secret=SECRET))
        assert SECRET not in str(raised.value)

    def test_the_list_of_code_is_the_text_of_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MTLS_CALLER_SECRET", f"{SECRET}, {OTHER}")
        settings = one_region(caller_secret=[SECRET, OTHER])

        assert pickle.loads(pickle.dumps(settings)) == settings

    def test_another_prefix_is_another_variable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        environ = {"X_REGIONS": "us-east-1", "X_TRUST": "/t", "X_CALLER_SECRET": SECRET}
        monkeypatch.setenv("X_CALLER_SECRET", SECRET)
        settings = Settings.from_env(environ, prefix="X_")

        assert pickle.loads(pickle.dumps(settings)) == settings

    def test_a_process_that_is_spawned_gets_them_whole(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in SECRETS.items():
            monkeypatch.setenv(name, value)
        settings = Settings.from_env()

        with multiprocessing.get_context("spawn").Pool(1) as pool:
            assert pool.apply(_compared, (settings,))


def _compared(settings: Settings) -> bool:
    """Return whether a process got what it would read itself."""
    return settings == Settings.from_env()


def test_the_code_on_the_page_runs() -> None:
    page = (Path(__file__).parents[2] / "docs" / "settings.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    made: dict[str, Any] = {"__name__": "page"}
    exec(compile(code, "settings.md", "exec"), made)

    assert (made["settings"].mode, made["rollout"].mode) == (Mode.ENFORCE, Mode.REPORT)
