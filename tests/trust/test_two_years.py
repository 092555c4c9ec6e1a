"""Two years in the life of a deployment: certificates rotate, everything fails now and then, and nothing is lost.

A seed makes a schedule. Two workers share a state folder; whatever happens, the right certificate is accepted, and what
is revoked (one refresh later) or has expired is refused.
"""

import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from mtls_middleware import Guard, Settings
from mtls_middleware import composition as composed
from mtls_middleware._core.scope import connection_of
from mtls_middleware._io.files import InputError
from mtls_middleware._io.http import FailureKind, HTTPFailure
from mtls_middleware._trust import refresher
from mtls_middleware.observing.events import Notice
from mtls_middleware.observing.status import TrustState
from mtls_middleware.testing import APIAnswer, ClientCertificate, GenesysAPI, RegionalCA
from tests.adapters.cases import http_scope
from tests.adapters.site import Recorder, over_tls
from tests.trust.genesys.region import DAY, NOW, Clock
from tests.trust.sessions import api_client

YEARS = 2 * 365
INTERVAL = timedelta(hours=24)
STEP = timedelta(hours=24)
LATE = 1.1 * INTERVAL + STEP
"""One refresh with its jitter, and the step in which it is noticed."""

LIST_LIFE = 7 * DAY
CAPTIVE = b"<!DOCTYPE html><html><title>Sign in to the network</title></html>"

REGION_LISTS = ("http://crl.example/root-1.crl", "http://crl.example/root-2.crl")
DIGICERT_LIST = "http://crl.example/digicert.crl"


@dataclass
class Caller:
    """Hold a certificate of the platform, and when it is the one in use.

    Attributes:
        client: with its key.
        authority: as the API spells it.
        uses: from when to when data actions bear it.
        listed: from when to when the API lists it, at least.
        revoked_at: when its CA's list first names it.
    """

    client: ClientCertificate
    authority: str
    uses: tuple[datetime, datetime]
    listed: tuple[datetime, datetime]
    revoked_at: datetime | None = None

    def is_right(self, now: datetime) -> bool:
        return self.uses[0] <= now < self.uses[1]

    def has_ended(self, now: datetime) -> bool:
        return now > self.client.certificate.not_valid_after_utc


@dataclass
class Weather:
    """Say how a host does: each spell of bad weather has a kind."""

    spells: list[tuple[datetime, datetime, str]]

    def at(self, now: datetime) -> str:
        return next((kind for begins, ends, kind in self.spells if begins <= now < ends), "good")

    def good_since(self, now: datetime) -> datetime | None:
        """Return since when it is good; None while it is not."""
        if self.at(now) != "good":
            return None
        return max((ends for _, ends, _ in self.spells if ends <= now), default=NOW - DAY)


def day(number: float) -> datetime:
    return NOW + timedelta(days=number)


@dataclass
class World:
    """Hold the platform's side: authorities, lists, the API, and the weather."""

    rng: random.Random
    clock: Clock
    folder: Path
    api: GenesysAPI
    callers: list[Caller] = field(default_factory=list)
    lists: dict[str, tuple[bytes, datetime]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.roots = [
            RegionalCA(now=NOW, not_before=day(-3000), not_after=day(500)),
            RegionalCA(now=NOW, not_before=day(350), not_after=day(4000)),
        ]
        self.digicert = RegionalCA("DigiCert root", now=NOW, not_before=day(-900), not_after=day(4000))
        self._issue()
        self.crl_weather = self._weather([(day(260), day(272), "down"), (day(610), day(619), "captive")])
        self.api_weather = self._weather([(day(150), day(161), "down"), (day(640), day(652), "5xx")])

    @property
    def trust(self) -> Path:
        return self.folder / "US-East-1.pem"

    def _issue(self) -> None:
        """Rotate each year; in the first one a key leaks, and in the second one the root is another."""
        leak = self.rng.uniform(180, 220)
        switches = [-200.0, leak, leak + 240 + self.rng.uniform(0, 20), YEARS + 30]
        for number, (begins, ends) in enumerate(pairwise(switches)):
            root = self.roots[begins > 400]
            client = root.client(
                not_before=day(begins - 14),
                not_after=day(min(begins + 395, 499.9 if begins < 400 else 9999)),
                crl_url=REGION_LISTS[begins > 400],
            )
            early = 0.5 if number == 1 else 10
            caller = Caller(client, "Genesys", (day(begins), day(ends)), (day(begins - early), day(ends)))
            caller.revoked_at = day(leak + 0.5) if number == 0 else None
            self.callers.append(caller)
        switches = [-100.0, 210 + self.rng.uniform(0, 20), 540 + self.rng.uniform(0, 20), YEARS + 30]
        for begins, ends in pairwise(switches):
            client = self.digicert.client(
                not_before=day(begins - 95), not_after=day(begins + 397), crl_url=DIGICERT_LIST
            )
            self.callers.append(Caller(client, "DigiCert", (day(begins), day(ends + 4)), (day(begins - 90), day(ends))))
        self.callers[-2].revoked_at = day(switches[2] + 6)  # DigiCert revokes what was replaced

    def _weather(self, spells: list[tuple[datetime, datetime, str]]) -> Weather:
        """Add short spells to those that every schedule has."""
        kinds = ["down", "captive", "truncated", "5xx", "busy"]
        for _ in range(25):
            begins = day(self.rng.uniform(3, YEARS))
            spells.append((begins, begins + self.rng.uniform(0.5, 3) * DAY, self.rng.choice(kinds)))
        return Weather(spells)

    def publish(self) -> None:
        """Publish the lists of the day."""
        now = self.clock.now
        for ca, address in (*zip(self.roots, REGION_LISTS, strict=True), (self.digicert, DIGICERT_LIST)):
            if ca.certificate.not_valid_before_utc > now or ca.certificate.not_valid_after_utc < now:
                continue
            revoked = [
                one.client
                for one in self.callers
                if one.revoked_at and one.revoked_at <= now and one.client.certificate.issuer == ca.certificate.subject
            ]
            number = int((now - NOW).total_seconds()) + 1
            self.lists[address] = (ca.crl(revoked, number=number, this_update=now, next_update=now + LIST_LIFE), now)

    def fetch(self, address: str) -> bytes:
        """Answer as the CRL host does today."""
        match self.crl_weather.at(self.clock.now):
            case "good":
                if address not in self.lists:
                    raise InputError("answers with status 404")
                return self.lists[address][0]
            case "captive":
                return CAPTIVE
            case "truncated":
                return self.lists[address][0][:-40]
            case _:
                raise InputError("cannot be fetched: no connection")

    def is_fair(self, days: int) -> bool:
        """Return whether all hosts do well, and will for some days: what is spoiled then is asked for again."""
        moments = [self.clock.now + timedelta(hours=hours) for hours in range(0, days * 24, 6)]
        return {weather.at(at) for weather in (self.crl_weather, self.api_weather) for at in moments} == {"good"}

    def tell(self) -> None:
        """Let the API answer as it does today: inconsistent around a rotation, and not at all in bad weather."""
        now = self.clock.now
        self.api.clear()
        for one in self.callers:
            if one.listed[0] <= now < one.listed[1] or (self._is_muddled(one) and self.rng.random() < 0.5):
                if self._is_muddled(one) and self.rng.random() < 0.5:
                    continue
                status = "Current" if one.is_right(now) != self._is_muddled(one) else "Upcoming"
                self.api.add(one.client, authority=one.authority, status=status)
        self.api._next.clear()
        match self.api_weather.at(now):
            case "down":
                self.api.answer_next(*[HTTPFailure(FailureKind.UNREACHABLE, "down")] * 50)
            case "captive":
                self.api.answer_next(*[APIAnswer(headers={"content-type": "text/html"}, body=CAPTIVE)] * 50)
            case "truncated":
                self.api.answer_next(*[APIAnswer(headers={"content-type": "application/json"}, body=b'{"enti')] * 50)
            case "5xx":
                self.api.answer_next(*[APIAnswer.json({}, status=503)] * 50)
            case "busy":
                self.api.answer_next(*[APIAnswer.json({}, status=429, retry_after="3600")] * 50)

    def _is_muddled(self, one: Caller) -> bool:
        """Return whether it is being replaced in these days, or replaces another."""
        return one.authority == "DigiCert" and any(abs(self.clock.now - end) < 3 * DAY for end in one.uses)


@dataclass
class Deployment:
    """Hold two workers with one state, and what they say."""

    world: World
    mode: str
    recorder: Recorder = field(default_factory=Recorder)
    workers: list[Guard] = field(default_factory=list)
    refreshed: list[datetime] = field(default_factory=list)

    def start(self) -> None:
        self.workers = [self._worker() for _ in range(2)]
        self.refreshed = [NOW, NOW]

    def _worker(self) -> Guard:
        root = self.world.digicert.write(self.world.folder / "digicert.pem")
        settings = Settings.from_env(
            {
                "MTLS_REGIONS": "us-east-1",
                "MTLS_AUTHORITIES": "genesys,digicert",
                "MTLS_TRUST": f"us-east-1={self.world.trust},digicert={root}",
                "MTLS_GENESYS_CLIENT_ID": self.world.api.client_id,
                "MTLS_GENESYS_CLIENT_SECRET": self.world.api.client_secret,
                "MTLS_REVOCATION": self.mode,
                "MTLS_STATE": str(self.world.folder / "state"),
                "MTLS_REFRESH_SECONDS": str(int(INTERVAL.total_seconds())),
            }
        )
        guard = Guard(settings, clock=self.world.clock, hooks=(self.recorder,))
        guard.start()
        return guard

    def restart(self, number: int) -> None:
        self.workers[number].close()
        self.workers[number] = self._worker()

    def tick(self) -> None:
        """Do what the threads do in a step: look until nothing is to be done, and refresh when it is time to."""
        now = self.world.clock.now
        for number, guard in enumerate(self.workers):
            if abs(now - self.refreshed[number]) >= INTERVAL:
                guard._trust._refresher.refresh_now()
                self.refreshed[number] = now
        for _ in range(3):
            for guard in self.workers:
                if guard._trust.has_changed():
                    guard._trust._refresher.refresh_now()

    def verdicts(self, client: ClientCertificate) -> list[str]:
        scope = http_scope(over_tls(client))
        decisions = [guard.decide(connection_of(scope)) for guard in self.workers]
        return [str(getattr(decision, "reason", "accepted")) for decision in decisions]

    def close(self) -> None:
        for guard in self.workers:
            guard.close()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the threads idle, because the test does their work, and the disk too: no power fails here."""
    monkeypatch.setattr(refresher, "_run", lambda _, stop, wait: wait(stop, 600))
    monkeypatch.setattr(os, "fsync", lambda _: None)


Make = Callable[[int, str], tuple[World, Deployment]]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    made: list[Deployment] = []

    def build(seed: int, mode: str) -> tuple[World, Deployment]:
        random.seed(seed)  # the jitter of both workers
        rng, clock = random.Random(seed), Clock()
        world = World(rng, clock, tmp_path, GenesysAPI(clock=clock))
        monkeypatch.setattr(composed, "CertificatesAPI", api_client(world.api))
        monkeypatch.setattr(composed, "Fetcher", lambda _policy, **_: world.fetch)
        world.trust.write_text(world.roots[0].pem, encoding="ascii")
        made.append(Deployment(world, mode))
        return world, made[-1]

    yield build
    for deployment in made:
        deployment.close()


@pytest.mark.slow
@pytest.mark.timeout(480)
@pytest.mark.parametrize(("mode", "seed"), [("check", 1), ("require", 2)])
def test_two_years(make: Make, mode: str, seed: int) -> None:
    world, deployment = make(seed, mode)
    rng, clock = world.rng, world.clock
    world.publish()
    world.tell()
    deployment.start()
    accepted = refused = 0
    renewed = False
    faults: list[str] = []
    while clock.now < day(YEARS):
        clock.advance(STEP * rng.uniform(0.5, 1))
        world.publish()
        world.tell()
        if not renewed and clock.now > day(380):
            world.trust.write_text(world.roots[0].pem + world.roots[1].pem, encoding="ascii")
            renewed = True
        if rng.random() < 0.03:
            _disturb(rng, world, deployment)
        deployment.tick()
        for caller in world.callers:
            for verdict in deployment.verdicts(caller.client):
                accepted, refused = accepted + (verdict == "accepted"), refused + (verdict != "accepted")
                wrong = _wrong(verdict, caller, world, mode)
                if wrong:
                    faults.append(f"{clock.now:%Y-%m-%d %H:%M}: {caller.authority} {wrong}: {verdict}")

    assert faults == []
    assert accepted > YEARS * 2
    assert refused > YEARS * 2


def _disturb(rng: random.Random, world: World, deployment: Deployment) -> None:
    match rng.choice(["restart one", "restart all", "tamper", "clock", "bad file"]):
        case "restart one":
            deployment.restart(rng.randrange(2))
        case "restart all":
            for number in range(2):
                deployment.restart(number)
        case "tamper" if world.is_fair(3):
            for path in (world.folder / "state").rglob("*.entry"):
                if rng.random() < 0.5:
                    content = path.read_bytes()
                    path.write_bytes(content[: rng.randrange(max(1, len(content)))])
        case "clock":
            right = world.clock.now
            world.clock.now += rng.choice([-4000, -1, 1, 4000]) * DAY
            deployment.tick()
            world.clock.now = right
        case _:
            right_file = world.trust.read_bytes()
            world.trust.write_bytes(rng.randbytes(100))
            deployment.tick()
            world.trust.write_bytes(right_file)


def _wrong(verdict: str, caller: Caller, world: World, mode: str) -> str:
    """Return what is wrong with a verdict; nothing if it is right, or if nobody could know better."""
    now = world.clock.now
    if caller.has_ended(now):
        return "expired, and accepted" if verdict == "accepted" else ""
    good_since = world.crl_weather.good_since(now)
    if caller.revoked_at is not None and now >= caller.revoked_at:
        known = good_since is not None and now - max(good_since, caller.revoked_at) > LATE
        return "revoked, and accepted" if verdict == "accepted" and known else ""
    if not caller.is_right(now):
        return ""
    if verdict == "accepted":
        return ""
    if mode == "require" and verdict in {"revocation_unknown", "trust_unavailable"}:
        began = [begins for begins, ends, _ in world.crl_weather.spells if begins <= now < ends + LATE]
        ended = now - min(began, default=now) > LIST_LIFE - DAY - LATE
        return "" if ended or now < NOW + LATE else "right, and unknown"
    return "right, and refused"


def test_each_pin_and_root_is_warned_of_anew(make: Make) -> None:
    world, deployment = make(3, "check")
    world.crl_weather.spells.clear()
    world.api_weather.spells.clear()
    deployment.start()
    while world.clock.now < day(YEARS):
        world.clock.advance(4 * DAY)  # within the life of a CRL, and within that of each warning
        world.publish()
        world.tell()
        if world.clock.now == day(380):
            world.trust.write_text(world.roots[0].pem + world.roots[1].pem, encoding="ascii")
        deployment.tick()

    told = [event.text.partition(": ")[0] for event in deployment.recorder.events if isinstance(event, Notice)]
    warned = [text for text in dict.fromkeys(told) if "expires in" in text]
    assert len([text for text in warned if "of us-east-1 expires" in text and "pin" in text]) >= 2
    assert [text.partition(", ")[0] for text in warned if "root of us-east-1" in text] == [
        "the last root of us-east-1 expires in 180 days",
    ]
    assert deployment.workers[0].status().life is TrustState.FRESH
