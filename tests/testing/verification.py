"""The judge of these tests: cryptography's own verifier, apart from this package."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from mtls_middleware.testing import ClientCertificate, RegionalCA

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def path(client: ClientCertificate, *roots: RegionalCA, at: datetime = NOW) -> list[x509.Certificate]:
    """Return the path from a client to one of the roots."""
    verifier = PolicyBuilder().store(Store([root.certificate for root in roots])).time(at).build_client_verifier()
    return verifier.verify(client.certificate, list(client.chain)).chain


@contextmanager
def refusal_expected(match: str | None = None) -> Iterator[None]:
    """Expect a refusal."""
    with pytest.raises(VerificationError, match=match):
        yield
