"""The same web service in Flask.

Start it behind nginx, which terminates TLS and adds the secret::

    export MTLS_REGIONS=us-east-1 MTLS_TRUST=/etc/genesys/US-East-1.zip MTLS_EXEMPT=/health
    export MTLS_SOURCE=nginx MTLS_TRUSTED_PROXIES=127.0.0.1 MTLS_PROXY_SECRET_FILE=/etc/genesys/proxy-secret
    gunicorn --timeout 65 'example_app.flask_app:create_app()'

or let gunicorn terminate TLS, with only the first line of settings::

    export GUNICORN_CMD_ARGS="--certfile server.pem --keyfile server.key --ca-certs US-East-1.pem --cert-reqs 1"
    gunicorn --timeout 65 'example_app.flask_app:create_app()'
"""

from flask import Flask, abort, jsonify, request
from flask.typing import ResponseReturnValue

from mtls_middleware import MTLSWSGIMiddleware, optional_caller

CUSTOMERS = {"+13175550100": {"customer_id": "c-1", "name": "A. Customer", "tier": "gold"}}
ORDERS = {"o-1001": {"order_id": "o-1001", "state": "shipped"}}


def create_app() -> Flask:
    """Create the application. A configuration error stops the server here, with the whole message."""
    app = Flask(__name__)

    @app.post("/actions/customer-lookup")
    def look_up_customer() -> ResponseReturnValue:
        match request.get_json():
            case {"phone": str(phone)}:
                return jsonify(CUSTOMERS[phone]) if phone in CUSTOMERS else abort(404)
            case _:
                return abort(400)

    @app.get("/actions/orders/<order_id>")
    def order_status(order_id: str) -> ResponseReturnValue:
        return jsonify(ORDERS[order_id]) if order_id in ORDERS else abort(404)

    @app.get("/actions/caller")
    def who_called() -> ResponseReturnValue:
        identity = optional_caller(request)
        return jsonify(region=identity.region if identity else None)

    @app.get("/health")
    def health() -> ResponseReturnValue:
        return jsonify(status="ok")

    app.wsgi_app = MTLSWSGIMiddleware(app.wsgi_app)  # type: ignore[method-assign]  # as Flask's documentation does
    return app
