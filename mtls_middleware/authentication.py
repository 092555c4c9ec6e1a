"""An accepted caller as Starlette knows users: ``request.user``, ``request.auth``, ``@requires("data_action")``.

One caller's calls share these objects, so nobody can change them.
"""

from dataclasses import dataclass

from starlette.authentication import AuthCredentials, BaseUser

from mtls_middleware.identity import Authority, ClientIdentity


@dataclass(frozen=True)
class DataActionUser(BaseUser):
    """An accepted caller as ``request.user``."""

    client: ClientIdentity

    @property
    def is_authenticated(self) -> bool:
        """Return True."""
        return True

    @property
    def display_name(self) -> str:
        """Return the region, or the authority where there is none."""
        return self.client.region or str(self.client.authority)

    @property
    def identity(self) -> str:
        """Return the SHA-256 of the certificate."""
        return self.client.fingerprint_sha256


@dataclass(frozen=True)
class DataActionCredentials(AuthCredentials):
    """The scopes of an accepted caller as ``request.auth``."""

    client: ClientIdentity

    @property
    def scopes(self) -> list[str]:  # type: ignore[override]  # Starlette's is an attribute, which one call could change for all
        """Return a list of its own to everybody who asks."""
        if self.client.authority is Authority.CUSTOM:
            return ["mtls:custom"]
        return ["data_action", f"region:{self.client.region}"]
