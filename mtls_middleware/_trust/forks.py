"""What holds locks or threads must learn of a fork: the child has the locks as they stood, and no threads."""

import os
from typing import Protocol
from weakref import WeakSet


class FollowsForks(Protocol):
    """Renew what does not survive a fork."""

    def after_fork(self) -> None:
        """Run in the child, before anything else does."""


_followers: WeakSet[FollowsForks] = WeakSet()
_noticed: dict[int, object] = {os.getpid(): None}


def follow_forks(follower: FollowsForks) -> None:
    """Call `follower.after_fork()` in each child, for as long as the follower lives."""
    _followers.add(follower)


def notice_fork() -> None:
    """Do what the hook does, where a server forked behind the interpreter's back, as uWSGI does."""
    pid = os.getpid()
    if pid not in _noticed and _noticed.setdefault(pid, mine := object()) is mine:  # one thread of the child alone
        _after_fork()


def _after_fork() -> None:
    _noticed[os.getpid()] = None
    for follower in tuple(_followers):
        follower.after_fork()


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_after_fork)
