"""Whether a thread can live beside the requests here. Where none can, the operator's schedule refreshes trust."""

import os
import sys
from collections.abc import Mapping

COLD_SECONDS = 6.0
"""For the network at a start without threads, which somebody waits for: Lambda gives ten seconds to all of it."""

LAMBDA = "AWS_LAMBDA_FUNCTION_NAME"
"""Lambda freezes the process between two calls."""


def why_no_thread(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return what keeps threads from running; None where nothing does."""
    if environ.get(LAMBDA):
        return "AWS Lambda freezes this process between calls"
    uwsgi = sys.modules.get("uwsgi")  # made by the server itself
    if uwsgi is not None and not (uwsgi.opt.get("enable-threads") or uwsgi.opt.get("threads")):
        return "uWSGI runs without --enable-threads"
    return None
