"""A state folder that cannot be used is told: once in the log, in the status, and on the page; calls are judged."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from mtls_middleware.status_page import StatusPage
from tests.adapters.cases import http
from tests.adapters.site import Site, good_client, over_tls


def below_a_file(place: Path) -> Path:
    place.write_bytes(b"")
    return place / "state"


def a_link(place: Path) -> Path:
    place.symlink_to(place.parent)
    return place


def a_link_in_a_shared_folder(place: Path) -> Path:
    place.mkdir()
    place.chmod(0o777)
    (place / f"mtls-middleware-{os.geteuid()}").symlink_to(place.parent)
    return place


def where_nothing_can_be_made(place: Path) -> Path:  # noqa: ARG001 - not even root can make it
    return Path("/proc/mtls-middleware/state")


@pytest.mark.parametrize("revocation", ["check", "off"])
@pytest.mark.parametrize("make", [below_a_file, a_link, a_link_in_a_shared_folder, where_nothing_can_be_made])
def test_it_is_told_once_and_calls_are_judged(
    site: Site, make: Callable[[Path], Path], revocation: str, caplog: pytest.LogCaptureFixture
) -> None:
    guard = site.guard(state=str(make(site.folder / "place")), revocation=revocation)
    for _ in range(2):
        guard.refresh()

    assert http(guard, over_tls(good_client())).verdict == "accepted"
    (told,) = [message for message in caplog.messages if message.startswith("state in ")]
    assert told in guard.status().warnings
    page = TestClient(StatusPage(guard, allow=lambda _: True, clock=site.clock)).get(
        "/", headers={"accept": "text/html"}
    )
    assert "cannot be" in page.text
    assert "MTLS_STATE a folder" in page.text


def test_a_shared_folder_is_used_without_a_word(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    shared = site.folder / "mount"
    shared.mkdir()
    shared.chmod(0o777)
    guard = site.guard(state=str(shared), revocation="check")
    guard.refresh()

    assert [path.name for path in shared.iterdir()] == [f"mtls-middleware-{os.geteuid()}"]
    assert not [message for message in caplog.messages if "state" in message]
    assert guard.status().warnings == ()
