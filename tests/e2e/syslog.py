"""What a proxy sends to ``/dev/log``, written to standard output: ``python syslog.py SOCKET``."""

import socket
import sys
from pathlib import Path

MESSAGE_BYTES = 65_536


def receive(path: Path) -> None:
    """Print each message that arrives at a socket, until the process ends."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(path))
        path.chmod(0o666)  # the proxy has given root up
        while True:
            print(receiver.recv(MESSAGE_BYTES).decode("utf-8", "replace").rstrip())  # noqa: T201 - its purpose


if __name__ == "__main__":
    receive(Path(sys.argv[1]))
