"""No router reads a path so that a protected handler runs without a certificate."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import override_settings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mtls_middleware import Guard, Settings
from tests.adapters.site import regional_ca
from tests.routers.frameworks import PROTECTED
from tests.routers.site import FRAMEWORKS, MOUNT, WITH_WEBSOCKET, Routed, routed, uvicorn
from tests.routers.targets import targets

PROTECT = {"MTLS_PROTECT": "/lookup,/actions"}
EXEMPT = {"MTLS_EXEMPT": f"/health,{MOUNT}/health"}
MODES = {"protect": PROTECT, "exempt": EXEMPT}
PROTECTED_HANDLERS = {"protect": PROTECTED, "exempt": PROTECTED | {"open"}}

FUZZ = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def guard(mode: str, tmp_path: Path) -> Iterator[Guard]:
    trust = str(regional_ca().write(tmp_path / "US-East-1.pem"))
    environ = {"MTLS_REGIONS": "us-east-1", "MTLS_TRUST": trust, "MTLS_REVOCATION": "off", "MTLS_STATE": "off"}
    guard = Guard.silent(Settings.from_env({**environ, **MODES[mode]}))
    guard.start()
    yield guard
    guard.close()


@pytest.fixture(params=FRAMEWORKS)
def site(request: pytest.FixtureRequest, guard: Guard) -> Iterator[Routed]:
    with routed(request.param, guard) as site:
        yield site


def root_of(site: Routed) -> str:
    """Return what stands before a path so that the framework serves it, where the server knows of no mount point."""
    return MOUNT if site.name.endswith("-mounted") else ""


def test_what_is_open_runs_and_what_is_protected_does_not(site: Routed, mode: str) -> None:
    opened = "open" if mode == "protect" else "health"
    for server in site.servers:
        assert site.call(server(f"{root_of(site)}/{opened}".encode(), "")) == [opened]
        assert site.call(server(f"{root_of(site)}/lookup".encode(), "")) == []


LEFT_OPEN = [
    b"/lookup%0A", b"/lookup%0a/", b"/actions/secret%0A", b"/actions/item/7%0A", b"//lookup", b"///actions/secret",
    b"//actions/../lookup", b"///actions/..", b"/actions/item/..", b"//x/../lookup", b"/%0C/lookup;a", b"%0C/lookup;a",
    b"%0A/lookup%0A", b"/lookup%FF", b"/looku%FE%FFp", b"/%FFlookup", b"/look%c0%afup", b"/lookup%ed%a0%80", b"/LOOKUP",
    b"/Lookup/", b"/ACTIONS/secret", b"/act%C4%B1ons/secret", b"/loo%E2%84%AAup", b"/lookup;a", b"/lookup;a=b/",
    b"/lookup%3Ba", b"/lookup%3F", b"/lookup%23x", b"x:/lookup", b"http:/lookup", b"http://h/lookup", b"lookup",
    b"/lookup%00", b"/lookup%20", b"/lookup%09", b"/lookup%C2%A0", b"/%EF%BC%8Flookup", b"/look%E2%80%8Bup",
    b"/lookup\\", b"/apilookup", b"/APIlookup", b"/%61pilookup",
    b"/open/../lookup", b"/open/%2e%2e/lookup", b"/open/..%2flookup", b"/health/../lookup", b"/health%2f..%2flookup",
    b"/health;/../lookup", b"/health/%EF%BC%8E%EF%BC%8E/lookup", b"/HEALTH/../lookup", b"/api/lookup", b"/API/lookup",
    b"/api//lookup", b"//api/lookup", b"/api/lookup%0A", b"/api/LOOKUP", b"/api/./lookup", b"/api;a/lookup",
]  # fmt: skip
"""What reached a handler of some framework, and what is like it."""


def test_what_once_was_left_open_is_not(site: Routed, mode: str) -> None:
    for server in site.servers:
        for root in ("", MOUNT):
            for target in LEFT_OPEN:
                for websocket in {False, site.name in WITH_WEBSOCKET}:
                    ran = site.call(server(target, root), websocket=websocket)
                    assert not PROTECTED_HANDLERS[mode] & set(ran), (server, target, root, websocket)


@pytest.mark.parametrize("target", [b"/api/lookup", b"/%61pi/lookup", b"/api/actions/secret", b"/lookup"])
def test_a_prefix_that_django_cuts_off_by_a_setting_leaves_nothing_open(guard: Guard, target: bytes) -> None:
    with routed("django-asgi", guard) as site, override_settings(FORCE_SCRIPT_NAME=MOUNT):  # type: ignore[no-untyped-call]  # Django ships no types
        assert site.call(uvicorn(target, "")) == []


@FUZZ
@given(data=st.data())
def test_no_spelling_of_a_path_reaches_a_protected_handler(site: Routed, mode: str, data: st.DataObject) -> None:
    server = data.draw(st.sampled_from(site.servers))
    root = data.draw(st.sampled_from(("", MOUNT)))
    websocket = data.draw(st.booleans()) if site.name in WITH_WEBSOCKET else False
    target = data.draw(targets())

    assert not PROTECTED_HANDLERS[mode] & set(site.call(server(target, root), websocket=websocket))
