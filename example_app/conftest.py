"""A regional CA, and the environment that every example is configured by."""

from collections.abc import Iterator

import pytest

from mtls_middleware.testing import RegionalCA


@pytest.fixture(scope="module")
def regional_ca() -> RegionalCA:
    """Make the root that the examples trust."""
    return RegionalCA("us-east-1")


@pytest.fixture(scope="module")
def configured(regional_ca: RegionalCA, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Set the environment before an application is first used."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("MTLS_REGIONS", "us-east-1")
        environment.setenv("MTLS_TRUST", str(regional_ca.write(tmp_path_factory.mktemp("trust"))))
        environment.setenv("MTLS_EXEMPT", "/health")
        yield
