"""Trust that keeps itself current, through the adapters: CRLs, certificates API, state, what is coming."""

import json
import os
import socket
import sys
from datetime import timedelta
from pathlib import Path
from types import ModuleType

import pytest

from mtls_middleware import Guard, MTLSMiddleware, TrustError
from mtls_middleware import composition as composed
from mtls_middleware._core.decision import RevocationState
from mtls_middleware._core.scope import connection_of
from mtls_middleware._io import forks
from mtls_middleware._io.files import InputError
from mtls_middleware._io.http import FailureKind, HTTPFailure
from mtls_middleware._trust import refresher
from mtls_middleware.observing.events import Notice, RefreshFailed
from mtls_middleware.observing.status import TrustState
from mtls_middleware.testing import ClientCertificate, GenesysAPI, RegionalCA
from tests.adapters.cases import ASGIApplication, call, http, http_scope, run_asgi
from tests.adapters.site import DAY, NOW, Site, good_client, over_tls, regional_ca, stranger_ca
from tests.trust.sessions import api_client

ADDRESS = "http://crl.example/region.crl"


@pytest.fixture(autouse=True)
def idle_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the thread live, and leave it to the test when something is refreshed."""
    monkeypatch.setattr(refresher, "_run", lambda _, stop, wait: wait(stop, 600))


def crl(*revoked: ClientCertificate, number: int = 1, days: int = 7) -> bytes:
    return regional_ca().crl(revoked, number=number, this_update=NOW - DAY, next_update=NOW + days * DAY)


def verdict(guard: Guard, client: ClientCertificate) -> str:
    return call(guard, over_tls(client)).verdict


def notices(site: Site) -> list[str]:
    return [event.text for event in site.hearing.events if isinstance(event, Notice)]


class TestLists:
    """Revocation lists from files: a site without network."""

    @pytest.fixture
    def crls(self, tmp_path: Path) -> Path:
        folder = tmp_path / "crls"
        folder.mkdir()
        return folder

    @pytest.mark.parametrize("mode", ["check", "require"])
    def test_what_a_list_names_is_refused(self, site: Site, crls: Path, mode: str) -> None:
        revoked = regional_ca().client()
        (crls / "region.crl").write_bytes(crl(revoked))
        guard = site.guard(revocation=mode, crl_urls=str(crls))

        assert (verdict(guard, revoked), verdict(guard, good_client())) == ("certificate_revoked", "accepted")

    @pytest.mark.parametrize(
        ("mode", "told"), [("off", "accepted"), ("check", "accepted"), ("require", "revocation_unknown")]
    )
    def test_without_a_list_it_depends_on_the_mode(self, site: Site, mode: str, told: str) -> None:
        assert verdict(site.guard(revocation=mode), good_client()) == told

    @pytest.mark.parametrize("files", [0, 1])
    def test_a_refresh_that_brings_nothing_new_keeps_the_verdicts(self, site: Site, crls: Path, files: int) -> None:
        if files:
            (crls / "region.crl").write_bytes(crl())
        guard = site.guard(revocation="check", **({"crl_urls": str(crls)} if files else {}))
        verdict(guard, good_client())
        for _ in range(2):
            guard.refresh()

        assert (guard.status().version, guard.status().verdicts) == (1, 1)

    def test_a_new_list_ends_an_acceptance_that_was_repeated(self, site: Site, crls: Path) -> None:
        (crls / "region.crl").write_bytes(crl())
        guard = site.guard(revocation="check", crl_urls=str(crls))
        scope = http_scope(over_tls(good_client()))
        before = verdict(guard, good_client())
        assert guard.replay(scope) is not None
        (crls / "region.crl").write_bytes(crl(good_client(), number=2))
        guard.refresh()

        assert (before, guard.replay(scope), verdict(guard, good_client())) == ("accepted", None, "certificate_revoked")

    def test_an_acceptance_ends_with_the_list_that_it_rests_on(self, site: Site, crls: Path) -> None:
        (crls / "region.crl").write_bytes(crl(days=2))
        guard = site.guard(revocation="require", crl_urls=str(crls))
        scope = http_scope(over_tls(good_client()))
        before = verdict(guard, good_client())
        site.clock.now += 2 * DAY + timedelta(seconds=1)

        assert (before, guard.replay(scope)) == ("accepted", None)
        assert verdict(guard, good_client()) == "revocation_unknown"

    def test_a_bad_new_list_takes_the_old_one_not_away(self, site: Site, crls: Path) -> None:
        revoked = regional_ca().client()
        (crls / "region.crl").write_bytes(crl(revoked))
        guard = site.guard(revocation="check", crl_urls=str(crls))
        (crls / "region.crl").write_bytes(b"junk")

        status = guard.refresh()

        assert status.life is TrustState.STALE
        assert verdict(guard, revoked) == "certificate_revoked"

    def test_an_older_list_takes_nothing_back(self, site: Site, crls: Path) -> None:
        revoked = regional_ca().client()
        (crls / "region.crl").write_bytes(crl(revoked, number=9))
        guard = site.guard(revocation="check", crl_urls=str(crls))
        (crls / "region.crl").write_bytes(crl(number=8))
        guard.refresh()

        assert verdict(guard, revoked) == "certificate_revoked"

    def test_only_require_makes_lists_a_part_of_the_life_of_trust(self, site: Site, crls: Path) -> None:
        (crls / "region.crl").write_bytes(crl(days=2))
        guards = [site.guard(revocation=mode, crl_urls=str(crls)) for mode in ("check", "require")]
        before = [guard.status().regions[0].available for guard in guards]
        site.clock.now += 3 * DAY

        assert before == [True, True]
        assert [guard.status().regions[0].available for guard in guards] == [True, False]
        assert guards[1].status().life is TrustState.EXPIRED

    def test_the_status_tells_of_lists(self, site: Site, crls: Path) -> None:
        (crls / "region.crl").write_bytes(crl(regional_ca().client(), number=5))
        guard = site.guard(revocation="check", crl_urls=str(crls))

        (told,) = guard.status().lists
        assert (told.number, told.entries, told.error, told.is_learned) == (5, 1, "", False)

    def test_a_site_without_network_asks_nobody_and_warns_of_nothing(
        self, site: Site, crls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def forbidden(*_: object, **__: object) -> None:
            raise AssertionError("it asked the network")

        monkeypatch.setattr(socket, "getaddrinfo", forbidden)
        monkeypatch.setattr(socket, "create_connection", forbidden)
        client = regional_ca().client(crl_url=ADDRESS)
        (crls / "region.crl").write_bytes(crl())
        guard = site.guard(revocation="require", crl_urls=str(crls), state=str(tmp_path / "state"))
        told = verdict(guard, client)
        status = guard.refresh()

        assert (told, status.life, status.problems, status.warnings) == ("accepted", TrustState.FRESH, (), ())


class Host:
    """Answer for a CRL host, or fail."""

    def __init__(self) -> None:
        self.content: bytes | None = None

    def __call__(self, address: str) -> bytes:
        assert address == ADDRESS
        if self.content is None:
            raise InputError("cannot be fetched: no connection")
        return self.content


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    host = Host()
    monkeypatch.setattr(composed, "Fetcher", lambda _policy, **_: host)
    return host


class TestLearning:
    def test_a_call_teaches_the_address_of_its_list(self, site: Site, host: Host) -> None:
        client = regional_ca().client(crl_url=ADDRESS)
        host.content = crl(client)
        guard = site.guard(revocation="check")
        before = verdict(guard, client)
        assert guard._trust.has_changed()
        guard._trust._refresher.refresh_now()

        assert (before, verdict(guard, client)) == ("accepted", "certificate_revoked")

    def test_with_require_the_call_after_the_first_is_accepted(self, site: Site, host: Host) -> None:
        client = regional_ca().client(crl_url=ADDRESS)
        host.content = crl()
        guard = site.guard(revocation="require")
        before = verdict(guard, client)
        guard._trust._refresher.refresh_now()

        assert (before, verdict(guard, client)) == ("revocation_unknown", "accepted")

    def test_a_stranger_teaches_nothing(self, site: Site, host: Host) -> None:
        host.content = crl()
        guard = site.guard(revocation="check")
        verdict(guard, stranger_ca().client(crl_url=ADDRESS))

        assert guard.status().lists == ()
        assert not guard._trust.has_changed()

    def test_a_host_that_fails_takes_nothing_away_and_is_told_once(self, site: Site, host: Host) -> None:
        client = regional_ca().client(crl_url=ADDRESS)
        host.content = None
        guard = site.guard(revocation="check")
        verdict(guard, client)
        for _ in range(3):
            guard.refresh()

        assert verdict(guard, client) == "accepted"
        assert guard.status().life is TrustState.STALE
        assert len([event for event in site.hearing.events if isinstance(event, RefreshFailed)]) == 1

    def test_a_restart_during_an_outage_knows_the_list(self, site: Site, host: Host, tmp_path: Path) -> None:
        client = regional_ca().client(crl_url=ADDRESS)
        host.content = crl()
        state = str(tmp_path / "state")
        first = site.guard(revocation="require", state=state)
        verdict(first, client)
        first._trust._refresher.refresh_now()
        host.content = None

        again = site.guard(revocation="require", state=state)

        assert verdict(again, client) == "accepted"

    def test_a_worker_learns_from_another_worker(self, site: Site, host: Host, tmp_path: Path) -> None:
        client = regional_ca().client(crl_url=ADDRESS)
        host.content = crl(client)
        state = str(tmp_path / "state")
        asking, learning = (site.guard(revocation="check", state=state) for _ in range(2))
        verdict(asking, client)
        asking._trust._refresher.refresh_now()
        host.content = None
        assert learning._trust.has_changed()
        learning._trust._refresher.refresh_now()

        assert verdict(learning, client) == "certificate_revoked"

    @pytest.mark.parametrize("mode", ["check", "require"])
    def test_a_certificate_with_another_name_chooses_no_address(self, site: Site, host: Host, mode: str) -> None:
        host.content = crl()
        guard = site.guard(revocation=mode)
        told = verdict(guard, regional_ca().client(names="other.example", crl_url=ADDRESS))
        guard.refresh()

        assert (told, guard.status().lists) == ("region_mismatch", ())

    def test_an_acceptance_says_what_is_known(self, site: Site) -> None:
        guard = site.guard(revocation="check")
        decision = guard.decide(connection_of(http_scope(over_tls(good_client()))))

        assert getattr(decision, "revocation", None) is RevocationState.UNKNOWN


DIGICERT = RegionalCA("DigiCert root", now=NOW)
PINNED = DIGICERT.client()


@pytest.fixture
def api(site: Site, monkeypatch: pytest.MonkeyPatch) -> GenesysAPI:
    server = GenesysAPI(clock=site.clock)
    monkeypatch.setattr(composed, "CertificatesAPI", api_client(server))
    return server


def credentials(server: GenesysAPI) -> dict[str, str]:
    return {"MTLS_GENESYS_CLIENT_ID": server.client_id, "MTLS_GENESYS_CLIENT_SECRET": server.client_secret}


def digicert(site: Site, server: GenesysAPI, **more: str) -> Guard:
    root = site.folder / "digicert-root.pem"
    DIGICERT.write(root)
    environ = {"MTLS_AUTHORITIES": "digicert", "MTLS_TRUST": f"digicert={root}", **credentials(server)}
    return site.guard(environ, **more)


class TestAPI:
    def test_pins_come_after_the_start(self, site: Site, api: GenesysAPI) -> None:
        api.add(PINNED)
        guard = digicert(site, api)
        before = verdict(guard, PINNED)
        assert guard._trust.has_changed()
        guard._trust._refresher.refresh_now()

        assert (before, verdict(guard, PINNED)) == ("trust_unavailable", "accepted")
        assert verdict(guard, DIGICERT.client()) == "not_pinned"

    def test_an_api_that_fails_takes_no_pin_away(self, site: Site, api: GenesysAPI) -> None:
        api.add(PINNED)
        guard = digicert(site, api)
        guard.refresh()
        api.answer_next(*[HTTPFailure(FailureKind.UNREACHABLE, "down")] * 20)
        status = guard.refresh()

        assert (status.life, verdict(guard, PINNED)) == (TrustState.STALE, "accepted")
        assert "certificates API of us-east-1" in status.problems[0]
        assert status.apis[0].error

    def test_an_upcoming_certificate_is_a_pin_too(self, site: Site, api: GenesysAPI) -> None:
        upcoming = DIGICERT.client()
        api.add(PINNED)
        api.add(upcoming, status="Upcoming")
        guard = digicert(site, api)
        guard.refresh()

        assert (verdict(guard, PINNED), verdict(guard, upcoming)) == ("accepted", "accepted")

    def test_a_restart_during_an_outage_knows_the_pins(self, site: Site, api: GenesysAPI) -> None:
        api.add(PINNED)
        state = str(site.folder / "state")
        digicert(site, api, state=state).refresh()
        api.answer_next(*[HTTPFailure(FailureKind.UNREACHABLE, "down")] * 20)

        assert verdict(digicert(site, api, state=state), PINNED) == "accepted"

    def test_with_another_secret_what_was_kept_is_not_believed(self, site: Site, api: GenesysAPI) -> None:
        api.add(PINNED)
        state = str(site.folder / "state")
        digicert(site, api, state=state, state_secret="a-secret-of-the-state").refresh()
        api.answer_next(*[HTTPFailure(FailureKind.UNREACHABLE, "down")] * 20)

        again = digicert(site, api, state=state, state_secret="another-secret-of-it")
        assert verdict(again, PINNED) == "trust_unavailable"

    def test_a_renewed_root_is_told_once_before_any_refusal(self, site: Site, api: GenesysAPI) -> None:
        api.add(stranger_ca().client(), authority="Genesys")
        guard = site.guard(credentials(api))
        for _ in range(2):
            guard.refresh()

        (told,) = [text for text in notices(site) if "no root in MTLS_TRUST signed" in text]
        assert "US-East-1.zip" in told

    def test_a_root_that_is_the_right_one_is_not_told_of(self, site: Site, api: GenesysAPI) -> None:
        api.add(good_client(), authority="Genesys")
        site.guard(credentials(api)).refresh()

        assert not [text for text in notices(site) if "MTLS_TRUST signed" in text]


class TestSeenComing:
    def test_a_refused_caller_with_the_right_name_may_mean_a_new_root(self, site: Site) -> None:
        guard = site.guard()
        for _ in range(2):
            http(guard, over_tls(stranger_ca().client()))

        (told,) = [text for text in notices(site) if "bears the name of us-east-1" in text]
        assert "US-East-1.zip" in told

    def test_nobody_says_so_of_paths_that_need_no_identity(self, site: Site) -> None:
        http(site.guard(protect="/other"), over_tls(stranger_ca().client()))

        assert not notices(site)

    def test_the_end_of_a_root_is_told_at_each_threshold_once(self, site: Site) -> None:
        guard = site.guard()
        ends = regional_ca().certificate.not_valid_after_utc
        for days in (200, 179, 150, 89, 60, 29, 5):
            site.clock.now = ends - days * DAY
            guard.refresh()

        told = [text for text in notices(site) if "the last root of us-east-1 expires" in text]
        assert [text.partition(" expires in ")[2].partition(" days")[0] for text in told] == ["179", "89", "29"]

    def test_a_lonely_pin_has_no_upcoming_certificate(self, site: Site, api: GenesysAPI) -> None:
        api.add(PINNED)
        guard = digicert(site, api)
        guard.refresh()

        (pin,) = [ending for ending in guard.status().coming if ending.kind == "pin"]
        assert "no upcoming certificate known yet" in pin.text
        assert pin.days == (PINNED.certificate.not_valid_after_utc - NOW).days


class TestThreads:
    @pytest.mark.parametrize(
        ("environ", "options", "why"),
        [
            ({}, None, None),
            ({forks.LAMBDA: "f"}, None, "Lambda"),
            ({}, {}, "uWSGI"),
            ({}, {"enable-threads": b"true"}, None),
        ],
        ids=["threads", "lambda", "uwsgi", "uwsgi-with-threads"],
    )
    def test_where_no_thread_can_live_it_is_noticed(
        self,
        monkeypatch: pytest.MonkeyPatch,
        environ: dict[str, str],
        options: dict[str, bytes] | None,
        why: str | None,
    ) -> None:
        monkeypatch.delitem(sys.modules, "uwsgi", raising=False)
        if options is not None:
            server = ModuleType("uwsgi")
            monkeypatch.setattr(server, "opt", options, raising=False)
            monkeypatch.setitem(sys.modules, "uwsgi", server)

        assert (why or "") in (forks.why_no_thread(environ) or "")
        assert (forks.why_no_thread(environ) is None) == (why is None)

    def test_there_it_is_refreshed_once_at_the_start_and_then_on_demand(
        self, site: Site, api: GenesysAPI, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(forks.LAMBDA, "a-function")
        monkeypatch.setattr(forks.why_no_thread, "__defaults__", (os.environ,))
        api.add(PINNED)
        guard = digicert(site, api)

        assert verdict(guard, PINNED) == "accepted"
        assert not guard._trust._refresher.is_running
        assert any("guard.refresh()" in text for text in notices(site))

    def test_a_start_that_failed_heals_by_itself(self, site: Site) -> None:
        guard = site.new_guard()
        site.root.unlink()
        with pytest.raises(TrustError):
            guard.start()
        assert guard._trust._refresher.is_running
        before = verdict_of(guard)
        regional_ca().write(site.root)
        assert guard._trust.has_changed()
        guard._trust._refresher.tick()

        assert (before, verdict_of(guard)) == ("trust_unavailable", "accepted")

    @pytest.mark.parametrize("shift", [-3650 * DAY, 3650 * DAY], ids=["back", "forth"])
    def test_a_clock_that_was_moved_makes_no_haste(self, site: Site, api: GenesysAPI, shift: timedelta) -> None:
        api.add(good_client(), authority="Genesys")
        guard = site.guard(credentials(api), state=str(site.folder / "state"))
        guard.refresh()
        site.clock.now += shift
        for _ in range(2):
            guard._trust._refresher.refresh_now()

        assert not guard._trust.has_changed()

    def test_what_cannot_be_kept_makes_no_trust_stale(self, site: Site) -> None:
        (site.folder / "state").write_bytes(b"")
        guard = site.guard(state=str(site.folder / "state"), revocation="check")
        for _ in range(2):
            status = guard.refresh()

        assert status.life is TrustState.FRESH
        told = [text for text in notices(site) if "state in" in text]
        assert told
        assert len(told) == len(set(told))


def verdict_of(guard: Guard) -> str:
    app = ASGIApplication()
    sent = run_asgi(MTLSMiddleware(app, guard=guard), http_scope(over_tls(good_client())))
    return "accepted" if app.scope else str(json.loads(sent[-1]["body"])["reason"])
