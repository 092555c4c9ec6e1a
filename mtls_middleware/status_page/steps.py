"""What to do next: an instruction for each thing that is wrong, or soon will be."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from mtls_middleware._core.decision import Reason
from mtls_middleware._core.gate import Mode
from mtls_middleware._trust.tally import Scope
from mtls_middleware.reporting import Life, Status
from mtls_middleware.status_page.decisions import Decisions, Refusals
from mtls_middleware.status_page.texts import plural, sentence

SOON_DAYS = 90
"""A root is renewed by hand, with a change request."""


class Urgency(StrEnum):
    """Say what kind of step it is, the most urgent first."""

    PROBLEM = "problem"
    SOON = "ends soon"
    WARNING = "warning"
    REFUSALS = "refusals"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Say what is the matter, and what to do.

    Attributes:
        urgency: of what kind.
        matter: one sentence.
        cure: what to do; empty where the matter says it.
    """

    urgency: Urgency
    matter: str
    cure: str

    @property
    def is_urgent(self) -> bool:
        """Return whether trust is in danger; refusals and notes may be as they should."""
        return self.urgency in {Urgency.PROBLEM, Urgency.SOON, Urgency.WARNING}


FILE = "Mend what is named. A changed file is noticed within seconds, without a restart."
API = "Check the OAuth client's id, secret and permission, and that this machine reaches the API. What is known stays."
LIST = "Fetch the list by hand and put it into a folder that MTLS_CRL_URLS names, or mend the way to its place."
STATE = "Give MTLS_STATE a folder that only the application's user may write to: chmod 700."
LEFT_OUT = "Mend or remove what is named; trust is in force without it."
UNAVAILABLE = (
    "Look at the clock (date -u) and at what ends below, put the next root or pin beside the old one; with "
    "MTLS_REVOCATION=require a fresh list is needed too."
)

CURES = {
    Reason.TRUST_UNAVAILABLE: "Nothing could vouch for anybody. Look at the clock (date -u) and at the files of "
    "MTLS_TRUST.",
    Reason.SOURCE_UNTRUSTED: "The proxy's headers could not be believed. Compare MTLS_TRUSTED_PROXIES and "
    "MTLS_PROXY_SECRET with the proxy; if they are right, somebody speaks past it.",
    Reason.CERTIFICATE_TOO_LARGE: "Nothing, for a stranger. For a caller of yours raise the limit that the log names.",
    Reason.CERTIFICATE_MISSING: "Nothing, for visitors. If data actions are among them: is the certificate asked for, "
    "and handed over? Exempt health checks with MTLS_EXEMPT.",
    Reason.PROXY_VERIFICATION_FAILED: "Compare the CA file of the proxy with MTLS_TRUST: both need the same roots.",
    Reason.CERTIFICATE_MALFORMED: "Compare MTLS_SOURCE and MTLS_HEADER_ENCODING with what the proxy sends.",
    Reason.ISSUER_UNTRUSTED: "Strangers, or Genesys renewed the root: compare the issuer in the log with your roots, "
    "and put the new root beside the old one.",
    Reason.CERTIFICATE_EXPIRED: "Look at the clock (date -u). If it is right, the caller must renew its certificate.",
    Reason.CERTIFICATE_NOT_YET_VALID: "Nearly always this machine's clock is behind: date -u.",
    Reason.PURPOSE_MISMATCH: "Nothing, for a stranger. If all data actions are refused, tell Genesys support.",
    Reason.REGION_MISMATCH: "The log names the MTLS_CERT_NAMES entry that would accept it. Set it only for a name of "
    "Genesys, in your region.",
    Reason.NOT_PINNED: "Strangers, or rotation day: add the new client certificate to MTLS_PINS beside the old one.",
    Reason.CERTIFICATE_REVOKED: "The CA took the certificate back. Leave revocation on; its owner needs another one.",
    Reason.REVOCATION_UNKNOWN: "No fresh list tells of the certificate: see the revocation lists below.",
    Reason.ORGANIZATION_MISMATCH: "Compare the id in the log with MTLS_ORGANIZATION_IDS. Other customers of your "
    "region are refused rightly.",
    Reason.CALLER_SECRET_MISMATCH: "Compare the secret in the integration's credentials with MTLS_CALLER_SECRET.",
    Reason.INTERNAL_ERROR: "A defect: please report the line of the log. It is refused in report mode too.",
}


def steps_of(status: Status, decisions: Decisions, unread: Iterable[str] = ()) -> tuple[Step, ...]:
    """Return what to do, the most urgent first.

    Args:
        status: of the guard.
        decisions: of all processes.
        unread: counts that could not be read, one sentence each.
    """
    return (
        *_problems(status),
        *_soon(status),
        *_warnings(status),
        *(Step(urgency=Urgency.NOTE, matter=sentence(text), cure="Trust is not touched by it.") for text in unread),
        *_mode(status, decisions),
        *(_refusals(row) for row in decisions.by_reason),
    )


def _problems(status: Status) -> Iterator[Step]:
    of_apis = {api.error for api in status.apis if api.error}
    of_lists = {one.error for one in status.lists if one.error}
    for problem in status.problems:
        if problem in of_apis:
            cure = API
        elif any(error in problem for error in of_lists):
            cure = LIST
        else:
            cure = FILE
        yield Step(urgency=Urgency.PROBLEM, matter=sentence(problem), cure=cure)
    for region in status.regions:
        if not region.available:
            matter = sentence(f"no caller of {region.name} can be accepted now")
            yield Step(urgency=Urgency.PROBLEM, matter=matter, cure=UNAVAILABLE)


def _soon(status: Status) -> Iterator[Step]:
    for ending in status.coming:
        if ending.days <= SOON_DAYS:
            yield Step(urgency=Urgency.SOON, matter=sentence(ending.text), cure="")


def _warnings(status: Status) -> Iterator[Step]:
    for warning in status.warnings:
        cure = STATE if warning.startswith("state in ") else LEFT_OUT
        yield Step(urgency=Urgency.WARNING, matter=sentence(warning), cure=cure)


def _mode(status: Status, decisions: Decisions) -> Iterator[Step]:
    if status.mode != Mode.REPORT or status.life is Life.MISSING:  # until everything is loaded, calls are refused
        return
    if decisions.scope is Scope.NOTHING:
        cure = "Look at the metrics or the log of the application: what would have been refused is not known here."
    elif decisions.would_be_refused:
        cure = "Go through the reasons below. When only strangers are left, set MTLS_MODE=enforce and restart."
    elif decisions.accepted:
        cure = "No call would have been refused so far: MTLS_MODE=enforce would change nothing for these callers."
    else:
        cure = "Wait until your data actions have called: nothing was judged yet."
    yield Step(urgency=Urgency.NOTE, matter="report mode keeps nobody out", cure=cure)


def _refusals(row: Refusals) -> Step:
    told = []
    if row.refused:
        told.append(f"{plural(row.refused, 'call', 'calls')} refused")
    if row.would_be_refused:
        told.append(f"{plural(row.would_be_refused, 'call', 'calls')} would have been refused")
    return Step(urgency=Urgency.REFUSALS, matter=f"{row.reason}: {', '.join(told)}", cure=CURES[row.reason])
