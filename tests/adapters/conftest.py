"""Guarded sites for the tests of the adapters."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.adapters.site import Site

HTTPTOOLS = "uvicorn.protocols.http.httptools_impl"


@pytest.fixture
def site(tmp_path: Path, no_httptools: None) -> Iterator[Site]:  # noqa: ARG001 - what other tests loaded is forgotten
    site = Site(tmp_path)
    yield site
    site.close()


@pytest.fixture
def no_httptools(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make this process look like one in which uvicorn's httptools protocol was never loaded."""
    monkeypatch.delitem(sys.modules, HTTPTOOLS, raising=False)
    monkeypatch.delitem(sys.modules, "mtls_middleware.servers.uvicorn", raising=False)


@pytest.fixture
def uwsgi(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Stand for the module that exists only inside uWSGI."""
    module: Any = ModuleType("uwsgi")
    module.opt, module.chunked_read = {}, iter([b"ab", b"c", b""]).__next__
    monkeypatch.setitem(sys.modules, "uwsgi", module)
    return module
