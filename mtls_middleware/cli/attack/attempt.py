"""One request of a campaign: sent, heard and judged."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from mtls_middleware._core.decision import Reason
from mtls_middleware.cli.attack.attacks import ONCE, OWN, Attack, Weakness
from mtls_middleware.cli.attack.findings import HTTP3_OFFERED, PASSES_FORWARDED, Row
from mtls_middleware.cli.attack.forgery import ForgedSource, Forgery, Plan, forge
from mtls_middleware.cli.attack.verdict import AttackResult, Heard, Judgement, hear, judge
from mtls_middleware.cli.wire.answer import Answer, Failure
from mtls_middleware.cli.wire.exchange import Line
from mtls_middleware.cli.wire.message import Message, Request, Target

MAX_SILENT = 3
"""Attacks in a row without an answer, after which nothing more is sent."""

ALERT_TRIES = 4
"""A server that hangs up at once may reset the connection before its alert is read."""

SILENT = frozenset({Failure.TIMEOUT, Failure.UNREACHABLE})


@dataclass(slots=True, kw_only=True)
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
        accepted: whether the honest call was accepted; None where none was made.
    """

    plan: Plan
    line: Line
    progress: Callable[[str], None]
    stranger: Callable[[ForgedSource], Forgery]
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    silent: int = 0
    accepted: bool | None = None


class StoppedError(Exception):
    """End the campaign: nobody answers any more."""


def send_until_heard(campaign: Campaign, name: str, *, context: ssl.SSLContext | None) -> Heard:
    """Ask with nothing forged; again where the connection ended, for an alert may have been lost with it."""
    heard = send(campaign, Message(), name, context=context)
    for _ in range(ALERT_TRIES - 1):
        if heard.failure is not Failure.CLOSED:
            break
        heard = send(campaign, Message(), name, context=context)
    return heard


def attempt(
    campaign: Campaign,
    attack: Attack,
    forgery: Forgery,
    baseline: Heard,
    *,
    own: bool = False,
    target: Target | None = None,
) -> Heard:
    """Make an attack, without a client certificate or with the caller's own."""
    plan = campaign.plan
    context = plan.own if own else plan.context
    if own:
        attack = replace(attack, name=f"{OWN}-{attack.name}", title=f"with your certificate: {attack.title}")
    campaign.progress(attack.title)
    message = attack.message(forgery)
    heard = send(campaign, message, attack.name, context=context, target=target)
    judgement = judge(attack, heard, baseline)
    if judgement.verdict is AttackResult.REFUSED and heard.reason is None:
        # Who refused? An application that believed a genuine certificate may dislike the request. A stranger's tells.
        again = attack.message(campaign.stranger(forgery.source))
        if plan.certificate is not None and again != message and forgery.is_genuine:
            second = send(campaign, again, f"{attack.name}-again", context=context, target=target)
            second_judgement = judge(attack, second, baseline)
            if second_judgement.verdict.gravity > judgement.verdict.gravity:
                heard, judgement = second, second_judgement
    judgement = _tempered(campaign, attack, heard, judgement, own=own)
    campaign.rows.append(
        Row(
            name=attack.name,
            title=attack.title,
            heard=heard,
            judgement=judgement,
            attack=attack,
            forgery=forgery,
            is_own=own,
        )
    )
    campaign.silent = campaign.silent + 1 if heard.failure in SILENT and target is None else 0
    if campaign.silent >= MAX_SILENT:
        raise StoppedError
    return heard


def send(
    campaign: Campaign, message: Message, name: str, *, context: ssl.SSLContext | None, target: Target | None = None
) -> Heard:
    """Send a request, and return what came back."""
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


def forgery_against(campaign: Campaign, source: ForgedSource, baseline: Heard) -> Forgery:
    """Return forged headers that change the answer if they are believed."""
    plan = campaign.plan
    if plan.certificate is not None and not baseline.is_let_in:
        return replace(forge(source, plan.certificate, plan.secret_header), is_genuine=True)
    if baseline.reason is Reason.ISSUER_UNTRUSTED:
        return forge(source, None, plan.secret_header)
    return campaign.stranger(source)


def _tempered(campaign: Campaign, attack: Attack, heard: Heard, judgement: Judgement, *, own: bool) -> Judgement:
    """Take what explains itself otherwise for what it is."""
    if attack.weakness is Weakness.FORWARDED and heard.reason is Reason.SOURCE_UNTRUSTED:
        once = next((row for row in campaign.rows if row.name == (f"{OWN}-{ONCE.name}" if own else ONCE.name)), None)
        if once is not None and once.judgement.verdict is AttackResult.REFUSED:
            campaign.notes.append(PASSES_FORWARDED)
            meaning = "refused for the forged address; the headers did not come through"
            return replace(judgement, verdict=AttackResult.REFUSED, meaning=meaning)
    if attack.weakness is Weakness.DIRECT and campaign.plan.is_broad and heard.reason is Reason.CERTIFICATE_MISSING:
        return replace(judgement, verdict=AttackResult.REFUSED, meaning="the application does not read them")
    return judgement
