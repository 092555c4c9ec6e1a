"""The adapter for cheroot, on real handshakes; `tests.e2e.test_wsgi_servers` runs it in the real server."""

import ssl
from pathlib import Path
from typing import Any

import pytest

from mtls_middleware.testing import ClientCertificate, RegionalCA
from tests.servers.handshake import client_context, shake

pytest.importorskip("cheroot")

from mtls_middleware.servers.cheroot import BuiltinSSLAdapter


@pytest.fixture
def adapter(server_ca: RegionalCA, region: RegionalCA, tmp_path: Path) -> BuiltinSSLAdapter:
    adapter = BuiltinSSLAdapter(*map(str, server_ca.server().write(tmp_path, "server")))
    adapter.context.load_verify_locations(cadata=region.der)
    adapter.context.verify_mode = ssl.CERT_OPTIONAL
    return adapter


def environ_of(adapter: BuiltinSSLAdapter, caller: ssl.SSLContext) -> Any:
    end, _ = shake(adapter.context, caller)
    return adapter.get_environ(end)  # type: ignore[arg-type]  # what it asks for, an SSLObject has too


def chain_of(environ: dict[str, Any]) -> list[str]:
    return [value for key, value in sorted(environ.items()) if key.startswith("SSL_CLIENT_CERT_CHAIN_")]


def test_intermediates_stand_beside_the_leaf(
    adapter: BuiltinSSLAdapter, server_ca: RegionalCA, region: RegionalCA, tmp_path: Path
) -> None:
    client: ClientCertificate = region.intermediate("Upper CA").intermediate("Lower CA").client()

    environ = environ_of(adapter, client_context(server_ca, tmp_path, client))

    assert environ["SSL_CLIENT_VERIFY"] == "SUCCESS"
    assert [environ["SSL_CLIENT_CERT"] + "\n", *chain_of(environ)] == list(client.pems)


def test_without_a_certificate_there_is_no_chain(
    adapter: BuiltinSSLAdapter, server_ca: RegionalCA, tmp_path: Path
) -> None:
    environ = environ_of(adapter, client_context(server_ca, tmp_path))

    assert environ["SSL_CLIENT_VERIFY"] == "NONE"
    assert chain_of(environ) == []
