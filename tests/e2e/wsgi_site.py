"""A WSGI application behind the real middleware, configured by the environment, as real servers run it."""

from mtls_middleware import MTLSWSGIMiddleware
from tests.e2e.wsgi_tell import tell

application = MTLSWSGIMiddleware(tell)
