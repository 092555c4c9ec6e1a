"""What proves that bytes were written by this deployment: an HMAC with a secret that only its processes know."""

import hashlib
import hmac

from mtls_middleware._io.files import InputError

_MAC_CHARACTERS = 64


class Seal:
    """One secret of a deployment, and the name under which it keeps its state.

    Attributes:
        base: begins every key in the engine. Another secret, purpose or name has other keys, so two deployments never
            overwrite each other, and what has no right HMAC was tampered with.
    """

    def __init__(self, secret: bytes, *, name: str, purpose: str) -> None:
        """Prepare.

        Args:
            secret: of MTLS_STATE_SECRET.
            name: of the deployment.
            purpose: what the state is about, such as the regions.
        """
        self._key = hmac.digest(secret, b"mtls-middleware engine", "sha256")
        key_id = hmac.new(self._key, b"key id", "sha256").hexdigest()[:8]
        self.base = f"{name}:{{{hashlib.sha256(purpose.encode()).hexdigest()[:16]}.{key_id}}}:1:"

    def sealed(self, what: str, content: bytes) -> bytes:
        """Return content with its HMAC, good in one place only.

        Args:
            what: the place.
            content: anything.
        """
        return self._mac(what, content) + content

    def opened(self, what: str, whole: bytes) -> bytes:
        """Return the content of what `sealed` returned for the same place.

        Raises:
            InputError: it was not written with this secret, or for another place.
        """
        mac, content = whole[:_MAC_CHARACTERS], whole[_MAC_CHARACTERS:]
        if not hmac.compare_digest(mac, self._mac(what, content)):
            raise InputError("was not written with MTLS_STATE_SECRET")
        return content

    def _mac(self, what: str, content: bytes) -> bytes:
        place = f"{self.base}{what}".encode("utf-8", "surrogatepass")
        framed = len(place).to_bytes(4, "big") + place + content
        return hmac.new(self._key, framed, "sha256").hexdigest().encode("ascii")
