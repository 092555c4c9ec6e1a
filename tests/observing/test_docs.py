"""What docs/telemetry.md says, held against what is told: its code is run, and what it shows is compared."""

import gzip
import http.server as http_server
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest
import yaml

import mtls_middleware
from mtls_middleware import Reason
from mtls_middleware.identity import Authority
from mtls_middleware.observing.ecs import FIELDS
from mtls_middleware.observing.events import EventName
from mtls_middleware.observing.expiry import ExpiryKind
from mtls_middleware.observing.handshakes import REASONS
from mtls_middleware.observing.logging import BURST, PER_SECOND, SUMMARY_SECONDS, LimitedLog, log
from tests.adapters.cases import http
from tests.adapters.site import over_tls, stranger_ca
from tests.observing.conftest import Seconds, Watched
from tests.observing.test_flood import rejection
from tests.observing.test_metrics import CLOSED

DOCS = Path(__file__).parents[2] / "docs"
PROMETHEUS = DOCS / "prometheus"
PAGE = "\n".join((DOCS / name).read_text(encoding="utf-8") for name in ("telemetry.md", "logging.md"))

_CALLS = """
from pathlib import Path
from mtls_middleware import Guard, Settings
from mtls_middleware._core.connection import Connection, Interface
from mtls_middleware.testing import RegionalCA, tls_extension

ca = RegionalCA("us-east-1")
root = ca.write(Path("US-East-1.pem"))
guard = Guard.from_settings(
    Settings.from_env({"MTLS_REGIONS": "us-east-1", "MTLS_TRUST": str(root), "MTLS_STATE": "off"})
)
guard.start()
for client in (ca.client(), None):
    guard.decide(
        Connection(
            interface=Interface.ASGI, path="/", raw_path=None, root_path="", headers=(), client=None,
            tls=tls_extension(client),
        )
    )
guard.refresh()
"""


def fence(language: str, beginning: str = "") -> str:
    """Return the one block of code in a language that begins so."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    (found,) = [block for block in blocks if block.startswith(beginning)]
    return str(found)


def rows(beginning: str) -> list[list[str]]:
    """Return the rows of each table whose head begins so."""
    tables = re.findall(rf"^\| {beginning} \|.*?(?:\n\n|\Z)", PAGE, re.DOTALL | re.MULTILINE)
    return [
        [cell.strip() for cell in row.strip("|").split("|")] for table in tables for row in table.split("\n")[2:] if row
    ]


def code(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def run(folder: Path, name: str, program: str) -> str:
    """Write an example of the page into a file, run a program that imports it, and return what that prints.

    Args:
        folder: where to.
        name: of the module, as the first line of the example says.
        program: is run there.
    """
    (folder / f"{name}.py").write_text(fence("python", f"# my_service/{name}.py"), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class TestLog:
    def test_each_attribute_of_a_record_is_documented(self, watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
        case = over_tls(stranger_ca().client()).with_headers(("ININ-Correlation-Id", "3f"))
        http(watched.guard(), case)
        limited = LimitedLog(Seconds())
        for _ in range(BURST + 1):
            limited(rejection(Reason.INTERNAL_ERROR))
        limited.summarize(flush=True)
        told = {name for record in caplog.records for name in vars(record) if name.startswith("mtls_")}
        documented = {name for cell, *_ in rows("attribute") for name in code(cell) if name.startswith("mtls_")}

        assert told <= documented
        assert documented - told == {
            *("mtls_verify_code", "mtls_names", "mtls_suppressed", "mtls_raised_at", "mtls_forwarded_for"),
            *("mtls_problem", "mtls_version", "mtls_anchors", "mtls_pins", "mtls_crls", "mtls_closed"),
        }

    def test_each_event_is_documented(self) -> None:
        assert {name for cell, _ in rows("event") for name in code(cell)} == set(EventName)

    def test_each_field_of_ecs_is_documented(self) -> None:
        documented = {
            name: field
            for cell, fields, _ in (row for row in rows("attribute") if len(row) == 3)
            for name, field in zip(code(cell), code(fields), strict=False)
        }

        assert {name: field for name, field in documented.items() if field != "labels.…"} == {
            f"mtls_{fact}": field for fact, field in FIELDS.items()
        }

    def test_each_logger_is_documented(self) -> None:
        modules = Path(mtls_middleware.__file__).parent.rglob("*.py")
        names = {
            name
            for module in modules
            for name in re.findall(r'getLogger\("(.+?)"\)', module.read_text(encoding="utf-8"))
        }

        assert {code(cell)[0] for cell, _ in rows("logger")} == {
            name for name in names if name.startswith("mtls_middleware")
        }

    def test_the_example_writes_json_as_shown(self, tmp_path: Path) -> None:
        program = f"""
import logging.config, logs
logs.LOGGING["handlers"]["json"]["stream"] = "ext://sys.stdout"
logging.config.dictConfig(logs.LOGGING)
{_CALLS}"""
        lines = [json.loads(text) for text in run(tmp_path, "logs", program).splitlines()]
        (line,) = [one for one in lines if one["event.action"] == "call_refused"]
        shown = json.loads(fence("json"))

        assert line.keys() == shown.keys()
        assert {name for name in line if line[name] == shown[name]} >= {
            *("log.level", "ecs.version", "log.logger", "event.action", "event.reason"),
            *("labels.mtls_detail", "labels.mtls_source", "labels.mtls_disposition"),
        }

    def test_the_summary_is_told_as_shown(self, caplog: pytest.LogCaptureFixture) -> None:
        seconds = Seconds()
        limited = LimitedLog(seconds)
        for _ in range(BURST + 12_345):
            limited(rejection(Reason.CERTIFICATE_MISSING))
        seconds.now = SUMMARY_SECONDS
        limited.summarize()

        assert caplog.messages[-1] == fence("text", "certificate_missing").strip()

    def test_the_limits_are_told(self) -> None:
        assert PER_SECOND == 1
        assert f"may write {BURST} lines at once, and then one a\nsecond" in PAGE
        assert f"logged every {SUMMARY_SECONDS:.0f} seconds" in PAGE

    def test_the_refusal_is_told_as_shown(self, watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
        case = over_tls(stranger_ca().client()).with_headers(("ININ-Correlation-Id", "9f1c2d3e"))
        http(watched.guard(), case)
        shown = re.escape(fence("text", "refused").strip()).replace("…", '[^"]*')
        refusals = [message for message in caplog.messages if message.startswith("refused")]

        assert [re.sub(r"(?<=fingerprint=)\w+", "", message) for message in refusals] != []
        assert [message for message in refusals if not re.fullmatch(shown, message)] == [], refusals


class TestMetrics:
    def test_each_metric_is_documented_with_its_labels(self) -> None:
        documented = {code(name)[0]: set(code(names)) for name, _, _, names, _ in rows("metric")}

        assert documented == {name: set(allowed) for name, allowed in CLOSED.items()}

    def test_each_value_of_a_label_is_documented(self) -> None:
        documented = {cell: set(code(values)) for cell, values in rows("label")}

        assert documented["`reason` of `mtls.handshakes.refused`"] >= REASONS - set(Reason)
        assert documented["`authority`"] == {*Authority, "none"}
        assert documented["`mode`"] == CLOSED["mtls.decisions"]["mode"]
        assert documented["`result` of `mtls.cache`"] == CLOSED["mtls.cache"]["result"]
        assert documented["`source` of `mtls.refresh`"] == CLOSED["mtls.refresh"]["source"]
        assert documented["`result` of `mtls.refresh`"] == CLOSED["mtls.refresh"]["result"]
        assert documented["`kind`"] == set(ExpiryKind)


@pytest.fixture(scope="module")
def exposed(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return what OpenTelemetry's exporter for Prometheus makes of the metrics."""
    program = f"""
import prometheus_client
from opentelemetry import metrics
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
metrics.set_meter_provider(MeterProvider([PrometheusMetricReader()]))
{_CALLS}
from mtls_middleware.observing.handshakes import HandshakeLog, HandshakeRefusal
HandshakeLog()(HandshakeRefusal(reason="not_tls", detail="x"))
print(prometheus_client.generate_latest().decode())
"""
    folder = tmp_path_factory.mktemp("exposed")
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True, timeout=60
    )
    return [re.sub(r'otel_scope_\w+="[^"]*",?', "", line).replace(",}", "}") for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return what `status --listen` gives to Prometheus."""
    calls = _CALLS.replace('"MTLS_STATE": "off"', '"MTLS_STATE": "state"')
    program = f"""
{calls}
from mtls_middleware.guard import utc_now
from mtls_middleware.observing.openmetrics import openmetrics
print(openmetrics(guard.fleet(), "tls", utc_now()))
"""
    folder = tmp_path_factory.mktemp("scraped")
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.splitlines()


def labels_of(lines: list[str]) -> dict[str, set[str]]:
    """Return the labels of each series."""
    series = [re.fullmatch(r"(mtls_\w+)(?:\{(.*)\})? \S+", line) for line in lines]
    return {one[1]: set(re.findall(r"(\w+)=", one[2] or "")) for one in series if one}


class TestPrometheus:
    def test_it_gets_what_is_shown(self, scraped: list[str]) -> None:
        for shown in fence("text", "mtls_decisions_total").splitlines():
            pattern = re.escape(shown).replace("…", r"[\d.e+]+")
            assert [line for line in scraped if re.fullmatch(pattern, line)], shown

    def test_both_ways_have_the_metrics_that_are_documented(self, exposed: list[str], scraped: list[str]) -> None:
        documented = {code(name)[0]: kind for _, name, kind, _, _ in rows("metric")}
        more = {code(name)[0] for name, _, _ in rows("in Prometheus")}
        types = dict(line.split()[2:4] for line in exposed if line.startswith("# TYPE mtls_"))
        families = dict(line.split()[2:4] for line in scraped if line.startswith("# TYPE mtls_"))
        totals = {f"{name}_total" if kind == "counter" else name: kind for name, kind in families.items()}

        assert types == documented
        assert totals == documented | dict.fromkeys(more, "gauge")

    def test_both_ways_have_the_same_labels(self, exposed: list[str], scraped: list[str]) -> None:
        one, other = labels_of(exposed), labels_of(scraped)

        assert {name: names for name, names in other.items() if name in one} == one

    def test_each_expression_asks_for_what_there_is(self, scraped: list[str]) -> None:
        known = labels_of(scraped)
        groups = yaml.safe_load((PROMETHEUS / "mtls-alerts.yml").read_text(encoding="utf-8"))["groups"]
        panels = json.loads((PROMETHEUS / "mtls-dashboard.json").read_text(encoding="utf-8"))["panels"]
        expressions = [
            *(rule["expr"] for group in groups for rule in group["rules"]),
            *(target["expr"] for panel in panels for target in panel["targets"]),
            fence("promql"),
        ]

        assert len(expressions) == 20
        for expression in expressions:
            selectors = re.findall(r"(mtls_\w+)(?:\{([^}]*)\})?", expression)
            assert selectors
            for name, given in selectors:
                assert set(re.findall(r"(\w+)(?:=|!=|=~)\"", given)) <= known[name]
                asked = re.findall(r'reason(?:=~|!=|=)"([^"]*)"', given)
                assert {reason for text in asked for reason in text.split("|")} <= {*Reason, "accepted"}
            for by in re.findall(r"by \(([^)]*)\)", expression):
                assert set(by.split(", ")) <= known[selectors[0][0]]

    def test_the_scrape_is_of_the_port_that_is_served(self) -> None:
        (job,) = yaml.safe_load(fence("yaml", "# prometheus.yml"))["scrape_configs"]

        (target,) = job["static_configs"][0]["targets"]
        assert f"status --listen {target}\n" in fence("console", "$ pip install")


def test_several_workers_tell_a_collector_who_they_are(tmp_path: Path) -> None:
    received: list[bytes] = []

    class Collector(http_server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            received.append(gzip.decompress(body) if self.headers["content-encoding"] == "gzip" else body)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    with http_server.ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        program = f"""
import os
os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = {endpoint!r}
import telemetry
telemetry.set_up_metrics()
{_CALLS}
from opentelemetry import metrics
metrics.get_meter_provider().force_flush()
print(os.getpid())
metrics.get_meter_provider().shutdown()
"""
        pids = [run(tmp_path, "telemetry", program).strip() for _ in range(2)]
        server.shutdown()

    for pid in pids:
        (own, *_) = [body for body in received if f"-{pid}".encode() in body]
        assert b"mtls.decisions" in own


class TestSpans:
    def test_each_attribute_is_documented(self) -> None:
        documented = {name for cell, *_ in rows("attribute") for name in code(cell) if name.startswith("tls.")}

        assert documented == {f"tls.client.{name}" for name in ("subject", "issuer", "hash.sha256", "not_after")}


def test_a_log_without_limits_is_for_those_who_call_seldom(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3 * BURST):
        log(rejection(Reason.NOT_PINNED))

    assert len(caplog.messages) == 3 * BURST
