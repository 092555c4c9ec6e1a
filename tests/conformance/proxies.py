"""Headers as real proxies sent them, XFCC above all: who is read out of each capture of tests/vectors."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from mtls_middleware._core.certificate import fingerprint
from mtls_middleware._core.decision import Accepted, RejectionError
from tests.core.captures import NOW, Capture, captures, snapshot
from tests.core.test_captures import CHAIN_LIMIT, MALFORMED

KINDS = READ, NONE, REFUSED = "read", "none sent", "refused"


@dataclass(slots=True)
class Outcome:
    """What became of one proxy's captures.

    Attributes:
        proxy: its name.
        found: how many of each kind.
        divergent: captures of a certificate that is not read, with the reason.
        wrong: captures out of which somebody else is read, or accepted.
    """

    proxy: str
    found: Counter[str] = field(default_factory=Counter)
    divergent: dict[str, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


def outcomes() -> Iterator[Outcome]:
    """Read all captures, proxy by proxy."""
    by_proxy: dict[str, Outcome] = {}
    for capture in captures():
        outcome = by_proxy.setdefault(str(capture.row["proxy"]), Outcome(str(capture.row["proxy"])))
        _judge(capture, outcome)
    yield from (by_proxy[name] for name in sorted(by_proxy))


def _judge(capture: Capture, outcome: Outcome) -> None:
    decision = capture.gate().decide(capture.connection(), snapshot(), NOW)
    if isinstance(decision, Accepted) and (
        capture.leaf is None or decision.identity.fingerprint_sha256 != fingerprint(capture.leaf)
    ):
        outcome.wrong.append(capture.id)
    read = _leaf_of(capture)
    outcome.found[NONE if read is None else REFUSED if read == b"" else READ] += 1
    if capture.expect != "certificate":
        return
    if read == b"" and capture.id in MALFORMED:
        outcome.divergent[capture.id] = MALFORMED[capture.id]
    elif read != capture.leaf:
        outcome.wrong.append(capture.id)


def _leaf_of(capture: Capture) -> bytes | None:
    """Return the leaf; nothing where there is none, and no bytes where it is refused."""
    try:
        presented = capture.source().read(capture.connection(), capture.fields(), CHAIN_LIMIT)
        return None if presented is None else capture.source().decode(presented, CHAIN_LIMIT)[0]
    except RejectionError:
        return b""
