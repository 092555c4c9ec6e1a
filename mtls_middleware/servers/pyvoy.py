"""Run pyvoy so that its Envoy hands over the client certificate and the real peer.

On the command line ``python -m mtls_middleware.servers.pyvoy main:app --tls-port 8443 …`` instead of ``pyvoy main:app
…``: all options are pyvoy's, with ``--tls-cert``, ``--tls-key``, ``--tls-ca-cert`` and
``--no-tls-require-client-certificate`` for client certificates. In code use `Server`. ``MTLS_SOURCE`` stays ``tls``.

It goes with HTTP/1.1 and HTTP/2, for one ASGI application. Callers over WebSocket count as callers without certificate,
since pyvoy takes them before Envoy could tell of one. HTTP/3 requires none in its handshake, whatever is set.
"""

from typing import Any

from pyvoy import PyvoyServer, _cli

from mtls_middleware.servers.pyvoy_app import APPLICATION_VARIABLE

_MANAGER = "envoy.filters.network.http_connection_manager"
_APPLICATION = "mtls_middleware.servers.pyvoy_app:application"

_TELLS_CONNECTION_FACTS = {
    # On each port, with and without TLS: the header comes from Envoy, or there is none.
    "forward_client_cert_details": "SANITIZE_SET",
    "set_current_client_cert_details": {"cert": True, "chain": True},
    # The peer at the other end of the wire. Without it Envoy takes the address that X-Forwarded-For names.
    "use_remote_address": True,
    "skip_xff_append": True,
}


class Server(PyvoyServer):
    """pyvoy's server for one ASGI application, with the facts of each connection.

    Args:
        app: as ``module:attribute``, or ``module``, which implies ``app``.
        options: of pyvoy's own server.

    Raises:
        ValueError: there are several applications, or it is no ASGI application.
    """

    def __init__(self, app: str, **options: Any) -> None:  # noqa: ANN401 - they are pyvoy's
        if not isinstance(app, str) or options.get("interface", "asgi") != "asgi":
            raise ValueError("only one ASGI application can be told of client certificates")
        environment = {**(options.pop("env", None) or {}), APPLICATION_VARIABLE: app}
        super().__init__(_APPLICATION, env=environment, **options)

    def get_envoy_config(self) -> dict[str, Any]:
        """Return pyvoy's configuration, in which each port tells the facts of its connections."""
        config = super().get_envoy_config()
        for listener in config["static_resources"]["listeners"]:
            for chain in listener["filter_chains"]:
                for one in chain["filters"]:
                    if one["name"] == _MANAGER:
                        one["typed_config"].update(_TELLS_CONNECTION_FACTS)
        return config


def main() -> None:
    """Serve until told to stop."""
    vars(_cli)["PyvoyServer"] = Server  # pyvoy has no setting for it
    _cli.main()


if __name__ == "__main__":
    main()
