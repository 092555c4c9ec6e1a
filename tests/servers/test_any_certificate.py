"""The context of report mode: any certificate passes the handshake, and whoever presents it must have its key."""

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from mtls_middleware.errors import ConfigurationError
from mtls_middleware.servers.context import server_context
from mtls_middleware.servers.scope import tls_extension
from mtls_middleware.testing import ClientCertificate, RegionalCA
from tests.servers.handshake import client_context, shake

VERSIONS = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
CALLERS: dict[str, Callable[[RegionalCA, RegionalCA], ClientCertificate]] = {
    "good": lambda region, _: region.client(),
    "stranger": lambda _, other: other.client(),
    "expired": lambda region, _: region.client(expired=True),
    "for servers only": lambda region, _: region.client(server_only=True),
    "with an intermediate": lambda _, other: other.intermediate().client(),
}


def no_trust() -> tuple[int, tuple[()]]:
    return 0, ()


@pytest.fixture
def server(tmp_path: Path, server_ca: RegionalCA) -> ssl.SSLContext:
    certificate, key = server_ca.server().write(tmp_path, "server")
    return server_context(no_trust, certificate=certificate, private_key=key, any_certificate=True)


@VERSIONS
@pytest.mark.parametrize("name", CALLERS)
def test_whoever_has_a_certificate_comes_in_and_is_seen(
    name: str,
    version: ssl.TLSVersion,
    server: ssl.SSLContext,
    server_ca: RegionalCA,
    region: RegionalCA,
    other_region: RegionalCA,
    tmp_path: Path,
) -> None:
    client = CALLERS[name](region, other_region)

    end, _ = shake(server, client_context(server_ca, tmp_path, client, version=version))

    extension = tls_extension(end)
    assert list(extension["client_cert_chain"]) == list(client.pems)
    assert extension["client_cert_error"] is None
    assert extension["tls_version"] == {"TLSv1_2": 0x0303, "TLSv1_3": 0x0304}[version.name]
    assert isinstance(extension["cipher_suite"], int)


@VERSIONS
def test_a_caller_without_a_certificate_comes_in(
    version: ssl.TLSVersion, server: ssl.SSLContext, server_ca: RegionalCA, tmp_path: Path
) -> None:
    end, _ = shake(server, client_context(server_ca, tmp_path, version=version))

    assert tls_extension(end)["client_cert_chain"] == ()


def test_bytes_go_both_ways_and_the_end_is_said(
    server: ssl.SSLContext, server_ca: RegionalCA, region: RegionalCA, tmp_path: Path
) -> None:
    end, client = shake(server, client_context(server_ca, tmp_path, region.client()))
    buffer = bytearray(10)

    client.write(b"a request")
    assert end.read(100) == b"a request"
    client.write(b"another")
    assert int(end.read(10, buffer)) == 7
    assert bytes(buffer[:7]) == b"another"
    with pytest.raises(ssl.SSLWantReadError):
        end.read(10)
    assert end.write(memoryview(b"an answer")) == 9
    assert client.read(100) == b"an answer"
    with pytest.raises(ssl.SSLWantReadError):
        client.unwrap()
    assert end.read(10) == b""
    end.unwrap()
    client.unwrap()


@VERSIONS
def test_what_came_with_the_end_of_the_handshake_is_pending(
    version: ssl.TLSVersion, server: ssl.SSLContext, server_ca: RegionalCA, tmp_path: Path
) -> None:
    """uvloop does not read otherwise, and the request would wait for another one."""
    end, client = shake(server, client_context(server_ca, tmp_path, version=version))
    assert end.pending() == 0
    client.write(b"a request")
    with pytest.raises(ssl.SSLWantReadError):
        client.unwrap()

    assert end.pending() == len(b"a request")
    assert end.read(100) == b"a request"
    assert end.pending() == 1  # the farewell
    assert end.read(100) == b""


def test_whoever_has_not_the_key_does_not_come_in(
    server: ssl.SSLContext, server_ca: RegionalCA, region: RegionalCA, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """In TLS 1.2 the proof travels in the open: another signature is that of somebody without the key."""
    context = client_context(server_ca, tmp_path, region.client(), version=ssl.TLSVersion.TLSv1_2)
    to_server, to_client, written = ssl.MemoryBIO(), ssl.MemoryBIO(), ssl.MemoryBIO()
    end = server.wrap_bio(to_server, to_client, server_side=True)
    client = context.wrap_bio(to_client, written)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    to_server.write(written.read())
    with pytest.raises(ssl.SSLWantReadError):
        end.do_handshake()
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    flight = bytearray(written.read())
    place, kinds = 0, []
    while place < len(flight):
        length = int.from_bytes(flight[place + 3 : place + 5])
        if flight[place] == 22 and flight[place + 5] == 15:  # a handshake message: CertificateVerify
            flight[place + 4 + length] ^= 1
            kinds.append(15)
        place += 5 + length
    assert kinds == [15]
    to_server.write(bytes(flight))

    with pytest.raises(ssl.SSLError):
        end.do_handshake()

    assert "reason=tls_failed" in caplog.text


def test_what_is_no_tls_is_refused_and_logged(server: ssl.SSLContext, caplog: pytest.LogCaptureFixture) -> None:
    incoming = ssl.MemoryBIO()
    incoming.write(b"GET / HTTP/1.1\r\n\r\n")

    with pytest.raises(ssl.SSLError):
        server.wrap_bio(incoming, ssl.MemoryBIO(), server_side=True).do_handshake()

    assert "reason=not_tls" in caplog.text


@VERSIONS
def test_no_session_is_resumed(
    version: ssl.TLSVersion, server: ssl.SSLContext, server_ca: RegionalCA, region: RegionalCA, tmp_path: Path
) -> None:
    context = client_context(server_ca, tmp_path, region.client(), version=version)
    end, first = shake(server, context)
    end.write(b"tickets come before the first byte")
    first.read()

    end, again = shake(server, context, session=first.session)

    assert not again.session_reused
    assert tls_extension(end)["client_cert_chain"]


def test_http_1_1_is_negotiated(server: ssl.SSLContext, server_ca: RegionalCA, tmp_path: Path) -> None:
    context = client_context(server_ca, tmp_path)
    context.set_alpn_protocols(["h2", "http/1.1"])

    end, client = shake(server, context)

    assert (end.selected_alpn_protocol(), client.selected_alpn_protocol()) == ("http/1.1", "http/1.1")


def test_a_missing_certificate_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.pem"):
        server_context(
            no_trust,
            certificate=tmp_path / "absent.pem",
            private_key=tmp_path / "absent.key",
            any_certificate=True,
        )


@pytest.mark.parametrize("password", [None, "wrong", "a good password"], ids=str)
def test_an_encrypted_key_opens_with_its_password_alone(
    password: str | None, tmp_path: Path, server_ca: RegionalCA
) -> None:
    made = server_ca.server()
    certificate, key = made.write(tmp_path, "server")
    encryption = BestAvailableEncryption(b"a good password")
    key.write_bytes(made.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))

    def make() -> ssl.SSLContext:
        return server_context(
            no_trust, certificate=certificate, private_key=key, password=password, any_certificate=True
        )

    if password == "a good password":
        assert make()
    else:
        with pytest.raises(ConfigurationError):
            make()
