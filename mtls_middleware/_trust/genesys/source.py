"""The certificates API of one region as a source of trust: asked when it is due, kept when it fails."""

from datetime import datetime, timedelta
from typing import Protocol

from mtls_middleware._io.files import InputError
from mtls_middleware._io.store import Kind, Store, believed
from mtls_middleware._trust.asking import NotInTimeError, Question
from mtls_middleware._trust.attempts import Attempts
from mtls_middleware._trust.genesys.client import POLL_SECONDS, APIResponse
from mtls_middleware._trust.genesys.failure import FailureReason, GenesysFailure
from mtls_middleware._trust.genesys.known import KnownCertificates, from_bytes, to_bytes
from mtls_middleware._trust.schedule import Draw, Schedule, jittered
from mtls_middleware.display import displayed
from mtls_middleware.observing.status import APIStatus

OF_THE_SOURCE = frozenset({FailureReason.RATE_LIMIT, FailureReason.SERVER})
"""Failures that every process would meet alike; others may be those of one process's own network or secret."""


class API(Protocol):
    """The certificates API of one region: a `CertificatesAPI`, or a double of it in tests."""

    def poll(self) -> APIResponse:
        """Return what it lists, or raise `GenesysFailure`."""


class APISource:
    """One region's API as a source of trust. Not for several threads at once, but for `known` and `problem`.

    Attributes:
        known: its certificates so far.
        failure: why the last poll of this process failed, wholly or in part; None where it did not.
        problem: why the last poll of any process failed, as far as that concerns all; empty where it did not.
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
        draw: Draw = jittered,
    ) -> None:
        self.region = region
        self.known = KnownCertificates(region=region)
        self.failure: GenesysFailure | None = None
        self.problem = ""
        self.answer: APIResponse | None = None
        self.warnings: tuple[str, ...] = ()
        self.last_success: datetime | None = None
        self.schedule = Schedule(interval=timedelta(seconds=interval), now=now, draw=draw)
        self._api = api
        self._store = store
        self._attempts = Attempts(store)

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
        """Add what this or another process kept; what it asked just now, in vain or not, need not be asked again."""
        for entry in self._store.entries(Kind.API):
            if entry.key != self.region:
                continue
            try:
                newer = self.known.newer(from_bytes(entry.read(), self.region), now)
            except InputError:
                continue  # the API will tell it again
            at = None if newer.answered_at is None else believed(newer.answered_at, now)
            if newer is not self.known and at is not None:
                self.known = newer
                self.failure, self.problem = None, ""
                self.schedule.succeeded(at)
        self._attempts.recall(now)
        attempt = self._attempts.of(self.region)
        if self.schedule.follow(attempt):
            self.failure, self.problem = None, "" if attempt is None else attempt.text

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
            self.failure, self.problem = None, ""
            self.schedule.succeeded(now)
            self._attempts.succeeded(self.region, now)

    def _failed(self, failure: GenesysFailure, now: datetime) -> None:
        self.failure, self.problem = failure, f"certificates API of {self.region}: {failure.reason}: {failure}"
        is_shared = failure.reason in OF_THE_SOURCE
        attempt = self.schedule.failed(now, self.problem, not_before=failure.not_before, is_shared=is_shared)
        self._attempts.failed(self.region, attempt)


def _as_failure(error: object, region: str) -> GenesysFailure:
    if isinstance(error, GenesysFailure):
        return error
    if isinstance(error, NotInTimeError):
        next_step = f"let this machine reach the hosts of {region} on port 443, or set HTTPS_PROXY"
        return GenesysFailure(FailureReason.TIMEOUT, f"{region} gave no answer: {error}", next_step)
    next_step = "if a newer version of mtls-middleware does not read it either, report it"
    return GenesysFailure(FailureReason.ANSWER, f"{region} gave no answer: {displayed(repr(error))}", next_step)
