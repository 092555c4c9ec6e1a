"""A WSGI application that tells what it sees, for behind the middleware."""

import json
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

SECRET = "a-secret-of-the-proxy-0123456789"
"""What proxies in front of it add."""


def tell(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    """Answer with who called, from where, and the headers that the application sees."""
    identity = environ["mtls.identity"]
    facts = {
        "caller": identity and (identity.region or str(identity.authority)),
        "fingerprint": identity and identity.fingerprint_sha256,
        "peer": [environ.get("REMOTE_ADDR"), str(environ.get("REMOTE_PORT"))],
        "headers": [key[5:].lower().replace("_", "-") for key in environ if key.startswith("HTTP_")],
        "pid": os.getpid(),
    }
    body = json.dumps(facts).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
