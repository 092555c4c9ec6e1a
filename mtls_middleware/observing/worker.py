"""What one process knows about itself, as it publishes it: bounded, so that no report grows with what goes wrong."""

import hashlib
import os
import re
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Self

from mtls_middleware._core.crl import CRL
from mtls_middleware._core.trust import TrustSnapshot
from mtls_middleware.display import displayed
from mtls_middleware.observing.expiry import Expiry
from mtls_middleware.observing.status import APIStatus, CRLStatus, Lack, Status, TrustState, is_ready, lacks_of

TEXTS = 8
"""Problems, and warnings, of a process."""

TEXT_CHARACTERS = 256
"""Of one of them."""

LINES = 64
"""Of trust, and expiries: what differs between processes must be seen, however much they trust."""

SOURCES = 16
"""CRLs, and certificates APIs."""

_STARTED_AT = datetime.now(UTC)
_APPLICATION = re.compile(r"([A-Za-z_][\w.]*)(?::[\w.]+)?(?:\(\))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """One process, and the trust that it judges by.

    Attributes:
        host: its host name.
        pid: its number there.
        application: its program, and what it serves, such as ``gunicorn main:app``.
        software: version of this package.
        started_at: when it began, UTC.
        life: of its trust.
        mode: ``enforce`` or ``report``.
        source: where client certificates are read from.
        trust_version: counts the changes of its trust since it began.
        trust_fingerprint: of the content: equal in all processes with the same trust; empty without any.
        trust: what it trusts, a line each, at most 64.
        built_at: when that came into force, UTC.
        changed_at: when other anchors or pins than before came into force, UTC; None where none did.
        last_refresh: when trust was last read, successfully or not, UTC.
        problems: why the last refresh failed.
        warnings: what was left out of its trust, and what could not be kept.
        lacks: `lacks_of` its trust, at most 64.
        lists: where its CRLs come from.
        apis: what the certificates API of each region returned.
        coming: what will expire, soonest first.
    """

    host: str
    pid: int
    application: str
    software: str
    started_at: datetime
    life: TrustState
    mode: str
    source: str
    trust_version: int
    trust_fingerprint: str
    trust: tuple[str, ...]
    built_at: datetime | None
    changed_at: datetime | None
    last_refresh: datetime | None
    problems: tuple[str, ...]
    warnings: tuple[str, ...]
    lacks: Mapping[str, Lack]
    lists: tuple[CRLStatus, ...]
    apis: tuple[APIStatus, ...]
    coming: tuple[Expiry, ...]

    @classmethod
    def of(cls, status: Status, trust: Sequence[str]) -> Self:
        """Return this process, and the trust of one of its guards.

        Args:
            status: of the guard.
            trust: `lines_of` its snapshot.
        """
        return cls(
            host=displayed(socket.gethostname()),
            pid=os.getpid(),
            application=displayed(application()),
            software=_software(),
            started_at=_STARTED_AT,
            life=status.life,
            mode=status.mode,
            source=status.source,
            trust_version=status.version,
            trust_fingerprint=fingerprint_of(trust),
            trust=tuple(trust[:LINES]),
            built_at=status.built_at,
            changed_at=status.changed_at,
            last_refresh=status.last_refresh,
            problems=_bounded(status.problems),
            warnings=_bounded(status.warnings),
            lacks=dict(islice(lacks_of(status).items(), LINES)),
            lists=tuple(replace(one, error=_cut(one.error)) for one in status.lists[:SOURCES]),
            apis=tuple(replace(one, error=_cut(one.error)) for one in status.apis[:SOURCES]),
            coming=status.coming[:LINES],
        )

    @property
    def condition(self) -> tuple[object, ...]:
        """Return what others should know at once when it changes."""
        return self.life, self.trust_fingerprint, self.lacks, self.problems

    @property
    def is_ready(self) -> bool:
        """Return whether a good call gets through now."""
        return is_ready(self.life, self.mode)


def _software() -> str:
    """Return the version of this package: the package itself lies above every floor."""
    return str(vars(sys.modules[__name__.partition(".")[0]])["__version__"])


def application() -> str:
    """Return the name of the program, and the module that it serves, where its arguments name one that is loaded."""
    path = Path(sys.argv[0] or "python")
    program = path.parent.name if path.name == "__main__.py" else path.name
    found = (argument for argument in sys.argv[1:] if _names_module(argument))
    return " ".join((program, *list(found)[:1]))


def _names_module(argument: str) -> bool:
    """Return whether an argument names a loaded module: no other is shown, because it may be a secret."""
    found = _APPLICATION.fullmatch(argument)
    return found is not None and found[1] in sys.modules


def lines_of(snapshot: TrustSnapshot | None) -> tuple[str, ...]:
    """Return what a snapshot trusts, a line each: equal in all processes that trust the same."""
    if snapshot is None:
        return ()
    return tuple(
        sorted(
            (
                *(f"root of {one.binding}: {one.fingerprint_sha256[:16]}" for one in snapshot.anchors),
                *(f"pin of {one.region}: {one.fingerprint_sha256[:16]}" for one in snapshot.pins),
                *(
                    f"name of {binding}: {displayed(name)}"
                    for trust in snapshot.trusts
                    for binding, names in trust.names.items()
                    for name in names
                ),
                *(f"CRL of {_shown(one)}: {one.fingerprint_sha256[:16]}" for one in snapshot.crls.crls),
            )
        )
    )


def _shown(one: CRL) -> str:
    """Return whose CRL it is. Where it came from may differ, because some CAs have several addresses."""
    return displayed(one.issuer.rfc4514_string())


def fingerprint_of(trust: Sequence[str]) -> str:
    """Return what is equal where trust is: 16 hexadecimal digits, or nothing where nothing is trusted."""
    return hashlib.sha256("\n".join(trust).encode("utf-8", "surrogatepass")).hexdigest()[:16] if trust else ""


def _bounded(texts: Sequence[str]) -> tuple[str, ...]:
    shown = tuple(_cut(text) for text in texts[:TEXTS])
    return shown if len(texts) <= TEXTS else (*shown[:-1], f"and {len(texts) - TEXTS + 1} more: see the log")


def _cut(text: str) -> str:
    return text if len(text) <= TEXT_CHARACTERS else f"{text[: TEXT_CHARACTERS - 1]}…"
