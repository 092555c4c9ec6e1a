"""What a real SDK collects: each call once, under labels from closed sets."""

import gc
from collections.abc import Mapping
from dataclasses import replace
from threading import Barrier, Thread

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mtls_middleware import Guard, Reason, Settings, TrustError, composition
from mtls_middleware._core.gate import Mode
from mtls_middleware._core.scope import connection_of
from mtls_middleware._core.sources.presets import NAMES
from mtls_middleware._io.http import FailureKind, HTTPFailure
from mtls_middleware.identity import Authority
from mtls_middleware.observing import telemetry
from mtls_middleware.observing.counting import ProcessCounts
from mtls_middleware.observing.events import ACCEPTED, NOBODY, RefreshResult, RefreshSource
from mtls_middleware.observing.expiry import ExpiryKind
from mtls_middleware.observing.handshakes import REASONS
from mtls_middleware.testing import ClientCertificate, GenesysAPI, tls_extension
from tests.adapters.cases import Case, call, http, http_scope, wsgi
from tests.adapters.site import (
    DAY,
    NGINX,
    NOW,
    Site,
    good_client,
    over_tls,
    regional_ca,
    stranger_ca,
    through_nginx,
)
from tests.adapters.test_guard_trust import PINNED, digicert
from tests.adapters.test_report_mode import REFUSED
from tests.observing.conftest import Labels, Watched, labels
from tests.trust.sessions import api_client

CLOSED: Mapping[str, Mapping[str, frozenset[str]]] = {
    "mtls.decisions": {
        "reason": frozenset({*Reason, ACCEPTED}),
        "region": frozenset({"us-east-1", NOBODY}),
        "authority": frozenset({*Authority, NOBODY}),
        "source": frozenset(NAMES),
        "mode": frozenset(Mode),
    },
    "mtls.handshakes.refused": {"reason": REASONS},
    "mtls.cache": {"result": frozenset({"hit", "miss"})},
    "mtls.refresh": {"source": frozenset(RefreshSource), "result": frozenset(RefreshResult)},
    "mtls.trust.expires": {"kind": frozenset(ExpiryKind), "region": frozenset({"us-east-1"})},
}
"""Every label that there may be, and what it may say, for a guard of one region."""


def decision(reason: str, **more: str) -> Labels:
    return labels(**{"region": NOBODY, "authority": NOBODY, "source": "tls", "mode": "enforce", **more}, reason=reason)


def accepted(**more: str) -> Labels:
    return decision(ACCEPTED, **{"region": "us-east-1", "authority": "genesys", **more})


class TestDecisions:
    @pytest.mark.parametrize("reason", REFUSED)
    def test_each_reason_is_counted_once_for_each_call(self, watched: Watched, reason: str) -> None:
        environ, case = REFUSED[reason]
        guard = watched.guard(environ)
        http(guard, case)
        source = environ.get("MTLS_SOURCE", "tls")

        assert watched.collect("mtls.decisions") == {decision(reason, source=source): 1}
        call(guard, case)
        assert watched.collect("mtls.decisions") == {decision(reason, source=source): 4}

    @pytest.mark.parametrize("reason", REFUSED)
    def test_report_mode_says_so_in_its_label(self, watched: Watched, reason: str) -> None:
        environ, case = REFUSED[reason]
        call(watched.guard(environ, mode="report"), case)
        source = environ.get("MTLS_SOURCE", "tls")

        assert watched.collect("mtls.decisions") == {decision(reason, source=source, mode="report"): 3}

    def test_without_trust_every_mode_enforces(self, watched: Watched) -> None:
        guard = watched.guard(mode="report")
        waiting = Guard(guard.settings, clock=watched.site.clock, hooks=())
        waiting.report_to(watched.process_counts)
        waiting.decide(connection_of(http_scope(over_tls(good_client()))))

        assert watched.collect("mtls.decisions") == {decision("trust_unavailable"): 1}

    def test_replayed_acceptances_are_counted(self, watched: Watched) -> None:
        guard = watched.guard()
        for _ in range(7):
            http(guard, over_tls(good_client()))

        assert watched.collect("mtls.decisions") == {accepted(): 7}

    def test_acceptances_are_counted_through_every_adapter_and_in_report_mode(self, watched: Watched) -> None:
        call(watched.guard(NGINX), through_nginx(good_client()))
        call(watched.guard(mode="report"), over_tls(good_client()))

        assert watched.collect("mtls.decisions") == {accepted(source="nginx"): 3, accepted(mode="report"): 3}

    def test_custom_callers_have_no_region(self, watched: Watched) -> None:
        environ = watched.site.environ(
            {
                "MTLS_AUTHORITIES": "custom",
                "MTLS_TRUST": f"custom={watched.site.root}",
                "MTLS_CERT_NAMES": f"custom={_name(good_client())}",
            }
        )
        del environ["MTLS_REGIONS"]
        http(watched.watch(Settings.from_env(environ)), over_tls(good_client()))

        assert watched.collect("mtls.decisions") == {accepted(region=NOBODY, authority="custom"): 1}
        assert set(watched.all("mtls.trust.expires")) == {labels(kind="anchor", region="custom")}

    @pytest.mark.parametrize("more", [{"exempt": "/actions"}, {"protect": "/elsewhere"}], ids=["exempt", "unprotected"])
    def test_what_needs_no_certificate_is_not_counted(self, watched: Watched, more: dict[str, str]) -> None:
        guard = watched.guard(**more)
        for case in (Case(), over_tls(stranger_ca().client()), over_tls(good_client()), over_tls(good_client())):
            call(guard, case)

        assert watched.collect("mtls.decisions") == {}
        assert watched.collect("mtls.cache") == {}

    def test_every_reason_is_there_from_the_start_so_that_its_first_is_an_increase(self, watched: Watched) -> None:
        watched.guard()

        assert watched.all("mtls.decisions") == {decision(str(reason)): 0 for reason in Reason}

    def test_the_numbers_are_those_of_the_status(self, watched: Watched) -> None:
        guard = watched.guard()
        for case in (
            over_tls(good_client()),
            over_tls(None),
            over_tls(stranger_ca().client()),
            over_tls(good_client()),
        ):
            call(guard, case)
        measured = {dict(key)["reason"]: value for key, value in watched.collect("mtls.decisions").items()}

        assert measured == guard.status().decisions == {ACCEPTED: 6, "certificate_missing": 3, "issuer_untrusted": 3}


def _name(client: ClientCertificate) -> str:
    names = client.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return names.get_values_for_type(x509.DNSName)[0]


class TestCache:
    def test_an_acceptance_is_a_miss_once_and_then_a_hit_replayed_or_not(self, watched: Watched) -> None:
        guard = watched.guard()
        for adapter in (http, http, wsgi, http, wsgi):
            adapter(guard, over_tls(good_client()))

        assert watched.collect("mtls.cache") == {labels(result="hit"): 4, labels(result="miss"): 1}

    def test_a_refusal_is_neither(self, watched: Watched) -> None:
        guard = watched.guard()
        for _ in range(3):
            http(guard, over_tls(stranger_ca().client()))

        assert watched.all("mtls.cache") == {labels(result="hit"): 0, labels(result="miss"): 0}

    def test_new_trust_begins_with_a_miss(self, watched: Watched) -> None:
        guard = watched.guard()
        http(guard, over_tls(good_client()))
        stranger_ca().write(watched.site.folder / "more.pem")
        with watched.site.root.open("a", encoding="ascii") as file:
            file.write((watched.site.folder / "more.pem").read_text(encoding="ascii"))
        guard.refresh()
        http(guard, over_tls(good_client()))

        assert watched.collect("mtls.cache") == {labels(result="miss"): 2}
        assert watched.collect("mtls.decisions") == {accepted(): 2}


class TestRefresh:
    def test_a_good_refresh_is_a_success_of_each_source_that_there_is(self, watched: Watched) -> None:
        guard = watched.guard()
        guard.refresh()

        assert watched.all("mtls.refresh") == {
            labels(source="files", result="success"): 1,
            labels(source="files", result="failure"): 0,
        }

    def test_a_broken_file_is_a_failure_each_time(self, watched: Watched) -> None:
        guard = watched.guard()
        watched.site.root.write_text("nothing", encoding="ascii")
        guard.refresh()
        guard.refresh()

        assert watched.collect("mtls.refresh") == {labels(source="files", result="failure"): 2}

    def test_a_guard_without_trust_fails_too(self, watched: Watched) -> None:
        settings = watched.site.settings()
        watched.site.root.unlink()
        guard = Guard(settings, clock=watched.site.clock, hooks=())
        guard.report_to(watched.process_counts)
        guard.refresh()

        assert watched.collect("mtls.refresh") == {labels(source="files", result="failure"): 1}

    def test_a_list_that_does_not_come_is_a_failure_of_the_lists_alone(self, watched: Watched) -> None:
        guard = watched.guard(revocation="check", crl_urls=str(watched.site.folder / "none.crl"))
        guard.refresh()

        assert watched.collect("mtls.refresh") == {
            labels(source="files", result="success"): 1,
            labels(source="lists", result="failure"): 1,
        }


class TestAPI:
    """The certificates API is a source of its own, with pins that end by themselves."""

    @pytest.fixture
    def api(self, watched: Watched, monkeypatch: pytest.MonkeyPatch) -> GenesysAPI:
        server = GenesysAPI(clock=watched.site.clock)
        monkeypatch.setattr(composition, "CertificatesAPI", api_client(server))
        return server

    def test_pins_from_the_api(self, watched: Watched, api: GenesysAPI) -> None:
        api.add(PINNED)
        guard = digicert(watched.site, api)
        guard.report_to(watched.process_counts)
        guard.refresh()
        http(guard, over_tls(PINNED))

        assert watched.collect("mtls.refresh") == {
            labels(source="files", result="success"): 1,
            labels(source="api", result="success"): 1,
        }
        assert watched.collect("mtls.decisions") == {accepted(authority="digicert"): 1}
        left = (PINNED.certificate.not_valid_after_utc - NOW).total_seconds()
        lives = watched.all("mtls.trust.expires")
        assert set(lives) == {labels(kind="anchor", region="digicert"), labels(kind="pin", region="us-east-1")}
        assert lives[labels(kind="pin", region="us-east-1")] == left

    def test_an_api_that_fails_is_its_own_failure(self, watched: Watched, api: GenesysAPI) -> None:
        guard = digicert(watched.site, api)
        guard.report_to(watched.process_counts)
        api.answer_next(*[HTTPFailure(FailureKind.UNREACHABLE, "down")] * 20)
        guard.refresh()

        assert watched.collect("mtls.refresh") == {
            labels(source="files", result="success"): 1,
            labels(source="api", result="failure"): 1,
        }


class TestExpiry:
    def test_a_start_that_failed_and_healed_tells_too(self, watched: Watched) -> None:
        guard = Guard(watched.site.settings(), clock=watched.site.clock, hooks=())
        watched.site.guards.append(guard)
        guard.report_to(watched.process_counts)
        watched.site.root.unlink()
        with pytest.raises(TrustError):
            guard.start()
        before = watched.all("mtls.trust.expires")
        regional_ca().write(watched.site.root)
        guard.refresh()

        assert before == {}
        assert len(watched.all("mtls.trust.expires")) == 1

    def test_it_tells_the_seconds_until_the_last_root_ends(self, watched: Watched) -> None:
        watched.guard()
        left = (regional_ca().certificate.not_valid_after_utc - NOW).total_seconds()

        assert watched.all("mtls.trust.expires") == {labels(kind="anchor", region="us-east-1"): left}
        watched.site.clock.now += DAY
        assert watched.all("mtls.trust.expires") == {labels(kind="anchor", region="us-east-1"): left - 86_400}

    def test_what_has_ended_is_negative(self, watched: Watched) -> None:
        watched.guard()
        watched.site.clock.now = regional_ca().certificate.not_valid_after_utc + 2 * DAY

        assert list(watched.all("mtls.trust.expires").values()) == [-2 * 86_400]

    def test_a_guard_that_was_closed_tells_nothing_until_it_starts_again(self, watched: Watched) -> None:
        guard = watched.guard()
        http(guard, over_tls(good_client()))
        guard.close()

        assert watched.all("mtls.trust.expires") == {}
        assert watched.collect("mtls.decisions") == {accepted(): 1}
        guard.start()
        assert len(watched.all("mtls.trust.expires")) == 1

    def test_a_guard_that_was_never_started_tells_nothing(self, watched: Watched) -> None:
        guard = Guard(watched.site.settings(), clock=watched.site.clock, hooks=())
        guard.report_to(watched.process_counts)

        assert watched.all("mtls.trust.expires") == {}

    def test_of_several_guards_the_one_that_is_worst_off_counts(self, watched: Watched) -> None:
        watched.guard()
        other = Guard(watched.site.settings(), clock=lambda: NOW + DAY, hooks=())
        other.report_to(watched.process_counts)
        watched.site.guards.append(other)
        other.start()
        left = (regional_ca().certificate.not_valid_after_utc - NOW).total_seconds()

        assert list(watched.all("mtls.trust.expires").values()) == [left - 86_400]


class TestSeveralGuards:
    def test_they_add_up(self, watched: Watched) -> None:
        for guard in (watched.guard(), watched.guard(NGINX), watched.guard()):
            call(guard, over_tls(None))

        assert watched.collect("mtls.decisions") == {
            decision("certificate_missing"): 6,
            decision("certificate_missing", source="nginx"): 3,
        }

    def test_what_a_guard_counted_stays_when_it_is_gone(self, watched: Watched) -> None:
        for _ in range(5):
            guard = watched.guard()
            http(guard, over_tls(good_client()))
            guard.refresh()
            guard.close()
            watched.site.guards.clear()
            del guard
            gc.collect()
        watched.guard(NGINX)

        assert watched.collect("mtls.decisions") == {accepted(): 5}
        assert watched.collect("mtls.refresh") == {labels(source="files", result="success"): 5}
        assert len(watched.process_counts._parts) == 2

    def test_while_one_thread_cleans_up_another_only_adds(self, watched: Watched) -> None:
        guard = watched.guard()
        with watched.process_counts._closing:
            guard.report_to(watched.process_counts)

        assert len(watched.process_counts._parts) == 2

    def test_instruments_are_registered_once_in_a_process(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        made: list[ProcessCounts] = []
        barrier = Barrier(4)

        def make() -> None:
            barrier.wait()
            for _ in range(5):
                Guard.from_settings(wanted)

        wanted = site.settings()
        monkeypatch.setattr(telemetry, "_registered", {})
        monkeypatch.setattr(
            "mtls_middleware.observing.otel.Metrics", lambda process_counts, _: made.append(process_counts)
        )
        threads = [Thread(target=make) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert made == [telemetry.PROCESS_COUNTS]


HOSTILE = st.text(max_size=60)


class TestLabels:
    """Text of a caller, or of a certificate, is never a label: a flood of names would fill the operator's memory."""

    @settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data())
    def test_they_are_from_closed_sets_whatever_comes(self, hostile: "Hostile", data: st.DataObject) -> None:
        hostile.send(data)

        for name, allowed in CLOSED.items():
            for series in hostile.watched.all(name):
                assert dict(series).keys() == allowed.keys()
                for label, value in series:
                    assert value in allowed[label], (name, label)
        assert len(hostile.watched.all("mtls.decisions")) <= 2 * 2 * (len(Reason) + 1)

    def test_there_is_no_other_metric(self, watched: Watched) -> None:
        call(watched.guard(), over_tls(good_client()))
        data = watched.reader.get_metrics_data()
        assert data is not None
        (resource,) = data.resource_metrics
        (scope,) = resource.scope_metrics

        assert {metric.name for metric in scope.metrics} <= set(CLOSED)

    def test_all_of_the_contract_are_there(self, watched: Watched) -> None:
        watched.guard().refresh()

        assert [name for name in CLOSED if not watched.all(name)] == []


class Hostile:
    """Send what nobody foresaw to four guards."""

    def __init__(self, watched: Watched) -> None:
        self.watched = watched
        self.guards = [
            watched.guard(),
            watched.guard(mode="report"),
            watched.guard(NGINX),
            watched.guard(NGINX, mode="report"),
        ]

    def send(self, data: st.DataObject) -> None:
        text = data.draw(HOSTILE)
        case = data.draw(
            st.sampled_from(
                [
                    over_tls(self._client(text)),
                    over_tls(good_client()),
                    through_nginx(self._client(text)),
                    through_nginx(good_client(), secret=text.encode("latin-1", "replace").decode("latin-1")),
                    Case(tls=tls_extension(good_client(), error=text)),
                    Case(tls={"client_cert_chain": [text]}),
                ]
            )
        )
        ascii_text = text.encode("ascii", "replace").decode("ascii").replace("\n", " ").replace("\r", " ")
        case = case.with_headers(("ININ-Organization-Id", ascii_text), ("ININ-Correlation-Id", ascii_text))
        case = replace(case, path=f"/{text}", client=(data.draw(HOSTILE), data.draw(st.integers(-1, 70_000))))
        http(data.draw(st.sampled_from(self.guards)), case)

    def _client(self, text: str) -> ClientCertificate:
        name = "".join(filter(str.isprintable, text))[:60] or "x"
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        return stranger_ca().client(subject=subject)


@pytest.fixture
def hostile(watched: Watched) -> Hostile:
    return Hostile(watched)
