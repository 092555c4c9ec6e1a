"""docs/demo.svg: the table of the demo, as a terminal shows it, made by the demo itself.

`python -m tests.documentation.demo_picture` writes it.
"""

import html
import io
import re

from rich.console import Console
from rich.terminal_theme import MONOKAI

from mtls_middleware.cli.demo.demo import TABLE_WIDTH, make_calls, show
from mtls_middleware.cli.demo.stage import listening, staged
from tests.documentation.pages import DOCS

PICTURE = DOCS / "demo.svg"

_FONT = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)
"""What rich would load from a foreign host."""


def text() -> str:
    """Run the demo, and return its picture."""
    with listening() as refusals, staged() as stage:
        outcomes = tuple(make_calls(stage, refusals))
    console = Console(file=io.StringIO(), record=True, force_terminal=True, width=TABLE_WIDTH + 4, legacy_windows=False)
    show(outcomes, console)
    picture = console.export_svg(title="mtls-middleware demo", theme=MONOKAI, unique_id="demo")
    return _FONT.sub("", picture).replace("Fira Code, monospace", "monospace")


def words(picture: str) -> list[str]:
    """Return what can be read on a picture, line by line: how it is drawn depends on the version of rich."""
    found = re.findall(r"<text .*?>(.*?)</text>", picture)
    return [line for line in (html.unescape(one).replace("\xa0", " ").strip() for one in found) if line]


if __name__ == "__main__":
    PICTURE.write_text(text(), encoding="utf-8")
