"""Several processes that share a state, the hosts that they ask, and the clock of each."""

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path

from mtls_middleware import Settings
from mtls_middleware._io.http import FailureKind, HTTPFailure, Response
from mtls_middleware._trust.gathering import GatheredTrust, Gatherer
from mtls_middleware.composition import Secrets, gatherer_of
from mtls_middleware.testing import ClientCertificate, GenesysAPI, RegionalCA
from tests.trust.crl.doubles import A
from tests.trust.genesys.region import INTERMEDIATE, NOW, ROOT
from tests.trust.sessions import answer_of, sessions

SECOND = timedelta(seconds=1)

LONG_LIVED = RegionalCA("Root of the CRL", now=NOW)


@dataclass
class World:
    """The true time, the certificates API and the CRL host, which count requests.

    Attributes:
        now: the true time, UTC.
        status: every host answers with this; None for the usual answers.
        unreachable: number of the pods whose own network is down.
        requests: by host.
    """

    now: datetime = NOW
    status: int | None = None
    unreachable: set[int] = field(default_factory=set)
    requests: Counter[str] = field(default_factory=Counter)
    client: ClientCertificate = field(default_factory=INTERMEDIATE.client)
    crl: bytes = b""

    def __post_init__(self) -> None:
        self.api = GenesysAPI(clock=lambda: self.now)
        self.api.add(self.client)
        self.crl = self.crl or INTERMEDIATE.crl()

    def answer(self, pod: int, method: str, url: str, headers: Mapping[str, str], content: bytes) -> Response:
        self.requests["crl" if url == A else "api"] += 1
        if pod in self.unreachable:
            raise HTTPFailure(FailureKind.UNREACHABLE, "no connection")
        if self.status is not None:
            return Response(status=self.status, headers={}, body=b"")
        if url == A:
            return Response(status=HTTPStatus.OK, headers={}, body=self.crl)
        return answer_of(self.api)(method, url, headers, content)


class Pod:
    """One process: its sources of trust, and its clock, which may be wrong."""

    def __init__(
        self, world: World, folder: Path, *, number: int = 0, offset: timedelta = timedelta(), **more: str
    ) -> None:
        root = ROOT.write(folder / f"root-{number}.pem")
        environ = {
            "MTLS_REGIONS": "us-east-1",
            "MTLS_AUTHORITIES": "digicert",
            "MTLS_TRUST": f"digicert={root}",
            "MTLS_GENESYS_CLIENT_ID": world.api.client_id,
            "MTLS_GENESYS_CLIENT_SECRET": world.api.client_secret,
            "MTLS_CRL_URLS": A,
            "MTLS_STATE": str(folder / "state"),
            **{f"MTLS_{name.upper()}": value for name, value in more.items()},
        }
        self.world, self.number, self.offset = world, number, offset
        settings, problems = Settings.from_env(environ), list[str]()
        answers = sessions(lambda *request: world.answer(number, *request))
        secrets = Secrets.read(settings, problems)
        self.gatherer: Gatherer = gatherer_of(settings, secrets, self.clock, self.clock(), open_session=answers)
        self.trust: GatheredTrust = self.gatherer.load(self.clock())

    def clock(self) -> datetime:
        return self.world.now + self.offset

    def tick(self) -> None:
        """Do what the thread does every few seconds."""
        if self.gatherer.has_changed(self.clock()):
            self.trust = self.gatherer.refresh(self.clock(), self.clock)

    @property
    def problems(self) -> tuple[str, ...]:
        return self.trust.problems

    @property
    def has_pin(self) -> bool:
        return any(trust.pins for trust in self.trust.trusts)


def run(world: World, pods: list[Pod], *, seconds: int, step: int = 1) -> None:
    """Let time go by; who looks first is another one each time."""
    order = random.Random(4711)
    for _ in range(0, seconds, step):
        for pod in order.sample(pods, len(pods)):
            pod.tick()
        world.now += step * SECOND
