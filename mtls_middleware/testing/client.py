"""A test client whose calls come with a certificate, good or bad, through any source."""

from copy import copy
from dataclasses import replace
from typing import Any, Self

from mtls_middleware._core.decision import Reason
from mtls_middleware.settings import Settings
from mtls_middleware.testing.ca import RegionalCA
from mtls_middleware.testing.callers import Caller, accepted_caller, arrival, change_for, signed
from mtls_middleware.testing.frameworks import client_of, load
from mtls_middleware.testing.leaves import AS_USUAL, ClientCertificate, Unchanged


class MTLSTestClient:
    """A test client that calls an application as Genesys Cloud does, in memory. It wraps the framework's own client.

    All that the framework's own client has, this one has too: ``get``, ``post``, ``websocket_connect`` and so on. A
    method that changes the caller returns another client, and leaves this one as it is.

    Attributes:
        app: the application.
        ca: signs the certificates.
        caller: who calls.
        client: the framework's own client.
    """

    def __init__(
        self,
        app: object,
        ca: RegionalCA | None = None,
        *,
        settings: Settings | None = None,
        certificate: ClientCertificate | None = None,
        **options: Any,  # noqa: ANN401 - the framework's
    ) -> None:
        """Make a client with a good certificate.

        Args:
            app: the application, a factory without parameters, or the name of either: ``"my_service.main:app"``.
            ca: which the application's settings trust; a new one where it is None.
            settings: of the application, which tell the source, its secrets and the organisation; where they are None,
                calls come by TLS.
            certificate: of the caller; one that `ca` signs where it is None.
            options: for the framework's own client.
        """
        self.app = load(app)
        self.ca = ca or RegionalCA()
        self._settings = settings
        self._options = options
        self.caller: Caller = accepted_caller(settings, certificate or self.ca.client())
        self.client: Any = client_of(self.app, arrival(self.caller, settings), **options)

    def with_certificate(
        self,
        certificate: ClientCertificate | None = None,
        *,
        stranger: bool = False,
        wrong_purpose: bool = False,
        wrong_region: bool = False,
        revoked: bool = False,
        **keywords: Any,  # noqa: ANN401 - those of `RegionalCA.client`
    ) -> Self:
        """Return a client with another certificate.

        Args:
            certificate: this one; else `ca` signs a new one, as the keywords say.
            stranger: a CA of the same name signs it, whose key nobody trusts.
            wrong_purpose: it is for servers only.
            wrong_region: its name is that of another region.
            revoked: its serial number stands in the CRL of the fixtures.
            keywords: those of `RegionalCA.client`, such as ``expired=True``.

        Raises:
            ValueError: a certificate, and keywords for another.
        """
        wrong = {
            "stranger": stranger,
            "wrong_purpose": wrong_purpose,
            "wrong_region": wrong_region,
            "revoked": revoked,
        }
        if certificate is not None and (keywords or any(wrong.values())):
            raise ValueError("give a certificate, or keywords for a new one, but not both")
        return self._with(certificate=certificate or signed(self.ca, **wrong, **keywords))

    def without_certificate(self) -> Self:
        """Return a client that presents none."""
        return self._with(certificate=None)

    def through(self, source: str, *, secret: str | Unchanged | None = AS_USUAL) -> Self:
        """Return a client whose calls come as this source hands them over.

        Args:
            source: a value of ``MTLS_SOURCE``; which one is believed is said by the application's settings.
            secret: what the proxy adds, instead of the one in the settings; None for none.
        """
        proxy_secret = self.caller.proxy_secret if isinstance(secret, Unchanged) else secret
        return self._with(source=source, proxy_secret=proxy_secret)

    def unverified(self) -> Self:
        """Return a client of whose certificate the server, or the proxy, says that it failed verification."""
        return self._with(complaint=True)

    def from_peer(self, address: str | None) -> Self:
        """Return a client whose direct peer has this address; None for a unix socket."""
        return self._with(peer=address)

    def from_organization(self, organization_id: str | None) -> Self:
        """Return a client of another organisation; None for one that names none."""
        return self._with(organization_id=organization_id)

    def with_caller_secret(self, secret: str | None) -> Self:
        """Return a client that sends another caller secret; None for none."""
        return self._with(caller_secret=secret)

    def refused_as(self, reason: Reason | str) -> Self:
        """Return a client whose calls are refused for this reason.

        Raises:
            ValueError: no caller can bring it about, or not under the settings of the application.
        """
        change = change_for(Reason(reason), self._settings)
        return self._calling(change(self.caller, self.ca))

    def __enter__(self) -> Self:
        """Start the application's lifespan, where the framework's client does; clients made from here on share it."""
        self.client.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        """End it."""
        self.client.__exit__(*error)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the framework's client has
        """Return what the framework's client has under this name."""
        if name.startswith("_") or name == "client":
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self.client, name)

    def __repr__(self) -> str:
        """Show who calls."""
        return f"<{type(self).__name__} {self.caller!r}>"

    def _with(self, **changes: Any) -> Self:  # noqa: ANN401 - the fields of `Caller`
        return self._calling(replace(self.caller, **changes))

    def _calling(self, caller: Caller) -> Self:
        other = copy(self)
        other.caller = caller
        other.client = client_of(self.app, arrival(caller, self._settings), beside=self.client, **self._options)
        return other
