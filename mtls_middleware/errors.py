"""What an operator gets to see when something that was set up cannot be used.

Refusals of callers are no errors: they are values (``mtls_middleware._core.decision``).
"""

from collections.abc import Iterable


class MTLSError(Exception):
    """The family of everything this package raises at operators."""


class ConfigurationError(MTLSError):
    """Say everything that is wrong with the configuration, all at once.

    Attributes:
        problems: one sentence each: the variable, its value, and what would be right. Secrets are never shown.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("mtls-middleware cannot start:\n" + "\n".join(f"  - {problem}" for problem in self.problems))


class TrustError(ConfigurationError):
    """Say which files of trust cannot be used, and why; or which region is left without an anchor."""
