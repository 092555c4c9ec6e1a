"""The extra `fastapi`: a route that takes its caller, and says so in the OpenAPI document."""

from pathlib import Path
from tempfile import TemporaryDirectory

from fastapi import FastAPI

from mtls_middleware import MTLSMiddleware, Settings
from mtls_middleware.fastapi import DataActionCaller, document_mutual_tls
from mtls_middleware.testing import MTLSTestClient, RegionalCA

app = FastAPI()


@app.post("/actions/lookup")
def look_up(caller: DataActionCaller) -> dict[str, str | None]:
    """Tell who calls."""
    return {"caller": caller.region}


with TemporaryDirectory() as folder:
    ca = RegionalCA("us-east-1")
    settings = Settings(regions="us-east-1", trust=ca.write(Path(folder)), state="off")
    app.add_middleware(MTLSMiddleware, settings=settings)
    document_mutual_tls(app)
    client = MTLSTestClient(app, ca, settings=settings)
    assert client.post("/actions/lookup").json() == {"caller": "us-east-1"}
    assert client.without_certificate().post("/actions/lookup").json()["reason"] == "certificate_missing"
    schemes = app.openapi()["components"]["securitySchemes"].values()
    assert "mutualTLS" in {scheme["type"] for scheme in schemes}
