"""The extra `otel`: decisions are counted by whatever meter provider the application sets up."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from asgiref.testing import ApplicationCommunicator
from opentelemetry import metrics
from starlette.applications import Starlette

from mtls_middleware import MTLSMiddleware, Settings
from mtls_middleware.testing import RegionalCA, TLSExtension

Callback = Callable[[metrics.CallbackOptions], Iterable[metrics.Observation]]

made: dict[str, Sequence[Callback]] = {}


class Meter(metrics.NoOpMeter):
    """Keep what is asked for."""

    def create_observable_counter(
        self,
        name: str,
        callbacks: Any = None,
        unit: str = "",
        description: str = "",
    ) -> metrics.ObservableCounter:
        """Keep how a counter is read."""
        made[name] = callbacks or ()
        return super().create_observable_counter(name, callbacks, unit, description)


class Provider(metrics.NoOpMeterProvider):
    """Make such meters."""

    def get_meter(self, name: str, *_: object, **__: object) -> metrics.Meter:
        """Return one."""
        return Meter(name)


async def ask_without_certificate(app: MTLSMiddleware) -> int:
    """Return the status of a call."""
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
    call = ApplicationCommunicator(TLSExtension(app, None), scope)
    await call.send_input({"type": "http.request"})
    status: int = (await call.receive_output(20))["status"]
    return status


metrics.set_meter_provider(Provider())
with TemporaryDirectory() as folder:
    ca = RegionalCA("us-east-1")
    settings = Settings(regions="us-east-1", trust=ca.write(Path(folder)), state="off")
    assert asyncio.run(ask_without_certificate(MTLSMiddleware(Starlette(), settings=settings))) == 403
    (read,) = made["mtls.decisions"]
    seen = [((one.attributes or {})["reason"], one.value) for one in read(metrics.CallbackOptions())]
    assert ("certificate_missing", 1) in seen, seen
