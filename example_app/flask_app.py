"""The same web service in Flask.

Start it behind nginx, which ends TLS and adds the secret::

    export MTLS_REGIONS=us-east-1 MTLS_TRUST=/etc/genesys/US-East-1.zip MTLS_EXEMPT=/health
    export MTLS_SOURCE=nginx MTLS_TRUSTED_PROXIES=127.0.0.1 MTLS_PROXY_SECRET_FILE=/etc/genesys/proxy-secret
    gunicorn 'example_app.flask_app:create_app()'
"""

from flask import Flask, abort, jsonify, request
from flask.typing import ResponseReturnValue

from mtls_middleware import MTLSWSGIMiddleware

CUSTOMERS = {"+13175550100": {"customer_id": "c-1", "name": "A. Customer", "tier": "gold"}}


def create_app() -> Flask:
    """Make the application; a configuration error ends the server here, with the whole message."""
    app = Flask(__name__)

    @app.post("/actions/customer-lookup")
    def look_up_customer() -> ResponseReturnValue:
        customer = CUSTOMERS.get(request.get_json().get("phone"))
        return jsonify(customer) if customer else abort(404)

    @app.get("/actions/caller")
    def caller() -> ResponseReturnValue:
        return jsonify(region=request.environ["mtls.identity"].region)

    @app.get("/health")
    def health() -> ResponseReturnValue:
        return jsonify(status="ok")

    app.wsgi_app = MTLSWSGIMiddleware(app.wsgi_app)  # type: ignore[method-assign]  # as Flask's documentation does
    return app
