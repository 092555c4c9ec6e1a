"""The status page on a port of its own: for operators on this machine, or at the end of a tunnel."""

import re
import sys
from dataclasses import dataclass
from ipaddress import ip_address

import uvicorn
from starlette.requests import Request

from mtls_middleware.cli.environment import settings_here
from mtls_middleware.display import displayed
from mtls_middleware.errors import ConfigurationError
from mtls_middleware.guard import Guard
from mtls_middleware.status_page import StatusPage

LOCALHOST = "localhost"

_ADDRESS = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9.-]+)):(?P<port>[0-9]{1,5})")
_HIGHEST_PORT = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """The address to listen on."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read HOST:PORT.

        Raises:
            ConfigurationError: it is not that.
        """
        found = _ADDRESS.fullmatch(text)
        if found is None or not 0 < int(found["port"]) <= _HIGHEST_PORT:
            raise ConfigurationError(
                [f"--listen {displayed(text)!r} is no address: write 127.0.0.1:9443 or [::1]:9443"]
            )
        return cls(host=found["v6"] or found["host"], port=int(found["port"]))

    @property
    def is_loopback(self) -> bool:
        """Return whether only this machine reaches it."""
        if self.host == LOCALHOST:
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def url(self) -> str:
        """Return what a browser is given."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}/"


def run_page(listen: str) -> None:
    """Serve the page until the process is told to end.

    Raises:
        ConfigurationError: the address or a setting is wrong; nothing listens then.
    """
    address = Address.parse(listen)
    guard = Guard.silent(settings_here())
    try:
        guard.start()
    except ConfigurationError:
        guard.refresh()  # it fails in the same way, and keeps why; the page tells, and the guard tries again
    if not address.is_loopback:
        sys.stderr.write(
            f"warning: {address.host} is not a loopback address: everybody who reaches it can read the page. Listen on "
            "127.0.0.1 and use a tunnel, or let a proxy in front authenticate operators\n"
        )
    sys.stderr.write(f"the status page is on {address.url}; stop it with Ctrl+C\n")
    try:
        uvicorn.run(
            page(guard, address),
            host=address.host,
            port=address.port,
            lifespan="off",
            proxy_headers=False,
            server_header=False,
            log_level="warning",
        )
    finally:
        guard.close()


def page(guard: Guard, address: Address) -> StatusPage:
    """Return the page. On a loopback address it is only for names of this machine.

    A web site that a browser of this machine looks at could give its own name this address, and read along.
    """
    names = {LOCALHOST, "127.0.0.1", "::1", address.host}

    def is_local_name(request: Request) -> bool:
        return (request.url.hostname or "") in names

    def anybody(_request: Request) -> bool:
        return True

    return StatusPage(guard, allow=is_local_name if address.is_loopback else anybody)
