"""The same web service in Django, in one file, under WSGI and ASGI.

In a project of yours only the last function matters: it stands in ``wsgi.py`` or ``asgi.py``. Start it with::

    export MTLS_REGIONS=us-east-1 MTLS_TRUST=/etc/genesys/US-East-1.zip MTLS_EXEMPT=/health
    mtls-middleware serve example_app.django_app:asgi --factory --ssl-certfile server.pem --ssl-keyfile server.key

or in WSGI::

    export GUNICORN_CMD_ARGS="--certfile server.pem --keyfile server.key --ca-certs US-East-1.pem --cert-reqs 1"
    gunicorn --timeout 65 'example_app.django_app:wsgi()'
"""

import json

import django
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from mtls_middleware import MTLSMiddleware, MTLSWSGIMiddleware, optional_caller

CUSTOMERS = {"+13175550100": {"customer_id": "c-1", "name": "A. Customer", "tier": "gold"}}
ORDERS = {"o-1001": {"order_id": "o-1001", "state": "shipped"}}


@csrf_exempt  # the caller is no browser, and has proved who it is
@require_POST
def look_up_customer(request: HttpRequest) -> HttpResponse:
    """Find the customer behind a telephone number."""
    try:
        body = json.loads(request.body)
    except ValueError:
        return HttpResponse(status=400)
    match body:
        case {"phone": str(phone)}:
            return JsonResponse(CUSTOMERS[phone]) if phone in CUSTOMERS else HttpResponse(status=404)
        case _:
            return HttpResponse(status=400)


@require_GET
def order_status(_request: HttpRequest, order_id: str) -> HttpResponse:
    """Return the state of an order."""
    return JsonResponse(ORDERS[order_id]) if order_id in ORDERS else HttpResponse(status=404)


def who_called(request: HttpRequest) -> HttpResponse:
    """Return which region called; null where report mode let a call through."""
    identity = optional_caller(request)
    return JsonResponse({"region": identity.region if identity else None})


def health(_request: HttpRequest) -> HttpResponse:
    """Answer load balancers, which have no certificate."""
    return JsonResponse({"status": "ok"})


urlpatterns = [
    path("actions/customer-lookup", look_up_customer),
    path("actions/orders/<order_id>", order_status),
    path("actions/caller", who_called),
    path("health", health),
]

if not settings.configured:
    settings.configure(ROOT_URLCONF=__name__, SECRET_KEY="unused-here", ALLOWED_HOSTS=["*"])  # noqa: S106
    django.setup()


def wsgi() -> MTLSWSGIMiddleware:
    """Create the WSGI application."""
    return MTLSWSGIMiddleware(WSGIHandler())


def asgi() -> MTLSMiddleware:
    """Create the ASGI application."""
    return MTLSMiddleware(ASGIHandler())
