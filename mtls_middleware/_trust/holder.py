"""The trust of this moment: one writer, many readers."""

import threading
from collections.abc import Iterable
from datetime import datetime

from mtls_middleware._core.crl import RevocationLists
from mtls_middleware._core.trust import AuthorityTrust, TrustSnapshot
from mtls_middleware._trust.forks import follow_forks


class Holder:
    """Hold the current snapshot. Readers take no lock: they read one reference, and keep what they read.

    Attributes:
        current: the newest snapshot; None before the first. Only `replace` writes it.
    """

    def __init__(self) -> None:
        self.current: TrustSnapshot | None = None
        self._writing = threading.Lock()
        follow_forks(self)

    def replace(
        self, trusts: Iterable[AuthorityTrust], built_at: datetime, lists: RevocationLists | None = None
    ) -> TrustSnapshot:
        """Make the next version current, and return it.

        Args:
            trusts: one for each configured authority.
            built_at: by the guard's clock, UTC.
            lists: revocation lists of all authorities; None for none.
        """
        trusts = tuple(trusts)
        with self._writing:
            version = self.current.version + 1 if self.current is not None else 1
            self.current = snapshot = TrustSnapshot(
                version=version, built_at=built_at, trusts=trusts, lists=RevocationLists() if lists is None else lists
            )
        return snapshot

    def after_fork(self) -> None:
        """Forget a lock that a thread of the parent may have held."""
        self._writing = threading.Lock()
