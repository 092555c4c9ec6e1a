"""A chain of four RSA-4096 links through each proxy to each server, and what must be set for it."""

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from mtls_middleware.proxy_config import TABLE
from mtls_middleware.testing import ClientCertificate
from tests.e2e.asgi_servers import ENVIRONMENT, SERVERS
from tests.e2e.callers import CUSTOM_NAME, PKI
from tests.e2e.conftest import Start
from tests.e2e.processes import HOST, free_port
from tests.e2e.proxies import PROXIES, SECRET, Deployment, run_proxy
from tests.e2e.test_asgi_sizes import HEADER_OPTIONS
from tests.slow import mostly_slow

LONG_LINES = ("--limit-request-field_size", "65535")
ASGI = [
    "daphne",
    "gunicorn, ASGIWorker, asyncio",
    "gunicorn, UvicornWorker",
    "hypercorn, asyncio",
    "uvicorn, h11",
    "uvicorn, httptools",
]
GUNICORN = "gunicorn, sync"
LEAF_ONLY = {name for name in PROXIES if name in {"nginx", "caddy"}}
"""They pass on no intermediate, so the application trusts the issuer of the leaf itself."""

DEPTHS = ("ssl_verify_depth       1;", "SSLVerifyDepth       1\n")
"""A regional root signs its leaf directly, so our configurations allow no more; these callers are ``custom``."""

ACCEPTED = "None"
"""The region of a caller of ``custom``."""

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.matrix(table="chains", row="{proxy}", column="{server}"),
    pytest.mark.parametrize("proxy", PROXIES),
]


def command(server: str, port: int, options: Sequence[str] | None = None) -> list[str | Path]:
    """Return how a server is started, by default with what a long chain needs."""
    if server == GUNICORN:
        asked = LONG_LINES if options is None else options
        return [sys.executable, "-m", "gunicorn", "protected:wsgi()", "--bind", f"{HOST}:{port}", *asked]
    asked = HEADER_OPTIONS.get(server, ()) if options is None else options
    return [*SERVERS[server].argv("protected:asgi", port), *asked]


def deploy(
    start: Start, tmp_path: Path, proxy: str, argv: list[str | Path], behind: int, big: PKI, caller: ClientCertificate
) -> Deployment:
    """Start a proxy with its own configuration, and a server behind it."""
    issuer = tmp_path / "issuer.pem"
    issuer.write_bytes(caller.chain[0].public_bytes(Encoding.PEM))

    def deeper(configuration: str) -> str:
        for depth in DEPTHS:
            configuration = configuration.replace(depth, depth.replace("1", "5"))
        return configuration

    trust = {
        "MTLS_AUTHORITIES": "custom",
        "MTLS_TRUST": f"custom={issuer if proxy in LEAF_ONLY else big.trust}",
        "MTLS_CERT_NAMES": f"custom={CUSTOM_NAME}",
        "MTLS_SOURCE": TABLE[proxy].source,
        "MTLS_PROXY_SECRET": SECRET,
        "MTLS_PROXY_DROPS_UNDERSCORES": "yes",
    }
    start(argv, port=behind, env={**ENVIRONMENT, **trust})
    port, _ = run_proxy(proxy, start, big, tmp_path, behind, change=deeper)
    return Deployment(source=TABLE[proxy].source, port=port, behind=behind, pki=big)


@mostly_slow("server", [*ASGI, GUNICORN], kept=[GUNICORN])
def test_a_long_chain_gets_through(
    start: Start, tmp_path: Path, proxy: str, server: str, big: PKI, caller: ClientCertificate
) -> None:
    behind = free_port()

    deployment = deploy(start, tmp_path, proxy, command(server, behind), behind, big, caller)

    assert deployment.call(caller) == ACCEPTED
