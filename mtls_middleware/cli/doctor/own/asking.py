"""Ask several at once: each within its seconds, and nobody waits for one that does not come back."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from mtls_middleware._io.http import within

SECONDS = 5.0
"""For each."""

GRACE = 1.0
"""For what is bounded by itself to end in order; the system's resolver is not."""

Key = TypeVar("Key")
Told = TypeVar("Told")


class NotInTimeError(Exception):
    """Say that somebody was not waited for any longer."""


def ask_all(
    questions: Mapping[Key, Callable[[], Told]],
    *,
    seconds: float = SECONDS,
    tell: Callable[[str], None] = lambda _: None,
) -> dict[Key, Told | Exception]:
    """Ask all side by side, and return each answer, or what was raised instead.

    Args:
        questions: each may open sessions by `fetch.open_session`.
        seconds: for each.
        tell: is told how many are left.
    """
    told: dict[Key, Told | Exception] = {}

    def ask(key: Key, question: Callable[[], Told]) -> None:
        try:
            with within(seconds):
                told[key] = question()
        except Exception as error:  # noqa: BLE001 - it is told to whoever asked, like an answer
            told[key] = error

    # Daemons: a resolver that hangs must not keep the process.
    threads = [threading.Thread(target=ask, args=item, daemon=True) for item in questions.items()]
    for thread in threads:
        thread.start()
    end = time.monotonic() + seconds + GRACE
    for number, thread in enumerate(threads):
        tell(f"{len(threads) - number} to go")
        thread.join(max(0.0, end - time.monotonic()))
    answers = dict(told)
    return {key: answers.get(key, NotInTimeError("no answer in time")) for key in questions}
