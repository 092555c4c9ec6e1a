"""Claims of tests in which nothing is compared: it is enough that no exception comes, or none but one."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")


def runs_through(act: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
    """Claim that a call ends without an exception, and return its result."""
    return act(*args, **kwargs)


def raises_at_most(error: type[Exception], act: Callable[[], object]) -> None:
    """Claim that a call ends, or raises this exception and no other."""
    try:
        act()
    except error:
        return
