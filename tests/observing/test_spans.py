"""Whose certificate a call came with stands on its span, and nothing else of it."""

import re

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from mtls_middleware import Guard
from mtls_middleware._core.decision import Disposition, Evidence, Reason, Rejected
from mtls_middleware.observing.events import CallAccepted, CallRejected, EventName, Notice, Severity
from mtls_middleware.observing.otel import Spans
from mtls_middleware.testing import ClientCertificate
from tests.adapters.cases import Adapter, Case, http, http_scope, websocket, wsgi
from tests.adapters.site import ORGANIZATION, good_client, over_tls, regional_ca, stranger_ca
from tests.observing.conftest import Watched

NAMES = {"tls.client.subject", "tls.client.issuer", "tls.client.hash.sha256", "tls.client.not_after"}


def traced(guard: Guard, case: Case, exporter: InMemorySpanExporter, adapter: Adapter = http) -> dict[str, object]:
    """Return the attributes of the span around one call."""
    exporter.clear()
    with trace.get_tracer("test").start_as_current_span("server"):
        adapter(guard, case)
    (span,) = exporter.get_finished_spans()
    return dict(span.attributes or {})


def expected(client: ClientCertificate) -> dict[str, object]:
    certificate = client.certificate
    return {
        "tls.client.subject": certificate.subject.rfc4514_string(),
        "tls.client.issuer": certificate.issuer.rfc4514_string(),
        "tls.client.hash.sha256": client.fingerprint_sha256.upper(),
        "tls.client.not_after": certificate.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
    }


@pytest.mark.parametrize("adapter", [http, websocket, wsgi])
def test_an_accepted_call(watched: Watched, spans: InMemorySpanExporter, adapter: Adapter) -> None:
    assert traced(watched.guard(), over_tls(good_client()), spans, adapter) == expected(good_client())


def test_each_replayed_call(watched: Watched, spans: InMemorySpanExporter) -> None:
    guard = watched.guard()
    case = over_tls(good_client())

    assert [traced(guard, case, spans) for _ in range(3)] == [expected(good_client())] * 3
    assert guard.replay(http_scope(case)) is not None


@pytest.mark.parametrize("mode", ["enforce", "report"])
@pytest.mark.parametrize(
    ("client", "more"),
    [
        pytest.param(stranger_ca().client(), {}, id="stranger"),
        pytest.param(regional_ca().client(expired=True), {}, id="expired"),
        pytest.param(good_client(), {"organization_ids": ORGANIZATION}, id="believed-but-refused"),
    ],
)
def test_a_refused_call_with_a_certificate(
    watched: Watched, spans: InMemorySpanExporter, client: ClientCertificate, more: dict[str, str], mode: str
) -> None:
    attributes = traced(watched.guard(mode=mode, **more), over_tls(client), spans)

    assert attributes.pop("mtls.reason") in set(map(str, Reason))
    assert attributes == expected(client)


def test_a_call_without_a_readable_certificate_has_the_reason_alone(
    watched: Watched, spans: InMemorySpanExporter
) -> None:
    guard = watched.guard()

    assert traced(guard, over_tls(None), spans) == {"mtls.reason": "certificate_missing"}
    assert traced(guard, Case(tls={"client_cert_chain": ["x"]}), spans) == {"mtls.reason": "certificate_malformed"}


@pytest.mark.parametrize("nasty", ["a\nb", "\x1b[2J", "\u202eevil", "x" * 60])
def test_text_of_a_certificate_is_shown_as_data(watched: Watched, spans: InMemorySpanExporter, nasty: str) -> None:
    subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, nasty) for _ in range(12)])
    attributes = traced(watched.guard(), over_tls(stranger_ca().client(subject=subject)), spans)

    assert attributes.keys() == {*NAMES, "mtls.reason"}
    for value in attributes.values():
        assert isinstance(value, str)
        assert value.isprintable()
        assert len(value) <= 256


def test_the_certificate_itself_is_nowhere(watched: Watched, spans: InMemorySpanExporter) -> None:
    for client in (good_client(), stranger_ca().client()):
        attributes = traced(watched.guard(), over_tls(client), spans)
        assert "tls.client.certificate" not in attributes
        assert [value for value in attributes.values() if re.search(r"BEGIN|MII", str(value))] == []


def test_a_span_that_is_not_recorded_costs_no_attributes(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = TracerProvider(sampler=ALWAYS_OFF)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    guard = watched.guard()

    def fail(_: object) -> dict[str, str]:
        raise AssertionError("nobody asks for them")

    monkeypatch.setattr("mtls_middleware.observing.otel._of_identity", fail)
    monkeypatch.setattr("mtls_middleware.observing.otel._attributes", fail)
    with trace.get_tracer("test").start_as_current_span("server") as span:
        assert not span.is_recording()
        for client in (good_client(), good_client(), stranger_ca().client()):
            http(guard, over_tls(client))


class TestAsleep:
    """Without an SDK a replayed call costs nothing more."""

    def test_nobody_is_told_of_a_replayed_call(self, watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
        guard = watched.guard()
        http(guard, over_tls(good_client()))

        assert not guard._announcer.has_accept_listeners
        *_, repeated = guard._replay._last
        assert type(repeated).__name__ == "method-wrapper"  # the counter's own step

    def test_an_sdk_that_comes_later_is_noticed(
        self, watched: Watched, spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as before:
            before.setattr(trace, "_TRACER_PROVIDER", None)
            guard = watched.guard()
            http(guard, over_tls(good_client()))
            guard._trust._refresher.tick()
            version = guard.status().version
        assert traced(guard, over_tls(good_client()), spans) == {}
        guard._trust._refresher.tick()

        assert traced(guard, over_tls(good_client()), spans) == expected(good_client())
        assert guard.status().version == version
        assert guard._replay_publishes

    def test_spans_of_a_provider_that_is_not_the_process_s_are_noticed_by_the_call(
        self, watched: Watched, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
        exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        guard = watched.guard()
        for _ in range(2):
            with provider.get_tracer("own").start_as_current_span("server"):
                http(guard, over_tls(good_client()))

        assert [dict(span.attributes or {}) for span in exporter.get_finished_spans()] == [expected(good_client())] * 2

    def test_a_provider_that_cannot_be_loaded_refuses_nobody(
        self, watched: Watched, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
        monkeypatch.setenv("OTEL_PYTHON_TRACER_PROVIDER", "there-is-none")
        guard = watched.guard()

        assert [http(guard, over_tls(good_client())).verdict for _ in range(3)] == ["accepted"] * 3


def test_what_is_not_about_a_call_is_not_its_business(spans: InMemorySpanExporter) -> None:
    with trace.get_tracer("test").start_as_current_span("refresh"):
        Spans()(Notice(event=EventName.START, severity=Severity.INFO, text="x"))
    (span,) = spans.get_finished_spans()

    assert not span.attributes


def test_without_a_span_nothing_happens(watched: Watched, spans: InMemorySpanExporter) -> None:
    identity = http(watched.guard(), over_tls(good_client())).identity
    assert identity is not None
    Spans()(CallAccepted(identity=identity, cached=True))

    assert spans.get_finished_spans() == ()


def test_an_end_that_is_not_known_is_not_told(spans: InMemorySpanExporter) -> None:
    evidence = Evidence(fingerprint_sha256="ab", subject="CN=s", issuer="CN=i", dns_names=())
    rejected = Rejected(reason=Reason.NOT_PINNED, detail="", disposition=Disposition.REFUSED, evidence=evidence)
    with trace.get_tracer("test").start_as_current_span("server"):
        Spans()(CallRejected(rejected=rejected, source="tls", peer="", path="/", correlation_id=None))
    (span,) = spans.get_finished_spans()

    assert dict(span.attributes or {}) == {
        "mtls.reason": "not_pinned",
        "tls.client.subject": "CN=s",
        "tls.client.issuer": "CN=i",
        "tls.client.hash.sha256": "AB",
    }
