"""Processes and threads: what must learn of a fork, long work in slices, and where no thread can live.

The child of a fork has the locks as they stood, and no threads.
"""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol
from weakref import WeakSet

FORK_SECONDS = 5.0
"""How long a fork waits. Work between two waits takes a small part of it."""

REST_SECONDS = 0.0005
"""Between two slices: long enough for a thread that waits for the interpreter to take it."""

Pause = Callable[[], None]
"""Rest between two slices of about a millisecond."""

COLD_SECONDS = 6.0
"""For the network at a start without threads, which somebody waits for: Lambda gives ten seconds to all of it."""

LAMBDA = "AWS_LAMBDA_FUNCTION_NAME"
"""Lambda freezes the process between two calls."""


class FollowsForks(Protocol):
    """Renew what does not survive a fork."""

    def after_fork(self) -> None:
        """Run in the child, before anything else does."""


_followers: WeakSet[FollowsForks] = WeakSet()
_noticed: dict[int, object] = {os.getpid(): None}


def follow_forks(follower: FollowsForks) -> None:
    """Call `follower.after_fork()` in each child, for as long as the follower lives."""
    _followers.add(follower)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let no fork happen while this thread works in the block; not for a block within another."""
    with _work.lock:
        _work.threads.add(threading.get_ident())
        try:
            yield
        finally:
            _work.threads.discard(threading.get_ident())


@contextmanager
def waiting() -> Iterator[None]:
    """Let forks happen in the block, within one that is undisturbed; elsewhere it changes nothing."""
    work, thread = _work, threading.get_ident()
    if thread not in work.threads:
        yield
        return
    work.threads.discard(thread)
    work.lock.release()
    try:
        yield
    finally:
        work.lock.acquire()
        work.threads.add(thread)


def notice_fork() -> None:
    """Do what the hook does, where a server forked behind the interpreter's back, as uWSGI does."""
    pid = os.getpid()
    if pid not in _noticed and _noticed.setdefault(pid, mine := object()) is mine:  # one thread of the child alone
        _after_fork()


class _Work:
    """The lock of the threads at work, and their identifiers."""

    def __init__(self) -> None:
        self.lock = threading.RLock()  # a thread at work may fork itself
        self.threads: set[int] = set()
        self.stopped: set[int] = set()


_work = _Work()


def _before_fork() -> None:
    if _work.lock.acquire(timeout=FORK_SECONDS):
        _work.stopped.add(threading.get_ident())


def _after_fork_in_parent() -> None:
    if threading.get_ident() in _work.stopped:
        _work.stopped.discard(threading.get_ident())
        _work.lock.release()


def _after_fork() -> None:
    global _work  # noqa: PLW0603 - whoever held the old one does not exist here
    _work = _Work()
    _noticed[os.getpid()] = None
    for follower in tuple(_followers):
        follower.after_fork()


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork)


def rest() -> None:
    """Let other threads have the interpreter."""
    with waiting():
        time.sleep(REST_SECONDS)


def why_no_thread(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return what keeps threads from running; None where nothing does."""
    if environ.get(LAMBDA):
        return "AWS Lambda freezes this process between calls"
    uwsgi = sys.modules.get("uwsgi")  # made by the server itself
    if uwsgi is not None and not (uwsgi.opt.get("enable-threads") or uwsgi.opt.get("threads")):
        return "uWSGI runs without --enable-threads"
    return None
