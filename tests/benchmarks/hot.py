"""An accepted call whose certificate is known, beside Starlette's own `TrustedHostMiddleware`, in one run."""

import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from starlette.middleware.trustedhost import TrustedHostMiddleware

from mtls_middleware import MTLSMiddleware
from tests.benchmarks.calls import HOST, Call, Site
from tests.benchmarks.ratios import Work, drive, in_turns, median_ratio
from tests.benchmarks.table import Table

BATCH = 40
ROUNDS = 600

_START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/json"), (b"content-length", b"2")],
}
_BODY = {"type": "http.response.body", "body": b"{}"}


async def silent(scope: Any, receive: Any, send: Any) -> None:
    """Answer nothing: what is left is what stands before the application."""


async def answering(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - ASGI
    """Answer at once."""
    await send(_START)
    await send(_BODY)


async def send(message: Any) -> None:
    """Take a message, and do nothing with it."""


def ratios(rounds: int = ROUNDS) -> dict[str, tuple[float, float]]:
    """Return for each call what the middleware adds, as a ratio to what TrustedHostMiddleware adds.

    Returns:
        for an application that answers nothing, and for one that answers.
    """
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder))
        return {
            name: (_ratio(site, call, silent, rounds), _ratio(site, call, answering, rounds))
            for name, call in site.calls().items()
        }


def table(rounds: int = ROUNDS) -> Table:
    """Measure, and describe."""
    goals = {"TLS, default settings": "0.65", "header, everything on": "1.20"}
    return Table(
        title="An accepted call",
        text=(
            "What the middleware adds to a call whose certificate it knows, as a multiple of what Starlette's "
            "`TrustedHostMiddleware` adds to the same call in the same run: the median of the ratios of all rounds. "
            "Counters are on. The header has 1.2 kB. *Before the application* is all that happens until the "
            "application is called; *with an answer* also holds what happens to the answer (`Cache-Control: no-store`, "
            "which `TrustedHostMiddleware` does not look at). *Everything on*: trusted proxy and proxy secret, caller "
            "secret, organisation, protected and exempt paths, `MTLS_REVOCATION=require`."
        ),
        head=("call", "before the application", "with an answer", "goal"),
        rows=[
            (name, f"{before:.2f}", f"{answered:.2f}", goals.get(name, "1.00"))
            for name, (before, answered) in ratios(rounds).items()
        ],
        after=(
            "Where it goes on CPython 3.11, in instructions as callgrind counts them, beside 22,000 of "
            "`TrustedHostMiddleware`: with a header 25,000, of which 8,000 to read the names of ten headers and the "
            "types of their parts, since another spelling of ours may stand anywhere and the comparison is of whole "
            "inputs; 2,000 for the coroutine in front of the application; 2,000 each for the copy of the scope, for "
            "the comparison of the evidence, and for a secret in constant time. *Everything on* reads four headers, "
            "a secret, the peer and the path more: 11,000. An answer costs 5,000. An interpreter without a compiler "
            "spends 20 to 25 instructions on each step, so fewer would need a weaker comparison, or generated code."
        ),
    )


def _ratio(site: Site, call: Call, app: Callable[..., Any], rounds: int) -> float:
    trusted_host = TrustedHostMiddleware(app, allowed_hosts=[HOST])
    with site.guard(call.environ) as guard:
        middleware = MTLSMiddleware(app, guard=guard)
        _require_accepted(middleware, call)

        def prepare() -> Mapping[str, Work]:
            scopes = [call.scope() for _ in range(BATCH)]
            return {
                "bare": partial(drive, app, scopes, send),
                "trusted host": partial(drive, trusted_host, scopes, send),
                "ours": partial(drive, middleware, scopes, send),
            }

        in_turns(20, prepare)
        seconds = in_turns(rounds, prepare)
    return median_ratio(seconds["ours"], seconds["trusted host"], seconds["bare"])


def _require_accepted(middleware: MTLSMiddleware, call: Call) -> None:
    """A refusal would be fast too."""
    seen = []

    async def application(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - ASGI
        seen.append(scope["mtls.identity"])

    timed, middleware.app = middleware.app, application
    drive(middleware, [call.scope(), call.scope()], send)
    middleware.app = timed
    if len(seen) != 2 or seen[1] is None:
        raise RuntimeError("the call that is to be timed was refused")
