"""What `status --listen` gives to Prometheus, read by its own parser, and the files for Prometheus and Grafana."""

import json
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from mtls_middleware import Reason
from mtls_middleware.observing.events import Decided, Refreshed, RefreshResult, RefreshSource
from mtls_middleware.observing.expiry import Expiry, ExpiryKind
from mtls_middleware.observing.fleet import Extent, Fleet, Liveness, ReportedWorker
from mtls_middleware.observing.history import History
from mtls_middleware.observing.openmetrics import MEDIA_TYPE, openmetrics
from mtls_middleware.observing.status import TrustState
from mtls_middleware.status_page import StatusPage
from tests.observing.test_reporting import WORKER
from tests.status_page.scenes import loaded

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
FILES = Path(__file__).parents[2] / "docs" / "prometheus"
PROMTOOL = shutil.which("promtool") or ""

ACCEPTED = Decided("accepted", "us-east-1", "genesys", "enforce", cached=True)
MISSING = Decided("certificate_missing", "none", "none", "enforce", cached=False)


def expiry(days: int) -> Expiry:
    at = NOW + timedelta(days=days)
    return Expiry(kind=ExpiryKind.ANCHOR, region="us-east-1", at=at, days=days, threshold=None, text="it expires")


def fleet() -> Fleet:
    workers = (
        replace(WORKER, coming=(expiry(50),)),
        replace(
            WORKER,
            host="web-2",
            pid=2,
            coming=(expiry(40),),
            life=TrustState.STALE,
            trust_fingerprint="cd" * 8,
            problems=("CRL http://crl.example: gone", "CRL http://crl.example: gone again", "API: down"),
        ),
    )
    reported = tuple(ReportedWorker(worker=one, at=NOW, liveness=Liveness.ALIVE) for one in workers)
    gone = ReportedWorker(worker=replace(WORKER, pid=3), at=NOW, liveness=Liveness.GONE)
    history = History(
        decisions={ACCEPTED: 5, ACCEPTED._replace(cached=False): 2, MISSING: 3},
        refreshes={Refreshed(RefreshSource.FILES, RefreshResult.SUCCESS): 4},
        handshakes={"issuer_untrusted": 7},
        last_by_reason={"accepted": NOW},
    )
    return Fleet(scope=Extent.MACHINE, workers=(*reported, gone), history=history)


def samples(found: Fleet) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    families = text_string_to_metric_families(openmetrics(found, "tls", NOW))
    return {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples}


def key(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


def test_the_counts_and_states_of_all_processes_are_there() -> None:
    found = samples(fleet())
    decided = {"region": "none", "authority": "none", "source": "tls", "mode": "enforce"}
    accepted = {**decided, "region": "us-east-1", "authority": "genesys"}

    assert found[key("mtls_decisions_total", reason="accepted", **accepted)] == 7
    assert found[key("mtls_decisions_total", reason="certificate_missing", **decided)] == 3
    assert found[key("mtls_handshakes_refused_total", reason="issuer_untrusted")] == 7
    assert (found[key("mtls_cache_total", result="hit")], found[key("mtls_cache_total", result="miss")]) == (5, 2)
    assert found[key("mtls_refresh_total", source="files", result="success")] == 4
    assert found[key("mtls_trust_expires_seconds", kind="anchor", region="us-east-1")] == 40 * 86_400
    assert found[key("mtls_processes", state="alive")] == 2
    assert found[key("mtls_processes", state="gone")] == 1
    assert (found[key("mtls_trust_state", state="fresh")], found[key("mtls_trust_state", state="stale")]) == (1, 1)
    assert found[key("mtls_trust_variants")] == 2
    assert [found[key("mtls_trust_processes", trust=trust)] for trust in ("ab" * 8, "cd" * 8)] == [1, 1]
    assert [found[key("mtls_host_processes", host=host)] for host in ("web-1", "web-2")] == [1, 1]
    assert found[key("mtls_problem_processes", about="CRL http://crl.example")] == 1
    assert found[key("mtls_problem_processes", about="API")] == 1
    assert found[key("mtls_trust_refreshed_timestamp_seconds")] == NOW.timestamp()
    assert found[key("mtls_last_decision_timestamp_seconds", reason="accepted")] == NOW.timestamp()


def test_each_reason_is_there_from_the_start_so_that_its_first_is_an_increase() -> None:
    running = replace(fleet(), history=History())
    reasons = {dict(labels)["reason"] for name, labels in samples(running) if name == "mtls_decisions_total"}

    assert reasons == set(Reason)


def test_where_nobody_runs_that_is_what_it_says() -> None:
    found = samples(Fleet(scope=Extent.MACHINE))

    assert {value for (name, _), value in found.items() if name == "mtls_processes"} == {0}
    assert key("mtls_trust_refreshed_timestamp_seconds") not in found


def test_the_page_serves_it_to_whom_it_lets_in(tmp_path: Path) -> None:
    guard = loaded(tmp_path)
    guard.report_itself()
    known = TestClient(StatusPage(guard, allow=lambda _: True)).get("/metrics")
    stranger = TestClient(StatusPage(guard, allow=lambda _: False)).get("/metrics")

    assert (known.status_code, known.headers["content-type"]) == (200, MEDIA_TYPE)
    assert known.text.endswith("# EOF\n")
    assert 'mtls_processes{state="alive"} 1' in known.text
    assert stranger.status_code == 403


def test_no_label_is_a_callers_text() -> None:
    hostile = replace(WORKER, coming=(replace(expiry(1), region='a"b\\c\nd'),))
    found = replace(fleet(), workers=(ReportedWorker(worker=hostile, at=NOW, liveness=Liveness.ALIVE),))

    assert key("mtls_trust_expires_seconds", kind="anchor", region='a"b\\c\nd') in samples(found)


needs_promtool = pytest.mark.skipif(not PROMTOOL, reason="promtool (Debian: prometheus) is not installed")


@needs_promtool
def test_promtool_accepts_the_rules() -> None:
    rules = subprocess.run(
        [PROMTOOL, "check", "rules", str(FILES / "mtls-alerts.yml")], capture_output=True, text=True, check=False
    )

    assert rules.returncode == 0, rules.stdout + rules.stderr
    assert rules.stdout.count("rules found") == 1


ALERTS = """
rule_files: [{rules}]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {{series: 'mtls_decisions_total{{reason="accepted",mode="enforce"}}', values: '5+{accepted}x60'}}
      - {{series: 'mtls_decisions_total{{reason="issuer_untrusted",mode="enforce"}}', values: '0+1x60'}}
      - {{series: 'mtls_handshakes_refused_total{{reason="issuer_untrusted"}}', values: '0+1x60'}}
      - {{series: 'mtls_processes{{state="alive"}}', values: '{alive}+0x60'}}
    alert_rule_test:
      - {{alertname: MutualTLSNobodyIsAccepted, eval_time: 50m, exp_alerts: [{nobody}]}}
      - {{alertname: MutualTLSHandshakesFail, eval_time: 50m, exp_alerts: [{handshakes}]}}
      - {{alertname: MutualTLSNoProcess, eval_time: 50m, exp_alerts: [{none}]}}
"""


@needs_promtool
@pytest.mark.parametrize("is_broken", [True, False])
def test_alerts_fire_when_they_should_and_only_then(tmp_path: Path, is_broken: bool) -> None:
    rules = FILES / "mtls-alerts.yml"
    summaries = {
        "nobody": "no call was accepted: was a root renewed, or the proxy changed?",
        "handshakes": "certificates are refused in the TLS handshake, and no call was accepted",
        "none": "no process of the application reports",
    }
    expected = {
        name: f"{{exp_annotations: {{summary: {json.dumps(text)}}}}}" if is_broken else ""
        for name, text in summaries.items()
    }
    path = tmp_path / "tests.yml"
    accepted, alive = (0, 0) if is_broken else (1, 2)
    if is_broken:
        expected["none"] = f"{{exp_labels: {{}}, exp_annotations: {{summary: {json.dumps(summaries['none'])}}}}}"
    path.write_text(ALERTS.format(rules=rules, accepted=accepted, alive=alive, **expected), encoding="utf-8")

    done = subprocess.run([PROMTOOL, "test", "rules", str(path)], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dashboard_is_one_that_grafana_can_import() -> None:
    dashboard = json.loads((FILES / "mtls-dashboard.json").read_text(encoding="utf-8"))

    assert (dashboard["title"], dashboard["schemaVersion"]) == ("Mutual TLS", 39)
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"]) == 8
    assert {panel["datasource"]["uid"] for panel in dashboard["panels"]} == {"${datasource}"}
