"""A Starlette application with the middleware as users add it; Starlette builds it late, at lifespan."""

from starlette.applications import Starlette

from mtls_middleware import MTLSMiddleware

app = Starlette()
app.add_middleware(MTLSMiddleware)
