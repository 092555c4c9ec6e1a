"""The callers of a development folder: one good, the others bad in one way each."""

from collections.abc import Callable
from dataclasses import dataclass

from mtls_middleware.regions import find
from mtls_middleware.testing import ClientCertificate, RegionalCA

GOOD = "good"
NONE = "none"
"""What `call --as` takes for no certificate at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Describe one caller.

    Attributes:
        name: of its files, and what `call --as` takes.
        title: what is wrong with it, in a person's words.
        ending: what becomes of it with `mtls-middleware serve`: a reason, or where else it ends.
        make: signs its certificate.
    """

    name: str
    title: str
    ending: str
    make: Callable[[RegionalCA], ClientCertificate]


CALLERS = (
    Caller(name=GOOD, title="what the region's data actions show", ending="let in", make=lambda root: root.client()),
    Caller(
        name="expired",
        title="its life ended yesterday",
        ending="ends in the TLS handshake; behind a proxy: `certificate_expired`",
        make=lambda root: root.client(expired=True),
    ),
    Caller(
        name="not-yet-valid",
        title="its life begins tomorrow",
        ending="ends in the TLS handshake; behind a proxy: `certificate_not_yet_valid`",
        make=lambda root: root.client(not_yet_valid=True),
    ),
    Caller(
        name="other-region",
        title="signed by this root, with the name of another region",
        ending="`region_mismatch`",
        make=lambda root: root.client(names=RegionalCA(_other_than(root.region)).cert_name),
    ),
    Caller(
        name="revoked",
        title="named by the revocation list",
        ending="`certificate_revoked`",
        make=lambda root: root.client(),
    ),
    Caller(
        name="server-only",
        title="made for servers, not for callers",
        ending="ends in the TLS handshake; behind a proxy: `purpose_mismatch`",
        make=lambda root: root.client(server_only=True),
    ),
    Caller(
        name="stranger",
        title="the right name, signed by another root",
        ending="ends in the TLS handshake; behind a proxy: `issuer_untrusted`",
        make=lambda root: RegionalCA(root.region).client(),
    ),
)


def _other_than(region: str) -> str:
    known = find("eu-west-1")
    return "us-east-1" if known is None or known.aws_region == region else known.aws_region
