"""Fixtures for the tests of doctor."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mtls_middleware import Guard
from mtls_middleware.testing import RegionalCA
from tests.cli.attack.deployments import guarded


@pytest.fixture(scope="session")
def region() -> RegionalCA:
    return RegionalCA("us-east-1")


@pytest.fixture
def guard(tmp_path: Path, region: RegionalCA) -> Iterator[Guard]:
    guard = guarded(tmp_path, region)
    yield guard
    guard.close()
