"""What the tests of the examples share. The fixtures themselves come with ``mtls-middleware[testing]``.

They are imported here only because the tests of this repository run without the plugin: pytest would load the package
before its coverage can be measured. A project of yours leaves the import out.
"""

import pytest

from mtls_middleware.testing import MTLSTestClient
from mtls_middleware.testing.plugin import DataActionClient, data_action_client, regional_ca

__all__ = ["data_action_client", "regional_ca"]


@pytest.fixture(
    params=[
        "example_app.flask_app:create_app",
        "example_app.django_app:wsgi",
        "example_app.django_app:asgi",
    ]
)
def sibling(request: pytest.FixtureRequest, data_action_client: DataActionClient) -> MTLSTestClient:
    """Return a client of each of the examples that are not FastAPI's."""
    return data_action_client(request.param, environ={"MTLS_EXEMPT": "/health"})


@pytest.fixture(
    params=[
        "example_app.main:app",
        "example_app.flask_app:create_app",
        "example_app.django_app:wsgi",
        "example_app.django_app:asgi",
    ]
)
def reporting(request: pytest.FixtureRequest, data_action_client: DataActionClient) -> MTLSTestClient:
    """Return a client of each of the examples, in report mode."""
    return data_action_client(request.param, environ={"MTLS_MODE": "report"})
