"""What an operator gets to see when something that was set up cannot be used.

Refusals of callers are no errors: they are values (``mtls_middleware._core.decision``).
"""

from collections.abc import Iterable
from typing import Self


class MTLSError(Exception):
    """The family of everything this package raises at operators."""

    __module__ = "mtls_middleware"


class ConfigurationError(MTLSError):
    """Everything that is wrong with the configuration, all at once.

    Attributes:
        problems: one sentence each: the variable, its value, and what would be right. Secrets are never shown.
    """

    __module__ = "mtls_middleware"

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("mtls-middleware cannot start:\n" + "\n".join(f"  - {problem}" for problem in self.problems))

    def __reduce__(self) -> tuple[type[Self], tuple[tuple[str, ...]]]:
        """Copy the problems, not the message that was made of them."""
        return type(self), (self.problems,)


class TrustError(ConfigurationError):
    """Files of trust that cannot be used, and why; or a region without an anchor."""

    __module__ = "mtls_middleware"
