"""A region with its API, for the tests of what comes from there."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from mtls_middleware import regions
from mtls_middleware._trust.genesys.client import APIResponse, CertificatesAPI
from mtls_middleware._trust.genesys.failure import GenesysFailure
from mtls_middleware.testing import APIAnswer, ClientCertificate, GenesysAPI, RegionalCA
from mtls_middleware.testing.genesys_api import entry_text
from tests.trust.sessions import answer_of, sessions

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = timedelta(days=1)
NAME = "us-east-1"

ROOT = RegionalCA("DigiCert root", now=NOW)
INTERMEDIATE = ROOT.intermediate("DigiCert intermediate")
REGION_ROOT = RegionalCA(NAME, now=NOW)

found = regions.find(NAME)
assert found is not None
REGION = found


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def advance(self, time: timedelta) -> None:
        self.now += time


@dataclass
class Region:
    """An API, somebody who asks it, and the clock of both."""

    clock: Clock = field(default_factory=Clock)
    server: GenesysAPI = field(init=False)
    api: CertificatesAPI = field(init=False)

    def __post_init__(self) -> None:
        self.server = GenesysAPI(clock=self.clock)
        self.api = self.client(self.server.client_id, self.server.client_secret)

    def client(self, client_id: str, *secrets: str) -> CertificatesAPI:
        return CertificatesAPI(
            REGION, client_id, *secrets, open_session=sessions(answer_of(self.server)), clock=self.clock
        )

    def poll(self) -> APIResponse:
        return self.api.poll()

    def failure(self) -> GenesysFailure:
        with pytest.raises(GenesysFailure) as raised:
            self.api.poll()
        return raised.value

    def paths(self) -> list[str]:
        return [call.path for call in self.server.calls]


def digicert(*, begins: datetime | None = None, ends: datetime | None = None) -> ClientCertificate:
    return INTERMEDIATE.client(not_before=begins, not_after=ends)


def genesys() -> ClientCertificate:
    return REGION_ROOT.client()


def listing(*entities: object, **more: object) -> APIAnswer:
    return APIAnswer.json({"entities": entities, **more})


def entity(client: ClientCertificate, **changed: object) -> dict[str, object]:
    usual = {"signingAuthority": "DigiCert", "certificate": entry_text(client), "status": "Current", "type": "Client"}
    return {**usual, **changed}


def certificates(answer: APIResponse) -> list[x509.Certificate]:
    return [one.leaf for one in answer.certificates]
