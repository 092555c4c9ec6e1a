"""A guarded site, and applications that ask for a caller."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mtls_middleware.fastapi import callers
from mtls_middleware.observing.announcer import Announcer
from mtls_middleware.observing.logging import LimitedLog
from tests.adapters.conftest import HTTPTOOLS
from tests.adapters.site import Site


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.delitem(sys.modules, HTTPTOOLS, raising=False)
    monkeypatch.setattr(
        callers, "_announcer", Announcer((LimitedLog(),), source="dependency")
    )  # it says some things once
    site = Site(tmp_path)
    yield site
    site.close()
