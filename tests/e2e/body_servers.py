"""Every server that we name, with every framework of `body_frameworks` behind it, as behind a proxy."""

import sys
from pathlib import Path

from tests.e2e.asgi_servers import ENVIRONMENT, SERVERS
from tests.e2e.callers import PKI
from tests.e2e.conftest import Start
from tests.e2e.processes import HOST, free_port
from tests.e2e.test_wsgi_twins import PLAIN
from tests.e2e.wsgi_programs import Site
from tests.e2e.wsgi_tell import SECRET

ASGI_ROWS = [*(name for name in SERVERS if name != "uvicorn, zttp"), "serve", "granian"]
"""Those that every Python can have."""

WSGI_ROWS = [name for name in PLAIN if name != "wsgiref"]  # it speaks HTTP/1.0, which has no chunks

APPLICATION = "body_asgi:application"


def start_asgi(name: str, start: Start, pki: PKI) -> int:
    """Start an ASGI server, and return its port."""
    port = free_port()
    argv: list[str | Path]
    match name:
        case "serve":
            argv = [sys.executable, "-m", "mtls_middleware", "serve", APPLICATION, "--port", str(port)]
        case "granian":
            options = ["--interface", "asgi", "--host", HOST, "--port", str(port)]
            argv = [sys.executable, "-m", "granian", *options, APPLICATION]
        case _:
            argv = SERVERS[name].argv(APPLICATION, port)
    boundary = {"MTLS_SOURCE": "nginx", "MTLS_TRUSTED_PROXIES": HOST, "MTLS_PROXY_SECRET": SECRET}
    trust = {"MTLS_REGIONS": "us-east-1", "MTLS_TRUST": str(pki.trust), "MTLS_STATE": "off"}
    start(argv, env={**ENVIRONMENT, **trust, **boundary}, port=port)
    return port


def start_wsgi(name: str, start: Start, pki: PKI, folder: Path) -> int:
    """Start a WSGI server, and return its port."""
    return PLAIN[name].start(Site(start=start, pki=pki, folder=folder))
