"""A guard from settings tells OpenTelemetry, where it is installed, and needs it nowhere."""

import os
import subprocess
import sys

import pytest

from mtls_middleware import Guard
from mtls_middleware.observing import telemetry
from mtls_middleware.observing.logging import LimitedLog
from mtls_middleware.observing.otel import Spans
from tests.adapters.cases import http
from tests.adapters.site import Site, good_client, over_tls

_PROGRAM = """
import os, sys
from mtls_middleware import Guard, Settings
from mtls_middleware._core.connection import Connection, Interface

def call():
    connection = Connection(
        interface=Interface.ASGI, path="/actions", raw_path=None, root_path="", headers=(), client=None
    )
    for guard in guards:
        guard.decide(connection)

guards = [Guard.from_settings(Settings.from_env()) for _ in range(3)]
for guard in guards:
    guard.start()
call()
"""

_COLLECT = """
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

reader = InMemoryMetricReader()
metrics.set_meter_provider(MeterProvider([reader]))
call()

def collected():
    (resource,) = reader.get_metrics_data().resource_metrics
    (scope,) = resource.scope_metrics
    return {metric.name: {point.attributes.get("reason"): point.value for point in metric.data.data_points}
            for metric in scope.metrics}
"""


def run(program: str, site: Site) -> str:
    environ = {**os.environ, **site.environ(), "MTLS_REVOCATION": "off", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={name: value for name, value in environ.items() if not name.startswith(("OTEL_", "COV_"))},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_several_guards_and_an_sdk_that_comes_after_them_lose_and_double_nothing(site: Site) -> None:
    shown = run(f"{_PROGRAM}{_COLLECT}\nprint(collected()['mtls.decisions']['certificate_missing'])", site)

    assert shown == "6"


def test_a_child_of_a_fork_collects_its_own_calls(site: Site) -> None:
    program = f"""{_PROGRAM}
import warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads
child = os.fork()
if child == 0:
    {_COLLECT.replace(chr(10), chr(10) + "    ")}
    print(collected()['mtls.decisions']['certificate_missing'], *sorted(collected()), flush=True)
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    number, *names = run(program, site).split()

    assert int(number) == 6
    assert names == ["mtls.cache", "mtls.decisions", "mtls.handshakes.refused", "mtls.trust.expires"]


def test_nothing_of_it_is_imported_before_a_guard_is_made(site: Site) -> None:
    shown = run("import sys, mtls_middleware.asgi; print([n for n in sys.modules if 'opentelemetry' in n])", site)

    assert shown == "[]"


def test_without_opentelemetry_everything_else_works(site: Site) -> None:
    program = f"import sys; sys.modules['opentelemetry'] = None\n{_PROGRAM}\nprint(guards[0].status().decisions)"

    assert run(program, site) == "{'certificate_missing': 1}"


def test_without_opentelemetry_there_is_nothing_to_tell(monkeypatch: pytest.MonkeyPatch, site: Site) -> None:
    for name in ("opentelemetry", "mtls_middleware.observing.otel", "mtls_middleware.observing.otel"):
        monkeypatch.setitem(sys.modules, name, None)

    assert telemetry.span_hooks() == ()
    assert telemetry.register() is None
    guard = Guard.from_settings(site.settings(), clock=site.clock)
    site.guards.append(guard)
    guard.start()
    assert [http(guard, over_tls(good_client())).verdict for _ in range(2)] == ["accepted"] * 2


def test_a_guard_from_settings_has_a_limited_log_and_marks_spans(site: Site) -> None:
    guard = Guard.from_settings(site.settings(), clock=site.clock)

    assert [type(hook) for hook in guard._announcer._hooks] == [LimitedLog, Spans]


def test_a_silent_guard_tells_nobody_and_stands_in_no_metric(site: Site) -> None:
    before = len(telemetry.PROCESS_COUNTS._parts)
    guard = Guard.silent(site.settings(), clock=site.clock)

    assert guard._announcer._hooks == ()
    assert len(telemetry.PROCESS_COUNTS._parts) == before
