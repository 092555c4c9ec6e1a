"""The certificates API of one region as a source of trust: asked when it is due, kept when it fails."""

import random
from datetime import datetime, timedelta
from typing import Protocol

from mtls_middleware._io.files import InputError
from mtls_middleware._io.store import Kind, Store
from mtls_middleware._trust.asking import NotInTimeError, Question
from mtls_middleware._trust.genesys.client import POLL_SECONDS, APIResponse
from mtls_middleware._trust.genesys.failure import FailureReason, GenesysFailure
from mtls_middleware._trust.genesys.known import KnownCertificates, from_bytes, to_bytes
from mtls_middleware._trust.schedule import Draw, Schedule
from mtls_middleware.display import displayed
from mtls_middleware.observing.status import APIStatus


class API(Protocol):
    """The certificates API of one region: a `CertificatesAPI`, or a double of it in tests."""

    def poll(self) -> APIResponse:
        """Return what it lists, or raise `GenesysFailure`."""


class APISource:
    """One region's API as a source of trust. Not for several threads at once, but for `known` and `problem`.

    Attributes:
        known: its certificates so far.
        failure: why the last poll failed, wholly or in part; None where it did not.
        answer: of the last poll, by this process; None where there was none.
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
        self.failure: GenesysFailure | None = None
        self.answer: APIResponse | None = None
        self.warnings: tuple[str, ...] = ()
        self.last_success: datetime | None = None
        self.schedule = Schedule(interval=timedelta(seconds=interval), now=now, draw=draw)
        self._api = api
        self._store = store

    @property
    def problem(self) -> str:
        """Return why the last poll failed, wholly or in part; empty where it did not."""
        return _problem(self.region, self.failure) if self.failure is not None else ""

    @property
    def status(self) -> APIStatus:
        """Return what a status shows of it."""
        return APIStatus(
            region=self.region,
            certificates=len(self.known.certificates),
            last_success=self.last_success,
            next_poll=self.schedule.due,
            error=self.problem,
        )

    def recall(self, now: datetime) -> None:
        """Add what this or another process kept; what it asked just now need not be asked again."""
        for entry in self._store.entries(Kind.API):
            if entry.key != self.region:
                continue
            try:
                newer = self.known.newer(from_bytes(entry.read(), self.region), now)
            except InputError:
                continue  # the API will tell it again
            if newer is not self.known and newer.answered_at is not None:
                self.known = newer
                self.failure = None
                self.schedule.succeeded(newer.answered_at)

    @property
    def question(self) -> Question:
        """Return what to ask now; `take` takes what comes of it."""
        return Question(self._api.poll, POLL_SECONDS)

    def take(self, found: object, now: datetime) -> None:
        """Keep an answer, or plan the next question after a failure."""
        if not isinstance(found, APIResponse):
            self.answer = None
            self._failed(_as_failure(found, self.region), now)
            return
        self.answer = found
        self.known = self.known.merge(found, now)
        self.warnings = found.warnings
        self.last_success = now
        self._store.put(Kind.API, self.region, to_bytes(self.known), now)
        if found.failure is not None:
            self._failed(found.failure, now)
        else:
            self.failure = None
            self.schedule.succeeded(now)

    def _failed(self, failure: GenesysFailure, now: datetime) -> None:
        self.failure = failure
        self.schedule.failed(now, not_before=failure.not_before)


def _problem(region: str, failure: GenesysFailure) -> str:
    return f"certificates API of {region}: {failure.reason}: {failure}"


def _as_failure(error: object, region: str) -> GenesysFailure:
    if isinstance(error, GenesysFailure):
        return error
    if isinstance(error, NotInTimeError):
        next_step = f"let this machine reach the hosts of {region} on port 443, or set HTTPS_PROXY"
        return GenesysFailure(FailureReason.TIMEOUT, f"{region} gave no answer: {error}", next_step)
    next_step = "if a newer version of mtls-middleware does not read it either, report it"
    return GenesysFailure(FailureReason.ANSWER, f"{region} gave no answer: {displayed(repr(error))}", next_step)
