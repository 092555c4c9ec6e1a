"""What we print for F5's NGINX Ingress Controller, as the nginx that it writes, run by a real nginx.

The controller itself needs a cluster. What it makes of a Policy and a VirtualServer is in its documentation: the fields
below become the directives beside them, and names with an underscore are dropped, as nginx does by itself.
"""

from pathlib import Path
from typing import Any

import pytest

from mtls_middleware.proxy_config import Parameters, render
from tests.e2e.callers import PKI
from tests.e2e.conftest import Start
from tests.e2e.processes import HOST, free_port
from tests.e2e.proxies import NAME, PROXIES, SECRET, Deployment, nginx_with, run_application

yaml = pytest.importorskip("yaml")

pytestmark = pytest.mark.e2e

WRONG_NAME = "dataactions.prod-euw1.eu-west-1.mypurecloud.com"


def written_by_the_controller(documents: list[dict[str, Any]], pki: PKI, port: int, behind: int) -> str:
    """Return the server block for these resources."""
    policy, virtual_server = (document["spec"] for document in documents)
    verifies = policy["ingressMTLS"]
    (route,) = virtual_server["routes"]
    (upstream,) = virtual_server["upstreams"]
    headers = route["action"]["proxy"]["requestHeaders"]["set"]
    set_headers = "\n".join(f'proxy_set_header {header["name"]} "{header["value"]}";' for header in headers)
    return f"""
        map $http_upgrade $vs_connection_header {{ default upgrade; "" close; }}
        server {{
            listen {HOST}:{port} ssl;
            server_name {virtual_server["host"]};
            ssl_certificate {pki.certificate};
            ssl_certificate_key {pki.key};
            ssl_client_certificate {pki.trust};
            ssl_verify_client {verifies["verifyClient"]};
            ssl_verify_depth {verifies["verifyDepth"]};
            location {route["path"]} {{
                proxy_read_timeout {upstream["read-timeout"]};
                proxy_http_version 1.1;
                proxy_set_header Upgrade $http_upgrade;
                proxy_set_header Connection $vs_connection_header;
                proxy_set_header Host $host;
                proxy_set_header X-Real-IP $remote_addr;
                {set_headers}
                proxy_pass http://{HOST}:{behind};
            }}
        }}
    """


@pytest.fixture
def deployment(start: Start, pki: PKI, tmp_path: Path) -> Deployment:
    program = PROXIES["nginx"].installed()
    port, (behind, _) = free_port(), run_application("kubernetes-nginx", start, pki)
    parameters = Parameters(server_name=NAME, application="application:8000", secret=SECRET)
    documents = list(yaml.safe_load_all(render("kubernetes-nginx", parameters)))
    server = written_by_the_controller(documents, pki, port, behind)
    start([program, *nginx_with(tmp_path, server)], port=port)
    return Deployment(source="nginx", port=port, behind=behind, pki=pki)


def test_the_printed_resources_make_a_boundary(deployment: Deployment, pki: PKI) -> None:
    twins = [(name.replace("-", "_"), value) for name, value in deployment.forged]

    assert deployment.call(pki.region.client()) == "us-east-1"
    assert deployment.call() == "certificate_missing"
    assert deployment.call(None, deployment.forged) == "certificate_missing"
    assert deployment.call(None, twins) == "certificate_missing"
    assert deployment.call(pki.region.client(names=[WRONG_NAME]), deployment.forged) == "region_mismatch"
    assert deployment.call(pki.stranger.client()) == 400
    assert (
        deployment.call(pki.region.client(), [("X-Forwarded-For", HOST), ("Forwarded", f"for={HOST}")]) == "us-east-1"
    )
