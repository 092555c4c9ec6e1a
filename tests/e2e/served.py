"""An application whose settings are made in code, for `serve --settings`; it tells what it is asked."""

import os

from starlette.types import Receive, Scope, Send

from mtls_middleware import MTLSMiddleware, Settings, optional_caller

WORD = "first"

settings = Settings(regions="us-east-1", trust=os.environ["TRUST_OF_THE_TEST"], exempt="/api/health", state="off")


async def _tell(scope: Scope, _receive: Receive, send: Send) -> None:
    found = optional_caller(scope) if scope["type"] == "http" else None
    if found is None:
        raise RuntimeError
    text = f"{WORD} {found.region} {scope['root_path']} {scope['path']}"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": text.encode()})


app = MTLSMiddleware(_tell, settings=settings)
