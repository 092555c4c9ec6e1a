"""Valkey or Redis, as an operator names it: a value that settings read, and what connects reads from."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """The address of Valkey or Redis, and the folder beside it.

    Attributes:
        hosts: names or addresses, with ports; several for Sentinel and cluster mode, none for a unix socket.
        socket: path of a unix socket; empty for TCP.
        service: the name of the primary in Sentinel; empty without.
        is_cluster: whether the hosts are nodes of a cluster.
        tls: whether connections are encrypted.
        database: its number.
        user: to log in as; empty for the default one.
        password: of the address; empty where it is set elsewhere, or there is none.
        ca: file of CAs that are trusted for it, beside those of the system; empty for none.
        cert: file of our client certificate; empty for none.
        key: file of its key; empty where it is in the same file.
        folder: the local level; None for memory.
        shown: the address without user and password.
    """

    hosts: tuple[tuple[str, int], ...] = ()
    socket: str = ""
    service: str = ""
    is_cluster: bool = False
    tls: bool = False
    database: int = 0
    user: str = ""
    password: str = field(default="", repr=False)
    ca: str = ""
    cert: str = ""
    key: str = ""
    folder: Path | None = None
    shown: str

    @property
    def is_local(self) -> bool:
        """Return whether what is sent stays on this machine."""
        return all(host in {"localhost", "::1"} or host.startswith("127.") for host, _ in self.hosts)
