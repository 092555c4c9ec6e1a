"""What the TLS layer of a server takes from a guard."""

from cryptography import x509

from mtls_middleware.guard import Guard
from mtls_middleware.servers.context import TrustView


def trust_of(guard: Guard) -> TrustView:
    """Return a view of the CA certificates of the trust in force; none before the guard has started."""

    def view() -> tuple[int, tuple[x509.Certificate, ...]]:
        snapshot = guard.snapshot
        if snapshot is None:
            return 0, ()
        anchors = (anchor.certificate for anchor in snapshot.anchors)
        intermediates = (certificate for trust in snapshot.trusts for certificate in trust.intermediates)
        return snapshot.version, tuple(dict.fromkeys((*anchors, *intermediates)))

    return view
