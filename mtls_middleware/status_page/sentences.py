"""What the state of trust means, in one sentence."""

from typing import assert_never

from mtls_middleware._core.gate import Mode
from mtls_middleware.observing.status import Life, Status


def headline(status: Status) -> str:
    """Return what the state of trust means to callers."""
    match status.life:
        case Life.MISSING:
            return "No trust is loaded yet: every call to a protected path is refused."
        case Life.EXPIRED:
            refused = "would be refused" if status.mode == Mode.REPORT else "is refused"
            return f"No root or pin is valid now: every call to a protected path {refused}."
        case Life.STALE:
            return "The last refresh failed. Callers are judged by the last good trust, which is still valid."
        case Life.FRESH:
            return _of_regions(status)
        case unknown:
            assert_never(unknown)


def _of_regions(status: Status) -> str:
    names = [region.name for region in status.regions]
    out = [region.name for region in status.regions if not region.available]
    if out:
        return f"Trust is up to date, but no caller of {_listed(out)} can be accepted now."
    return f"Trust is up to date. Callers of {_listed(names)} can be accepted."


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
