"""Applications that real servers run. They use no middleware: what they tell is what the server told them.

``python apps.py --help`` runs `echo` behind a TLS context that follows a folder of roots.
"""

import argparse
import json
import os
import ssl
import zlib
from pathlib import Path
from typing import Any

from cryptography import x509
from starlette.types import Receive, Scope, Send

from mtls_middleware._core.connection import TRANSPORT_SCOPE_KEY, Transport
from tests.e2e.lifespan import answered_lifespan

_REMEMBERED: list[dict[str, Any]] = []


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with what is in the scope, as lines of JSON: one on entry, one after the whole body was read.

    With the path ``/early`` the first line is sent before anything is read. ``/remember`` keeps the facts, and
    ``/recall`` tells them to another caller.
    """
    match scope["type"]:
        case "lifespan":
            await answered_lifespan(scope, receive, send)
        case "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.send", "text": json.dumps(_facts(scope))})
            while (await receive())["type"] != "websocket.disconnect":
                pass
        case _:
            await _answer(scope, receive, send)


async def _answer(scope: Scope, receive: Receive, send: Send) -> None:
    lines = [_facts(scope)]
    early = scope["path"] == "/early"
    if early:
        await _begin(send, lines)
    while (await receive()).get("more_body"):
        pass
    lines = [_facts(scope)] if early else [*lines, _facts(scope)]
    if scope["path"] == "/remember":
        _REMEMBERED.extend(lines)
    if scope["path"] == "/recall":
        lines = _REMEMBERED[-1:]
    if not early:
        await _begin(send, [])
    await send({"type": "http.response.body", "body": _text(lines)})


async def _begin(send: Send, lines: list[dict[str, Any]]) -> None:
    headers = [(b"content-type", b"application/x-ndjson")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": _text(lines), "more_body": True})


def _facts(scope: Scope) -> dict[str, Any]:
    transport = scope.get(TRANSPORT_SCOPE_KEY)
    assert isinstance(transport, Transport | None)
    tls = (scope.get("extensions") or {}).get("tls")
    return {
        "type": scope["type"],
        "scheme": scope.get("scheme"),
        "path": scope["path"],
        "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]],
        "client": scope.get("client"),
        "transport": None if transport is None else {"peer": transport.peer},
        "tls": tls and {**tls, "client_cert_chain": list(tls["client_cert_chain"])},
        "pid": os.getpid(),
    }


def _text(lines: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def main() -> None:
    """Run `echo` on uvicorn; each ``*.pem`` in the folder is a root, for as long as it lies there."""
    import uvicorn  # noqa: PLC0415 - other servers run `echo` without it

    from mtls_middleware.servers.context import server_context  # noqa: PLC0415

    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--loop", default="auto")
    parser.add_argument("--http", default="mtls_middleware.servers.uvicorn:HttpToolsProtocol")
    parser.add_argument("--roots", type=Path, required=True)
    parser.add_argument("--certificate", type=Path, required=True)
    parser.add_argument("--key", type=Path, required=True)
    options = parser.parse_args()

    def roots() -> tuple[int, tuple[x509.Certificate, ...]]:
        pems = [path.read_bytes() for path in sorted(options.roots.glob("*.pem"))]
        return zlib.crc32(b"".join(pems)), tuple(map(x509.load_pem_x509_certificate, pems))

    def following(*_: object) -> ssl.SSLContext:
        return server_context(roots, certificate=options.certificate, private_key=options.key)

    uvicorn.run(echo, port=options.port, http=options.http, loop=options.loop, ssl_context_factory=following)


if __name__ == "__main__":
    main()
