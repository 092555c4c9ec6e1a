"""What an answer to an attack means.

Our refusals tell their reason, and reasons have an order (docs/refusals.md). So an answer tells how far a forgery came:
``certificate_missing`` says that the proxy removed it, ``source_untrusted`` that it came through and was seen for what
it is, and any later reason that it was taken for the proxy's word. A stranger's certificate is enough to see that.
"""

from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus

from mtls_middleware._core.decision import Reason
from mtls_middleware.cli.attack.attacks import Attack, Weakness
from mtls_middleware.cli.wire.answer import Answer, Failure, NoAnswer

_TURNED_AWAY = frozenset({400, 401, 403, 406, 407, 408, 411, 412, 413, 414, 417, 421, 426, 431, 451, 501, 505})
"""Statuses by which proxies, servers and firewalls refuse a request that they do not like."""

_NOTHING_THERE = frozenset({404, 410})
_UNABLE = frozenset({Reason.TRUST_UNAVAILABLE, Reason.INTERNAL_ERROR})


class AttackResult(StrEnum):
    """The result of an attack, from good to bad."""

    REFUSED = "refused"
    UNCLEAR = "unclear"
    LOCKS_OUT = "locks callers out"
    PASSED = "passed on"
    """The proxy let the forgery through; the application refused it."""
    BELIEVED = "BELIEVED"

    @property
    def is_finding(self) -> bool:
        """Return whether something has to be mended."""
        return self in {AttackResult.LOCKS_OUT, AttackResult.PASSED, AttackResult.BELIEVED}

    @property
    def gravity(self) -> int:
        """Return the place in the order from good to bad."""
        return list(AttackResult).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """The content of an answer.

    Attributes:
        status: of HTTP; None where there was no answer.
        reason: of our refusal.
        failure: why there was no answer.
        detail: of the failure.
        demands: somebody in front of the application does not answer without a client certificate.
        is_disliked: somebody in front of the application refuses the certificate.
        asked: the handshake asks for a client certificate; None where that cannot be seen.
    """

    status: int | None = None
    reason: Reason | None = None
    failure: Failure | None = None
    detail: str = ""
    demands: bool = False
    is_disliked: bool = False
    asked: bool | None = None

    @property
    def is_let_in(self) -> bool:
        """Return whether nobody refused, and nothing broke."""
        return (
            self.status is not None and self.reason is None and not _is_turned_away(self.status) and not self.is_broken
        )

    @property
    def is_broken(self) -> bool:
        """Return whether something on the way is broken, or busy."""
        if self.status is None or self.reason is not None or _is_turned_away(self.status):
            return False
        return self.status == HTTPStatus.TOO_MANY_REQUESTS or self.status >= HTTPStatus.INTERNAL_SERVER_ERROR

    @property
    def is_refused_by_another(self) -> bool:
        """Return whether somebody refused who does not speak as we do."""
        return self.reason is None and self.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}

    @property
    def words(self) -> str:
        """Return it in a few words."""
        if self.failure is not None:
            return f"{self.failure}{f' ({self.detail})' if self.detail else ''}"
        return f"{self.status} {self.reason}" if self.reason else str(self.status)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The judgement on one attack.

    Attributes:
        verdict: in a word.
        meaning: in a sentence.
    """

    verdict: AttackResult
    meaning: str


_BELIEVED = Judgement(
    verdict=AttackResult.BELIEVED, meaning="the certificate was taken for the proxy's word, and judged"
)
_LET_IN = Judgement(verdict=AttackResult.BELIEVED, meaning="it was let in")
_UNABLE_NOW = Judgement(verdict=AttackResult.UNCLEAR, meaning="the application cannot judge at the moment")
_BROKEN = Judgement(verdict=AttackResult.UNCLEAR, meaning="something on the way is busy, or broken")


def hear(answer: Answer | NoAnswer) -> Heard:
    """Return what an answer says."""
    if isinstance(answer, NoAnswer):
        demands = answer.failure is Failure.DEMANDED
        return Heard(failure=answer.failure, detail=answer.detail, demands=demands, asked=demands or answer.asked)
    return Heard(
        status=answer.status,
        reason=answer.reason,
        demands=answer.demands,
        is_disliked=answer.is_disliked,
        asked=answer.asked,
    )


def judge(attack: Attack, heard: Heard, baseline: Heard) -> Judgement:
    """Return what the answer to an attack means."""
    if attack.weakness is Weakness.DIRECT:
        return _judge_direct(heard)
    if heard.failure is not None:
        if heard.failure in {Failure.CLOSED, Failure.HANDSHAKE, Failure.DEMANDED}:
            return _refused("ended before the application")
        return Judgement(verdict=AttackResult.UNCLEAR, meaning=str(heard.failure))
    if heard.reason is None:
        return _judge_status(attack, heard, baseline)
    if heard.reason in _UNABLE:
        return _UNABLE_NOW
    if heard.reason is baseline.reason:
        return _refused("as if nothing had been forged")
    return _judge_reason(attack, heard.reason)


def _judge_reason(attack: Attack, reason: Reason) -> Judgement:
    match attack.weakness, reason:
        case Weakness.PATH | Weakness.WEBSOCKET, Reason.CERTIFICATE_MISSING:
            return _refused("as with the ordinary request")
        case Weakness.PATH, _:
            return _refused("refused on this path too")
        case Weakness.CHUNKED, Reason.SOURCE_UNTRUSTED:
            return Judgement(
                verdict=AttackResult.LOCKS_OUT,
                meaning="the server makes headers of trailers, so every chunked call is refused",
            )
        case Weakness.HOP, _ if reason.order <= Reason.PROXY_VERIFICATION_FAILED.order:
            meaning = "what the caller named in Connection changed the proxy's own headers"
        case _, Reason.SOURCE_UNTRUSTED:
            meaning = "it came through the proxy; only the application refused it"
        case _, Reason.CERTIFICATE_MISSING:
            meaning = "the caller made the proxy drop the certificate"
        case _, Reason.PROXY_VERIFICATION_FAILED:
            meaning = "the certificate came through the proxy; only the marker gave it away"
        case _:
            return _BELIEVED
    return Judgement(verdict=AttackResult.PASSED, meaning=meaning)


def _judge_status(attack: Attack, heard: Heard, baseline: Heard) -> Judgement:
    status = heard.status or 0
    if heard.is_broken:
        return _BROKEN
    if baseline.is_let_in and not _is_turned_away(status):
        return _refused("it changed nothing for the caller's own certificate")
    if attack.weakness is Weakness.CHUNKED and _is_turned_away(status) and status != baseline.status:
        return Judgement(
            verdict=AttackResult.LOCKS_OUT, meaning="chunked requests are turned away; data actions send chunked"
        )
    if _is_turned_away(status):
        return _refused("turned away before the application")
    if attack.weakness is Weakness.PATH and (status in _NOTHING_THERE or 300 <= status < 400):  # noqa: PLR2004
        return _refused("nothing is served there")
    return _LET_IN


def _judge_direct(heard: Heard) -> Judgement:
    if heard.failure is not None:
        silent = heard.failure in {Failure.TIMEOUT, Failure.UNREACHABLE}
        return _refused("cannot be reached from here" if silent else "ended before the application")
    match heard.reason:
        case None if _is_turned_away(heard.status or 0):
            return _refused("turned away before the application")
        case None if heard.is_broken:
            return _BROKEN
        case None:
            return _LET_IN
        case Reason.SOURCE_UNTRUSTED:
            return _refused("who is not the proxy is not believed")
        case Reason.CERTIFICATE_MISSING:
            return Judgement(
                verdict=AttackResult.UNCLEAR,
                meaning="the application does not read these headers: compare --source with MTLS_SOURCE",
            )
        case reason if reason in _UNABLE:
            return _UNABLE_NOW
        case _:
            return _BELIEVED


def _refused(meaning: str) -> Judgement:
    return Judgement(verdict=AttackResult.REFUSED, meaning=meaning)


def _is_turned_away(status: int) -> bool:
    return status in _TURNED_AWAY
