"""How a command ends: exit statuses, settings that cannot be used, a missing extra, a closed pipe."""

import codecs
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from typer.core import TyperGroup

from mtls_middleware.errors import ConfigurationError, MTLSError
from mtls_middleware.installation import install_command

if TYPE_CHECKING:
    from typing_extensions import Buffer

_OUTPUT, _ERROR = 1, 2

HANDLER = "mtls_middleware.plain"

_PLAIN = {"…": "...", "→": "->", "▇": "#"}
"""Our own characters, for encodings that lack them; others are escaped."""


def open_streams() -> None:
    """Let a command end with its own exit status when nobody reads its output any more, whatever the encoding."""
    codecs.register_error(HANDLER, _plain)
    sys.stdout = _opened(sys.stdout, _OUTPUT)
    sys.stderr = _opened(sys.stderr, _ERROR)


def abandon_output() -> None:
    """Throw away what is left in standard output: it cannot be written, and the interpreter would try again."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _OUTPUT)
    os.close(nowhere)


class OutputError(OSError):
    """Standard output cannot be written: its disk is full, for example."""


class _Output(io.FileIO):
    """A stream whose reader may go away."""

    def write(self, data: "Buffer") -> int:
        """Write, or do nothing where nobody reads any more."""
        try:
            return super().write(data)
        except BrokenPipeError:
            return memoryview(data).nbytes
        except OSError as error:
            if self.fileno() == _ERROR:
                return memoryview(data).nbytes  # nowhere is left to complain
            raise OutputError(error.errno, error.strerror) from error


def _opened(stream: TextIO | None, descriptor: int) -> TextIO:
    if stream is None:  # it was closed before the process began
        return Path(os.devnull).open("w", encoding="utf-8")
    if not isinstance(stream, io.TextIOWrapper) or stream not in {sys.__stdout__, sys.__stderr__}:
        return stream  # a test's
    stream.flush()
    output = _Output(descriptor, "wb", closefd=False)
    return io.TextIOWrapper(
        output if stream.write_through else io.BufferedWriter(output),  # the former as Python does for -u
        encoding=stream.encoding,
        errors=HANDLER if stream.errors in {"strict", "backslashreplace"} else stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    plain = (_PLAIN.get(character) or character.encode("ascii", "backslashreplace").decode() for character in text)
    return "".join(plain), error.end


WRONG = 2
"""Exit status where the configuration is wrong, or something is not installed."""

INTERRUPTED = 130
"""Exit status of shells for an interrupt: 128 and the signal's number."""

_STARTS = "serve"
"""The command that starts an application: in the words of the error, that cannot start."""


class Commands(TyperGroup):
    """A group of commands. Each tells in its own name what it cannot use; an interrupt ends it without a traceback."""

    def invoke(self, ctx: Any) -> object:  # noqa: ANN401 - its class depends on the version of typer
        """Run a command.

        Raises:
            MTLSError: what an operator can fix.
        """
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)
        except ConfigurationError as error:
            if ctx.invoked_subcommand == _STARTS:
                raise
            command = f"{ctx.command_path} {ctx.invoked_subcommand}"
            found = "".join(f"\n  - {problem}" for problem in error.problems)
            raise MTLSError(f"{command}: these settings cannot be used:{found}") from error


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Exit with the line that installs what is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("mtls_middleware"):
            raise
        sys.stderr.write(f"{error.name} is not installed: {install_command(name)}\n")
        sys.exit(WRONG)
