"""The extra `fastapi`: a route that takes its caller, and says so in the OpenAPI document."""

import asyncio
import json
from pathlib import Path
from tempfile import TemporaryDirectory

from asgiref.testing import ApplicationCommunicator
from fastapi import FastAPI

from mtls_middleware import MTLSMiddleware, Settings
from mtls_middleware.fastapi import DataActionCaller, document_mutual_tls
from mtls_middleware.testing import ClientCertificate, RegionalCA, TLSExtension

app = FastAPI()


@app.post("/actions/lookup")
def look_up(caller: DataActionCaller) -> dict[str, str | None]:
    """Tell who calls."""
    return {"caller": caller.region}


async def ask(client: ClientCertificate | None) -> tuple[int, bytes]:
    """Return the status and the body of a call; test clients need a package that this extra does not bring."""
    scope = {"type": "http", "method": "POST", "path": "/actions/lookup", "query_string": b"", "headers": []}
    call = ApplicationCommunicator(TLSExtension(app, client), scope)
    await call.send_input({"type": "http.request"})
    return (await call.receive_output(20))["status"], (await call.receive_output(20))["body"]


with TemporaryDirectory() as folder:
    ca = RegionalCA("us-east-1")
    settings = Settings(regions="us-east-1", trust=ca.write(Path(folder)), state="off")
    app.add_middleware(MTLSMiddleware, settings=settings)
    document_mutual_tls(app)
    status, body = asyncio.run(ask(ca.client()))
    assert (status, json.loads(body)) == (200, {"caller": "us-east-1"})
    status, body = asyncio.run(ask(None))
    assert (status, json.loads(body)["reason"]) == (403, "certificate_missing")
    schemes = app.openapi()["components"]["securitySchemes"].values()
    assert "mutualTLS" in {scheme["type"] for scheme in schemes}
