"""The revocation lists that are held: of each part the newest that its CA signed, and never an older one again."""

from collections.abc import Iterable

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mtls_middleware._core.crl import RevocationList
from mtls_middleware._trust.report import Unusable

LISTS = 256
"""Lists that are held; one CA may publish many parts. With more, the one that ended first is dropped."""


class KnownLists:
    """Hold lists. One thread at a time."""

    def __init__(self) -> None:
        self._signed: dict[object, RevocationList] = {}
        self._waiting: dict[object, RevocationList] = {}

    @property
    def all(self) -> tuple[RevocationList, ...]:
        """Return every list that is held."""
        return (*self._signed.values(), *self._waiting.values())

    def offer(self, one: RevocationList, issuers: Iterable[x509.Certificate]) -> None:
        """Take a list in, unless something newer is held.

        Args:
            one: of unknown truth.
            issuers: known CAs. A list in the name of none of them waits: its CA may come with a caller.

        Raises:
            Unusable: it is forged, or older than what is held.
        """
        signer = _signer_of(one, issuers)
        if signer is None:
            _hold(self._waiting, one.origin, one)
            return
        place = (one.part, _key_of(signer))
        held = self._signed.get(place)
        if held is not None and (one.number < held.number or one.this_update < held.this_update):
            raise Unusable(f"is older than what is known: {_age(one)}, not {_age(held)}")
        _hold(self._signed, place, one)

    def review(self, issuers: Iterable[x509.Certificate]) -> None:
        """Look again at lists that wait, now that other CAs are known. What turns out forged or old is dropped."""
        known = tuple(issuers)
        waiting, self._waiting = self._waiting, {}
        for one in waiting.values():
            try:
                self.offer(one, known)
            except Unusable:
                continue


def require_true(one: RevocationList, *, issuers: Iterable[x509.Certificate], may_wait: bool) -> None:
    """Refuse a list that no known CA signed.

    Args:
        one: of unknown truth; its entries are not looked at.
        issuers: known CAs.
        may_wait: a list in the name of none of them passes: its CA may come with a caller.

    Raises:
        Unusable: it is forged, or of a CA that is not known.
    """
    if _signer_of(one, issuers) is None and not may_wait:
        raise Unusable("bears the name of a CA that is not known")


def _signer_of(one: RevocationList, issuers: Iterable[x509.Certificate]) -> x509.Certificate | None:
    named = [issuer for issuer in issuers if issuer.subject == one.issuer]
    signer = next((issuer for issuer in named if one.is_signed_by(issuer)), None)
    if named and signer is None:
        raise Unusable("bears the name of a CA that did not sign it, or may not sign CRLs")
    return signer


def _hold(held: dict[object, RevocationList], place: object, one: RevocationList) -> None:
    held[place] = one
    if len(held) > LISTS:
        del held[min(held, key=lambda other: held[other].next_update)]


def _key_of(issuer: x509.Certificate) -> bytes:
    return issuer.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _age(one: RevocationList) -> str:
    return f"number {one.number} of {one.this_update:%Y-%m-%d %H:%M:%SZ}"
