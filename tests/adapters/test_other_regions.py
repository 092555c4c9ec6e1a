"""A caller or a root of another region: it is said so, and no override is offered that would give the wrong region."""

import os
from pathlib import Path

import pytest

from mtls_middleware import Guard, TrustError
from mtls_middleware._trust import refresher
from mtls_middleware.observing.events import Notice
from mtls_middleware.testing import RegionalCA
from tests.adapters.cases import Outcome, call, http
from tests.adapters.site import NOW, Site, good_client, over_tls, regional_ca

US_NAME, EU_NAME = (RegionalCA(region, now=NOW).cert_name for region in ("us-east-1", "eu-west-1"))


@pytest.fixture(autouse=True)
def idle_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the thread live, and leave it to the test when something is refreshed."""
    monkeypatch.setattr(refresher, "_run", lambda _, stop, wait: wait(stop, 600))


@pytest.fixture(scope="module")
def ireland() -> RegionalCA:
    return RegionalCA("eu-west-1", now=NOW)


@pytest.fixture
def irish(site: Site, ireland: RegionalCA) -> Path:
    path = site.folder / "EU-West-1.pem"
    ireland.write(path)
    return path


def detail(guard: Guard, names: list[str], ca: RegionalCA, caplog: pytest.LogCaptureFixture) -> str:
    caplog.clear()
    assert call(guard, over_tls(ca.client(names=names))).verdict == "region_mismatch"
    return "".join(caplog.messages)


@pytest.mark.parametrize("names", [[EU_NAME], [EU_NAME.upper()], ["a.example", EU_NAME]], ids=["one", "case", "more"])
def test_the_name_of_another_region_is_said_instead_of_an_override(
    site: Site, irish: Path, ireland: RegionalCA, names: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    told = detail(site.guard(trust=f"us-east-1={irish}"), names, ireland, caplog)

    assert f"{EU_NAME} is the name of eu-west-1, but the root that signed it is bound to us-east-1" in told
    assert "MTLS_CERT_NAMES" not in told


def test_so_it_is_where_both_regions_are_configured_and_their_roots_were_mixed_up(
    site: Site, irish: Path, ireland: RegionalCA, caplog: pytest.LogCaptureFixture
) -> None:
    site.environ()
    guard = site.guard(regions="us-east-1,eu-west-1", trust=f"us-east-1={irish},eu-west-1={site.root}")

    assert f"{EU_NAME} is the name of eu-west-1, but" in detail(guard, [EU_NAME], ireland, caplog)
    assert f"{US_NAME} is the name of us-east-1, but" in detail(guard, [US_NAME], regional_ca(), caplog)


def test_and_where_the_root_is_bound_to_custom(
    site: Site, irish: Path, ireland: RegionalCA, caplog: pytest.LogCaptureFixture
) -> None:
    site.environ()
    guard = site.guard(
        authorities="genesys,custom", trust=f"us-east-1={site.root},custom={irish}", cert_names="custom=a.example"
    )

    assert "eu-west-1, but the root that signed it is bound to custom" in detail(guard, [EU_NAME], ireland, caplog)


def test_an_unknown_name_still_gets_its_override(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    told = detail(site.guard(), ["new.example"], regional_ca(), caplog)
    assert "MTLS_CERT_NAMES=us-east-1=new.example would accept it" in told


def test_a_caller_of_a_region_that_is_not_configured_is_told_of_once(site: Site, ireland: RegionalCA) -> None:
    guard = site.guard()
    for _ in range(3):
        assert http(guard, over_tls(ireland.client())).verdict == "issuer_untrusted"

    (told,) = [one.text for one in site.hearing.events if isinstance(one, Notice) and "bears the name" in one.text]
    assert told.startswith("a refused caller bears the name of eu-west-1, and MTLS_REGIONS is us-east-1. If your")
    assert "EU-West-1.zip" in told


class TestWhileRunning:
    def test_a_root_of_another_region_beside_the_right_one_is_left_out(
        self, site: Site, ireland: RegionalCA, roots: Path
    ) -> None:
        guard = site.guard(trust=str(roots))
        ireland.write(roots / "EU-West-1.pem")
        status = guard.refresh()

        assert not status.problems
        assert any("EU-West-1.pem is the root of eu-west-1" in warning for warning in status.warnings)
        assert verdicts(guard, ireland) == ["accepted", "issuer_untrusted"]

    def test_in_the_place_of_the_right_one_it_changes_nothing_and_is_a_problem(
        self, site: Site, ireland: RegionalCA, roots: Path
    ) -> None:
        guard = site.guard(trust=str(roots))
        ireland.write(roots / "EU-West-1.pem")
        (roots / "US-East-1.pem").unlink()
        status = guard.refresh()

        assert "EU-West-1.pem is the root of eu-west-1, and MTLS_REGIONS is us-east-1" in status.problems[0]
        assert verdicts(guard, ireland) == ["accepted", "issuer_untrusted"]

    def test_a_link_that_is_swapped_to_another_region_is_judged_by_the_new_names(
        self, site: Site, ireland: RegionalCA, roots: Path
    ) -> None:
        other = roots.parent / "other"
        other.mkdir()
        ireland.write(other / "eu-west-1.pem")
        current = roots.parent / "current"
        current.symlink_to(roots)
        guard = site.guard(trust=str(current))
        (roots.parent / "next").symlink_to(other)
        os.replace(roots.parent / "next", current)  # noqa: PTH105 - as a deployment does

        assert "eu-west-1.pem is the root of eu-west-1" in guard.refresh().problems[0]
        assert verdicts(guard, ireland) == ["accepted", "issuer_untrusted"]

    def test_a_start_with_it_alone_fails_and_says_both(self, site: Site, irish: Path) -> None:
        with pytest.raises(TrustError, match=r"EU-West-1\.pem is the root of eu-west-1, and MTLS_REGIONS is us-east-1"):
            site.guard(trust=str(irish))


def verdicts(guard: Guard, ireland: RegionalCA) -> list[str]:
    clients = [good_client(), ireland.client(names=[US_NAME])]
    outcomes: list[Outcome] = [call(guard, over_tls(client)) for client in clients]
    return [outcome.verdict for outcome in outcomes]


@pytest.fixture
def roots(site: Site) -> Path:
    folder = site.folder / "roots"
    folder.mkdir()
    regional_ca().write(folder / "US-East-1.pem")
    return folder
