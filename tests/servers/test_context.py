import logging
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from mtls_middleware.errors import ConfigurationError
from mtls_middleware.observing.handshakes import LINES_PER_MINUTE
from mtls_middleware.servers.context import RETRY_AFTER, server_context
from mtls_middleware.testing import ClientCertificate, RegionalCA
from tests.servers.handshake import client_context, shake

UNTRUSTED = (18, 19, 20)
"""X509_V_ERR_*: self-signed leaf, self-signed certificate in the chain, no issuer found."""


class Trust:
    """Be trusted, one version after the other."""

    def __init__(self, *authorities: x509.Certificate) -> None:
        self.version = 1
        self.authorities = authorities

    def become(self, *authorities: x509.Certificate) -> None:
        self.version += 1
        self.authorities = authorities

    def __call__(self) -> tuple[int, tuple[x509.Certificate, ...]]:
        return self.version, self.authorities


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class House:
    """Hold a context that follows trust, and callers that knock at it."""

    def __init__(self, folder: Path, server_ca: RegionalCA, *authorities: x509.Certificate) -> None:
        self.folder = folder
        self.server_ca = server_ca
        self.trust = Trust(*authorities)
        self.clock = Clock()
        self.certificate, self.key = server_ca.server().write(folder, "server")
        self.context = server_context(self.trust, certificate=self.certificate, private_key=self.key, clock=self.clock)

    def knock(
        self,
        client: ClientCertificate | None = None,
        *,
        version: ssl.TLSVersion | None = None,
        name: str | None = "localhost",
    ) -> ssl.SSLObject:
        end, _ = shake(self.context, client_context(self.server_ca, self.folder, client, version=version), name=name)
        return end

    def refuses(self, client: ClientCertificate, *, version: ssl.TLSVersion | None = None) -> bool:
        try:
            self.knock(client, version=version)
        except ssl.SSLCertVerificationError as error:
            if error.verify_code not in UNTRUSTED:
                raise
            return True
        return False


@pytest.fixture
def house(tmp_path: Path, server_ca: RegionalCA, region: RegionalCA) -> House:
    return House(tmp_path, server_ca, region.certificate)


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "mtls_middleware.tls"]


VERSIONS = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])


@VERSIONS
def test_a_caller_of_the_region_comes_in(house: House, region: RegionalCA, version: ssl.TLSVersion) -> None:
    client = region.client()

    assert house.knock(client, version=version).getpeercert(binary_form=True) == client.der


@VERSIONS
def test_a_caller_without_a_certificate_comes_in(house: House, version: ssl.TLSVersion) -> None:
    assert house.knock(version=version).getpeercert(binary_form=True) is None


@VERSIONS
def test_a_stranger_ends_in_the_handshake(house: House, other_region: RegionalCA, version: ssl.TLSVersion) -> None:
    assert house.refuses(other_region.client(), version=version)


def test_a_caller_without_server_name_is_verified_too(
    house: House, region: RegionalCA, other_region: RegionalCA
) -> None:
    assert house.knock(region.client(), name=None).getpeercert(binary_form=True)
    with pytest.raises(ssl.SSLCertVerificationError):
        house.knock(other_region.client(), name=None)


@VERSIONS
def test_a_new_root_counts_at_once(house: House, other_region: RegionalCA, version: ssl.TLSVersion) -> None:
    client = other_region.client()
    assert house.refuses(client, version=version)

    house.trust.become(*house.trust.authorities, other_region.certificate)

    assert not house.refuses(client, version=version)


@VERSIONS
def test_a_removed_root_counts_no_more(
    house: House, region: RegionalCA, other_region: RegionalCA, version: ssl.TLSVersion
) -> None:
    client = region.client()
    assert not house.refuses(client, version=version)

    house.trust.become(other_region.certificate)

    assert house.refuses(client, version=version)


def test_without_any_root_every_certificate_is_refused(house: House, region: RegionalCA) -> None:
    house.trust.become()

    assert house.refuses(region.client())


def test_it_can_begin_without_any_root(tmp_path: Path, server_ca: RegionalCA, region: RegionalCA) -> None:
    house = House(tmp_path, server_ca)
    assert house.refuses(region.client())

    house.trust.become(region.certificate)

    assert not house.refuses(region.client())


def test_an_intermediate_may_be_the_anchor(tmp_path: Path, server_ca: RegionalCA, region: RegionalCA) -> None:
    intermediate = region.intermediate()

    house = House(tmp_path, server_ca, intermediate.certificate)

    assert not house.refuses(intermediate.client())


def test_an_intermediate_that_becomes_an_anchor_later_counts(house: House, other_region: RegionalCA) -> None:
    intermediate = other_region.intermediate()
    assert house.refuses(intermediate.client())

    house.trust.become(intermediate.certificate)

    assert not house.refuses(intermediate.client())


def test_a_root_and_its_successor_of_the_same_name_count_both(house: House, region: RegionalCA) -> None:
    successor = region.renewed()

    house.trust.become(region.certificate, successor.certificate)

    assert not house.refuses(region.client())
    assert not house.refuses(successor.client())


def test_a_certificate_that_is_listed_twice_counts_once(house: House, region: RegionalCA) -> None:
    house.trust.become(region.certificate, region.certificate)

    assert not house.refuses(region.client())


@pytest.mark.parametrize(
    ("bad", "code"),
    [pytest.param("expired", 10, id="expired"), pytest.param("server_only", 26, id="for servers only")],
)
def test_a_certificate_that_is_no_good_ends_in_the_handshake(
    house: House, region: RegionalCA, bad: str, code: int
) -> None:
    client = region.client(expired=bad == "expired", server_only=bad == "server_only")

    with pytest.raises(ssl.SSLCertVerificationError) as caught:
        house.knock(client)

    assert caught.value.verify_code == code


def test_http_1_1_is_negotiated(house: House) -> None:
    context = client_context(house.server_ca, house.folder)
    context.set_alpn_protocols(["h2", "http/1.1"])

    end, _ = shake(house.context, context)

    assert end.selected_alpn_protocol() == "http/1.1"


def test_tls_1_1_is_refused(house: House) -> None:
    assert house.context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_no_tls_1_3_session_can_be_resumed(house: House, region: RegionalCA) -> None:
    context = client_context(house.server_ca, house.folder, region.client(), version=ssl.TLSVersion.TLSv1_3)
    server_end, first = shake(house.context, context)
    server_end.write(b"tickets come before the first byte")
    first.read()

    _, again = shake(house.context, context, session=first.session)

    assert not again.session_reused


def test_a_tls_1_2_session_outlives_its_root_and_keeps_the_leaf(house: House, region: RegionalCA) -> None:
    """The standard library cannot switch this off: whoever reads the leaf has to judge it again."""
    client = region.client()
    context = client_context(house.server_ca, house.folder, client, version=ssl.TLSVersion.TLSv1_2)
    _, first = shake(house.context, context)
    house.trust.become()

    server_end, again = shake(house.context, context, session=first.session)

    assert again.session_reused
    assert server_end.getpeercert(binary_form=True) == client.der


def test_a_connection_cannot_be_renegotiated(house: House) -> None:
    assert house.context.options & ssl.OP_NO_RENEGOTIATION


def test_the_outer_context_alone_lets_nobody_in(house: House) -> None:
    house.context.sni_callback = None

    with pytest.raises(ssl.SSLError):
        house.knock()


def test_a_view_that_fails_lets_nobody_in(
    tmp_path: Path, server_ca: RegionalCA, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(tmp_path, server_ca)
    monkeypatch.setattr("sys.unraisablehook", lambda _: None)  # CPython prints what a callback raises

    def broken(_self: Trust) -> tuple[int, tuple[x509.Certificate, ...]]:
        raise RuntimeError("no trust today")

    monkeypatch.setattr(Trust, "__call__", broken)

    with pytest.raises(ssl.SSLError):
        house.knock()


def test_the_server_certificate_is_read_again_when_trust_changes(house: House, region: RegionalCA) -> None:
    renewed = house.server_ca.server()
    renewed.write(house.folder, "server")

    house.trust.become(region.certificate)

    _, client_end = shake(house.context, client_context(house.server_ca, house.folder))
    assert client_end.getpeercert(binary_form=True) == renewed.der


def test_trust_that_cannot_be_used_leaves_the_last_one_in_force(
    house: House, region: RegionalCA, other_region: RegionalCA, caplog: pytest.LogCaptureFixture
) -> None:
    house.key.unlink()
    house.trust.become(other_region.certificate)

    assert not house.refuses(region.client())
    assert house.refuses(other_region.client())
    assert warnings_of(caplog)[0].startswith("handshakes go on with trust version 1, version 2 cannot be used: ")


def test_trust_that_cannot_be_used_is_tried_again_after_a_while(
    house: House, other_region: RegionalCA, caplog: pytest.LogCaptureFixture
) -> None:
    key = house.key.read_bytes()
    house.key.unlink()
    house.trust.become(other_region.certificate)
    house.knock()
    house.key.write_bytes(key)

    assert house.refuses(other_region.client())
    house.clock.seconds += RETRY_AFTER

    assert not house.refuses(other_region.client())
    failed, again = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert "cannot be used" in failed
    assert again == "handshakes use trust version 2"


def test_newer_trust_is_tried_at_once_after_a_failure(house: House, other_region: RegionalCA) -> None:
    key = house.key.read_bytes()
    house.key.unlink()
    house.trust.become()
    house.knock()
    house.key.write_bytes(key)

    house.trust.become(other_region.certificate)

    assert not house.refuses(other_region.client())


def test_a_missing_certificate_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.pem"):
        server_context(Trust(), certificate=tmp_path / "absent.pem", private_key=tmp_path / "absent.key")


def test_the_key_of_another_certificate_is_a_configuration_error(tmp_path: Path, server_ca: RegionalCA) -> None:
    certificate, _ = server_ca.server().write(tmp_path, "one")
    _, key = server_ca.server().write(tmp_path, "two")

    with pytest.raises(ConfigurationError, match="the key does not belong to the certificate"):
        server_context(Trust(), certificate=certificate, private_key=key)


def test_files_that_hold_something_else_are_named(tmp_path: Path, server_ca: RegionalCA) -> None:
    certificate, key = server_ca.server().write(tmp_path, "one")

    with pytest.raises(ConfigurationError, match=r"one\.pem holds no private key in PEM; name .* --ssl-keyfile"):
        server_context(Trust(), certificate=certificate, private_key=certificate)
    with pytest.raises(ConfigurationError, match=r"one\.key holds no certificate in PEM"):
        server_context(Trust(), certificate=key, private_key=key)


@pytest.mark.parametrize("password", [None, "wrong"], ids=["none", "wrong"])
def test_an_encrypted_key_without_its_password_is_an_error_and_no_question(
    tmp_path: Path, server_ca: RegionalCA, password: str | None
) -> None:
    certificate, key = encrypted(server_ca.server(), tmp_path)

    with pytest.raises(ConfigurationError) as caught:
        server_context(Trust(), certificate=certificate, private_key=key, password=password)

    assert "wrong" not in str(caught.value)


def test_an_encrypted_key_opens_with_its_password(tmp_path: Path, server_ca: RegionalCA) -> None:
    certificate, key = encrypted(server_ca.server(), tmp_path)

    assert server_context(Trust(), certificate=certificate, private_key=key, password="a good password")


def test_one_line_says_why_a_handshake_was_refused(
    house: House, other_region: RegionalCA, caplog: pytest.LogCaptureFixture
) -> None:
    client = other_region.client()
    house.refuses(client)

    (line,) = warnings_of(caplog)
    assert line.startswith("refused in the TLS handshake reason=issuer_untrusted detail=")
    assert "unable to get local issuer certificate" in line
    assert f"verify_code=20 fingerprint={client.fingerprint_sha256} subject=" in line
    assert f'names="{other_region.cert_name}"' in line


def test_what_is_no_tls_is_logged_too(house: House, caplog: pytest.LogCaptureFixture) -> None:
    speak(house, b"GET / HTTP/1.1\r\n\r\n")

    (line,) = warnings_of(caplog)
    assert 'reason=not_tls detail="the caller does not speak TLS (http request)" peer="unknown"' in line


def test_a_good_handshake_is_not_logged(house: House, region: RegionalCA, caplog: pytest.LogCaptureFixture) -> None:
    house.knock(region.client())

    assert not warnings_of(caplog)


def test_lines_of_one_minute_are_bounded_and_the_rest_is_counted(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(times: int) -> None:
        for _ in range(times):
            speak(house, b"GET / HTTP/1.1\r\n\r\n")

    fail(LINES_PER_MINUTE + 5)
    house.clock.seconds += 59
    fail(1)
    house.clock.seconds += 1
    fail(2)

    lines = warnings_of(caplog)
    assert len(lines) == LINES_PER_MINUTE + 2
    assert [line for line in lines if "suppressed" in line] == [lines[-2]]
    assert lines[-2].endswith(" suppressed=6")


def speak(house: House, data: bytes) -> None:
    """Send bytes that are no TLS."""
    incoming = ssl.MemoryBIO()
    incoming.write(data)
    connection = house.context.wrap_bio(incoming, ssl.MemoryBIO(), server_side=True)
    with pytest.raises(ssl.SSLError):
        connection.do_handshake()


def encrypted(server: ClientCertificate, folder: Path) -> tuple[Path, Path]:
    certificate, key = server.write(folder, "server")
    key.write_bytes(
        server.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"a good password"))
    )
    return certificate, key
