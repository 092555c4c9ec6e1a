"""docs/refusals.md: each reason, what happened and what to do, from the table of advice."""

import re

from mtls_middleware import Reason
from mtls_middleware._core.response import refusal
from mtls_middleware.advice import ADVICE
from mtls_middleware.display import DOCS
from tests.documentation.tables import table

LINE = (
    'refused reason=region_mismatch detail="its name is …" fingerprint=… subject="…"'
    ' issuer="…" source=tls peer="…" path="/actions/lookup" correlation_id=9f1c2d3e'
)

HEAD = """\
# Refusals, and what to do about them

Generated from the code by `python -m tests.documentation.reference`; do not edit it.

A refused call gets `application/problem+json` with the reason, and no details:

```json
{"status": 403, "title": "Forbidden", "reason": "certificate_missing", "correlationId": "9f1c2d3e"}
```

Genesys shows that body to the author of the action. The details are in your log, one line for each refusal with the
same reason ([in a flood](logging.md#in-a-flood), some lines and the number of the others):

```text
LINE
```

The first reason that applies is reported, in this order:

"""

TAIL = """
In a line with `source=dependency`, the middleware let the call through, and a route with a FastAPI dependency refused
it.

## Report mode

`MTLS_MODE=report` judges, logs (`would refuse …`) and counts, but lets calls through, except for `internal_error`: also
before trust is loaded. The log reminds you once a minute, because no call is refused. Switch to `enforce` when the log
has only strangers: see [rollout](rollout.md).
"""

_CODE = re.compile(r"MTLS_\w+(?:=\w+)?|date -u|raised_at")
_PAGE = re.compile(rf"{re.escape(DOCS)}(\w+)/")


def text() -> str:
    """Return the page."""
    rows = [
        (f"`{reason}`", str(refusal(reason, None).status.value), marked(advice.happened), marked(advice.fix))
        for reason, advice in ((reason, ADVICE[reason]) for reason in Reason)
    ]
    return HEAD.replace("LINE", LINE) + table(("reason", "status", "what happened", "what to do"), rows) + TAIL


def marked(words: str) -> str:
    """Return a text of the table as Markdown: names as code, pages as links."""
    return _PAGE.sub(r"[\1](\1.md)", _CODE.sub(lambda found: f"`{found[0]}`", words))
