"""What is said to an operator while trust is read: problems stop it, warnings do not."""

from dataclasses import dataclass, field

from cryptography import x509

from mtls_middleware.display import displayed


class Unusable(Exception):  # noqa: N818 - not an error of ours: it is what is wrong with a file
    """Say why something cannot be used; messages put its name and a colon in front."""


class Foreign(Unusable):
    """Say that something has not even the look of a certificate, so that beside others it may be passed over."""


@dataclass(slots=True)
class Report:
    """Collect everything that is wrong, so that an operator reads it all at once."""

    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def subject_of(certificate: x509.Certificate) -> str:
    """Return a certificate's subject for a message."""
    return displayed(certificate.subject.rfc4514_string() or "(empty subject)")
