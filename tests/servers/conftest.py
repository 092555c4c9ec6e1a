"""Authorities for the tests of servers."""

import pytest

from mtls_middleware.testing import RegionalCA


@pytest.fixture(scope="session")
def region() -> RegionalCA:
    return RegionalCA("us-east-1")


@pytest.fixture(scope="session")
def other_region() -> RegionalCA:
    return RegionalCA("eu-west-1")


@pytest.fixture(scope="session")
def server_ca() -> RegionalCA:
    return RegionalCA("servers")
