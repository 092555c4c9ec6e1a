"""Fixtures for pytest; the extra ``testing`` brings them into every test run.

The clients, and what they need, are loaded when a test asks for a fixture.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from mtls_middleware.testing.ca import RegionalCA
    from mtls_middleware.testing.client import MTLSTestClient


class DataActionClient(Protocol):
    """What `data_action_client` is: call it with an application."""

    def __call__(
        self,
        app: object,
        *,
        environ: Mapping[str, str | None] | None = None,
        **options: Any,  # noqa: ANN401 - the framework's
    ) -> MTLSTestClient:
        """Return a client with a good certificate.

        Args:
            app: the application, a factory without parameters, or the name of either: ``"my_service.main:app"``.
            environ: settings besides those of the fixture; None takes one away.
            options: for the framework's own client.
        """


@pytest.fixture(scope="session")
def regional_ca() -> RegionalCA:
    """Return the regional root that applications under test trust; override it for another region."""
    from mtls_middleware.testing.ca import RegionalCA  # noqa: PLC0415 - see above

    return RegionalCA()


@pytest.fixture
def data_action_client(
    regional_ca: RegionalCA,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[DataActionClient]:
    """Return what makes clients of applications, and set the environment before an application is first used."""
    from mtls_middleware.settings import Settings  # noqa: PLC0415 - see above
    from mtls_middleware.settings.reader import DEFAULT_PREFIX  # noqa: PLC0415
    from mtls_middleware.testing.callers import environment  # noqa: PLC0415
    from mtls_middleware.testing.client import MTLSTestClient  # noqa: PLC0415
    from mtls_middleware.testing.prepared import Preparation  # noqa: PLC0415

    # One place for all tests of a run, so that a module that was imported stays configured.
    folder = tmp_path_factory.getbasetemp() / "mtls-middleware"
    folder.mkdir(exist_ok=True)
    preparation = Preparation(monkeypatch)

    def configure(changes: Mapping[str, str | None] | None) -> None:
        for name in [name for name in os.environ if name.startswith(DEFAULT_PREFIX)]:
            monkeypatch.delenv(name)
        for name, value in environment(regional_ca, folder, changes).items():
            monkeypatch.setenv(name, value)

    def client(
        app: object,
        *,
        environ: Mapping[str, str | None] | None = None,
        **options: Any,  # noqa: ANN401 - the framework's
    ) -> MTLSTestClient:
        configure(environ)
        settings = Settings.from_env()
        preparation.check(settings)
        return MTLSTestClient(preparation.prepare(app, settings), regional_ca, settings=settings, **options)

    configure(None)
    yield client
    preparation.close()
