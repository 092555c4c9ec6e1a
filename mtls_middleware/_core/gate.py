"""The one way through: every request comes in here, and leaves with a decision.

It is total. Whatever goes wrong on the way, foreseen or not, ends in a refusal.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from cryptography import x509

from mtls_middleware._core import chain as chains
from mtls_middleware._core import policy
from mtls_middleware._core.boundary import Boundary
from mtls_middleware._core.certificate import PresentedChain, VerifiedChain, evidence_of, parse_chain
from mtls_middleware._core.connection import Connection, Fields, canonical, collect
from mtls_middleware._core.decision import (
    Accepted,
    Decision,
    Disposition,
    Reason,
    Rejected,
    RejectionError,
    RevocationState,
)
from mtls_middleware._core.policy import CallerPolicy
from mtls_middleware._core.protection import Protection
from mtls_middleware._core.revocation import NotGoodError, Revocation, RevocationMode, check, unchecked
from mtls_middleware._core.sources.presented import Presented, Source
from mtls_middleware._core.trust import TrustSnapshot, Verdict
from mtls_middleware.identity import ClientIdentity
from mtls_middleware.members import require_members

CHAINS_TRIED = 4
"""Of one caller; each further one leaves out a certificate that was revoked in the one before."""


class Mode(StrEnum):
    """What the middleware does with a call that it would refuse."""

    __module__ = "mtls_middleware"

    ENFORCE = "enforce"
    REPORT = "report"
    """Let them through, except ``internal_error``: for a rollout with open eyes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """The decision about a request, by one configuration. Trust and time come with each call.

    Attributes:
        source: where the certificate comes from.
        boundary: who may write its headers.
        protection: which paths need an identity.
        callers: what is asked for beside the certificate.
        max_header_bytes: of all certificate and chain bytes of a request together, before decoding.
        max_chain: certificates, the leaf included.
        mode: whether refusals are enforced or only reported.
        revocation: whether certificates without a fresh CRL are accepted.
        hidden: the canonical names of the headers that the application must not see.
    """

    source: Source
    boundary: Boundary
    protection: Protection
    callers: CallerPolicy
    max_header_bytes: int
    max_chain: int
    mode: Mode = Mode.ENFORCE
    revocation: RevocationMode = RevocationMode.CHECK

    hidden: frozenset[str] = field(init=False, repr=False, compare=False)
    _headers: frozenset[str] = field(init=False, repr=False, compare=False)
    _certificates: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Work out once what the configuration alone decides: each request needs it."""
        require_members(self, mode=Mode, revocation=RevocationMode)
        header_names = self.source.header_names
        headers = self.boundary.headers | (header_names.headers if header_names is not None else frozenset())
        object.__setattr__(self, "hidden", frozenset(map(canonical, headers | self.callers.hidden)))
        object.__setattr__(self, "_headers", headers | self.callers.headers)
        object.__setattr__(self, "_certificates", header_names.certificates if header_names is not None else ())

    def decide(self, connection: Connection, snapshot: TrustSnapshot | None, now: datetime) -> Decision:
        """Judge one request.

        Args:
            connection: the request; nothing in it is believed.
            snapshot: the trust of this moment; None where there is none.
            now: aware, UTC.
        """
        if connection.unreadable:  # on whatever path: nobody could say which headers to hide
            return self._rejected(RejectionError(Reason.INTERNAL_ERROR, connection.unreadable), protected=True)
        protected = True
        try:
            protected = self.protection.covers(connection)
            try:
                return self._judge(connection, snapshot, now, protected=protected)
            except RejectionError as rejection:
                self._name_missing_exemption(rejection, connection)
                raise
        except RejectionError as rejection:
            return self._rejected(rejection, protected=protected)
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            raise
        except BaseException as error:  # noqa: BLE001 - fail closed; cryptography's panics are no Exception
            return self._rejected(RejectionError(Reason.INTERNAL_ERROR, repr(error)), protected=protected, error=error)

    def _judge(
        self, connection: Connection, snapshot: TrustSnapshot | None, now: datetime, *, protected: bool
    ) -> Accepted:
        # 1. Is there anything to judge by?
        if snapshot is None or not snapshot.is_available(now):
            why = "no trust was loaded" if snapshot is None else snapshot.why_unavailable(now)
            raise RejectionError(Reason.TRUST_UNAVAILABLE, why)
        # 2. May the headers be believed?
        fields = collect(connection, self._headers)
        self.boundary.check(connection, fields, self.source.header_names)
        # 3. Is there a certificate, and does it fit?
        self._require_size(sum(len(value) for name in self._certificates for value in fields[name].values))
        try:
            presented = self.source.read(connection, fields, self.max_chain)
        except RejectionError:
            self._require_content(connection, fields)  # the server's own complaint comes first
            raise
        if presented is None:
            raise RejectionError(Reason.CERTIFICATE_MISSING, self.source.why_missing(connection, fields))
        self._require_size(presented.size)
        self._require_number(sum(map(bool, presented.parts)))  # each holds one certificate at least
        # 4. Who is it? What one call proved holds for the same bytes, under the same trust, while its chain is valid.
        verdict = snapshot.verdicts.find(presented.parts, now)
        cached = verdict is not None
        if verdict is None:
            verdict = self._verify(connection, fields, presented, snapshot, now)
            snapshot.verdicts.keep(presented.parts, verdict)
        else:
            self._require_content(connection, fields)
        # 5. Whose call is it?
        try:
            identity = self.callers.admit(verdict.identity, fields)
        except RejectionError as rejection:
            rejection.evidence = evidence_of(verdict.identity)
            raise
        return Accepted(
            identity=identity,
            protected=protected,
            cached=cached,
            not_before=verdict.not_before,
            not_after=verdict.not_after,
            version=snapshot.version,
            revocation=verdict.revocation,
            chain=verdict.chain,
        )

    def _verify(
        self, connection: Connection, fields: Fields, presented: Presented, snapshot: TrustSnapshot, now: datetime
    ) -> Verdict:
        # A bad encoding is told only after the proxy's own complaint, so it is kept until then.
        undecodable: RejectionError | None = None
        ders: tuple[bytes, ...] = ()
        try:
            ders = self.source.decode(presented, self.max_chain)
        except RejectionError as rejection:
            undecodable = rejection
        self._require_number(len(ders))
        self._require_content(connection, fields)
        if undecodable is not None:
            raise undecodable
        chain = parse_chain(ders)
        try:
            verified, identity, known = self._find_good(chain, snapshot, now)
        except RejectionError as rejection:
            rejection.evidence = evidence_of(chain)
            raise
        return Verdict(
            identity=identity,
            not_before=known.not_before,
            not_after=known.not_after,
            revocation=known.state,
            chain=verified.certificates,
        )

    def _find_good(
        self, chain: PresentedChain, snapshot: TrustSnapshot, now: datetime
    ) -> tuple[VerifiedChain, ClientIdentity, Revocation]:
        """Find a chain without a revoked certificate: a CA may have several, and the caller presents them in any order.

        Where there is none, the refusal of the first chain stands.
        """
        first: RejectionError | None = None
        without: frozenset[x509.Certificate] = frozenset()
        for _ in range(CHAINS_TRIED):
            try:
                verified, identity = self._identify(chain, snapshot, now, without)
            except RejectionError as rejection:
                raise (first or rejection) from rejection
            try:
                return verified, identity, self._require_unrevoked(verified, snapshot, now)
            except NotGoodError as rejection:
                first = first or rejection
                avoidable = rejection.certificates & frozenset(verified.certificates[1:])
                if avoidable != rejection.certificates:
                    raise first from rejection  # the leaf is in every chain
                without |= avoidable
        assert first is not None  # noqa: S101 - each of the tries ended in a refusal
        raise first

    def _identify(
        self,
        chain: PresentedChain,
        snapshot: TrustSnapshot,
        now: datetime,
        without: frozenset[x509.Certificate],
    ) -> tuple[VerifiedChain, ClientIdentity]:
        """Try each authority; of several refusals, tell the one that came furthest."""
        if without:
            chain = replace(chain, intermediates=_others(chain.intermediates, without))
        furthest = RejectionError(Reason.ISSUER_UNTRUSTED, "no authority is configured")
        for trust in snapshot.trusts:
            verified: VerifiedChain | None = None
            if without:
                trust = replace(trust, intermediates=_others(trust.intermediates, without))  # noqa: PLW2901 - less of it
            try:
                verified = chains.verify(chain, trust, now)
                return verified, policy.identify(verified, trust, self.source.name)
            except RejectionError as rejection:
                rejection.chain = verified.certificates if verified is not None else ()
                if rejection.reason.order >= furthest.reason.order:
                    furthest = rejection
        raise furthest

    def _require_unrevoked(self, chain: VerifiedChain, snapshot: TrustSnapshot, now: datetime) -> Revocation:
        if self.revocation is RevocationMode.OFF:
            return unchecked(chain)
        try:
            known = check(chain, snapshot.crls, now)
        except RejectionError as rejection:
            rejection.chain = chain.certificates
            raise
        if known.state is RevocationState.UNKNOWN and self.revocation is RevocationMode.REQUIRE:
            raise NotGoodError(Reason.REVOCATION_UNKNOWN, known.why, known.unknown, chain.certificates)
        return known

    def _require_size(self, size: int) -> None:
        if size > self.max_header_bytes:
            raise RejectionError(
                Reason.CERTIFICATE_TOO_LARGE, f"{size} bytes, but MTLS_MAX_HEADER_BYTES is {self.max_header_bytes}"
            )

    def _require_number(self, certificates: int) -> None:
        if certificates > self.max_chain:
            raise RejectionError(
                Reason.CERTIFICATE_TOO_LARGE, f"more certificates than MTLS_MAX_CHAIN={self.max_chain}"
            )

    def _require_content(self, connection: Connection, fields: Fields) -> None:
        failure = self.source.upstream_failure(connection, fields)
        if failure is not None:
            raise RejectionError(Reason.PROXY_VERIFICATION_FAILED, failure)

    def _name_missing_exemption(self, rejection: RejectionError, connection: Connection) -> None:
        prefix = self.protection.missing_exemption(connection)
        if prefix is not None:
            value = ",".join((*self.protection.exempt, prefix))
            rejection.detail = f"MTLS_EXEMPT={value} would exempt this path; {rejection.detail}"

    def _rejected(self, rejection: RejectionError, *, protected: bool, error: BaseException | None = None) -> Rejected:
        disposition = Disposition.REFUSED
        if not protected:
            disposition = Disposition.UNPROTECTED
        elif self.mode is Mode.REPORT and rejection.reason is not Reason.INTERNAL_ERROR:
            disposition = Disposition.REPORTED
        # It and the frames that it came through hold each other. Until the garbage collector ran they would keep what
        # the caller sent, and in a flood it would run all the time.
        rejection.__traceback__ = rejection.__cause__ = rejection.__context__ = None
        return Rejected(
            reason=rejection.reason,
            detail=rejection.detail,
            disposition=disposition,
            evidence=rejection.evidence,
            error=error,
            chain=rejection.chain,
        )


def _others(
    certificates: tuple[x509.Certificate, ...], without: frozenset[x509.Certificate]
) -> tuple[x509.Certificate, ...]:
    return tuple(one for one in certificates if one not in without)
