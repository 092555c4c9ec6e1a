"""What takes its time says so, on a terminal only."""

import io
from threading import Event

from rich.console import Console

from mtls_middleware.cli.page import waiting


class Terminal(io.StringIO):
    """Tell when something was written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = Event()

    def write(self, text: str) -> int:
        """Take it, and tell."""
        if "asking" in text or "[/x]" in text:
            self.written.set()
        return super().write(text)


def test_what_takes_long_is_said_on_a_terminal() -> None:
    terminal = Terminal()
    with waiting("asking …", console=Console(file=terminal, force_terminal=True), seconds=0):
        assert terminal.written.wait(10)


def test_each_step_is_shown_and_is_no_markup() -> None:
    terminal = Terminal()
    with waiting("…", console=Console(file=terminal, force_terminal=True), seconds=0) as progress:
        progress("[/x] is no markup")
        assert terminal.written.wait(10)

    assert "[/x] is no markup" in terminal.getvalue()


def test_what_is_over_soon_needs_no_word() -> None:
    terminal = Terminal()
    with waiting("asking …", console=Console(file=terminal, force_terminal=True), seconds=600):
        pass

    assert "asking" not in terminal.getvalue()


def test_where_nobody_looks_nothing_is_said() -> None:
    written = io.StringIO()
    with waiting("asking …", console=Console(file=written), seconds=0) as progress:
        progress("anything")

    assert not written.getvalue()
