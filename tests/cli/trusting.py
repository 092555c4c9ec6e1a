"""A region with its files, for verbs that read settings from the environment."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

from typer.testing import CliRunner, Result

from mtls_middleware.cli.app import app
from mtls_middleware.errors import MTLSError
from mtls_middleware.testing import ClientCertificate, RegionalCA


@dataclass(slots=True)
class Region:
    """Hold a root, a list, and the settings that name them.

    Attributes:
        folder: for files.
        ca: root of the region.
        environ: settings.
    """

    folder: Path
    ca: RegionalCA = field(default_factory=lambda: RegionalCA("us-east-1"))
    environ: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.environ = {
            "MTLS_REGIONS": "us-east-1",
            "MTLS_TRUST": str(self.ca.write(self.folder / "US-East-1.pem")),
            "MTLS_STATE": "off",
        }

    def revoke(self, *clients: ClientCertificate) -> Path:
        """Publish a list as a file."""
        path = self.folder / "list.crl"
        path.write_bytes(self.ca.crl(clients))
        self.environ["MTLS_CRL_URLS"] = str(path)
        return path

    def pem(self, client: ClientCertificate) -> str:
        """Write a certificate with its chain, and return the path."""
        return str(client.write(self.folder)[0])

    def run(self, *arguments: str, **more: str) -> Result:
        """Run the command line with nothing else in the environment."""
        with only(self.environ | more):
            return CliRunner().invoke(app, list(arguments), standalone_mode=True)


@contextmanager
def only(environ: Mapping[str, str]) -> Iterator[None]:
    """Let the environment hold this and no other setting."""
    with mock.patch.dict("os.environ", environ, clear=True):
        yield


def problem(result: Result) -> str:
    """Return the wrong configuration that ended a command."""
    assert isinstance(result.exception, MTLSError)
    return str(result.exception)
