"""A row in the table of presets is enough: everything else follows from it."""

import sys

import pytest

from mtls_middleware import ConfigurationError, Settings
from mtls_middleware._core.sources import presets
from mtls_middleware._core.sources.presets import Encoding, HeaderNames, Marker
from mtls_middleware.cli.attack.forgery import known_sources
from mtls_middleware.testing import present
from mtls_middleware.testing.plugin import DataActionClient
from tests.documentation import settings_page

NAME = "acme-gateway"
SHAPE = HeaderNames(
    certificate="X-Acme-Cert",
    encoding=Encoding.B64_DER,
    markers=(Marker(header="X-Acme-Verify", value="ok"),),
)
SERVICES = ["fastapi_service:app", "flask_service:app"]


@pytest.fixture(autouse=True)
def new_preset(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a preset into the table, in every module that has it."""
    changed = {"PRESETS": {**presets.PRESETS, NAME: SHAPE}, "NAMES": (*presets.NAMES, NAME)}
    former = {name: getattr(presets, name) for name in changed}
    for module in [module for name, module in sys.modules.items() if name.startswith("mtls_middleware.")]:
        for name, table in changed.items():
            if getattr(module, name, None) is former[name]:
                monkeypatch.setattr(module, name, table)
    monkeypatch.setattr(settings_page, "PRESETS", changed["PRESETS"])


def reason_of(client: object) -> object:
    response = client.post("/actions/lookup")  # type: ignore[attr-defined]  # of either framework
    content = response.json() if callable(response.json) else response.json
    return content.get("reason", response.status_code)


@pytest.mark.parametrize("service", SERVICES)
def test_the_middleware_reads_it_and_the_kit_writes_it(data_action_client: DataActionClient, service: str) -> None:
    client = data_action_client(service, environ={"MTLS_SOURCE": NAME})

    assert reason_of(client) == 200
    assert reason_of(client.with_certificate(stranger=True)) == "issuer_untrusted"
    assert reason_of(client.without_certificate()) == "certificate_missing"
    assert reason_of(client.unverified()) == "proxy_verification_failed"
    assert reason_of(client.through(NAME, secret="guessed")) == "source_untrusted"


def test_without_a_certificate_it_says_what_nginx_says() -> None:
    assert present(NAME, None).headers == (("X-Acme-Verify", "NONE"),)


def test_its_headers_cannot_be_those_of_anything_else() -> None:
    given = {"MTLS_REGIONS": "us-east-1", "MTLS_TRUST": "/t", "MTLS_SOURCE": NAME, "MTLS_PROXY_SECRET": "x" * 16}

    with pytest.raises(ConfigurationError, match="'X-Acme-Cert' is the header of"):
        Settings.from_env({**given, "MTLS_PROXY_SECRET_HEADER": "X-Acme-Cert"})


def test_doctor_forges_it() -> None:
    assert {source.name: source.header_names for source in known_sources()}[NAME] == SHAPE


def test_the_reference_has_a_row() -> None:
    assert "| `acme-gateway` | `X-Acme-Cert` | `b64-der` |  | `X-Acme-Verify` = `ok` |" in settings_page.text()
