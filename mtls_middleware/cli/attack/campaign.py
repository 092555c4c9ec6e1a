"""The attacks, one after the other."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from mtls_middleware._core.decision import Reason
from mtls_middleware.cli.attack.attacks import (
    DIRECT,
    HTTP2,
    ONCE,
    OVER_HTTP2,
    OWN,
    TWIN,
    WEBSOCKET,
    Weakness,
    attacks_on,
)
from mtls_middleware.cli.attack.attempt import (
    SILENT,
    Campaign,
    StoppedError,
    attempt,
    forgery_against,
    send,
    send_until_heard,
)
from mtls_middleware.cli.attack.findings import (
    HTTP2_NOT_TRIED,
    NOT_REACHABLE,
    Report,
    Row,
    findings,
    first_notes,
    why_own_is_unheard,
    why_untold,
)
from mtls_middleware.cli.attack.forgery import Forgery, Plan, forge, forge_everything, stranger
from mtls_middleware.cli.attack.honest import honest_weakness, is_accepted, judge_honest
from mtls_middleware.cli.attack.paths import path_attacks
from mtls_middleware.cli.attack.verdict import AttackResult, Heard, Judgement, judge
from mtls_middleware.cli.wire.answer import Failure
from mtls_middleware.cli.wire.exchange import Line
from mtls_middleware.cli.wire.message import Message, Target

_NO_HTTP2 = frozenset({Failure.NOT_OFFERED, Failure.NOT_INSTALLED})
_BARE_TITLE = "no certificate, nothing forged"


def attack_boundary(plan: Plan, line: Line, progress: Callable[[str], None] = lambda _: None) -> Report:
    """Attack a deployment, and return what was seen. An interrupt ends it early, and is told in the report."""
    strange = stranger()
    campaign = Campaign(
        plan=plan,
        line=line,
        progress=progress,
        stranger=lambda source: forge(source, strange, plan.secret_header),
    )
    interrupted = False
    try:
        untold = _run(campaign)
    except StoppedError:
        untold = "there are no responses any more, so the rest was not tried"
    except KeyboardInterrupt:
        untold, interrupted = "interrupted", True
    return Report(
        sources=tuple(source.name for source in plan.sources),
        rows=tuple(campaign.rows),
        findings=tuple(findings(campaign.rows)),
        notes=tuple(dict.fromkeys(campaign.notes)),
        untold=untold,
        accepted=campaign.accepted,
        interrupted=interrupted,
    )


def _run(campaign: Campaign) -> str | None:
    """Make all attacks; return why nothing can be told, where that is so."""
    plan = campaign.plan
    bare = send_until_heard(campaign, "bare", context=plan.context)
    untold = why_untold(bare)
    if untold is not None and not bare.is_refused_by_another:
        campaign.rows.append(Row(name="bare", title=_BARE_TITLE, heard=bare, judgement=judge_honest(None, bare)))
        return untold
    own = None if plan.own is None else send_until_heard(campaign, OWN, context=plan.own)
    unheard = _call_honestly(campaign, bare, own)
    campaign.notes += first_notes(plan, bare, own or bare)
    anonymous = [forgery_against(campaign, source, bare) for source in plan.sources]
    speaks_http2 = False
    if own is None or not bare.demands:
        _attack(campaign, anonymous, bare)
        for attack in (WEBSOCKET, *path_attacks(plan.target.path)):
            attempt(campaign, attack, anonymous[0], bare)
        speaks_http2 = _ask_over_http2(campaign, anonymous[0], bare)
        _attack_over_http2(campaign, anonymous[0], bare, speaks_http2=speaks_http2)
    if own is not None and unheard is None and own.failure is None and not own.is_disliked:
        forgeries = [forgery_against(campaign, source, own) for source in plan.sources]
        _attack(campaign, forgeries, own, own=True)
        _attack_over_http2(campaign, forgeries[0], own, speaks_http2=speaks_http2, own=True)
    if plan.direct is not None:
        _attack_directly(campaign, plan.direct, anonymous)
    return untold or unheard


def _call_honestly(campaign: Campaign, bare: Heard, own: Heard | None) -> str | None:
    """Keep what the requests without a forgery show; return why the honest call shows nothing, where that is so."""
    plan = campaign.plan
    weakness = honest_weakness(bare, own)
    unheard = None if own is None or weakness is not None else why_own_is_unheard(own)
    campaign.accepted = None if own is None else is_accepted(own)
    source = plan.sources[0]
    forgery = forge_everything(plan.sources, plan.secret_header) if plan.is_broad else campaign.stranger(source)
    at_fault = "bare" if own is None or weakness is Weakness.NOT_ASKED else OWN
    for name, title, heard in (("bare", _BARE_TITLE, bare), (OWN, "your certificate, nothing forged", own)):
        if heard is not None:
            shows = weakness if name == at_fault else None
            judgement = judge_honest(shows, heard)
            row = Row(name=name, title=title, heard=heard, judgement=judgement, shows=shows, is_own=name == OWN)
            campaign.rows.append(row if shows is None else replace(row, forgery=forgery))
    return unheard


def _attack(campaign: Campaign, forgeries: list[Forgery], baseline: Heard, *, own: bool = False) -> None:
    if campaign.plan.is_broad:
        _attack_broadly(campaign, forgeries, baseline, own=own)
    else:
        _attack_source(campaign, forgeries[0], baseline, own=own)


def _attack_source(campaign: Campaign, forgery: Forgery, baseline: Heard, *, own: bool) -> None:
    chunked = baseline
    for attack in attacks_on(forgery):
        against = chunked if attack.weakness is Weakness.TRAILER else baseline
        heard = attempt(campaign, attack, forgery, against, own=own)
        if attack.weakness is Weakness.CHUNKED:
            chunked = heard


def _attack_broadly(campaign: Campaign, forgeries: Iterable[Forgery], baseline: Heard, *, own: bool) -> None:
    for forgery in forgeries:
        attack = replace(ONCE, name=f"once-{forgery.source.name}", title=f"those of {forgery.source.name}")
        attempt(campaign, attack, forgery, baseline, own=own)
    everything = forge_everything(campaign.plan.sources, campaign.plan.secret_header)
    attempt(campaign, replace(TWIN, title="those of every source, with underscores"), everything, baseline, own=own)


def _ask_over_http2(campaign: Campaign, forgery: Forgery, bare: Heard) -> bool:
    """Return whether the proxy speaks HTTP/2, and we can."""
    heard = send(campaign, HTTP2.message(forgery), HTTP2.name, context=campaign.plan.context)
    if heard.failure in _NO_HTTP2:
        if heard.failure is Failure.NOT_INSTALLED:
            campaign.notes.append(HTTP2_NOT_TRIED)
        return False
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
    return True


def _attack_over_http2(
    campaign: Campaign, forgery: Forgery, baseline: Heard, *, speaks_http2: bool, own: bool = False
) -> None:
    for attack in OVER_HTTP2 if speaks_http2 and not campaign.plan.is_broad else ():
        attempt(campaign, attack, forgery, baseline, own=own)


def _attack_directly(campaign: Campaign, direct: Target, forgeries: list[Forgery]) -> None:
    plan = campaign.plan
    bare = send(campaign, Message(), "direct-bare", context=plan.context, target=direct)
    if bare.failure in SILENT:
        campaign.notes.append(NOT_REACHABLE)
        return
    if bare.reason is None:
        meaning = f"the answer is {bare.words}, and no refusal: is it the same application, with MTLS_MODE=enforce?"
        judgement = Judgement(verdict=AttackResult.UNCLEAR, meaning=meaning)
        campaign.rows.append(Row(name="direct-bare", title="past the proxy: nothing", heard=bare, judgement=judgement))
        return
    if not plan.is_broad:
        for attack in DIRECT:
            attempt(campaign, attack, forgeries[0], bare, target=direct)
        return
    read = []
    for forgery in forgeries:
        name, title = f"direct-{forgery.source.name}", f"past the proxy: those of {forgery.source.name}"
        heard = attempt(campaign, replace(DIRECT[0], name=name, title=title), forgery, bare, target=direct)
        if heard.reason is not Reason.CERTIFICATE_MISSING:
            read.append(forgery.source.name)
    what = f"the headers of {', '.join(read)}" if read else "no certificate header at all"
    campaign.notes.append(f"Past the proxy it shows that the application reads {what}.")
