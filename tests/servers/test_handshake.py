"""What becomes of a connection whose handshake was refused, on both event loops."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from mtls_middleware.observing import handshakes
from mtls_middleware.observing.handshakes import VERIFY_FAILURES, HandshakeRefusal
from mtls_middleware.servers import handshake
from mtls_middleware.servers.handshake import RefusedHandshakeError, say_goodbye
from mtls_middleware.testing import RegionalCA
from tests.servers.handshake import client_context

LIMIT = 30.0
LOOPS = pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
Run = Callable[[Awaitable[None]], None]


class Silent(asyncio.Protocol):
    """An application that is never reached."""


@pytest.fixture
def contexts(tmp_path: Path, server_ca: RegionalCA, region: RegionalCA, other_region: RegionalCA) -> Any:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*server_ca.server().write(tmp_path, "server"))
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_verify_locations(cadata=region.der)
    return context, client_context(server_ca, tmp_path, other_region.client(), version=ssl.TLSVersion.TLSv1_2)


async def refused(port: int, context: ssl.SSLContext) -> socket.socket:
    """Be refused, and hold the connection when the alert has come."""

    def shake() -> socket.socket:
        plain = socket.create_connection(("127.0.0.1", port), timeout=LIMIT)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing)
        while True:
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                plain.sendall(outgoing.read())
                incoming.write(plain.recv(65536))
            except ssl.SSLError as error:
                assert error.reason == "TLSV1_ALERT_UNKNOWN_CA"  # noqa: PT017 - the loop waits for it
                return plain

    return await asyncio.to_thread(shake)


async def becomes(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT):
        while not condition():  # noqa: ASYNC110 - another thread, or the system, makes it so
            await asyncio.sleep(0.01)


async def serving(context: ssl.SSLContext) -> tuple[asyncio.Server, int]:
    loop = asyncio.get_running_loop()
    say_goodbye(loop, context)
    server = await loop.create_server(Silent, "127.0.0.1", 0, ssl=context)
    return server, server.sockets[0].getsockname()[1]


def lingering() -> set[socket.socket]:
    handler: Any = asyncio.get_running_loop().get_exception_handler()
    found: set[socket.socket] = handler._lingering
    return found


@LOOPS
def test_a_refused_caller_that_stays_is_closed_after_a_while(
    run: Run,
    contexts: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(handshake, "LINGER_SECONDS", 0.2)

    async def test() -> None:
        server, port = await serving(contexts[0])
        with await refused(port, contexts[1]) as held:
            held.sendall(b"still here")
            assert held.recv(1) == b""
            await becomes(lambda: not lingering())
        server.close()

    run(test())


@LOOPS
def test_one_that_goes_is_closed_at_once(
    run: Run,
    contexts: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(handshake, "LINGER_SECONDS", 10 * LIMIT)

    async def test() -> None:
        server, port = await serving(contexts[0])
        held = await refused(port, contexts[1])
        assert len(lingering()) == 1
        held.close()
        await becomes(lambda: not lingering())
        server.close()

    run(test())


@LOOPS
def test_the_number_of_those_that_stay_is_bounded(
    run: Run,
    contexts: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(handshake, "LINGERING", 2)

    async def test() -> None:
        server, port = await serving(contexts[0])
        held = [await refused(port, contexts[1]) for _ in range(5)]
        assert len(lingering()) == 2
        for one in held:
            one.close()
        await becomes(lambda: not lingering())
        server.close()

    run(test())


@LOOPS
def test_a_listener_knows_the_peer_and_the_certificate(run: Run, contexts: Any, other_region: RegionalCA) -> None:
    heard: list[HandshakeRefusal] = []

    async def test() -> None:
        server, port = await serving(contexts[0])
        with await refused(port, contexts[1]) as held:
            host, number = held.getsockname()
        assert [one.peer for one in heard] == [f"{host}:{number}"]
        server.close()

    end = handshakes.subscribe(heard.append)
    try:
        run(test())
    finally:
        end()

    (refusal,) = heard
    assert refusal.reason in handshakes.REASONS
    assert refusal.verify_code == 20
    assert refusal.facts()["issuer"] == other_region.certificate.subject.rfc4514_string()


@LOOPS
def test_other_exceptions_go_where_they_went_before(run: Run, contexts: Any) -> None:
    heard: list[object] = []

    async def test() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _loop, context: heard.append(context["message"]))
        say_goodbye(loop, contexts[0])
        loop.call_exception_handler({"message": "something else"})

    run(test())

    assert heard == ["something else"]


def test_without_a_handler_the_loop_has_its_own(contexts: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        say_goodbye(asyncio.get_running_loop(), contexts[0])
        asyncio.get_running_loop().call_exception_handler({"message": "something else"})

    asyncio.run(test())

    assert "something else" in caplog.text


@LOOPS
def test_a_handler_that_the_application_sets_later_is_followed_too(run: Run, contexts: Any) -> None:
    heard: list[object] = []

    async def test() -> None:
        server, port = await serving(contexts[0])
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: heard.append(context["message"]))
        say_goodbye(asyncio.get_running_loop(), contexts[0])  # as each new connection does
        (await refused(port, contexts[1])).close()
        asyncio.get_running_loop().call_exception_handler({"message": "something else"})
        await becomes(lambda: not lingering())
        server.close()

    run(test())

    assert heard == ["something else"]


@pytest.mark.parametrize("code", sorted(VERIFY_FAILURES))
def test_each_verify_code_has_its_sentence_and_reason(code: int) -> None:
    error = ssl.SSLCertVerificationError()
    error.verify_code, error.verify_message = code, "words of OpenSSL"

    refusal = HandshakeRefusal.of(error)

    assert refusal.reason in handshakes.REASONS
    assert refusal.detail == f"{VERIFY_FAILURES[code].sentence} (words of OpenSSL)"


def test_an_unknown_verify_code_is_a_refusal_too() -> None:
    error = ssl.SSLCertVerificationError()
    error.verify_code, error.verify_message = 4711, "evil\n\x1b[31m" + "x" * 1000

    facts = HandshakeRefusal.of(error, b"no certificate").facts()

    assert facts["reason"] == "issuer_untrusted"
    assert len(str(facts["fingerprint"])) == 64
    assert len(str(facts["detail"])) < 400
    assert "\x1b" not in str(facts["detail"])


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("TLSV1_ALERT_UNKNOWN_CA", "server_untrusted"),
        ("SSLV3_ALERT_CERTIFICATE_UNKNOWN", "server_untrusted"),
        ("HTTP_REQUEST", "not_tls"),
        ("NO_SHARED_CIPHER", "tls_failed"),
        ("PEER_DID_NOT_RETURN_A_CERTIFICATE", "certificate_missing"),
        ("BAD_SIGNATURE", "tls_failed"),
        (None, "tls_failed"),
    ],
)
def test_what_is_no_certificate_has_a_reason_too(words: str | None, reason: str) -> None:
    error = ssl.SSLError()
    if words is not None:
        error.reason = words

    refusal = HandshakeRefusal.of(error)

    assert refusal.reason == reason
    assert refusal.certificate is None


def test_what_the_loop_is_told_is_no_error_of_the_system() -> None:
    assert not issubclass(RefusedHandshakeError, OSError)
