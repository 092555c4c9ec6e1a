"""What it means: for the caller, and for the data actions service, which is pickier than a test."""

import http.client
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from ipaddress import ip_address

from mtls_middleware._core.decision import Reason
from mtls_middleware.advice import ADVICE, Advice
from mtls_middleware.cli.call.request import Credentials
from mtls_middleware.cli.wire.answer import NoAnswerError
from mtls_middleware.cli.wire.exchange import Exchange
from mtls_middleware.cli.wire.message import Target
from mtls_middleware.cli.wire.tls import Alert, Described
from mtls_middleware.display import DOCS, displayed
from mtls_middleware.observing.handshakes import in_words

SOON = timedelta(days=30)
"""Before the end of a server's certificate; most are renewed at that time."""

_SUCCESS = 2

_OF_PROXIES = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT})
"""Statuses by which they say that they reach nobody."""

_DISLIKED = Advice(
    happened="nginx, in front of the application, refused the certificate. The application has not seen the call.",
    fix=(
        "Compare the file of its ssl_client_certificate with MTLS_TRUST: it needs the root that signed your callers. "
        "The reason is in its log, where its log_format has $ssl_client_verify."
    ),
)
_DEMANDED = Advice(
    happened="nginx, in front of the application, demands a client certificate. The application has not seen the call.",
    fix=(
        "Show one, with --cert and --key or --dev-ca. With ssl_verify_client optional, calls without one reach the "
        "application, which refuses them with a reason."
    ),
)
_UNREACHED = Advice(
    happened="As a rule this comes from a proxy, which gets no answer from the application.",
    fix=(
        "See whether the application runs and listens where the proxy sends calls (mtls-middleware status, on its "
        "machine), and what the error log of the proxy says."
    ),
)

_HUNG_UP = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError, ssl.SSLEOFError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """The outcome of a call.

    Attributes:
        is_success: an answer of 2xx.
        text: one sentence.
        reason: of a refusal; None where it is none of ours.
        in_handshake: the refusal came from the TLS layer, which gives no words.
        advice: about it, where there is no reason.
    """

    is_success: bool
    text: str
    reason: Reason | None = None
    in_handshake: bool = False
    advice: Advice | None = None

    @property
    def explanation(self) -> tuple[str, str]:
        """Return what it means, and what to do about it; two empty texts where nothing more is known."""
        entry = self.advice if self.reason is None else ADVICE.get(self.reason)
        return (entry.happened, entry.fix) if entry is not None else ("", "")


def meaning_of(seen: Exchange, own: Described | None = None) -> Meaning:
    """Return the outcome of a call."""
    if seen.answer is None:
        if own is not None and seen.tls is not None and seen.tls.asked and isinstance(seen.error, _HUNG_UP):
            return _of_silence(own)
        return _of_failure(seen, own)
    answer = seen.answer
    words = displayed(f"{answer.status} {answer.phrase}".strip())
    if answer.status // 100 == _SUCCESS:
        return Meaning(is_success=True, text=f"answered {words}")
    if answer.reason is not None:
        return Meaning(is_success=False, text=f"refused with {words}: {answer.reason}", reason=answer.reason)
    advice = None
    if answer.is_disliked:
        flaw = _flaw_of(own) if own is not None else None
        if flaw is not None:
            reason, why = flaw
            return Meaning(is_success=False, text=f"nginx refused the certificate with {words}: {why}", reason=reason)
        advice = _DISLIKED
    elif answer.demands:
        advice = _DEMANDED
    elif answer.status in _OF_PROXIES:
        advice = _UNREACHED
    return Meaning(is_success=False, text=f"answered {words}, which is not the middleware's refusal", advice=advice)


def warnings_of(target: Target, credentials: Credentials, seen: Exchange) -> Iterator[str]:
    """Yield what looks right from here, and would not be for the data actions service, or is not what it seems."""
    if not target.is_tls:
        yield "plain HTTP: no certificate was shown, and nothing was encrypted; use https://"
        return
    facts = seen.tls
    if facts is not None and facts.asked is False and credentials.certificate is not None:
        yield (
            "the server did not ask for a certificate, so none was shown: whatever ends TLS there must request one "
            f"(mtls-middleware proxy-config, or {DOCS}servers/)"
        )
    if _is_private(target.host):
        yield f"{displayed(target.host)} cannot be reached from Genesys Cloud"
    if facts is None or facts.server is None:
        return
    if credentials.ca is not None:
        yield (
            f"the server's certificate was verified by {displayed(str(credentials.ca))}; Genesys Cloud verifies it by "
            "public CAs, and takes no private one"
        )
    left = facts.server.not_after - datetime.now(UTC)
    if left < SOON:
        yield f"the server's certificate ends in {left.days} days: data actions fail when it has ended; renew it"


def _is_private(host: str) -> bool:
    try:
        return not ip_address(host).is_global
    except ValueError:
        return host == "localhost" or host.endswith((".localhost", ".local", ".internal", ".test"))


def _flaw_of(own: Described) -> tuple[Reason, str] | None:
    """Return why no server would accept a certificate, and the same in words; None where nothing is to be seen."""
    now = datetime.now(UTC)
    if now > own.not_after:
        return Reason.CERTIFICATE_EXPIRED, f"it ended at {own.not_after:%Y-%m-%d %H:%M:%SZ}"
    if now < own.not_before:
        return Reason.CERTIFICATE_NOT_YET_VALID, f"it begins at {own.not_before:%Y-%m-%d %H:%M:%SZ}"
    if not own.is_for_clients:
        return Reason.PURPOSE_MISMATCH, "it is not made for clients"
    return None


def _of_silence(own: Described) -> Meaning:
    """Return what it means that a server hangs up on a certificate: servers on asyncio send no alert."""
    reason, why = _flaw_of(own) or (None, "as a rule, because it does not lead to a CA that the server trusts")
    return Meaning(
        is_success=False,
        text=(
            "the server hung up as soon as it saw the certificate, so it was refused in the TLS handshake: "
            f"{why}. The server's log says more"
        ),
        reason=reason,
        in_handshake=True,
    )


def _of_failure(seen: Exchange, own: Described | None) -> Meaning:
    error, step = seen.error, seen.step
    match error:
        case TimeoutError():
            text = f"no answer in time, at the step: {step}"
        case ssl.SSLCertVerificationError():
            text = (
                f"the server's certificate is not trusted: {displayed(in_words(error))}. If its CA is private, "
                "name it with --ca; Genesys Cloud would not take it"
            )
        case ssl.SSLEOFError():
            text = f"the connection was closed at the step: {step}"
        case ssl.SSLError():
            return _of_alert(error, own)
        case socket.gaierror():
            text = "the name of the host is not known"
        case http.client.BadStatusLine() | ConnectionError() if not isinstance(error, ConnectionRefusedError):
            text = "the connection was closed without an answer in HTTP"
        case NoAnswerError(no_answer=why):
            text = f"what came back is not HTTP: {why.detail}"
        case http.client.HTTPException():
            text = f"what came back is not HTTP: {type(error).__name__}"
        case _:
            cause = getattr(error, "strerror", None) or str(error)
            text = f"{step} failed: {displayed(cause)}"
    return Meaning(is_success=False, text=text)


def _of_alert(error: ssl.SSLError, own: Described | None) -> Meaning:
    """Return what an alert means. Some name no reason: a certificate that is not valid yet is just a bad one."""
    alert = Alert.of(error)
    words = displayed(alert.words)
    if not alert.is_refusal:
        return Meaning(is_success=False, text=f"TLS failed: {words}")
    flaw = _flaw_of(own) if own is not None and alert.reason is None else None
    called = f", which the middleware calls {alert.reason}" if alert.reason is not None else ""
    why = f": {flaw[1]}" if flaw is not None else ""
    return Meaning(
        is_success=False,
        text=f"refused in the TLS handshake: {words}{called}{why}. The server's log says more",
        reason=flaw[0] if flaw is not None else alert.reason,
        in_handshake=True,
    )
