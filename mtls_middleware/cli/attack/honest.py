"""The honest call: whether a caller comes in who shows a good certificate, and if not, what is to be fixed.

A boundary that lets nobody in refuses every attack, too. So a report is clean only if this call was accepted.
"""

from collections.abc import Iterator, Mapping

from mtls_middleware._core.decision import Reason
from mtls_middleware.advice import ADVICE
from mtls_middleware.cli.attack.attacks import Weakness
from mtls_middleware.cli.attack.fixes import PRINTED, header_lines, proxy_of
from mtls_middleware.cli.attack.forgery import Forgery
from mtls_middleware.cli.attack.verdict import AttackResult, Heard, Judgement
from mtls_middleware.cli.wire.answer import Failure
from mtls_middleware.display import DOCS

ROOT = "ROOT.pem"
"""Stands for the file of the region's root in the lines for a proxy."""

_NOT_SENT = frozenset({Reason.ORGANIZATION_MISMATCH, Reason.CALLER_SECRET_MISMATCH})
"""They are checked after the certificate, and ``doctor`` sends neither."""

_WEAKNESSES: Mapping[Reason, Weakness] = {
    Reason.CERTIFICATE_MISSING: Weakness.LOST,
    Reason.PROXY_VERIFICATION_FAILED: Weakness.MARKER,
    Reason.CERTIFICATE_MALFORMED: Weakness.ENCODING,
}
_MEANINGS: Mapping[Weakness, str] = {
    Weakness.NOT_ASKED: "the TLS handshake has no request for a client certificate",
    Weakness.LOST: "the certificate was shown in the handshake, and does not reach the application",
    Weakness.MARKER: "the certificate reaches the application, and the header that says that it was verified does not",
    Weakness.ENCODING: "what reaches the application is no certificate, or in another encoding",
}
_ENDED_BY_PROXY = frozenset({Failure.HANDSHAKE, Failure.DEMANDED, Failure.CLOSED})

_ASKING: Mapping[str, tuple[str, ...]] = {
    "nginx": ("ssl_verify_client optional;", f"ssl_client_certificate {ROOT};"),
    "apache": ("SSLVerifyClient optional", f"SSLCACertificateFile {ROOT}"),
    "haproxy": (f"bind :443 ssl crt SERVER.pem ca-file {ROOT} verify optional",),
    "caddy": ("client_auth {", "    mode verify_if_given", f"    trusted_ca_cert_file {ROOT}", "}"),
    "envoy": ("validation_context:", f"  trusted_ca: {{ filename: {ROOT} }}"),
    "traefik": (
        "clientAuth:",
        "  clientAuthType: VerifyClientCertIfGiven",
        f"  caFiles: [{ROOT}]",
        "in the TLS options that the router names (tls.options)",
    ),
    "tls": (f"mtls-middleware serve, or the line for your server: {DOCS}servers/",),
}
"""The lines by which a proxy asks for a client certificate, and verifies it."""

_PASSING: Mapping[str, tuple[str, ...]] = {
    "envoy": (
        "forward_client_cert_details: SANITIZE_SET",
        "set_current_client_cert_details: { cert: true, chain: true }",
    ),
    "traefik": ("passTLSClientCert:", "  pem: true", "in a middleware that the router names"),
}
"""The lines by which a proxy sends the certificate, where these set no header by its name."""


def is_accepted(own: Heard) -> bool:
    """Return whether the certificate was accepted, whatever the application made of the rest of the call."""
    return own.is_let_in or own.reason in _NOT_SENT


def honest_weakness(bare: Heard, own: Heard | None) -> Weakness | None:
    """Return what keeps an honest caller out; None for nothing, or where that cannot be said."""
    if own is None or own.reason is Reason.CERTIFICATE_MISSING:
        if bare.asked is False:
            return Weakness.NOT_ASKED
        return None if own is None else Weakness.LOST
    if is_accepted(own):
        return None
    if own.reason is not None:
        return _WEAKNESSES.get(own.reason, Weakness.REFUSED)
    return Weakness.REFUSED if own.failure in _ENDED_BY_PROXY or own.is_disliked else None


def judge_honest(weakness: Weakness | None, heard: Heard) -> Judgement:
    """Return what the answer to the honest call means."""
    if weakness is None:
        meaning = "the certificate was accepted" if is_accepted(heard) else "the baseline for the comparison"
        return Judgement(verdict=AttackResult.REFUSED, meaning=meaning)
    refused = (
        "the application refuses it" if heard.reason else "the proxy refuses it, and the application never sees it"
    )
    return Judgement(verdict=AttackResult.LOCKS_OUT, meaning=_MEANINGS.get(weakness, refused))


def honest_cure(weakness: Weakness, forgery: Forgery, heard: Heard) -> tuple[str, ...]:
    """Return what to do, so that honest callers come in."""
    return tuple(_cure(weakness, forgery, heard))


def _cure(weakness: Weakness, forgery: Forgery, heard: Heard) -> Iterator[str]:
    proxy = proxy_of(forgery)
    match weakness:
        case Weakness.NOT_ASKED:
            yield from _ASKING.get(proxy, ("let the proxy ask for a client certificate, and verify it with the root",))
        case Weakness.REFUSED if heard.reason is not None:
            yield ADVICE[heard.reason].fix
        case Weakness.REFUSED:
            yield "if the certificate is good, the root that signed it is not the one in the proxy's file:"
            yield from _ASKING.get(proxy, (f"the file of roots that the proxy verifies with: {ROOT}",))
            yield f"the proxy's log has the reason: {DOCS}proxies/"
            return
        case Weakness.LOST if proxy == "tls":
            yield from _ASKING["tls"]
        case Weakness.ENCODING:
            yield "the header must hold the certificate itself, not its subject, in the encoding of the source:"
            yield from _PASSING.get(proxy) or header_lines(forgery)
        case _:
            yield from _PASSING.get(proxy) or header_lines(forgery)
    if weakness is not Weakness.REFUSED:
        yield PRINTED
