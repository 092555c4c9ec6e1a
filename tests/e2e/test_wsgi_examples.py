"""The Flask and Django examples on real servers, started by the commands that stand in them."""

import http.client
import inspect
import json
import re
import shlex
import sys

import pytest

from example_app import django_app, flask_app
from tests.e2e.callers import PKI, TIMEOUT
from tests.e2e.conftest import Start
from tests.e2e.processes import HOST, ROOT, free_port

pytestmark = pytest.mark.e2e

COMMANDS = {
    f"{module.__name__.rpartition('.')[2]}: {command.split()[0]}": (arguments, command)
    for module in (flask_app, django_app)
    for arguments, command in re.findall(
        r'^    (?:export GUNICORN_CMD_ARGS="(.*)"\n    )?(gunicorn .*|mtls-middleware .*)$',
        inspect.getdoc(module) or "",
        re.MULTILINE,
    )
    if "cert" in arguments + command
}
"""The last line of each way to start them, and the arguments in the environment; behind a proxy: `test_nginx`."""


def test_each_way_to_start_them_is_run() -> None:
    assert list(COMMANDS) == ["flask_app: gunicorn", "django_app: mtls-middleware", "django_app: gunicorn"]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_data_action_finds_a_customer(name: str, start: Start, pki: PKI) -> None:
    port = free_port()
    words = {"server.pem": pki.certificate, "server.key": pki.key, "US-East-1.pem": pki.trust}
    in_environment, command = COMMANDS[name]
    program, *arguments = [str(words.get(word, word)) for word in shlex.split(f"{command} {in_environment}")]
    bind = ["--bind", f"{HOST}:{port}"] if program == "gunicorn" else ["--host", HOST, "--port", str(port)]
    module = program.replace("-", "_")
    settings = {
        "MTLS_REGIONS": "us-east-1",
        "MTLS_TRUST": str(pki.trust),
        "MTLS_EXEMPT": "/health",
        "MTLS_STATE": "off",
    }
    start([sys.executable, "-m", module, *arguments, *bind], env={"PYTHONPATH": str(ROOT), **settings}, port=port)

    def call(method: str, path: str, *, known: bool) -> tuple[int, dict[str, str]]:
        context = pki.caller(pki.region.client() if known else None)
        connection = http.client.HTTPSConnection(HOST, port, timeout=TIMEOUT, context=context)
        body = json.dumps({"phone": "+13175550100"}) if method == "POST" else None
        connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = json.loads(answer.read())
        connection.close()
        return answer.status, content

    assert call("POST", "/actions/customer-lookup", known=True)[1]["tier"] == "gold"
    assert call("GET", "/actions/caller", known=True) == (200, {"region": "us-east-1"})
    assert call("POST", "/actions/customer-lookup", known=False)[1]["reason"] == "certificate_missing"
    assert call("GET", "/health", known=False) == (200, {"status": "ok"})
