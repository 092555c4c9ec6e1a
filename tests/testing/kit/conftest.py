"""The fixtures of the kit, as an installed package would bring them, and applications to try them on."""

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from mtls_middleware.testing.plugin import data_action_client, regional_ca

__all__ = ["data_action_client", "regional_ca"]

SERVICES = {
    "fastapi_service": """
from fastapi import FastAPI, Request, WebSocket
from mtls_middleware import MTLSMiddleware, caller

app = FastAPI()

@app.post("/actions/lookup")
def lookup(request: Request) -> dict:
    return {"region": caller(request).region}

@app.websocket("/live")
async def live(socket: WebSocket):
    await socket.accept()
    await socket.send_json({"region": caller(socket).region})

app.add_middleware(MTLSMiddleware)
""",
    "fastapi_guarded": """
from fastapi import FastAPI, Request
from mtls_middleware import Guard, MTLSMiddleware, Settings, optional_caller

app = FastAPI()
guard = Guard.from_settings(Settings.from_env())

@app.post("/actions/lookup")
def lookup(request: Request) -> dict:
    caller = optional_caller(request)
    return {"region": caller.region if caller else None}

app.add_middleware(MTLSMiddleware, guard=guard)
""",
    "starlette_service": """
from contextlib import asynccontextmanager
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from mtls_middleware import MTLSMiddleware, caller

def lookup(request):
    known = getattr(request.state, "opened", None)
    return JSONResponse({"region": caller(request).region, "opened": known})

@asynccontextmanager
async def lifespan(app):
    yield {"opened": "once"}

app = MTLSMiddleware(Starlette(routes=[Route("/actions/lookup", lookup, methods=["POST"])], lifespan=lifespan))
""",
    "flask_service": """
from flask import Flask, jsonify, request
from mtls_middleware import MTLSWSGIMiddleware, caller

app = Flask(__name__)

@app.post("/actions/lookup")
def lookup():
    return jsonify(region=caller(request).region)

app.wsgi_app = MTLSWSGIMiddleware(app.wsgi_app)
""",
    "flask_outside": """
from flask_plain import app
from mtls_middleware import MTLSWSGIMiddleware

application = MTLSWSGIMiddleware(app)
""",
    "flask_plain": """
from flask import Flask, jsonify, request
from mtls_middleware import caller

app = Flask(__name__)

@app.post("/actions/lookup")
def lookup():
    return jsonify(region=caller(request).region)
""",
    "django_service": """
import example_app.django_app  # configures Django, which can be done once in a process
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from mtls_middleware import MTLSWSGIMiddleware, caller

@csrf_exempt
def lookup(request):
    response = JsonResponse({"region": caller(request).region})
    response.set_cookie("seen", "yes")
    return response

settings.ROOT_URLCONF = __name__
urlpatterns = [path("actions/lookup", lookup)]
application = MTLSWSGIMiddleware(WSGIHandler())
""",
    "factory_service": """
from mtls_middleware import MTLSWSGIMiddleware

def create_app():
    return MTLSWSGIMiddleware(lambda environ, start_response: [])
""",
    "wsgi_service": """
import json
from mtls_middleware import MTLSWSGIMiddleware, caller

def lookup(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    yield json.dumps({"region": caller(environ).region}).encode()

application = MTLSWSGIMiddleware(lookup)

def create_app():
    return MTLSWSGIMiddleware(lookup)
""",
}


@pytest.fixture(autouse=True)
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put applications where they can be imported from, and forget them after the test."""
    for name, code in SERVICES.items():
        (tmp_path / f"{name}.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    forget()  # what monkeypatch put back after the test before
    yield
    forget()


def forget() -> None:
    """Take the applications out of this process."""
    if "django_service" in sys.modules:
        settings = import_module("django.conf").settings
        settings.ROOT_URLCONF = "example_app.django_app"
    for name in SERVICES:
        sys.modules.pop(name, None)
