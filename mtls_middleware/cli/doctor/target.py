"""What is attacked: a URL, taken apart."""

from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Name what is called.

    Attributes:
        scheme: ``https`` or ``http``.
        host: for ``Host`` and SNI.
        port: of it.
        path: with its query, in ASCII.
        address: where to connect; `host` and `port` where it is None.
    """

    scheme: str
    host: str
    port: int
    path: str
    address: tuple[str, int] | None = None

    @classmethod
    def parse(cls, url: str) -> Self:
        """Take a URL apart.

        Raises:
            ValueError: it is none, or has another scheme, or holds what no request line can.
        """
        if not all("!" <= character <= "~" for character in url):
            raise ValueError("holds characters that must be percent-encoded")
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError("is not a URL such as https://actions.example.com/actions/lookup")
        if "@" in parts.netloc:
            raise ValueError("holds a user or a password, which has no use here")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(scheme=parts.scheme, host=parts.hostname, port=parts.port or _PORTS[parts.scheme], path=path)

    @property
    def authority(self) -> str:
        """Return what belongs into ``Host``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def is_tls(self) -> bool:
        """Return whether TLS is spoken."""
        return self.scheme == "https"
