"""Requests for the tests of the core."""

from typing import Any

from mtls_middleware._core.connection import Connection, Interface


def request(
    *headers: tuple[bytes, bytes],
    path: str = "/",
    raw_path: bytes | None = None,
    root_path: str = "",
    interface: Interface = Interface.ASGI,
    tls: dict[str, Any] | None = None,
    event: Any = None,
) -> Connection:
    """Return a request with nothing in it but what the test is about."""
    return Connection(
        interface=interface,
        path=path,
        raw_path=raw_path,
        root_path=root_path,
        headers=headers,
        client=None,
        tls=tls,
        event=event,
    )
