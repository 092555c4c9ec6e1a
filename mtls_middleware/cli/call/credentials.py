"""Which certificate is shown, and by what the server's is verified."""

import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mtls_middleware.cli.dev_ca.contents import CALLERS, NONE, ROOT
from mtls_middleware.cli.wire.tls import Described, client_context, described
from mtls_middleware.display import displayed
from mtls_middleware.errors import MTLSError

_NAMES = (*(caller.name for caller in CALLERS), NONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What is shown and believed.

    Attributes:
        certificate: PEM of the caller's; None for none.
        key: PEM of its key; None where it is in the same file.
        ca: PEM that the server is verified by; None for the system's.
        title: what is shown, in a person's words.
    """

    certificate: Path | None
    key: Path | None
    ca: Path | None
    title: str

    @classmethod
    def choose(
        cls, *, certificate: Path | None, key: Path | None, folder: Path | None, caller: str, ca: Path | None
    ) -> "Credentials":
        """Choose by the options of the command.

        Raises:
            MTLSError: they contradict each other.
        """
        if folder is not None and (certificate is not None or key is not None):
            raise MTLSError("--dev-ca and --cert both name a certificate: keep one of them")
        if key is not None and certificate is None:
            raise MTLSError("--key needs --cert")
        if folder is None:
            return cls(certificate=certificate, key=key, ca=ca, title=_shown(certificate))
        if caller not in _NAMES:
            raise MTLSError(f"--as {displayed(caller)!r}: must be one of {', '.join(_NAMES)}")
        root = folder / ROOT
        if not root.is_file():
            raise MTLSError(f"{displayed(str(folder))} is no folder of dev-ca: mtls-middleware dev-ca DIR writes one")
        if caller == NONE:
            return cls(certificate=None, key=None, ca=ca or root, title=_shown(None))
        own = folder / f"{caller}.pem"
        return cls(certificate=own, key=own.with_suffix(".key"), ca=ca or root, title=f"{displayed(str(own))}")

    @property
    def own(self) -> Described | None:
        """Return what the caller's certificate says; None where there is none that can be read."""
        if self.certificate is None:
            return None
        try:
            leaf = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        except (OSError, ValueError):
            return None
        return described(leaf.public_bytes(Encoding.DER))

    def context(self) -> ssl.SSLContext:
        """Return the TLS context of the caller.

        Raises:
            MTLSError: a file cannot be used.
        """
        return client_context(self.ca, self.certificate, self.key, options=("--ca", "--cert", "--key"))


def _shown(certificate: Path | None) -> str:
    return "no certificate" if certificate is None else displayed(str(certificate))
