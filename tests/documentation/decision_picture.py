"""docs/decision.svg: how a call is decided, drawn from the steps, the reasons and their statuses."""

from collections.abc import Iterator
from html import escape

from mtls_middleware import Reason
from mtls_middleware._core.response import refusal
from tests.documentation.steps import STEPS, Step

WIDTH = 920
LEFT, RIGHT = 24, 520
LINE = 24
"""Height of a line of text, in pixels."""
GAP = 18
"""Between two boxes; an arrow stands there."""

_STYLE = """
    text { font: 15px system-ui, sans-serif; fill: #1b1f24; }
    .small { font-size: 13px; fill: #57606a; }
    .bold { font-weight: 600; }
    .code { font: 14px ui-monospace, monospace; }
    .page { fill: #ffffff; }
    .step { fill: #f6f8fa; stroke: #8c959f; }
    .end { fill: #dafbe1; stroke: #1a7f37; }
    .refusal { fill: #ffebe9; stroke: #cf222e; }
    .arrow { fill: none; stroke: #57606a; stroke-width: 1.5; marker-end: url(#head); }
"""


def text() -> str:
    """Return the picture."""
    body = list(_drawn())
    height = 40 + _height(2) + _height(3) + sum(_height(_lines(step)) + GAP for step in STEPS) + GAP
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"
     role="img" aria-labelledby="title description">
  <title id="title">How a call is decided</title>
  <desc id="description">{escape(_described())}</desc>
  <style>{_STYLE}  </style>
  <defs>
    <marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">
      <path d="M0 0 8 4 0 8z" fill="#57606a"/>
    </marker>
  </defs>
  <rect class="page" width="{WIDTH}" height="{height}"/>
{chr(10).join(f"  {one}" for one in body)}
</svg>
"""


def _drawn() -> Iterator[str]:
    y = 20
    yield from _box(
        "end", LEFT, y, 440, ("A call to a protected path arrives", "certificate by TLS, or in the headers of a proxy")
    )
    y += _height(2)
    for number, step in enumerate(STEPS, 1):
        yield _down(y)
        y += GAP
        yield from _step(number, step, y)
        y += _height(_lines(step))
    yield _down(y)
    y += GAP
    accepted = ("Accepted: your route handler runs", "and caller(request) returns who called")
    yield from _box("end", LEFT, y, 440, accepted)
    report = (
        "MTLS_MODE=report",
        "refusals are logged and counted, but the call",
        f"continues; except {Reason.INTERNAL_ERROR}",
    )
    yield from _box("step", RIGHT, y, WIDTH - RIGHT - 24, report)


def _step(number: int, step: Step, y: int) -> Iterator[str]:
    lines = _lines(step)
    yield from _box("step", LEFT, y, 440, (f"{number}. {step.question}", step.about), lines)
    middle = y + _height(lines) // 2
    yield f'<path class="arrow" d="M{LEFT + 440} {middle}H{RIGHT}"/>'
    yield f'<text class="small" x="{LEFT + 448}" y="{middle - 6}">no</text>'
    yield f'<rect class="refusal" x="{RIGHT}" y="{y}" width="{WIDTH - RIGHT - 24}" height="{_height(lines)}" rx="6"/>'
    top = y + 10 + (lines - len(step.reasons)) * LINE // 2
    for index, reason in enumerate(step.reasons):
        line = top + index * LINE + 16
        yield f'<text class="code" x="{RIGHT + 16}" y="{line}">{refusal(reason, None).status.value}</text>'
        yield f'<text class="code bold" x="{RIGHT + 60}" y="{line}">{reason}</text>'


def _box(kind: str, x: int, y: int, width: int, words: tuple[str, ...], lines: int = 0) -> Iterator[str]:
    lines = max(lines, len(words))
    yield f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{_height(lines)}" rx="6"/>'
    top = y + 10 + (lines - len(words)) * LINE // 2
    for index, word in enumerate(words):
        style = "small" if index else "bold"
        yield f'<text class="{style}" x="{x + 16}" y="{top + index * LINE + 16}">{escape(word)}</text>'


def _down(y: int) -> str:
    return f'<path class="arrow" d="M{LEFT + 220} {y}V{y + GAP}"/>'


def _lines(step: Step) -> int:
    """Return how many lines of text a step takes: its own two, or one for each reason."""
    return max(2, len(step.reasons))


def _height(lines: int) -> int:
    return lines * LINE + 16


def _described() -> str:
    """Tell the picture to who cannot see it."""
    steps = (f"{step.question} If not: {' or '.join(step.reasons)}." for step in STEPS)
    return f"The steps are taken in order; the first no refuses the call. {' '.join(steps)} Otherwise it is accepted."
