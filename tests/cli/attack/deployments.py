"""Deployments in memory: our guard, behind a proxy that is a function."""

import ssl
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import unquote

from mtls_middleware import Guard, Settings
from mtls_middleware._core.connection import Connection, Interface
from mtls_middleware._core.decision import Accepted, Disposition, Reason
from mtls_middleware._core.response import refusal
from mtls_middleware.cli.attack.campaign import attack_boundary
from mtls_middleware.cli.attack.findings import Report
from mtls_middleware.cli.attack.forgery import ForgedSource, Plan, known_sources
from mtls_middleware.cli.attack.verdict import AttackResult
from mtls_middleware.cli.wire.answer import Answer, Failure, NoAnswer
from mtls_middleware.cli.wire.message import Framing, Header, Message, Request, Target, Version
from mtls_middleware.testing import ClientCertificate, RegionalCA, nginx

OWN = ssl.create_default_context()
SECRET = "a-secret-of-the-proxy-0123456789"
TARGET = Target.parse("https://actions.example.com/actions/lookup?x=1")
DIRECT = Target.parse("http://10.0.0.9:8000/actions/lookup")

OURS = ("x-ssl-client-cert", "x-ssl-client-verify", "x-mtls-proxy-secret")
SETS: tuple[Header, ...] = (("X-SSL-Client-Verify", "NONE"), ("X-MTLS-Proxy-Secret", SECRET))

Proxy = Callable[[Message], Iterable[Header] | Answer | NoAnswer]


def right(message: Message) -> Iterator[Header]:
    """Remove what is ours in every spelling, and set it."""
    yield from (header for header in message.headers if header[0].lower().replace("_", "-").strip() not in OURS)
    yield from SETS


def passing(message: Message) -> Iterator[Header]:
    """Add the secret to whatever callers send."""
    yield from message.headers
    yield ("X-MTLS-Proxy-Secret", SECRET)


@dataclass(slots=True, kw_only=True)
class Deployed:
    """Carry requests to a guard, through a proxy or past it.

    Attributes:
        guard: the application's.
        proxy: returns the headers that reach the application, or an answer of its own.
        peer: whom the application sees.
        trailers: the server makes headers of them.
        http2: whether the proxy speaks it.
        alternatives: of each answer.
        asked: whether the handshake asks for a client certificate.
        seen: every request.
    """

    guard: Guard
    proxy: Proxy = right
    peer: str = "10.0.0.1"
    trailers: bool = False
    http2: bool = False
    alternatives: str = ""
    asked: bool | None = True
    direct: Proxy | None = None
    seen: list[Request] = field(default_factory=list)

    def exchange(self, target: Target, request: Request, context: ssl.SSLContext | None) -> Answer | NoAnswer:
        return replace(self.answer(target, request, context), asked=self.asked)

    def answer(self, target: Target, request: Request, context: ssl.SSLContext | None) -> Answer | NoAnswer:
        """Answer as the proxy does, or the application behind it."""
        del context
        self.seen.append(request)
        past = target.host == DIRECT.host
        if request.message.version is Version.HTTP_2 and not self.http2:
            return NoAnswer(failure=Failure.NOT_OFFERED)
        if past and self.direct is None:
            return NoAnswer(failure=Failure.UNREACHABLE)
        came = (self.direct if past and self.direct else self.proxy)(request.message)
        if isinstance(came, Answer | NoAnswer):
            return came
        return self._answer(request, list(came), peer="10.0.0.2" if past else self.peer)

    def _answer(self, request: Request, came: list[Header], *, peer: str) -> Answer:
        if request.message.body is Framing.CHUNKED:
            came.append(("Transfer-Encoding", "chunked"))
        raw_path = request.target.partition("?")[0]
        decision = self.guard.decide(
            Connection(
                interface=Interface.ASGI,
                path=unquote(raw_path),
                raw_path=raw_path.encode(),
                root_path="",
                headers=tuple((name.lower().encode(), value.encode()) for name, value in came),
                client=(peer, 4711),
                trailers_are_headers=self.trailers,
            )
        )
        if isinstance(decision, Accepted) or decision.disposition is not Disposition.REFUSED:
            return Answer(status=200, headers={"alt-svc": self.alternatives})
        return refused(decision.reason, self.alternatives)


@dataclass(slots=True, kw_only=True)
class Visited(Deployed):
    """A right deployment with nginx, and a caller with a certificate: the context `OWN` stands for it.

    Attributes:
        client: the caller.
        sends: what the proxy makes of its certificate; by default what it should.
    """

    client: ClientCertificate
    sends: Callable[[ClientCertificate | None], Iterable[Header]] = nginx

    def answer(self, target: Target, request: Request, context: ssl.SSLContext | None) -> Answer | NoAnswer:
        """Hand the certificate over, where one was shown."""
        shown = self.client if context is OWN else None

        def handing(message: Message) -> Iterator[Header]:
            yield from (header for header in right(message) if header[0] != "X-SSL-Client-Verify")
            yield from self.sends(shown)

        self.proxy = handing
        return super(Visited, self).answer(target, request, context)


def refused(reason: Reason, alternatives: str = "") -> Answer:
    """Return our refusal, as it comes over the wire."""
    told = refusal(reason, None)
    return Answer(
        status=told.status,
        headers={"content-type": "application/problem+json", "alt-svc": alternatives},
        body=told.body,
    )


def guarded(folder: Path, region: RegionalCA, **settings: str) -> Guard:
    """Return a guard of the source ``nginx``."""
    given = {
        "regions": "us-east-1",
        "trust": str(region.write(folder)),
        "source": "nginx",
        "proxy_secret": SECRET,
        "trusted_proxies": "10.0.0.1",
        **settings,
    }
    guard = Guard.silent(Settings.from_env({f"MTLS_{name.upper()}": value for name, value in given.items() if value}))
    guard.start()
    return guard


def source(name: str = "nginx") -> ForgedSource:
    """Return a source by its name."""
    return next(known for known in known_sources() if known.name == name)


def plan(**changes: object) -> Plan:
    """Return a plan for the source ``nginx``."""
    given: dict[str, object] = {
        "target": TARGET,
        "sources": (source(),),
        "secret_header": "X-MTLS-Proxy-Secret",
        **changes,
    }
    return Plan(**given)  # type: ignore[arg-type]  # each test gives what the field takes


def attack(line: Deployed, **changes: object) -> Report:
    """Attack a deployment."""
    return attack_boundary(plan(**changes), line)


def is_quiet(report: Report) -> bool:
    """Return whether nothing was found, and nothing was left open but the honest call."""
    return not (report.findings or report.unclear or report.untold)


def verdicts(report: Report) -> dict[str, AttackResult]:
    """Return the verdict on each attack by its name."""
    return {row.name: row.judgement.verdict for row in report.attacks}
