"""A real Prometheus scrapes `status --listen`: the counts of two workers, and the rules of docs/prometheus."""

import json
import shutil
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.callers import PKI
from tests.e2e.conftest import Start
from tests.e2e.processes import HOST, free_port
from tests.e2e.test_status_page import call, environment, serving

__all__ = ["environment"]

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

PROMETHEUS = shutil.which("prometheus") or ""
RULES = Path(__file__).parents[2] / "docs" / "prometheus" / "mtls-alerts.yml"

SOON = 60.0
"""Seconds in which workers have reported, and Prometheus has scraped."""

CONFIGURATION = """
global: {{ scrape_interval: 1s, evaluation_interval: 1s }}
rule_files: [{rules}]
scrape_configs:
  - job_name: my-service
    static_configs: [{{ targets: ["{target}"] }}]
"""


class Asked:
    """Ask a Prometheus."""

    def __init__(self, port: int) -> None:
        self.url = f"http://{HOST}:{port}/api/v1/"

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return json.load(answer)["data"]

    def value(self, query: str) -> float | None:
        found = self.get(f"query?query={urllib.parse.quote(query)}")["result"]
        return float(found[0]["value"][1]) if found else None

    def becomes(self, query: str, wanted: float) -> float | None:
        deadline = time.monotonic() + SOON
        while (found := self.value(query)) != wanted and time.monotonic() < deadline:
            time.sleep(0.5)
        return found


@pytest.mark.skipif(not PROMETHEUS, reason="prometheus is not installed")
def test_prometheus_gets_the_sum_of_all_workers(
    start: Start, pki: PKI, environment: dict[str, str], tmp_path: Path
) -> None:
    served, page, prometheus = free_port(), free_port(), free_port()
    start(serving(pki, served), env=environment, port=served)
    listening = [sys.executable, "-m", "mtls_middleware", "status", "--listen", f"{HOST}:{page}"]
    start(listening, env=environment, port=page)
    configuration = tmp_path / "prometheus.yml"
    configuration.write_text(CONFIGURATION.format(rules=RULES, target=f"{HOST}:{page}"), encoding="utf-8")
    options = [f"--config.file={configuration}", f"--storage.tsdb.path={tmp_path / 'data'}"]
    start([PROMETHEUS, *options, f"--web.listen-address={HOST}:{prometheus}"], env={}, port=prometheus)
    for client in (pki.region.client(), pki.region.client(), None, None, None):
        call(served, pki, client)

    asked = Asked(prometheus)

    assert asked.becomes('sum(mtls_decisions_total{reason="accepted"})', 2) == 2
    assert asked.becomes('sum(mtls_decisions_total{reason="certificate_missing",mode="report"})', 3) == 3
    assert asked.becomes('mtls_processes{state="alive"}', 2) == 2
    assert (asked.value('min(mtls_trust_expires_seconds{region="us-east-1"})') or 0) > 0
    (first, *_) = asked.get("rules")["groups"]
    assert {rule["health"] for rule in first["rules"]} <= {"ok", "unknown"}
