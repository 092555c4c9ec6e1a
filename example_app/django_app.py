"""The same web service in Django, in one file, under WSGI and ASGI.

In a project of yours only the last function matters: it stands in ``wsgi.py`` or ``asgi.py``. Start it with::

    export MTLS_REGIONS=us-east-1 MTLS_TRUST=/etc/genesys/US-East-1.zip MTLS_EXEMPT=/health
    mtls-middleware serve example_app.django_app:asgi --factory --ssl-certfile server.pem --ssl-keyfile server.key
"""

import json

import django
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from mtls_middleware import ClientIdentity, MTLSMiddleware, MTLSWSGIMiddleware

CUSTOMERS = {"+13175550100": {"customer_id": "c-1", "name": "A. Customer", "tier": "gold"}}


@csrf_exempt  # the caller is no browser, and has proved who it is
def look_up_customer(request: HttpRequest) -> HttpResponse:
    """Find the customer behind a telephone number."""
    customer = CUSTOMERS.get(json.loads(request.body)["phone"])
    return JsonResponse(customer) if customer else HttpResponse(status=404)


def caller(request: HttpRequest) -> HttpResponse:
    """Tell which region called; Django's requests hold the WSGI environ, or the ASGI scope."""
    identity: ClientIdentity = getattr(request, "scope", request.META)["mtls.identity"]
    return JsonResponse({"region": identity.region})


def health(_request: HttpRequest) -> HttpResponse:
    """Answer load balancers, which have no certificate."""
    return JsonResponse({"status": "ok"})


urlpatterns = [
    path("actions/customer-lookup", look_up_customer),
    path("actions/caller", caller),
    path("health", health),
]

if not settings.configured:
    settings.configure(ROOT_URLCONF=__name__, SECRET_KEY="unused-here", ALLOWED_HOSTS=["*"])  # noqa: S106
    django.setup()


def wsgi() -> MTLSWSGIMiddleware:
    """Make the WSGI application."""
    return MTLSWSGIMiddleware(WSGIHandler())


def asgi() -> MTLSMiddleware:
    """Make the ASGI application."""
    return MTLSMiddleware(ASGIHandler())
