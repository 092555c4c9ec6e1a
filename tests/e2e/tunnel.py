"""A proxy on loopback that tunnels every CONNECT to one port, whatever host was named."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

HOST = "127.0.0.1"
SECONDS = 10.0


@dataclass
class Tunnel:
    """Remember the heads of all requests; answer `refusal` instead of tunnelling, where there is one."""

    port: int
    heads: list[str] = field(default_factory=list)
    refusal: bytes | None = None

    @property
    def targets(self) -> list[str]:
        return [head.split()[1] for head in self.heads]


@contextmanager
def run_tunnel(to_port: int) -> Iterator[Tunnel]:
    with socket.create_server((HOST, 0)) as listener:
        tunnel = Tunnel(listener.getsockname()[1])
        threading.Thread(target=_accept, args=(listener, tunnel, to_port), daemon=True).start()
        yield tunnel
        listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, tunnel: Tunnel, to_port: int) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_serve, args=(client, tunnel, to_port), daemon=True).start()


def _serve(client: socket.socket, tunnel: Tunnel, to_port: int) -> None:
    with client, suppress(OSError):
        client.settimeout(SECONDS)
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(4096)
        tunnel.heads.append(head.decode("latin-1"))
        if tunnel.refusal is not None:
            client.sendall(tunnel.refusal)
            return
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        with socket.create_connection((HOST, to_port), SECONDS) as server:
            back = threading.Thread(target=_copy, args=(server, client), daemon=True)
            back.start()
            _copy(client, server)
            back.join(SECONDS)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
