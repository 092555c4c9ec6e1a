"""What the certificates API of one region has told: asked when it is due, kept when it fails."""

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from mtls_middleware._trust.genesys_api import Answer
from mtls_middleware._trust.genesys_failure import GenesysFailure
from mtls_middleware._trust.genesys_pins import KnownCertificates
from mtls_middleware._trust.genesys_state import from_bytes, to_bytes
from mtls_middleware._trust.report import Unusable
from mtls_middleware._trust.store import Kind, Store

AFTER_FAILURE = timedelta(minutes=1)
"""Until the next attempt, where the failure itself says nothing."""

JITTER = 0.1
"""Part of the interval by which polls move, so that many deployments do not move together."""


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
        due: when to ask again, as it was planned.
    """

    def __init__(
        self,
        region: str,
        api: API,
        store: Store,
        *,
        interval: float,
        now: datetime,
        draw: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.region = region
        self.known = KnownCertificates(region=region)
        self.problem = ""
        self.warnings: tuple[str, ...] = ()
        self.last_success: datetime | None = None
        self.due = now
        self._planned_at = now
        self._api = api
        self._store = store
        self._interval = interval
        self._draw = draw

    def is_due(self, now: datetime) -> bool:
        """Return whether to ask; where the clock went back behind the plan, the plan counts no more."""
        return not self._planned_at <= now < self.due

    def recall(self, now: datetime) -> None:
        """Take in what this or another process kept; what it asked just now need not be asked again."""
        for entry in self._store.entries(Kind.API):
            if entry.key != self.region:
                continue
            try:
                newer = self.known.newer(from_bytes(entry.content, self.region), now)
            except Unusable:
                continue  # the API will tell it again
            if newer is not self.known and newer.answered_at is not None:
                self.known = newer
                self.problem = ""
                self._plan(newer.answered_at, newer.answered_at + self._until_next())

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
            self._plan(now, now + self._until_next())

    def _failed(self, failure: GenesysFailure, now: datetime) -> None:
        self.problem = f"certificates API of {self.region}: {failure.reason}: {failure}"
        self._plan(now, max(failure.not_before or now, now + AFTER_FAILURE * self._draw(1, 1 + JITTER)))

    def _plan(self, now: datetime, due: datetime) -> None:
        self._planned_at, self.due = now, due

    def _until_next(self) -> timedelta:
        return timedelta(seconds=self._interval * self._draw(1 - JITTER, 1 + JITTER))
