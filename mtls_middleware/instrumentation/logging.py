"""Events as lines of the standard library's logging. One line for each refusal; certificates and secrets go nowhere."""

import logging
import traceback
from pathlib import PurePath
from typing import assert_never

from mtls_middleware._core.decision import Disposition
from mtls_middleware.display import LIMIT, displayed
from mtls_middleware.events import CallAccepted, CallRejected, Event, Notice, RefreshFailed, Severity, TrustReplaced

LOGGER = logging.getLogger("mtls_middleware")

_LEVELS = {Severity.INFO: logging.INFO, Severity.WARNING: logging.WARNING, Severity.ERROR: logging.ERROR}


def log(event: Event) -> None:
    """Write one event to the logger ``mtls_middleware``."""
    match event:
        case CallAccepted():
            pass
        case CallRejected():
            _log_rejection(event)
        case TrustReplaced():
            for warning in event.warnings:
                LOGGER.warning("%s", displayed(warning, 1024))
            told = (event.version, event.anchors, event.pins, event.lists)
            LOGGER.info("trust version %d is in force: anchors=%d pins=%d lists=%d", *told)
        case RefreshFailed():
            for problem in event.problems:
                LOGGER.error("trust was not refreshed, the last good one stays: %s", displayed(problem, 1024))
        case Notice():
            LOGGER.log(_LEVELS[event.severity], "%s", event.text)
        case _:
            assert_never(event)


def _log_rejection(event: CallRejected) -> None:
    rejected = event.rejected
    held_back = rejected.disposition is Disposition.REPORTED
    facts = {"reason": str(rejected.reason), "detail": _quoted(rejected.detail)}
    if rejected.evidence is not None:
        facts |= {
            "fingerprint": rejected.evidence.fingerprint_sha256,
            "subject": _quoted(rejected.evidence.subject),
            "issuer": _quoted(rejected.evidence.issuer),
        }
    facts |= {
        "source": event.source,
        "peer": _quoted(event.peer),
        "path": _quoted(event.path),
        "correlation_id": event.correlation_id or "-",
    }
    if rejected.error is not None:
        facts["raised_at"] = _raised_at(rejected.error)
    LOGGER.warning(
        "%s %s",
        "would refuse" if held_back else "refused",
        " ".join(f"{name}={value}" for name, value in facts.items()),
    )


def _raised_at(error: BaseException) -> str:
    """Say where an unforeseen error came from; a traceback would repeat its message, with a caller's line breaks."""
    frames = traceback.extract_tb(error.__traceback__)
    return ">".join(f"{PurePath(frame.filename).name}:{frame.lineno}" for frame in frames) or "-"


def _quoted(text: str) -> str:
    shown = displayed(text).replace('"', '\\"')
    return f'"{shown}"' if len(shown) <= LIMIT else f'"{shown[: LIMIT - 1]}…"'
