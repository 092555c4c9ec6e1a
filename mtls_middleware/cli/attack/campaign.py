"""The attacks, one after the other."""

import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from mtls_middleware._core.decision import Reason
from mtls_middleware.cli.attack.attacks import (
    DIRECT,
    HTTP2,
    ONCE,
    OVER_HTTP2,
    TWIN,
    WEBSOCKET,
    Attack,
    Weakness,
    attacks_on,
)
from mtls_middleware.cli.attack.findings import (
    HTTP2_NOT_TRIED,
    HTTP3_OFFERED,
    NOT_REACHABLE,
    PASSES_FORWARDED,
    Report,
    Row,
    findings,
    first_notes,
    why_own_is_unheard,
    why_untold,
)
from mtls_middleware.cli.attack.forgery import ForgedSource, Forgery, Plan, forge, forge_everything, stranger
from mtls_middleware.cli.attack.paths import path_attacks
from mtls_middleware.cli.attack.verdict import AttackResult, Heard, Judgement, hear, judge
from mtls_middleware.cli.wire.answer import Answer, Failure
from mtls_middleware.cli.wire.exchange import Line
from mtls_middleware.cli.wire.message import Message, Request, Target

MAX_SILENT = 3
"""Attacks in a row without an answer, after which nothing more is sent."""

ALERT_TRIES = 4
"""A server that hangs up at once may reset the connection before its alert is read."""

_SILENT = frozenset({Failure.TIMEOUT, Failure.UNREACHABLE})
_NO_HTTP2 = frozenset({Failure.NOT_OFFERED, Failure.NOT_INSTALLED})
_COMPARED = Judgement(verdict=AttackResult.REFUSED, meaning="the baseline for the comparison")


@dataclass(slots=True)
class Campaign:
    """The attacks so far, and their results.

    Attributes:
        plan: what is attacked.
        line: carries the requests.
        progress: gets the title of each attack before it is made.
        stranger: the certificate that nobody trusts.
        rows: each request.
        notes: what an operator should know besides.
        silent: requests in a row without an answer.
    """

    plan: Plan
    line: Line
    progress: Callable[[str], None]
    stranger: Callable[[ForgedSource], Forgery]
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    silent: int = 0


class _StoppedError(Exception):
    """End the campaign: nobody answers any more."""


def attack_boundary(plan: Plan, line: Line, progress: Callable[[str], None] = lambda _: None) -> Report:
    """Attack a deployment, and return what was seen. An interrupt ends it early, and is told in the report."""
    strange = stranger()
    campaign = Campaign(plan, line, progress, lambda source: forge(source, strange, plan.secret_header))
    interrupted = False
    try:
        untold = _run(campaign)
    except _StoppedError:
        untold = "there are no responses any more, so the rest was not tried"
    except KeyboardInterrupt:
        untold, interrupted = "interrupted", True
    return Report(
        sources=tuple(source.name for source in plan.sources),
        rows=tuple(campaign.rows),
        findings=tuple(findings(campaign.rows)),
        notes=tuple(dict.fromkeys(campaign.notes)),
        untold=untold,
        interrupted=interrupted,
    )


def _run(campaign: Campaign) -> str | None:
    """Make all attacks; return why nothing can be told, where that is so."""
    plan = campaign.plan
    bare = _send_bare(campaign)
    campaign.rows.append(Row(name="bare", title="no certificate, nothing forged", heard=bare, judgement=_COMPARED))
    untold = why_untold(bare)
    if untold is not None and not bare.is_refused_by_another:
        return untold
    baseline = bare
    if plan.own is not None:
        baseline = _send(campaign, Message(), "own", context=plan.own)
        title = "your certificate, nothing forged"
        campaign.rows.append(Row(name="own", title=title, heard=baseline, judgement=_COMPARED))
        unheard = why_own_is_unheard(baseline)
        if unheard is not None:
            return unheard
    campaign.notes += first_notes(plan, bare, baseline)
    forgeries = [_forgery(campaign, source, baseline) for source in plan.sources]
    if plan.is_broad:
        _attack_broadly(campaign, forgeries, baseline)
    else:
        _attack_source(campaign, forgeries[0], baseline)
    for attack in (WEBSOCKET, *path_attacks(plan.target.path)):
        _attack(campaign, attack, forgeries[0], bare, bare=True)
    _attack_over_http2(campaign, forgeries[0], bare, baseline)
    if plan.direct is not None:
        _attack_directly(campaign, plan.direct, forgeries)
    return untold


def _send_bare(campaign: Campaign) -> Heard:
    """Ask without a certificate; again where the connection ended, for an alert may have been lost with it."""
    bare = _send(campaign, Message(), "bare", context=campaign.plan.context)
    for _ in range(ALERT_TRIES - 1):
        if bare.failure is not Failure.CLOSED:
            break
        bare = _send(campaign, Message(), "bare", context=campaign.plan.context)
    return bare


def _attack_source(campaign: Campaign, forgery: Forgery, baseline: Heard) -> None:
    chunked = baseline
    for attack in attacks_on(forgery):
        against = chunked if attack.weakness is Weakness.TRAILER else baseline
        heard = _attack(campaign, attack, forgery, against)
        if attack.weakness is Weakness.CHUNKED:
            chunked = heard


def _attack_broadly(campaign: Campaign, forgeries: Iterable[Forgery], baseline: Heard) -> None:
    for forgery in forgeries:
        attack = replace(ONCE, name=f"once-{forgery.source.name}", title=f"those of {forgery.source.name}")
        _attack(campaign, attack, forgery, baseline)
    everything = forge_everything(campaign.plan.sources, campaign.plan.secret_header)
    _attack(campaign, replace(TWIN, title="those of every source, with underscores"), everything, baseline)


def _attack_over_http2(campaign: Campaign, forgery: Forgery, bare: Heard, baseline: Heard) -> None:
    """Attack over HTTP/2 too, where the proxy speaks it, and where we can."""
    plan = campaign.plan
    heard = _send(campaign, HTTP2.message(forgery), HTTP2.name, context=plan.context)
    if heard.failure in _NO_HTTP2:
        if heard.failure is Failure.NOT_INSTALLED:
            campaign.notes.append(HTTP2_NOT_TRIED)
        return
    campaign.rows.append(
        Row(
            name=HTTP2.name,
            title=HTTP2.title,
            heard=heard,
            judgement=judge(HTTP2, heard, bare),
            attack=HTTP2,
            forgery=forgery,
        )
    )
    for attack in () if plan.is_broad else OVER_HTTP2:
        _attack(campaign, attack, forgery, baseline)


def _attack_directly(campaign: Campaign, direct: Target, forgeries: list[Forgery]) -> None:
    plan = campaign.plan
    bare = _send(campaign, Message(), "direct-bare", context=plan.context, target=direct)
    if bare.failure in _SILENT:
        campaign.notes.append(NOT_REACHABLE)
        return
    if bare.reason is None:
        meaning = f"the answer is {bare.words}, and no refusal: is it the same application?"
        judgement = Judgement(verdict=AttackResult.UNCLEAR, meaning=meaning)
        campaign.rows.append(Row(name="direct-bare", title="past the proxy: nothing", heard=bare, judgement=judgement))
        return
    if not plan.is_broad:
        for attack in DIRECT:
            _attack(campaign, attack, forgeries[0], bare, bare=True, target=direct)
        return
    read = []
    for forgery in forgeries:
        name, title = f"direct-{forgery.source.name}", f"past the proxy: those of {forgery.source.name}"
        heard = _attack(campaign, replace(DIRECT[0], name=name, title=title), forgery, bare, bare=True, target=direct)
        if heard.reason is not Reason.CERTIFICATE_MISSING:
            read.append(forgery.source.name)
    what = f"the headers of {', '.join(read)}" if read else "no certificate header at all"
    campaign.notes.append(f"Past the proxy it shows that the application reads {what}.")


def _attack(
    campaign: Campaign,
    attack: Attack,
    forgery: Forgery,
    baseline: Heard,
    *,
    bare: bool = False,
    target: Target | None = None,
) -> Heard:
    """Make an attack, with the caller's own certificate where there is one and this is no `bare` attack."""
    plan = campaign.plan
    context = plan.context if bare or plan.own is None else plan.own
    campaign.progress(attack.title)
    message = attack.message(forgery)
    heard = _send(campaign, message, attack.name, context=context, target=target)
    judgement = judge(attack, heard, baseline)
    if judgement.verdict is AttackResult.REFUSED and heard.reason is None:
        # Who refused? An application that believed a genuine certificate may dislike the request. A stranger's tells.
        again = attack.message(campaign.stranger(forgery.source))
        if plan.certificate is not None and again != message and forgery.is_genuine:
            second = _send(campaign, again, f"{attack.name}-again", context=context, target=target)
            second_judgement = judge(attack, second, baseline)
            if second_judgement.verdict.gravity > judgement.verdict.gravity:
                heard, judgement = second, second_judgement
    judgement = _tempered(campaign, attack, heard, judgement)
    campaign.rows.append(
        Row(name=attack.name, title=attack.title, heard=heard, judgement=judgement, attack=attack, forgery=forgery)
    )
    campaign.silent = campaign.silent + 1 if heard.failure in _SILENT and target is None else 0
    if campaign.silent >= MAX_SILENT:
        raise _StoppedError
    return heard


def _send(
    campaign: Campaign, message: Message, name: str, *, context: ssl.SSLContext | None, target: Target | None = None
) -> Heard:
    target = target or campaign.plan.target
    request = Request(
        message=message,
        method="GET" if message.websocket else campaign.plan.method,
        authority=target.authority,
        path=target.path,
        correlation_id=f"doctor-{name}".replace(".", "-"),
    )
    answer = campaign.line.exchange(target, request, context)
    if isinstance(answer, Answer) and "h3" in answer.headers.get("alt-svc", ""):
        campaign.notes.append(HTTP3_OFFERED)
    return hear(answer)


def _forgery(campaign: Campaign, source: ForgedSource, baseline: Heard) -> Forgery:
    """Return forged headers that change the answer if they are believed."""
    plan = campaign.plan
    if plan.certificate is not None and not baseline.is_let_in:
        return replace(forge(source, plan.certificate, plan.secret_header), is_genuine=True)
    if baseline.reason is Reason.ISSUER_UNTRUSTED:
        return forge(source, None, plan.secret_header)
    return campaign.stranger(source)


def _tempered(campaign: Campaign, attack: Attack, heard: Heard, judgement: Judgement) -> Judgement:
    """Take what explains itself otherwise for what it is."""
    if attack.weakness is Weakness.FORWARDED and heard.reason is Reason.SOURCE_UNTRUSTED:
        once = next((row for row in campaign.rows if row.name == ONCE.name), None)
        if once is not None and once.judgement.verdict is AttackResult.REFUSED:
            campaign.notes.append(PASSES_FORWARDED)
            meaning = "refused for the forged address; the headers did not come through"
            return replace(judgement, verdict=AttackResult.REFUSED, meaning=meaning)
    if attack.weakness is Weakness.DIRECT and campaign.plan.is_broad and heard.reason is Reason.CERTIFICATE_MISSING:
        return replace(judgement, verdict=AttackResult.REFUSED, meaning="the application does not read them")
    return judgement
