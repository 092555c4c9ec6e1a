"""Guards that are watched by a real SDK, which keeps to itself what it collects."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, NumberDataPoint
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from mtls_middleware import Guard, Settings
from mtls_middleware._trust.refresher import Refresher
from mtls_middleware.observing.counting import ProcessCounts
from mtls_middleware.observing.logging import LimitedLog
from mtls_middleware.observing.otel import Metrics, Spans
from tests.adapters.site import TLS, Site

Labels = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Seconds:
    """Tell the seconds that a test set."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass(slots=True)
class Watched:
    """Make guards whose numbers one reader collects."""

    site: Site
    seconds: Seconds = field(default_factory=Seconds)
    process_counts: ProcessCounts = field(default_factory=ProcessCounts)
    reader: InMemoryMetricReader = field(default_factory=InMemoryMetricReader)
    provider: MeterProvider = field(init=False)

    def __post_init__(self) -> None:
        self.provider = MeterProvider([self.reader])
        Metrics(self.process_counts, self.provider.get_meter("test"))

    def guard(self, environ: dict[str, str] | None = None, /, **more: str) -> Guard:
        named = {f"MTLS_{name.upper()}": value for name, value in more.items()}
        return self.watch(self.site.settings({**(environ or TLS), **named}))

    def watch(self, settings: Settings) -> Guard:
        guard = Guard(settings, clock=self.site.clock, hooks=(LimitedLog(self.seconds), Spans()))
        guard.report_to(self.process_counts)
        self.site.guards.append(guard)
        guard.start()
        return guard

    def collect(self, name: str) -> dict[Labels, float]:
        """Return each series of one metric that is not 0."""
        return {labels: value for labels, value in self.all(name).items() if value}

    def all(self, name: str) -> dict[Labels, float]:
        data = self.reader.get_metrics_data()
        assert data is not None
        metrics = [
            one for resource in data.resource_metrics for scope in resource.scope_metrics for one in scope.metrics
        ]
        points = [point for metric in metrics if metric.name == name for point in metric.data.data_points]
        series = {labels(**_texts(point)): _value(point) for point in points}
        assert len(series) == len(points)
        return series


def _texts(point: object) -> dict[str, str]:
    assert isinstance(point, NumberDataPoint)
    texts = {name: value for name, value in (point.attributes or {}).items() if type(value) is str}
    assert len(texts) == len(point.attributes or {})
    return texts


def _value(point: object) -> float:
    assert isinstance(point, NumberDataPoint)
    return point.value


def labels(**given: str) -> Labels:
    return tuple(sorted(given.items()))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.close()


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    """Watch guards that refresh when a test says so, and not on a thread of their own."""
    monkeypatch.setattr(Refresher, "start", Refresher._plan)
    watched = Watched(Site(tmp_path))
    yield watched
    watched.site.close()
    watched.provider.shutdown()


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """Set up an SDK for this test. OpenTelemetry itself lets a process do that only once, and for good."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    return exporter
