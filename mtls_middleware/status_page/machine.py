"""The page for machines: the same facts as JSON."""

import json
from dataclasses import asdict
from datetime import datetime

from mtls_middleware.status_page.view import View

VERSION = 1
"""Of the form; it changes when a name goes or gets another meaning."""


def as_json(view: View) -> str:
    """Return everything that the page shows; times as in RFC 3339, UTC."""
    return json.dumps({"version": VERSION, **asdict(view)}, default=_value, indent=2) + "\n"


def _value(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no form in JSON")
