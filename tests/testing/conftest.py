"""A root for the tests of the testing kit."""

import pytest

from mtls_middleware.testing import RegionalCA
from tests.testing.verification import NOW


@pytest.fixture(scope="session")
def ca() -> RegionalCA:
    return RegionalCA(now=NOW)
