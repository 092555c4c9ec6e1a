"""Revocation lists: where they come from, how old they are, and until when they count."""

from collections.abc import Iterator
from datetime import datetime

from mtls_middleware._core.revocation import RevocationMode
from mtls_middleware._trust.crl.lists import ListView
from mtls_middleware.cli.doctor.own.finding import About, Check, Finding, Topic
from mtls_middleware.display import displayed

_ABOUT = About(Topic.REVOCATION)

_TEXT_LIMIT = 1_000
"""Characters of a problem, which names an address and what was wrong with it."""


def tell_revocation(
    views: tuple[ListView, ...], mode: RevocationMode, now: datetime, *, offline: bool
) -> Iterator[Finding]:
    """Tell what is known of revocation.

    Args:
        views: one for each place of lists.
        mode: of MTLS_REVOCATION.
        now: aware, UTC.
        offline: nobody was asked.
    """
    if mode is RevocationMode.OFF:
        yield _ABOUT.warning(
            Check.REVOCATION_ON,
            "MTLS_REVOCATION=off: a stolen and revoked certificate is accepted until it expires",
            "set MTLS_REVOCATION=check",
        )
        return
    yield _ABOUT.ok(Check.REVOCATION_ON, f"MTLS_REVOCATION={mode}")
    for view in views:
        yield _of(view, mode, now, offline=offline)
    if views:
        return
    if mode is RevocationMode.REQUIRE:
        yield _ABOUT.warning(
            Check.REVOCATION_LIST,
            "no CRL is known yet: the first caller is refused (revocation_unknown), and its certificate has the URL",
            "name the CRLs in MTLS_CRL_URLS",
        )
    else:
        yield _ABOUT.not_checked(
            Check.REVOCATION_LIST,
            "no CRL is known yet: the certificate of the first caller has its address",
            "name one in MTLS_CRL_URLS to have it before that",
        )


def _of(view: ListView, mode: RevocationMode, now: datetime, *, offline: bool) -> Finding:
    origin = displayed(view.origin, _TEXT_LIMIT)
    learned = ", learned from a certificate" if view.is_learned else ""
    tell = _ABOUT.error if mode is RevocationMode.REQUIRE else _ABOUT.warning
    held = view.held
    if held is None and not view.error:
        return _ABOUT.not_checked(Check.REVOCATION_LIST, f"{origin}{learned}: {'not asked' if offline else 'no list'}")
    if held is None:
        return tell(Check.REVOCATION_LIST, f"{displayed(view.error, _TEXT_LIMIT)}{learned}", _cure(view))
    age = now - held.this_update
    seen = (
        f"{origin}{learned}: number {held.number}, {len(held.serial_numbers)} entries, {age.days} days old, "
        f"until {held.next_update:%Y-%m-%d %H:%M:%SZ}"
    )
    if not held.is_fresh(now):
        return tell(Check.REVOCATION_LIST, f"{seen}, which is over", _cure(view))
    if view.error:
        return _ABOUT.warning(
            Check.REVOCATION_LIST,
            f"{displayed(view.error, _TEXT_LIMIT)}; the last good CRL stays. {seen}",
            _cure(view),
        )
    return _ABOUT.ok(Check.REVOCATION_LIST, seen)


def _cure(view: ListView) -> str:
    if "MTLS_CRL_NETWORKS" in view.error:
        return "if that host is yours, name its network in MTLS_CRL_NETWORKS"
    if "://" not in view.origin:
        return "put the CA's current CRL there"
    return (
        "let this machine reach that address (HTTP_PROXY, firewall), or keep a copy in a file that MTLS_CRL_URLS names"
    )
