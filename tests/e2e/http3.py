"""A caller that speaks HTTP/3, for one request. It presents a certificate if it is asked for one."""

import asyncio
import ssl
from typing import Any, cast

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import QuicEvent

from mtls_middleware.testing import ClientCertificate
from tests.e2e.callers import PKI, TIMEOUT
from tests.e2e.processes import HOST


def ask_http3(port: int, pki: PKI, client: ClientCertificate | None = None) -> tuple[int, bytes]:
    """Return status and body of the answer to a request on a new connection."""
    configuration = QuicConfiguration(alpn_protocols=H3_ALPN, is_client=True, verify_mode=ssl.CERT_REQUIRED)
    configuration.load_verify_locations(cadata=pki.server_ca.pem.encode())
    if client is not None:
        configuration.load_cert_chain(*client.write(pki.folder, client.fingerprint_sha256))
    return asyncio.run(asyncio.wait_for(_exchange(port, configuration), TIMEOUT))


async def _exchange(port: int, configuration: QuicConfiguration) -> tuple[int, bytes]:
    async with connect(HOST, port, configuration=configuration, create_protocol=_Caller) as connection:
        return await cast("_Caller", connection).ask()


class _Caller(QuicConnectionProtocol):
    """Keep what comes until the answer ends."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._http = H3Connection(self._quic)
        self._status = 0
        self._body = b""
        self._ended = asyncio.Event()

    async def ask(self) -> tuple[int, bytes]:
        request = {":method": "GET", ":scheme": "https", ":authority": HOST, ":path": "/"}
        stream = self._quic.get_next_available_stream_id()
        self._http.send_headers(stream, [(k.encode(), v.encode()) for k, v in request.items()], end_stream=True)
        self.transmit()
        await self._ended.wait()
        return self._status, self._body

    def quic_event_received(self, event: QuicEvent) -> None:
        for one in self._http.handle_event(event):
            match one:
                case HeadersReceived():
                    self._status = int(dict(one.headers)[b":status"])
                case DataReceived():
                    self._body += one.data
            if getattr(one, "stream_ended", False):
                self._ended.set()
