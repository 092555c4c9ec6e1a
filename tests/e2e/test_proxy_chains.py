"""A chain of four RSA-4096 links through each proxy to each server, and what must be set for it."""

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from mtls_middleware.proxy_config import TABLE, Parameters, render
from mtls_middleware.testing import ClientCertificate
from tests.e2e.asgi_servers import ENVIRONMENT, SERVERS
from tests.e2e.callers import PKI
from tests.e2e.conftest import Start
from tests.e2e.processes import HOST, free_port
from tests.e2e.test_asgi_sizes import HEADER_OPTIONS, big, caller
from tests.e2e.test_asgi_sizes import NAME as CALLER
from tests.e2e.test_proxies import NAME, PROXIES, SECRET, Deployment
from tests.slow import mostly_slow

__all__ = ["big", "caller"]  # fixtures

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
    run = PROXIES[proxy]
    if run.program is None:
        pytest.skip(f"{proxy} is not installed")
    port = free_port()
    both = tmp_path / "server-with-key.pem"
    both.write_bytes(big.certificate.read_bytes() + big.key.read_bytes())
    issuer = tmp_path / "issuer.pem"
    issuer.write_bytes(caller.chain[0].public_bytes(Encoding.PEM))
    parameters = Parameters(
        server_name=NAME,
        address=HOST,
        port=port,
        certificate=str(both),
        private_key=str(big.key),
        trust=str(big.trust),
        application=f"{HOST}:{behind}",
        secret=SECRET,
    )
    text = render(proxy, parameters)
    for depth in DEPTHS:
        text = text.replace(depth, depth.replace("1", "5"))
    configuration = tmp_path / TABLE[proxy].file
    configuration.write_text(text, encoding="utf-8")
    trust = {
        "MTLS_AUTHORITIES": "custom",
        "MTLS_TRUST": f"custom={issuer if proxy in LEAF_ONLY else big.trust}",
        "MTLS_CERT_NAMES": f"custom={CALLER}",
        "MTLS_SOURCE": TABLE[proxy].source,
        "MTLS_PROXY_SECRET": SECRET,
        "MTLS_PROXY_DROPS_UNDERSCORES": "yes",
    }
    start(argv, port=behind, env={**ENVIRONMENT, **trust})
    start([run.program, *run.command(tmp_path, configuration)], env=run.environment(tmp_path), port=port)
    return Deployment(proxy=run, source=TABLE[proxy].source, port=port, behind=behind, pki=big)


@mostly_slow("server", [*ASGI, GUNICORN], kept=[GUNICORN])
def test_a_long_chain_gets_through(
    start: Start, tmp_path: Path, proxy: str, server: str, big: PKI, caller: ClientCertificate
) -> None:
    behind = free_port()

    deployment = deploy(start, tmp_path, proxy, command(server, behind), behind, big, caller)

    assert deployment.call(caller) == ACCEPTED
