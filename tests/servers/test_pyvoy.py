from typing import Any

import pytest

from mtls_middleware.servers.pyvoy import Server
from mtls_middleware.servers.pyvoy_app import APPLICATION_VARIABLE

MANAGER = "envoy.filters.network.http_connection_manager"


def managers(config: dict[str, Any]) -> list[dict[str, Any]]:
    listeners = config["static_resources"]["listeners"]
    filters = [one for listener in listeners for chain in listener["filter_chains"] for one in chain["filters"]]
    return [one["typed_config"] for one in filters if one["name"] == MANAGER]


def test_each_port_removes_the_header_of_callers_and_sets_its_own() -> None:
    server = Server("main:app", tls_port=8443, tls_cert=b"cert", tls_key=b"key", tls_ca_cert=b"ca", websockets=True)

    settings = managers(server.get_envoy_config())

    assert len(settings) == 3  # without TLS, with TLS, and HTTP/3
    assert {one["forward_client_cert_details"] for one in settings} == {"SANITIZE_SET"}
    assert [one for one in settings if one["set_current_client_cert_details"] != {"cert": True, "chain": True}] == []
    assert [one for one in settings if not one["use_remote_address"]] == []


def test_the_application_is_named_in_the_environment_beside_what_is_there() -> None:
    server = Server("main:app", env={"OWN": "yes"})

    assert server._env == {"OWN": "yes", APPLICATION_VARIABLE: "main:app"}


@pytest.mark.parametrize(
    ("app", "options"),
    [pytest.param([], {}, id="several"), pytest.param("main:app", {"interface": "wsgi"}, id="WSGI")],
)
def test_what_cannot_be_told_is_not_served(app: Any, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="only one ASGI application"):
        Server(app, **options)
