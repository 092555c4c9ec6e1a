"""What the certificates API of one region has told: asked when it is due, kept when it fails."""

import random
from datetime import datetime, timedelta
from typing import Protocol

from mtls_middleware._io.files import InputError
from mtls_middleware._io.store import Kind, Store
from mtls_middleware._trust.genesys.client import Answer
from mtls_middleware._trust.genesys.failure import GenesysFailure
from mtls_middleware._trust.genesys.known import KnownCertificates, from_bytes, to_bytes
from mtls_middleware._trust.schedule import Draw, Schedule


class API(Protocol):
    """Ask the certificates API of one region: a `CertificatesAPI`."""

    def poll(self) -> Answer:
        """Return what it lists, or raise `GenesysFailure`."""


class APISource:
    """Know what one region's API has told. Not for several threads at once, but for `known` and `problem`.

    Attributes:
        known: its certificates so far.
        problem: why the last poll failed, wholly or in part; empty where it did not.
        warnings: what was not understood of the last answer.
        last_success: of a poll, by this process, UTC.
        schedule: when to ask again.
    """

    def __init__(
        self,
        region: str,
        api: API,
        store: Store,
        *,
        interval: float,
        now: datetime,
        draw: Draw = random.uniform,
    ) -> None:
        self.region = region
        self.known = KnownCertificates(region=region)
        self.problem = ""
        self.warnings: tuple[str, ...] = ()
        self.last_success: datetime | None = None
        self.schedule = Schedule(interval=timedelta(seconds=interval), now=now, draw=draw)
        self._api = api
        self._store = store

    def recall(self, now: datetime) -> None:
        """Take in what this or another process kept; what it asked just now need not be asked again."""
        for entry in self._store.entries(Kind.API):
            if entry.key != self.region:
                continue
            try:
                newer = self.known.newer(from_bytes(entry.content, self.region), now)
            except InputError:
                continue  # the API will tell it again
            if newer is not self.known and newer.answered_at is not None:
                self.known = newer
                self.problem = ""
                self.schedule.succeeded(newer.answered_at)

    def ask(self, now: datetime) -> None:
        """Poll, and keep what it says."""
        try:
            answer = self._api.poll()
        except GenesysFailure as failure:
            self._failed(failure, now)
            return
        self.known = self.known.merge(answer, now)
        self.warnings = answer.warnings
        self.last_success = now
        self._store.put(Kind.API, self.region, to_bytes(self.known), now)
        if answer.failure is not None:
            self._failed(answer.failure, now)
        else:
            self.problem = ""
            self.schedule.succeeded(now)

    def _failed(self, failure: GenesysFailure, now: datetime) -> None:
        self.problem = f"certificates API of {self.region}: {failure.reason}: {failure}"
        self.schedule.failed(now, not_before=failure.not_before)
