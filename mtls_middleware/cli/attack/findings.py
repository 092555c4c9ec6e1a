"""What the attacks showed, and what is concluded from all answers together."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mtls_middleware._core.decision import Reason
from mtls_middleware.cli.attack.attacks import HONEST, ONCE, OWN, Attack, Weakness
from mtls_middleware.cli.attack.fixes import TITLES, cure
from mtls_middleware.cli.attack.forgery import Forgery, Plan
from mtls_middleware.cli.attack.honest import honest_cure
from mtls_middleware.cli.attack.verdict import AttackResult, Heard, Judgement
from mtls_middleware.cli.ending import INTERRUPTED
from mtls_middleware.cli.wire.answer import Failure

HTTP3_OFFERED = (
    "HTTP/3 is offered (Alt-Svc), and was not attacked. Over QUIC some servers and proxies ask for no certificate: "
    "switch it off, unless you know that yours does ask."
)
HTTP2_NOT_TRIED = "HTTP/2 is offered, and was not attacked: pip install h2, and run this again."
NOT_REACHABLE = "The application cannot be reached from here without the proxy, as intended."
PASSES_FORWARDED = (
    "The proxy passes X-Forwarded-For or Forwarded of callers on. Nothing was believed for it, but such calls are "
    "refused: set MTLS_PROXY_SECRET, and let the proxy overwrite X-Forwarded-For and remove Forwarded."
)
DEMANDED = (
    "The proxy demands a client certificate before it reads a header, so no attack came further. What it does with "
    "headers of a caller who has one was not tried: give --client-certificate and --client-key."
)
STRANGER = (
    "The forged certificate was a stranger's, made here. The reason of a refusal shows whether it was believed; "
    "whether a believed one would be let in needs a genuine one, which is public: --certificate FILE."
)
OWN_IS_LET_IN = (
    "Your own certificate is let in, so a stranger's was forged: where that is believed, the call is refused."
)
NOT_SEEN = "This Python cannot see whether the server asks for a client certificate."
BROAD = "The headers of every source were tried, in few ways. Name yours with --source for all attacks."

LET_IN = (
    "a request without a certificate is not refused. With MTLS_MODE=report that is so for every call, attacks too, and "
    "the log has what enforce would refuse: set MTLS_MODE=enforce, and attack again. Else this path is not protected "
    "(MTLS_PROTECT, MTLS_EXEMPT), or the middleware is not added"
)

TOO_LONG = (
    "If the certificate or its chain is long, the server may not take such headers: gunicorn needs "
    "--limit-request-field_size 65535, uWSGI --buffer-size 65535, and daphne takes 16 KiB of headers in all"
)
_TOO_LONG = frozenset({400, 431, 502, 503})
"""How servers, and proxies whose server broke off, answer to headers that are too long."""

_UNTELLING = {
    Reason.TRUST_UNAVAILABLE: "the application refuses everybody (trust_unavailable), and its log says why",
    Reason.INTERNAL_ERROR: "the application refuses everybody (internal_error), and its log says why",
    Reason.SOURCE_UNTRUSTED: (
        "the application does not believe the proxy itself, so a forgery looks like an honest call. Compare "
        "MTLS_PROXY_SECRET and MTLS_TRUSTED_PROXIES with the proxy; the application's log line with "
        "correlation_id=doctor-bare says how to fix it"
    ),
}
"""Reasons for which a caller without a certificate is refused where nothing more can be learned."""

_VAGUE = frozenset({Reason.CERTIFICATE_MALFORMED, Reason.PROXY_VERIFICATION_FAILED})
"""What headers get that are not those of the application's own source, but have the same name."""

CLEAN = 0
FOUND = 1
UNTOLD = 2


def why_untold(bare: Heard) -> str | None:
    """Return why nothing can be told if this is what a caller without a certificate gets; None where all is well."""
    if bare.demands:
        return None
    if bare.failure is Failure.UNTRUSTED:
        return f"the server's own certificate is not trusted ({bare.detail}): give --server-ca FILE"
    if bare.failure is not None:
        return f"there is no answer: {bare.words}"
    if bare.reason is not None:
        return _UNTELLING.get(bare.reason)
    if bare.is_refused_by_another:
        return "something else than mtls-middleware refuses, so its refusals say nothing about the certificate"
    if bare.is_let_in:
        return LET_IN
    return f"a request without a certificate gets {bare.status}, which is no refusal of mtls-middleware"


def why_own_is_unheard(own: Heard) -> str | None:
    """Return why nothing can be told if this is what a caller with a certificate gets; None where all is well."""
    if own.reason is not None:
        return _UNTELLING.get(own.reason)
    if own.is_let_in:
        return None
    hint = f". {TOO_LONG}" if own.status in _TOO_LONG else ""
    return f"a request with your own certificate gets no further than the proxy: {own.words}{hint}"


def first_notes(plan: Plan, bare: Heard, baseline: Heard) -> Iterator[str]:
    """Return what this run cannot show."""
    if bare.demands and plan.own is None:
        yield DEMANDED
    if plan.target.is_tls and bare.failure is None and bare.asked is None:
        yield NOT_SEEN
    if plan.certificate is None:
        yield STRANGER
    elif baseline.is_let_in:
        yield OWN_IS_LET_IN
    else:
        yield f"The forged certificate was that of {plan.origin}."
    if plan.is_broad:
        yield BROAD
    elif plan.direct is None:
        yield (
            f"From outside nobody sees whether the application really reads the headers of {plan.sources[0].name}: "
            "--direct URL, its own address behind the proxy, checks that too."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The result of one request.

    Attributes:
        name: stable.
        title: what was sent, in a person's words.
        heard: what came back.
        judgement: what that means.
        attack: None for what the attacks are compared with.
        forgery: the headers in it.
        shows: the weakness that a request without a forgery shows.
        is_own: made with the caller's own certificate.
    """

    name: str
    title: str
    heard: Heard
    judgement: Judgement
    attack: Attack | None = None
    forgery: Forgery | None = None
    shows: Weakness | None = None
    is_own: bool = False

    @property
    def weakness(self) -> Weakness | None:
        """Return what this request would show, or shows."""
        return self.shows if self.attack is None else self.attack.weakness


@dataclass(frozen=True, slots=True, kw_only=True)
class AttackFinding:
    """Something to be fixed.

    Attributes:
        weakness: what is wrong.
        forgeries: the headers concerned; of several with the same name, those that the application seems to read.
        rows: the attacks that showed it.
    """

    weakness: Weakness
    forgeries: tuple[Forgery, ...]
    rows: tuple[Row, ...]

    @property
    def verdict(self) -> AttackResult:
        """Return the worst result of an attack."""
        return max((row.judgement.verdict for row in self.rows), key=lambda verdict: verdict.gravity)

    @property
    def title(self) -> str:
        """Return what is wrong, in a sentence."""
        return TITLES[self.weakness]

    @property
    def cure(self) -> tuple[str, ...]:
        """Return what to do, by proxy where it may be one of several."""
        if self.weakness in HONEST:
            return honest_cure(self.weakness, self.forgeries[0], self.rows[0].heard)
        if len(self.forgeries) == 1:
            return cure(self.weakness, self.forgeries[0])
        cures = {cure(self.weakness, forgery): forgery.source.name for forgery in reversed(self.forgeries)}
        if len(cures) == 1:
            return next(iter(cures))
        return tuple(line for lines, name in reversed(cures.items()) for line in (f"{name}:", *lines))


def findings(rows: Iterable[Row]) -> list[AttackFinding]:
    """Put attacks with the same cause together, the worst cause first."""
    telling = [row for row in rows if row.weakness is not None and row.forgery is not None]
    copies = {
        (row.forgery, row.is_own): row.judgement.verdict
        for row in telling
        if row.attack is not None and row.attack.name.removeprefix(f"{OWN}-").startswith(ONCE.name)
    }
    causes: dict[tuple[Weakness, str], list[Row]] = {}
    for row in telling:
        weakness = row.weakness
        if weakness is not None and row.forgery is not None and row.judgement.verdict.is_finding:
            by_copies = copies.get((row.forgery, row.is_own), AttackResult.REFUSED)
            is_copy = row.attack is not None and row.attack.copies
            if is_copy and by_copies.is_finding and row.judgement.verdict.gravity <= by_copies.gravity:
                weakness = Weakness.DIRECT if weakness is Weakness.DIRECT else Weakness.COPY
            causes.setdefault((weakness, row.forgery.certificate[0].lower()), []).append(row)
    found = [
        AttackFinding(weakness=weakness, forgeries=_most_telling(members), rows=tuple(members))
        for (weakness, _), members in causes.items()
    ]
    return sorted(found, key=lambda finding: -finding.verdict.gravity)


def _most_telling(rows: list[Row]) -> tuple[Forgery, ...]:
    """Return the forgeries whose source is most likely the application's, each once."""
    telling = [row for row in rows if row.heard.reason not in _VAGUE] or rows
    return tuple(dict.fromkeys(row.forgery for row in telling if row.forgery is not None))


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All results.

    Attributes:
        sources: what the application was taken to read.
        rows: each request.
        findings: what has to be mended, the worst first.
        notes: what an operator should know besides.
        accepted: whether the honest call was accepted; None where none was made.
        untold: why nothing, or not all, can be told; None where all was told.
        interrupted: by the operator.
    """

    sources: tuple[str, ...]
    rows: tuple[Row, ...]
    findings: tuple[AttackFinding, ...]
    notes: tuple[str, ...]
    untold: str | None
    accepted: bool | None = None
    interrupted: bool = False

    @property
    def asked(self) -> bool | None:
        """Return whether the handshake asks for a client certificate; None where that was not seen."""
        return self.rows[0].heard.asked if self.rows else None

    @property
    def attacks(self) -> tuple[Row, ...]:
        """Return the rows that are attacks."""
        return tuple(row for row in self.rows if row.attack is not None)

    @property
    def unclear(self) -> tuple[Row, ...]:
        """Return the rows of which nothing is known."""
        return tuple(row for row in self.rows if row.judgement.verdict is AttackResult.UNCLEAR)

    @property
    def status(self) -> int:
        """Return the exit status."""
        if self.interrupted:
            return INTERRUPTED
        if self.findings:
            return FOUND
        return UNTOLD if self.untold is not None or self.unclear or not self.accepted else CLEAN
