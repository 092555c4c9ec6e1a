"""Command lines that pages show, held against the command line that there is."""

import shlex
from typing import Any

import click
from typer.main import get_group

from mtls_middleware.cli.app import app


def problem(arguments: str, *, whole: bool) -> str | None:
    """Return why the program would not take a command line, or None.

    Args:
        arguments: behind the program's name.
        whole: it is a line to be run, and not only a mention such as `doctor --url`.
    """
    words = shlex.split(arguments)
    group = get_group(app)
    if words[0].startswith("-"):
        return None if words == ["--help"] else f"no option {words[0]}"
    verb: Any = group.commands.get(words[0])
    if hasattr(verb, "commands") and len(words) > 1:
        verb, words = verb.commands.get(words[1]), words[1:]
    if verb is None:
        return f"no verb {words[0]}"
    if "--help" in words:
        return None
    if not whole:
        options = {name for parameter in verb.params for name in (*parameter.opts, *parameter.secondary_opts)}
        unknown = [word for word in words[1:] if word.startswith("--") and word.partition("=")[0] not in options]
        return f"no option {unknown[0]}" if unknown else None
    try:
        verb.make_context(words[0], words[1:])
    except click.ClickException as error:
        return error.format_message()
    except Exception as error:  # noqa: BLE001 - typer may bring a click of its own, with exceptions of its own
        return f"{type(error).__name__}: {error}"
    return None
