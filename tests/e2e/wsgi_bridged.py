"""The application of `wsgi_site` in ASGI clothes; a2wsgi leaves the scope, and so the TLS extension, in the environ."""

from a2wsgi import WSGIMiddleware

from tests.e2e.wsgi_site import application as wsgi_application

application = WSGIMiddleware(wsgi_application)  # type: ignore[arg-type]  # a2wsgi's types of WSGI are its own
