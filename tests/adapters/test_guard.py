"""The guard: start, refresh, close, status; its clock, its trust, its hooks."""

import gc
import os
import threading
import time
import weakref
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from mtls_middleware import Accepted, ConfigurationError, Connection, Guard, Reason, Rejected, Status, TrustError
from mtls_middleware._core.connection import Interface
from mtls_middleware.observing.events import CallAccepted, CallRejected, Event, Hook, RefreshFailed, TrustReplaced
from mtls_middleware.observing.status import TrustState
from mtls_middleware.testing import RegionalCA, tls_extension
from tests.adapters.cases import call, http
from tests.adapters.site import (
    CALLER_SECRET,
    DAY,
    NGINX,
    NGINX_BOTH,
    NGINX_PEER,
    NOW,
    SECRET,
    Clock,
    Recorder,
    Site,
    good_client,
    over_tls,
    regional_ca,
    stranger_ca,
    through_nginx,
)

SECOND = timedelta(seconds=1)
LIMIT = 20.0
"""Seconds after which a wait for another thread has failed."""


def _connection(**more: Any) -> Connection:
    facts: dict[str, Any] = {
        "interface": Interface.ASGI,
        "path": "/",
        "raw_path": None,
        "root_path": "",
        "headers": (),
        "client": None,
        "tls": tls_extension(good_client()),
        **more,
    }
    return Connection(**facts)


class TestDecide:
    def test_it_accepts_the_good_call(self, site: Site) -> None:
        decision = site.guard().decide(_connection())
        assert isinstance(decision, Accepted)
        assert decision.identity.fingerprint_sha256 == good_client().fingerprint_sha256
        assert (decision.protected, decision.cached) == (True, False)

    def test_it_knows_the_certificate_the_second_time(self, site: Site) -> None:
        guard = site.guard()
        guard.decide(_connection())
        decision = guard.decide(_connection())
        assert isinstance(decision, Accepted)
        assert decision.cached

    def test_before_the_start_it_refuses_everything(self, site: Site) -> None:
        decision = site.new_guard().decide(_connection())
        assert isinstance(decision, Rejected)
        assert decision.reason is Reason.TRUST_UNAVAILABLE

    @pytest.mark.parametrize(
        "hostile",
        [
            {"path": None},
            {"raw_path": "text"},
            {"root_path": None},
            {"headers": None},
            {"headers": ((b"a",),)},
            {"client": 7},
            {"tls": 7},
            {"tls": []},
            {"event": 7},
        ],
        ids=repr,
    )
    @pytest.mark.parametrize(
        "environ", [{}, NGINX_BOTH, {"MTLS_SOURCE": "aws-api-gateway"}], ids=["tls", "nginx", "aws"]
    )
    def test_it_raises_nothing(self, site: Site, hostile: dict[str, Any], environ: dict[str, str]) -> None:
        guard = site.guard(environ, exempt="/health")
        assert isinstance(guard.decide(_connection(**hostile)), Accepted | Rejected)


class TestStart:
    def test_it_may_start_twice(self, site: Site) -> None:
        guard = site.guard()
        guard.start()
        assert guard.status().version == 1

    def test_it_may_start_again_after_close(self, site: Site) -> None:
        guard = site.guard()
        guard.close()
        guard.close()
        assert call(guard, over_tls(good_client())).verdict == "accepted"
        guard.start()
        assert guard._trust._refresher.is_running
        assert guard.status().version == 1

    def test_close_before_start_does_nothing(self, site: Site) -> None:
        guard = site.new_guard()
        guard.close()
        assert guard.status().life is TrustState.MISSING

    def test_every_problem_is_told_at_once(self, site: Site) -> None:
        short = site.folder / "short"
        short.write_text("short", encoding="ascii")
        guard = site.new_guard(
            {
                "MTLS_SOURCE": "nginx",
                "MTLS_PROXY_SECRET_FILE": str(short),
                "MTLS_CALLER_SECRET_FILE": str(site.folder / "absent-secret"),
                "MTLS_TRUST": str(site.folder / "absent.pem"),
            }
        )
        with pytest.raises(ConfigurationError) as raised:
            guard.start()
        assert len(raised.value.problems) == 3
        for part in ("MTLS_PROXY_SECRET_FILE", "MTLS_CALLER_SECRET_FILE", "absent.pem"):
            assert part in str(raised.value)

    def test_trust_that_cannot_be_used_is_a_trust_error(self, site: Site) -> None:
        with pytest.raises(TrustError, match=r"absent\.pem"):
            site.guard(trust=str(site.folder / "absent.pem"))

    def test_a_failed_start_may_be_tried_again(self, site: Site) -> None:
        path = site.folder / "later.pem"
        guard = site.new_guard({"MTLS_TRUST": str(path)})
        with pytest.raises(TrustError):
            guard.start()
        regional_ca().write(path)
        guard.start()
        assert call(guard, over_tls(good_client())).verdict == "accepted"

    def test_many_threads_start_it_once(self, site: Site) -> None:
        guard = site.new_guard()
        _together(8, guard.start)
        assert guard.status().version == 1
        assert [event for event in site.hearing.events if isinstance(event, TrustReplaced)] == site.hearing.events

    def test_a_guard_that_nobody_holds_ends_its_thread(self, site: Site) -> None:
        guard = Guard(site.settings(), clock=Clock(), hooks=())
        guard.start()
        thread = guard._trust._refresher._thread
        assert thread is not None
        reference = weakref.ref(guard)
        del guard
        deadline = time.monotonic() + LIMIT
        while thread.is_alive() and time.monotonic() < deadline:
            gc.collect()  # more than once: a tick of the thread may hold the guard at this moment
            thread.join(0.05)
        assert not thread.is_alive()
        assert reference() is None


class TestThreads:
    def test_decisions_refreshes_and_status_do_not_disturb_each_other(self, site: Site) -> None:
        guard = site.guard()
        rounds = range(40)

        def judge() -> None:
            for _ in rounds:
                assert isinstance(guard.decide(_connection()), Accepted)

        def refresh() -> None:
            for _ in rounds:
                assert guard.refresh().life is TrustState.FRESH

        def restart() -> None:
            for _ in rounds:
                guard.close()
                guard.start()

        _together(2, judge, refresh, restart, guard.status)
        assert guard.status().decisions == {"accepted": 80}


def _together(copies: int, *works: Callable[[], object]) -> None:
    """Run everything at once, and raise the first error."""
    errors: list[BaseException] = []
    ready = threading.Barrier(copies * len(works))

    def run(work: Callable[[], object]) -> None:
        try:
            ready.wait(LIMIT)
            work()
        except BaseException as error:  # noqa: BLE001 - told below, in the test's own thread
            errors.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works for _ in range(copies)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
        assert not thread.is_alive()
    if errors:
        raise errors[0]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_it_is_usable_after_a_fork(site: Site) -> None:
    guard = site.guard()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            accepted = isinstance(guard.decide(_connection()), Accepted)
            guard.start()
            fresh = guard.refresh().life is TrustState.FRESH
            guard.close()
            code = 0 if accepted and fresh else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


class TestClock:
    def test_a_cached_acceptance_ends_with_the_certificate(self, site: Site) -> None:
        guard = site.guard()
        client = regional_ca().client(not_after=NOW + DAY)
        assert call(guard, over_tls(client)).verdict == "accepted"
        site.clock.now = NOW + DAY
        assert call(guard, over_tls(client)).verdict == "accepted"
        site.clock.now = NOW + DAY + SECOND
        assert call(guard, over_tls(client)).verdict == "certificate_expired"

    def test_a_cached_acceptance_does_not_hold_before_its_time(self, site: Site) -> None:
        guard = site.guard()
        client = regional_ca().client(not_before=NOW)
        assert call(guard, over_tls(client)).verdict == "accepted"
        site.clock.now = NOW - SECOND
        assert call(guard, over_tls(client)).verdict == "certificate_not_yet_valid"

    def test_an_anchor_that_ended_is_no_trust(self, site: Site) -> None:
        guard = site.guard()
        assert call(guard, over_tls(good_client())).verdict == "accepted"
        site.clock.now = regional_ca().certificate.not_valid_after_utc + SECOND
        outcome = call(guard, over_tls(good_client()))
        assert (outcome.status, outcome.verdict) == (503, "trust_unavailable")
        assert guard.status().life is TrustState.EXPIRED
        assert "US-East-1.pem" in _details(site)[-1]

    def test_of_several_regions_only_the_one_whose_anchor_ended_is_out(self, site: Site) -> None:
        ireland = RegionalCA("eu-west-1", now=NOW, not_after=NOW + 20 * DAY)
        folder = site.folder / "roots"
        folder.mkdir()
        for ca in (regional_ca(), ireland):
            ca.write(folder)
        guard = site.guard(regions="us-east-1,eu-west-1", trust=str(folder))
        irish = ireland.client(not_after=NOW + 40 * DAY)
        assert call(guard, over_tls(irish)).verdict == "accepted"
        site.clock.now = NOW + 30 * DAY
        assert call(guard, over_tls(irish)).verdict == "issuer_untrusted"
        assert "valid from" in _details(site)[-1]
        assert call(guard, over_tls(good_client())).verdict == "accepted"

    def test_the_clock_is_read_once_for_each_call(self, site: Site) -> None:
        reads = 0

        def clock() -> Any:
            nonlocal reads
            reads += 1
            return NOW

        guard = Guard(site.settings(), clock=clock, hooks=())
        guard.start()
        before = reads
        guard.decide(_connection())
        assert reads == before + 1
        guard.close()


def _details(site: Site) -> list[str]:
    return [event.rejected.detail for event in site.hearing.events if isinstance(event, CallRejected)]


class TestRefresh:
    def test_a_new_root_is_in_force_at_once(self, site: Site) -> None:
        guard = site.guard()
        renewed = regional_ca().renewed()
        assert call(guard, over_tls(renewed.client())).verdict == "issuer_untrusted"
        site.root.write_text(regional_ca().pem + renewed.pem, encoding="ascii")
        status = guard.refresh()
        assert (status.version, status.life, status.problems) == (2, TrustState.FRESH, ())
        assert call(guard, over_tls(renewed.client())).verdict == "accepted"
        assert call(guard, over_tls(good_client())).verdict == "accepted"

    def test_lesson_7_a_root_that_was_removed_vouches_for_no_cached_verdict(self, site: Site) -> None:
        guard = site.guard()
        assert call(guard, over_tls(good_client())).verdict == "accepted"
        site.root.write_text(regional_ca().renewed().pem, encoding="ascii")
        guard.refresh()
        assert call(guard, over_tls(good_client())).verdict == "issuer_untrusted"

    @pytest.mark.parametrize(
        "content", ["", "junk", "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n", None]
    )
    def test_lesson_9_a_bad_new_file_keeps_the_old_trust(self, site: Site, content: str | None) -> None:
        guard = site.guard()
        if content is None:
            site.root.unlink()
        else:
            site.root.write_text(content, encoding="ascii")
        status = guard.refresh()
        assert (status.life, status.version) == (TrustState.STALE, 1)
        assert "US-East-1.pem" in status.problems[0]
        assert call(guard, over_tls(good_client())).verdict == "accepted"
        assert call(guard, over_tls(stranger_ca().client())).verdict == "issuer_untrusted"
        assert any(isinstance(event, RefreshFailed) for event in site.hearing.events)

    def test_it_is_fresh_again_once_the_file_is_good(self, site: Site) -> None:
        guard = site.guard()
        good = site.root.read_bytes()
        site.root.write_bytes(b"junk")
        assert guard.refresh().life is TrustState.STALE
        site.root.write_bytes(good)
        assert (guard.refresh().life, guard.status().problems) == (TrustState.FRESH, ())

    def test_the_same_trust_keeps_its_version_and_its_verdicts(self, site: Site) -> None:
        guard = site.guard()
        guard.decide(_connection())
        status = guard.refresh()
        assert (status.version, status.verdicts) == (1, 1)

    def test_a_client_certificate_never_becomes_an_anchor(self, site: Site) -> None:
        guard = site.guard()
        site.root.write_text(good_client().pem, encoding="ascii")
        assert guard.refresh().life is TrustState.STALE

    def test_it_tells_when_it_happened(self, site: Site) -> None:
        guard = site.guard()
        site.clock.now = NOW + DAY
        assert guard.refresh().last_refresh == NOW + DAY


class TestRefreshWithoutStart:
    """Secrets and trust come into force together: else the secrets would not be asked for."""

    def test_it_asks_for_every_secret(self, site: Site) -> None:
        guard = site.new_guard({**NGINX, "MTLS_CALLER_SECRET": CALLER_SECRET})
        assert guard.refresh().life is TrustState.FRESH
        case = through_nginx(good_client())
        assert call(guard, case).verdict == "caller_secret_mismatch"
        assert call(guard, case.without("x-mtls-proxy-secret")).verdict == "source_untrusted"
        assert call(guard, case.with_headers(("X-Caller-Secret", CALLER_SECRET))).verdict == "accepted"

    def test_lesson_every_secret_that_cannot_be_read_is_named_at_once_also_of_the_api(self, site: Site) -> None:
        names = ("PROXY_SECRET", "CALLER_SECRET", "STATE_SECRET", "GENESYS_CLIENT_SECRET")
        files = {f"MTLS_{name}_FILE": str(site.folder / "absent") for name in names}
        guard = site.new_guard({**NGINX_PEER, "MTLS_GENESYS_CLIENT_ID": "an-id", **files})
        with pytest.raises(ConfigurationError) as raised:
            guard.start()
        assert {problem.partition(":")[0] for problem in raised.value.problems} == set(files)

    @pytest.mark.parametrize("secret", ["PROXY_SECRET", "CALLER_SECRET"])
    def test_after_a_start_without_secret_nobody_gets_in(self, site: Site, secret: str) -> None:
        file = site.folder / "secret"
        environ = {**NGINX_BOTH, f"MTLS_{secret}_FILE": str(file)}
        environ.pop(f"MTLS_{secret}", None)
        guard = site.new_guard(environ)
        with pytest.raises(ConfigurationError):
            guard.start()
        status = guard.refresh()
        assert status.life is TrustState.MISSING
        assert f"MTLS_{secret}_FILE" in status.problems[0]
        for case in (through_nginx(good_client()), through_nginx(good_client(), secret=None)):
            assert http(guard, case).verdict == "trust_unavailable"
        file.write_text(SECRET, encoding="ascii")
        assert guard.refresh().life is TrustState.FRESH

    def test_its_failure_is_told(self, site: Site) -> None:
        guard = site.new_guard({"MTLS_TRUST": str(site.folder / "absent.pem")})
        assert isinstance(guard.refresh(), Status)
        assert guard.status().life is TrustState.MISSING
        assert any(isinstance(event, RefreshFailed) for event in site.hearing.events)

    def test_a_start_may_follow(self, site: Site) -> None:
        guard = site.new_guard()
        guard.refresh()
        guard.start()
        assert guard._trust._refresher.is_running


class TestStatus:
    def test_it_tells_what_was_decided(self, site: Site) -> None:
        guard = site.guard(exempt="/health")
        for client in (good_client(), good_client(), None):
            guard.decide(_connection(tls=tls_extension(client)))
        for stranger in (None, tls_extension(stranger_ca().client()), {"client_cert_chain": ["x"]}):
            guard.decide(_connection(path="/health", tls=stranger))
        assert guard.status().decisions == {"accepted": 2, "certificate_missing": 1}

    def test_it_tells_what_callers_are_judged_by(self, site: Site) -> None:
        (region,) = site.guard().status().regions
        assert (region.name, region.authority, region.available) == ("us-east-1", "genesys", True)
        assert [anchor.fingerprint_sha256 for anchor in region.anchors]

    def test_it_changes_nothing(self, site: Site) -> None:
        guard = site.guard()
        assert guard.status() == guard.status()

    def test_before_the_start_there_is_nothing(self, site: Site) -> None:
        status = site.new_guard().status()
        assert (status.life, status.version, status.regions, status.last_refresh) == (TrustState.MISSING, 0, (), None)


class TestHooks:
    def test_they_hear_of_each_decision(self, site: Site) -> None:
        guard = site.guard()
        site.hearing.events.clear()
        guard.decide(_connection())
        guard.decide(_connection(tls=None))
        assert [type(event) for event in site.hearing.events][:2] == [CallAccepted, CallRejected]

    @pytest.mark.parametrize("error", [ValueError("x"), RecursionError(), MemoryError()], ids=repr)
    def test_one_that_raises_changes_nothing(self, site: Site, error: Exception) -> None:
        class Broken(Hook):
            def __call__(self, _event: Event, /) -> None:
                raise error

            def summarize(self, **_: bool) -> None:
                raise error

            def after_fork(self) -> None:
                raise error

        recorder = Recorder()
        guard = Guard(site.settings(), clock=site.clock, hooks=(Broken(), recorder))
        guard.start()
        assert [call(guard, over_tls(client)).verdict for client in (good_client(), None)] == [
            "accepted",
            "certificate_missing",
        ]
        guard.refresh()
        guard.after_fork()
        guard.close()
        assert len(recorder.events) == 7

    def test_from_settings_writes_the_log(self, site: Site, caplog: pytest.LogCaptureFixture) -> None:
        guard = Guard.from_settings(site.settings(), clock=site.clock)
        guard.decide(_connection(tls=None))
        assert "refused reason=trust_unavailable" in caplog.text
