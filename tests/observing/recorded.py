"""A program that fails behind the middleware, with what records headers around it; prints what was recorded.

Its arguments: a folder, ``sentry`` or ``otel``, and the Python code that sets Sentry up. It is a process of its own,
because both change things that all tests would share.
"""

import asyncio
import json
import sys
import warnings
from collections.abc import MutableMapping
from functools import partial
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mtls_middleware import MTLSMiddleware
from mtls_middleware.testing import RegionalCA, nginx
from tests.observing.test_recorders import CALLER_SECRET, PROXY_SECRET, settings_for


async def failing(scope: Scope, _receive: Receive, _send: Send) -> None:
    headers = list(scope["headers"])
    raise RuntimeError(f"after {len(headers)} headers")


async def send(_: MutableMapping[str, Any]) -> None:
    return


async def receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def call(app: ASGIApp, region: RegionalCA) -> None:
    secrets = [("x-mtls-proxy-secret", PROXY_SECRET), ("x-caller-secret", CALLER_SECRET)]
    given = [*dict(nginx(region.client())).items(), *secrets]
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "https",
        "path": "/actions",
        "raw_path": b"/actions",
        "root_path": "",
        "query_string": b"",
        "client": ("127.0.0.1", 4711),
        "server": ("127.0.0.1", 8000),
        "headers": [(name.lower().encode(), value.encode()) for name, value in given],
    }
    try:
        await app(scope, receive, send)
    except RuntimeError:  # of the application: the call was let in
        return
    raise AssertionError("the call was refused")


def sentry(app: ASGIApp, region: RegionalCA, code: str) -> str:
    import sentry_sdk  # noqa: PLC0415 - not beside OpenTelemetry
    from sentry_sdk.envelope import Envelope  # noqa: PLC0415
    from sentry_sdk.integrations.asgi import SentryAsgiMiddleware  # noqa: PLC0415
    from sentry_sdk.transport import Transport  # noqa: PLC0415

    recorded: list[Any] = []

    class Kept(Transport):
        def capture_envelope(self, envelope: Envelope) -> None:
            recorded.extend(item.payload.json for item in envelope.items)

    vars(sentry_sdk)["init"] = partial(sentry_sdk.init, transport=Kept)
    exec(compile(code, "documentation", "exec"), {})
    asyncio.run(call(SentryAsgiMiddleware(app), region))
    return json.dumps(recorded)


def otel(app: ASGIApp, region: RegionalCA) -> str:
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware  # noqa: PLC0415 - not beside Sentry
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: PLC0415
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter  # noqa: PLC0415

    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    asyncio.run(call(OpenTelemetryMiddleware(app, tracer_provider=provider), region))
    return json.dumps([dict(span.attributes or {}) for span in exporter.get_finished_spans()], default=str)


def main() -> None:
    warnings.simplefilter("ignore")  # of these packages
    region = RegionalCA("us-east-1")
    app = MTLSMiddleware(failing, settings=settings_for(region, sys.argv[1]))
    told = sentry(app, region, sys.argv[3]) if sys.argv[2] == "sentry" else otel(app, region)
    sys.stdout.write(told)


if __name__ == "__main__":
    main()
