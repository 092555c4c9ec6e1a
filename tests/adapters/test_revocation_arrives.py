"""A revocation that arrives ends an acceptance that is remembered, whatever kind of CRL brings it."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from mtls_middleware import composition as composed
from mtls_middleware._trust import refresher
from tests.adapters.cases import call, http_scope
from tests.adapters.site import Site, over_tls
from tests.core.certs import DAY, NOW
from tests.core.crls import crl
from tests.core.test_revocation import A
from tests.core.test_two_bars import BARS, CA, CLIENT, NEVER, Make


class Places:
    """Where CRLs of a guard come from: a folder, or a host."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folder.mkdir()
        self.published = b""

    def put(self, content: bytes, name: str = "region.crl") -> None:
        (self.folder / name).write_bytes(content)
        self.published = content

    def fetch(self, address: str) -> bytes:
        assert address == A
        return self.published


@pytest.fixture
def places(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    """Let a site trust the CA whose CRLs these are, and leave it to the test when something is refreshed."""
    places = Places(tmp_path / "crls")
    monkeypatch.setattr(composed, "Fetcher", lambda _policy, **_: places.fetch)
    monkeypatch.setattr(refresher, "_run", lambda _, stop, wait: wait(stop, 600))
    CA.write(site.root)
    site.clock.now = NOW
    return places


def old_and_good() -> bytes:
    """Return a complete CRL, older than those of the tables, that does not name the client."""
    return crl(CA, number=0, begins=NOW - 3 * DAY)


def outcomes(site: Site, places: Places, mode: str, origin: str, content: bytes) -> Sequence[object]:
    """Call until an acceptance is repeated, publish a CRL, and call again."""
    places.put(old_and_good())
    guard = site.guard(revocation=mode, crl_urls=str(places.folder) if origin == "folder" else A)
    guard.refresh()
    case = over_tls(CLIENT)
    before = [call(guard, case).verdict for _ in range(2)]
    assert before == ["accepted", "accepted"]
    assert (guard.status().verdicts, guard.replay(http_scope(case)) is None) == (1, False)
    places.put(content, "arrived.crl")
    if origin == "folder":
        assert guard._trust.has_changed()  # the thread looks every few seconds, and refreshes only then
    guard.refresh()
    return guard.replay(http_scope(case)), call(guard, case).verdict


@pytest.mark.parametrize("origin", ["folder", "host"])
@pytest.mark.parametrize("mode", ["check", "require"])
@pytest.mark.parametrize(("make", "_"), BARS.values(), ids=BARS)
def test_it_is_refused_at_the_next_call(
    make: Make, _: object, mode: str, origin: str, site: Site, places: Places
) -> None:
    assert outcomes(site, places, mode, origin, make([CLIENT])) == (None, "certificate_revoked")


@pytest.mark.parametrize("make", NEVER.values(), ids=NEVER)
def test_what_is_not_understood_ends_nothing_and_is_reported(make: Make, site: Site, places: Places) -> None:
    replayed, verdict = outcomes(site, places, "check", "folder", make([CLIENT]))

    assert (replayed is not None, verdict) == (True, "accepted")
    assert "critical extension" in site.guards[-1].status().problems[0]
