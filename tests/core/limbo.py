"""x509-limbo with server and client swapped. It is third-party and stays outside of the repository."""

import base64
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509

from mtls_middleware._core import chain, policy
from mtls_middleware._core.certificate import VerifiedChain, parse_chain
from mtls_middleware._core.crl import CRLSet
from mtls_middleware._core.decision import Reason, RejectionError, RevocationState
from mtls_middleware._core.revocation import check
from mtls_middleware._core.trust import Anchor, Binding, build_trust
from mtls_middleware._io.files import InputError
from mtls_middleware._trust.crl.parsing import parse_crl
from mtls_middleware.identity import Authority
from mtls_middleware.settings.values import dns_name

TEST_VECTORS = os.environ.get("TEST_VECTORS")
"""The folder that holds ``limbo/limbo-client.json``."""

NOW = datetime(2026, 11, 23, tzinfo=UTC)
CUSTOM = Binding(Authority.CUSTOM)
UNMATCHED = "nobody.invalid"


@dataclass(frozen=True, slots=True)
class Case:
    """Hold one case."""

    row: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.row["id"])

    @property
    def should_pass(self) -> bool:
        return bool(self.row["expected_result"] == "SUCCESS")

    @property
    def needs_crl(self) -> bool:
        return "has-crl" in self.row["features"]

    def judge(self) -> Reason | None:
        """Return why a caller is refused who is asked for by name as ``custom``; None for an accepted one."""
        depth = self.row["max_chain_depth"]
        expected = self.row["expected_peer_name"]
        try:
            trust = build_trust(
                Authority.CUSTOM,
                anchors=[
                    Anchor(certificate=x509.load_der_x509_certificate(_der(pem)), binding=CUSTOM, origin=self.id)
                    for pem in self.row["trusted_certs"]
                ],
                names={CUSTOM: frozenset({_configured(expected["value"] if expected else UNMATCHED)})},
                max_chain=5 if depth is None else depth + 1,
            )
        except ValueError:  # an anchor that cannot be read stops start-up
            return Reason.TRUST_UNAVAILABLE
        ders = [_der(pem) for pem in (self.row["peer_certificate"], *self.row["untrusted_intermediates"])]
        try:
            verified = chain.verify(parse_chain(ders), trust, _time(self.row["validation_time"]))
            if expected is not None:
                policy.identify(verified, trust, "tls")
            if self.needs_crl:
                self._require_good(verified)
        except RejectionError as rejection:
            return rejection.reason
        return None

    def _require_good(self, verified: VerifiedChain) -> None:
        """Ask as mode `require` does; lists that cannot be used are left out, as at start-up."""
        now = _time(self.row["validation_time"])
        found = []
        for pem in self.row["crls"]:
            with suppress(InputError):
                found.append(parse_crl(pem.encode(), self.id))
        known = check(verified, CRLSet(found, verified.certificates[1:]), now)
        if known.state is not RevocationState.GOOD:
            raise RejectionError(Reason.REVOCATION_UNKNOWN, known.why)


@cache
def cases() -> tuple[Case, ...]:
    """Read the cases; none where the folder is not told."""
    if TEST_VECTORS is None:
        return ()
    return tuple(map(Case, json.loads((Path(TEST_VECTORS) / "limbo" / "limbo-client.json").read_text())["testcases"]))


def _configured(name: str) -> str:
    try:
        return dns_name(name)
    except ValueError:  # the settings refuse addresses and the like
        return UNMATCHED


def _time(text: str | None) -> datetime:
    return NOW if text is None else datetime.fromisoformat(text)


def _der(pem: str) -> bytes:
    return base64.b64decode("".join(pem.strip().splitlines()[1:-1]))
