"""The command ``demo``: calls good and bad, and where each must end."""

import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import httpx2
from rich.console import Console
from rich.table import Column
from rich.text import Text

from mtls_middleware.cli.demo.stage import HandshakeRefusals, Stage, listening, staged
from mtls_middleware.cli.page import console_for, heading, line, print_json, table
from mtls_middleware.display import DOCS, displayed
from mtls_middleware.testing import nginx

TIMEOUT_SECONDS = 10.0

PATH = "/actions/lookup"
HEALTH = "/health"


class Way(StrEnum):
    """The way in which a call reaches the app."""

    TLS = "over TLS"
    HOP = "through a proxy hop"
    PAST_HOP = "past the proxy"


class EndedAt(StrEnum):
    """Where a call ended."""

    HANDSHAKE = "TLS handshake"
    GATE = "gate"
    HANDLER = "route handler"
    OPEN = "open route"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call.

    Attributes:
        title: what is sent, in a person's words.
        way: how it reaches the app.
        client: whose certificate is presented; None for none.
        must: where it must end.
        reason: the gate's reason, or OpenSSL's verify code; empty where it is let in.
        forged: send a perfect certificate header without holding its key.
        path: of the route.
    """

    title: str
    way: Way
    client: str | None
    must: EndedAt
    reason: str = ""
    forged: bool = False
    path: str = PATH


@dataclass(frozen=True, slots=True, kw_only=True)
class CallResult:
    """The result of a call.

    Attributes:
        call: the call.
        ended_at: where it ended.
        status: of the HTTP answer; None where there was none.
        reason: the gate's, or OpenSSL's in words.
        code: what is compared with what must be: the gate's reason, or OpenSSL's verify code.
    """

    call: Call
    ended_at: EndedAt
    status: int | None
    reason: str
    code: str

    @property
    def is_right(self) -> bool:
        """Return whether the call ended exactly as it must."""
        return (self.ended_at, self.code) == (self.call.must, self.call.reason)


CALLS = (
    Call(title="the region's certificate", way=Way.TLS, client="good", must=EndedAt.HANDLER),
    Call(title="no certificate", way=Way.TLS, client=None, must=EndedAt.GATE, reason="certificate_missing"),
    Call(title="a stranger's certificate", way=Way.TLS, client="stranger", must=EndedAt.HANDSHAKE, reason="20"),
    Call(title="an expired certificate", way=Way.TLS, client="expired", must=EndedAt.HANDSHAKE, reason="10"),
    Call(
        title="another region's name",
        way=Way.TLS,
        client="other region",
        must=EndedAt.GATE,
        reason="region_mismatch",
    ),
    Call(
        title="a certificate for servers only", way=Way.TLS, client="server only", must=EndedAt.HANDSHAKE, reason="26"
    ),
    Call(
        title="a spoofed header",
        way=Way.TLS,
        client=None,
        must=EndedAt.GATE,
        reason="certificate_missing",
        forged=True,
    ),
    Call(title="a health check, no certificate", way=Way.TLS, client=None, must=EndedAt.OPEN, path=HEALTH),
    Call(title="the region's certificate", way=Way.HOP, client="good", must=EndedAt.HANDLER),
    Call(title="no certificate", way=Way.HOP, client=None, must=EndedAt.GATE, reason="certificate_missing"),
    Call(
        title="a stranger's certificate", way=Way.HOP, client="stranger", must=EndedAt.GATE, reason="issuer_untrusted"
    ),
    Call(
        title="an expired certificate", way=Way.HOP, client="expired", must=EndedAt.GATE, reason="certificate_expired"
    ),
    Call(
        title="another region's name", way=Way.HOP, client="other region", must=EndedAt.GATE, reason="region_mismatch"
    ),
    Call(
        title="a certificate for servers only",
        way=Way.HOP,
        client="server only",
        must=EndedAt.GATE,
        reason="purpose_mismatch",
    ),
    Call(
        title="a spoofed header",
        way=Way.HOP,
        client=None,
        must=EndedAt.GATE,
        reason="certificate_missing",
        forged=True,
    ),
    Call(title="a health check, no certificate", way=Way.HOP, client=None, must=EndedAt.OPEN, path=HEALTH),
    Call(
        title="a spoofed header, past the proxy",
        way=Way.PAST_HOP,
        client=None,
        must=EndedAt.GATE,
        reason="source_untrusted",
        forged=True,
    ),
)


def make_calls(stage: Stage, refusals: HandshakeRefusals) -> Iterator[CallResult]:
    """Make each call on a connection of its own, and yield its result."""
    for number, call in enumerate(CALLS, 1):
        yield _make(call, stage, refusals, correlation_id=f"demo-{number}")


def _make(call: Call, stage: Stage, refusals: HandshakeRefusals, *, correlation_id: str) -> CallResult:
    client = stage.clients[call.client] if call.client else None
    headers = _headers(correlation_id) | (dict(nginx(stage.clients["good"])) if call.forged else {})
    base = stage.tls if call.way is Way.TLS else stage.http
    context: ssl.SSLContext | bool = False
    if call.way is Way.TLS:
        context = stage.caller_context(client)
    elif call.way is Way.HOP:
        headers = stage.over_the_hop(client, headers)
    before = stage.services[base].reached
    refusals.clear()
    try:
        answer = _send(base, call.path, headers, context)
    except httpx2.TransportError:
        code, words = refusals.last()
        return CallResult(call=call, ended_at=EndedAt.HANDSHAKE, status=None, reason=words, code=code)
    reached = stage.services[base].reached > before
    ended_at = EndedAt.HANDLER if reached else EndedAt.OPEN if answer.is_success else EndedAt.GATE
    reason = "" if answer.is_success else str(answer.json().get("reason"))
    return CallResult(call=call, ended_at=ended_at, status=answer.status_code, reason=reason, code=reason)


def _headers(correlation_id: str) -> dict[str, str]:
    return {
        "Content-Type": "application/json",
        "User-Agent": "PureCloud-Data-Actions",
        "ININ-Correlation-Id": correlation_id,
        "ININ-Organization-Id": "0b0e4a5c-1f7d-4c2e-9a55-2f3f7c1d8e90",
    }


def _send(base: str, path: str, headers: Mapping[str, str], context: ssl.SSLContext | bool) -> httpx2.Response:
    """Send as the data actions service does: HTTP/1.1 and chunked, even a GET."""
    body = iter([b'{"phone": ', b'"+13175550100"}'])
    method = "GET" if path == HEALTH else "POST"
    with httpx2.Client(verify=context, trust_env=False, timeout=TIMEOUT_SECONDS) as client:
        return client.request(method, base + path, headers=headers, content=body)


TABLE_WIDTH = 110
"""Columns of a table with its frame."""

_TABLES = {
    "Over TLS, which the server ends itself": (Way.TLS,),
    "Over plain HTTP, behind a proxy that hands the certificate over in a header": (Way.HOP, Way.PAST_HOP),
}

_COLUMNS = {"the caller presents": 32, "ends at": 13, "answer": 6, "reason": 38, "": 5}

_COLOURS = {
    EndedAt.HANDSHAKE: "yellow",
    EndedAt.GATE: "yellow",
    EndedAt.HANDLER: "green",
    EndedAt.OPEN: "cyan",
}


_ENDING = (
    "\nThe regional CA, the certificates and both servers were made for this, on loopback, and are gone. The proxy\n"
    "hop is a stand-in: it vouches for every certificate, so that the refusals are the gate's own.\n\n"
    "Protect your own app: app.add_middleware(MTLSMiddleware), with MTLS_REGIONS and MTLS_TRUST set; see\n"
    f"{DOCS}first-call/"
)


def run_demo(*, as_json: bool) -> int:
    """Play the demo, print what happened, and return the exit status."""
    with listening() as refusals, staged() as stage:
        outcomes = tuple(make_calls(stage, refusals))
    if as_json:
        print_json({"calls": [_facts(outcome) for outcome in outcomes]})
    else:
        show(outcomes)
    return 0 if all(outcome.is_right for outcome in outcomes) else 1


def _facts(outcome: CallResult) -> dict[str, object]:
    return {
        "call": outcome.call.title,
        "way": str(outcome.call.way),
        "ended_at": str(outcome.ended_at),
        "status": outcome.status,
        "reason": outcome.reason,
        "as_it_must": outcome.is_right,
    }


def show(outcomes: Sequence[CallResult], console: Console | None = None) -> None:
    """Print the tables and the verdict."""
    console = console_for(console)
    heading(console, "Data action calls and their results")
    for title, ways in _TABLES.items():
        line(console)
        rows = [_cells(outcome) for outcome in outcomes if outcome.call.way in ways]
        table(console, _columns(console), rows, title=title)
    right = sum(outcome.is_right for outcome in outcomes)
    style = "bold green" if right == len(outcomes) else "bold red"
    heading(console, f"{right} of {len(outcomes)} calls ended exactly as they must.", style)
    for outcome in outcomes:
        if not outcome.is_right:
            wanted = f"{outcome.call.must} {outcome.call.reason}".strip()
            line(console, f"  {outcome.call.title}, {outcome.call.way}: must end at {wanted}")
    console.print(Text(_ENDING))


def _columns(console: Console) -> list[Column]:
    """Return the same columns for both tables, as wide as the longest cell where the terminal is."""
    is_wide = console.width >= TABLE_WIDTH
    return [Column(header, min_width=width if is_wide else None, overflow="fold") for header, width in _COLUMNS.items()]


def _cells(outcome: CallResult) -> tuple[str | Text, ...]:
    return (
        outcome.call.title,
        Text(outcome.ended_at, style=_COLOURS[outcome.ended_at]),
        "closed" if outcome.status is None else str(outcome.status),
        displayed(outcome.reason),
        Text("ok", style="green") if outcome.is_right else Text("WRONG", style="bold red"),
    )
