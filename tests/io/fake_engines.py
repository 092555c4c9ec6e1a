"""Engines that are none: they refuse with one sentence, drip, or say nothing; and what lies between: slow lines."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from mtls_middleware.engine import Engine

Serve = Callable[[socket.socket, threading.Event], object]

DRIP_SECONDS = 0.1

DRIPS = 600
"""Bytes that come one after the other: a minute of them is more than anybody waits."""


_ANSWERS = {"PING": b"+PONG\r\n", "TIME": b"*2\r\n$10\r\n1800000000\r\n$1\r\n0\r\n"}


def engine_at(port: int, **fields: Any) -> Engine:
    values = {"hosts": (("127.0.0.1", port),), "shown": f"redis://127.0.0.1:{port}", **fields}
    return Engine(**values)


@contextmanager
def serving(serve: Serve, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Serve each connection on a thread of its own, perhaps over TLS, and return the port."""
    listener, stop = socket.create_server(("127.0.0.1", 0)), threading.Event()
    threads: list[threading.Thread] = []
    accepted: list[socket.socket] = []

    def one(connection: socket.socket) -> None:
        with suppress(OSError, ValueError), ExitStack() as stack:
            if tls is not None:
                connection = tls.wrap_socket(connection, server_side=True)
            accepted.append(stack.enter_context(connection))
            serve(connection, stop)

    def accept() -> None:
        with suppress(OSError):
            while True:
                threads.append(threading.Thread(target=one, args=(listener.accept()[0],)))
                threads[-1].start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield listener.getsockname()[1]
    finally:
        stop.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join()
        for connection in accepted:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()


def commands(connection: socket.socket) -> Iterator[list[bytes]]:
    """Return what a client asks, as lists of words."""
    with connection.makefile("rb") as lines:
        while line := lines.readline():
            words = []
            for _ in range(int(line[1:])):
                length = int(lines.readline()[1:])
                words.append(lines.read(length + 2)[:-2])
            yield words


def drip(connection: socket.socket, stop: threading.Event, content: bytes) -> None:
    for byte in content:
        if stop.wait(DRIP_SECONDS):
            return
        connection.sendall(bytes([byte]))


def answering(answers: dict[str, bytes], *, dripping: Sequence[str] = ()) -> Serve:
    """Serve an engine that gives these answers to commands, and agrees to all others."""

    def serve(connection: socket.socket, stop: threading.Event) -> None:
        for command, *_ in commands(connection):
            name = command.decode().upper()
            answer = answers.get(name, answers.get("*", _ANSWERS.get(name, b"+OK\r\n")))
            if name in dripping:
                drip(connection, stop, answer)
            else:
                connection.sendall(answer)

    return serve


def through(port: int, send: Callable[[socket.socket, threading.Event, bytes], object]) -> Serve:
    """Serve a line to another port; what comes back from there is sent on in its own way."""

    def serve(connection: socket.socket, stop: threading.Event) -> None:
        with socket.create_connection(("127.0.0.1", port)) as other:

            def back() -> None:
                with suppress(OSError):
                    while received := other.recv(65_536):
                        send(connection, stop, received)

            thread = threading.Thread(target=back)
            thread.start()
            try:
                while received := connection.recv(65_536):
                    other.sendall(received)
            finally:
                with suppress(OSError):
                    other.shutdown(socket.SHUT_RDWR)
                thread.join()

    return serve


def _refusing(sentence: str, *names: str) -> Serve:
    return answering({name: f"-{sentence}\r\n".encode() for name in names or ("EVAL", "SET")})


FULL = "OOM command not allowed when used memory > 'maxmemory'."
REPLICA = "READONLY You can't write against a read only replica."

REFUSALS: dict[str, tuple[Serve, str]] = {
    "LOADING": (_refusing("LOADING Redis is loading the dataset in memory", "*"), "it is still loading its data"),
    "MASTERDOWN": (
        _refusing("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."),
        "it is a replica that has lost its primary",
    ),
    "READONLY": (_refusing(f"{REPLICA} script: f_1, on @user_script:3."), "it is a replica, which cannot be written"),
    "READONLY in a script": (
        _refusing(f"ERR Error running script (call to f_1): @user_script:3: -{REPLICA}"),
        "it is a replica, which cannot be written",
    ),
    "OOM": (_refusing(FULL), "its memory is full"),
    "OOM in a script": (_refusing(f"ERR Error running script: @user_script:3: -{FULL}"), "its memory is full"),
    "NOAUTH": (_refusing("NOAUTH Authentication required.", "*"), "it wants a login"),
    "WRONGPASS": (
        _refusing("WRONGPASS invalid username-password pair or user is disabled.", "*"),
        "the login is refused",
    ),
    "NOPERM": (_refusing("NOPERM User mtls has no permissions to run the 'eval' command"), "its rights are too few"),
    "CLUSTERDOWN": (_refusing("CLUSTERDOWN Hash slot not served"), "its cluster is down"),
    "MOVED": (_refusing("MOVED 3999 192.0.2.1:6381"), "it is one node of a cluster"),
    "unknown": (_refusing("ERR unknown command 'EVAL', with args beginning with: 'hunter2'"), "it refuses a command"),
}
"""Servers that refuse with a sentence, and what is said of them."""
