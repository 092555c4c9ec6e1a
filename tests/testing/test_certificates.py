"""What a caller holds, as text and as files."""

import hashlib
import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from mtls_middleware.testing import ClientCertificate, RegionalCA
from tests.claims import runs_through


@pytest.fixture(scope="module")
def client(ca: RegionalCA) -> ClientCertificate:
    return ca.intermediate().client()


def test_pem_and_der_are_the_leaf(client: ClientCertificate) -> None:
    leaf = client.certificate
    assert x509.load_pem_x509_certificate(client.pem.encode()) == x509.load_der_x509_certificate(client.der) == leaf


def test_the_chain_begins_with_the_leaf(client: ClientCertificate) -> None:
    found = x509.load_pem_x509_certificates(client.chain_pem.encode())
    assert found == [client.certificate, *client.chain]


def test_the_key_is_not_encrypted(client: ClientCertificate) -> None:
    key = load_pem_private_key(client.key_pem.encode(), password=None)
    assert key.public_key() == client.certificate.public_key()


def test_the_fingerprint_is_that_of_the_der(client: ClientCertificate) -> None:
    assert client.fingerprint_sha256 == hashlib.sha256(client.der).hexdigest()


def test_the_key_does_not_show(client: ClientCertificate) -> None:
    assert "key" not in repr(client)


def test_a_tls_stack_loads_its_files(client: ClientCertificate, tmp_path: Path) -> None:
    runs_through(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain, *client.write(tmp_path))


def test_its_files_can_be_named(client: ClientCertificate, tmp_path: Path) -> None:
    assert client.write(tmp_path, "server") == (tmp_path / "server.pem", tmp_path / "server.key")


def test_a_servers_files_do_not_replace_those_of_a_client(client: ClientCertificate, tmp_path: Path) -> None:
    client.write(tmp_path)

    assert RegionalCA().server("localhost").write(tmp_path) == (tmp_path / "server.pem", tmp_path / "server.key")
    assert (tmp_path / "client.pem").read_text(encoding="ascii") == client.chain_pem


def test_only_the_owner_may_read_the_key(client: ClientCertificate, tmp_path: Path) -> None:
    _, key = client.write(tmp_path)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_only_the_owner_may_read_the_key_where_an_older_file_was(client: ClientCertificate, tmp_path: Path) -> None:
    (tmp_path / "client.key").write_text("old and long enough to leave a rest" * 99)
    (tmp_path / "client.key").chmod(0o644)
    _, key = client.write(tmp_path)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert key.read_text() == client.key_pem
