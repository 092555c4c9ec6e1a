"""Which certificate is shown, and by what the server's is verified."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mtls_middleware.cli.dev_ca.contents import CALLERS, NONE, ROOT
from mtls_middleware.cli.wire.tls import Described, described
from mtls_middleware.display import displayed
from mtls_middleware.errors import MTLSError

_NAMES = (*(caller.name for caller in CALLERS), NONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Say what is shown and believed.

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
        """Choose by the options of the verb.

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
        """Return what stands in the caller's certificate; None where there is none that can be read."""
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
        try:
            context = ssl.create_default_context(cafile=self.ca)
        except (OSError, ssl.SSLError) as error:
            raise MTLSError(f"--ca {displayed(str(self.ca))}: {_why(error)}") from error
        context.set_alpn_protocols(["http/1.1"])
        if self.certificate is not None:
            try:
                context.load_cert_chain(self.certificate, self.key, password=_no_password)
            except (OSError, ssl.SSLError) as error:
                raise MTLSError(
                    f"--cert {displayed(str(self.certificate))}, --key {displayed(str(self.key or self.certificate))}: "
                    f"{_why(error)}"
                ) from error
        return context


def _no_password() -> str:
    """Keep OpenSSL from asking at the terminal."""
    raise MTLSError("the private key is encrypted: give one that is not")


def _shown(certificate: Path | None) -> str:
    return "no certificate" if certificate is None else displayed(str(certificate))


_WORDS = MappingProxyType(
    {
        "KEY_VALUES_MISMATCH": "the key does not belong to the certificate",
        "NO_CERTIFICATE_OR_CRL_FOUND": "holds no certificate",
        "PEM_LIB": "holds no PEM of the kind that is needed",
    }
)


def _why(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        reason = error.reason or "is not PEM"
        return _WORDS.get(reason, reason.replace("_", " ").lower())
    return error.strerror or str(error)
