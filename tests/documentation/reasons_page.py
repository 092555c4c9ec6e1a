"""docs/reference/reasons.md: every reason in its order, and the answer that a caller gets."""

import ast
import json
from pathlib import Path

from mtls_middleware import Reason
from mtls_middleware._core import decision
from mtls_middleware._core.response import refusal
from tests.documentation import tables
from tests.documentation.docstrings import markdown, parsed
from tests.documentation.steps import STEPS
from tests.documentation.tables import code

HEAD = """\
# Reasons: reference

Generated from the code by `python -m tests.documentation.reference`; do not edit it. What to do about each:
[operations](../operations.md); as a picture: [how it decides](../decision.md).

A call is judged step by step, and the first reason that applies is reported. The names are stable: they are used in
responses, logs and metrics, and later versions only add new ones.

"""

ANSWER = """
## The response

`application/problem+json`, with `Cache-Control: no-store`, and `Retry-After` if the table has one. `correlationId` is
the caller's `ININ-Correlation-Id`; it is left out if the caller sent none, or a malformed one. The response contains
nothing else.

"""


def text() -> str:
    """Return the page."""
    asked = {reason: step.question for step in STEPS for reason in step.reasons}
    answers = [(reason, refusal(reason, None)) for reason in Reason]
    rows = [
        (
            str(reason.order + 1),
            f"[`{reason}`](../operations.md#{reason})",
            f"{answer.status.value} {answer.status.phrase}",
            dict(answer.headers).get(b"retry-after", b"").decode(),
            asked[reason],
        )
        for reason, answer in answers
    ]
    example = json.dumps(json.loads(refusal(Reason.CERTIFICATE_MISSING, "9f1c2d3e").body))
    return "".join(
        [
            HEAD,
            tables.table(("", "reason", "status", "`Retry-After`", "the question that is answered with no"), rows),
            ANSWER,
            f"```json\n{example}\n```\n",
            _enumeration("Disposition", "What happens to a refused call"),
            _enumeration("RevocationState", "Revocation status"),
        ]
    )


def _enumeration(name: str, title: str) -> str:
    """Return the members of an enumeration with the docstrings below them."""
    tree = ast.parse(Path(decision.__file__).read_text(encoding="utf-8"))
    (found,) = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name]
    rows = []
    for member, below in zip(found.body, found.body[1:], strict=False):
        if isinstance(member, ast.Assign) and isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
            rows.append((code(ast.literal_eval(member.value)), markdown(str(below.value.value))))
    summary = parsed(ast.get_docstring(found)).summary
    return f"\n## {title}\n\n{summary}\n\n{tables.table(('value', 'meaning'), rows)}"
