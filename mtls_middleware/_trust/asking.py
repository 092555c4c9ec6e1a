"""Questions to the network, asked side by side: one that gets no answer delays no other."""

import logging
import math
import threading
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from contextvars import copy_context
from dataclasses import dataclass

from mtls_middleware._io import forks
from mtls_middleware._io.fetch import UNREACHED
from mtls_middleware._io.files import InputError
from mtls_middleware._io.forks import follow_forks, undisturbed, waiting
from mtls_middleware._io.http import HTTPFailure, within
from mtls_middleware._trust.genesys.failure import GenesysFailure
from mtls_middleware.observing.events import EventName
from mtls_middleware.observing.logging import named

GRACE = 1.0
"""Seconds for what is bounded by itself to end in order; the system's resolver is not."""

_FORESEEN = (InputError, HTTPFailure, GenesysFailure)

_log = logging.getLogger("mtls_middleware.trust")


class NotInTimeError(Exception):
    """No answer came in time."""

    def __init__(self) -> None:
        super().__init__("no answer in time")


@dataclass(frozen=True, slots=True)
class Question:
    """One question to one source.

    Attributes:
        ask: returns the answer, or raises; it changes nothing that another thread uses.
        seconds: for all sessions that it opens.
    """

    ask: Callable[[], object]
    seconds: float


Asking = Generator[Mapping[str, Question], Mapping[str, object], None]
"""Rounds of questions. Each round is answered at once, with answers or with what was raised instead."""


class Asker:
    """Asks several sources side by side, or one after the other where no thread can live. One thread at a time."""

    def __init__(self, *, seconds: float = math.inf, left: Callable[[int], object] = lambda _: None) -> None:
        """Prepare."""
        self._seconds = seconds
        self._left = left
        self._late: dict[str, threading.Thread] = {}
        follow_forks(self)

    def ask(self, questions: Mapping[str, Question]) -> dict[str, object]:
        """Ask all, and return each answer, or what was raised instead, in the order of the questions.

        A question that outlives its bound is `NotInTimeError`, and so is the same one as long as its thread lives.
        """
        self._late = {key: thread for key, thread in self._late.items() if thread.is_alive()}
        threads = forks.why_no_thread() is None
        asked = {
            key: _Asked(Question(question.ask, min(question.seconds, self._seconds)), threads=threads)
            for key, question in questions.items()
            if key not in self._late
        }
        with waiting():
            for number, one in enumerate(asked.values()):
                self._left(len(asked) - number)
                one.join()
        self._late |= {key: one.thread for key, one in asked.items() if not one.results}
        return {
            key: asked[key].results[0] if key in asked and key not in self._late else NotInTimeError()
            for key in questions
        }

    def after_fork(self) -> None:
        """Forget the threads of the parent: none of them lives here."""
        self._late = {}


class _Asked:
    """A question that was asked: on a daemon, because a resolver that hangs must not keep the process.

    Attributes:
        results: the answer, or what was raised; empty before.
    """

    def __init__(self, question: Question, *, threads: bool) -> None:
        self.results: list[object] = []
        self._end = time.monotonic() + question.seconds + GRACE
        # The context holds the bound of everything that the asking thread does.
        self.thread = threading.Thread(
            target=copy_context().run, args=(self._work, question), name="mtls-middleware-network", daemon=True
        )
        if threads:
            try:
                self.thread.start()
            except RuntimeError:  # no more threads: it is asked all the same
                threads = False
        if not threads:
            self._answer(question)

    def join(self) -> None:
        """Wait for the result, but no longer than its bound allows."""
        if not self.results:
            self.thread.join(max(0.0, self._end - time.monotonic()))

    def _work(self, question: Question) -> None:
        try:
            with undisturbed():
                self._answer(question)
        except BaseException as error:  # noqa: BLE001 - cryptography's panics are no Exception
            _log.error("a source of trust could not be asked", exc_info=error, extra=named(EventName.TRUST_REFRESH))
            self.results.append(RuntimeError(repr(error)))

    def _answer(self, question: Question) -> None:
        try:
            with within(question.seconds):
                self.results.append(question.ask())
        except Exception as error:  # noqa: BLE001 - it is the answer
            if not isinstance(error, _FORESEEN):
                _log.exception("a source of trust could not be asked", extra=named(EventName.TRUST_REFRESH))
            self.results.append(error)


def answer_rounds(askings: Iterable[Asking], ask: Callable[[Mapping[str, Question]], Mapping[str, object]]) -> None:
    """Answer the rounds of several, the first ones of all together, and so on, until there is none left."""
    rounds = [(asking, next(asking, None)) for asking in askings]
    while rounds := [(asking, questions) for asking, questions in rounds if questions]:
        found = ask({key: question for _, questions in rounds for key, question in questions.items()})
        rounds = [(asking, _continue(asking, found)) for asking, _ in rounds]


def _continue(asking: Asking, found: Mapping[str, object]) -> Mapping[str, Question] | None:
    try:
        return asking.send(found)
    except StopIteration:
        return None


def ask_in_rounds(steps: Iterable[Generator[str, bytes, None]], question: Callable[[str], Question]) -> Asking:
    """Ask the next address of each of several ways in each round, until none has another; in their order."""
    pending = [(step, next(step, None)) for step in steps]
    while any(address is not None for _, address in pending):
        asked = [(step, address) for step, address in pending if address is not None]
        found = yield {address: question(address) for _, address in asked}
        pending = [(step, _step(step, found[address])) for step, address in asked]


def _step(step: Generator[str, bytes, None], found: object) -> str | None:
    """Hand over what an address gave, and return the next one; None after the last."""
    try:
        if isinstance(found, bytes):
            return step.send(found)
        return step.throw(found if isinstance(found, InputError) else InputError(f"{UNREACHED}: {found}"))
    except StopIteration:
        return None
