"""The verb ``call``."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console
from rich.text import Text

from mtls_middleware.cli.call import request
from mtls_middleware.cli.call.conclusions import meaning_of, warnings_of
from mtls_middleware.cli.call.credentials import Credentials
from mtls_middleware.cli.call.exchange import call_once
from mtls_middleware.cli.call.table import facts, show
from mtls_middleware.cli.doctor.target import Target
from mtls_middleware.display import displayed
from mtls_middleware.errors import MTLSError


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Hold what was asked for; the attributes are the options of the verb."""

    url: str
    method: str = "POST"
    data: str = field(default="{}", repr=False)
    headers: tuple[str, ...] = field(default=(), repr=False)
    certificate: Path | None = None
    key: Path | None = None
    folder: Path | None = None
    caller: str = "good"
    ca: Path | None = None
    connect: str | None = None
    timeout: float = 60.0
    as_json: bool = False


def run_call(options: Options) -> int:
    """Make the call, print what was seen, and return the exit status.

    Raises:
        MTLSError: before anything is sent: what is wrong with the options.
    """
    target = _target(options)
    method = _method(options.method)
    credentials = Credentials.choose(
        certificate=options.certificate,
        key=options.key,
        folder=options.folder,
        caller=options.caller,
        ca=options.ca,
    )
    context = credentials.context() if target.is_tls else None
    standard = request.standard_headers(target, request.new_correlation_id())
    headers = request.combined(standard, request.parse_headers(options.headers))
    body = request.read_body(options.data)
    with _progress() as tell:
        seen = call_once(
            target, request.written(method, target, headers, body), context, timeout=options.timeout, tell=tell
        )
    meaning = meaning_of(seen, credentials.own)
    warnings = list(warnings_of(target, credentials, seen))
    shown = credentials.title if target.is_tls else "none, over plain HTTP"
    correlation_id = displayed(_correlation_id(headers))
    if options.as_json:
        told = facts(options.url, shown, correlation_id, seen, meaning, warnings)
        sys.stdout.write(json.dumps(told, indent=2) + "\n")
    else:
        show(f"{method} {displayed(options.url)}", shown, correlation_id, seen, meaning, warnings)
    return 0 if meaning.is_success else 1


def _target(options: Options) -> Target:
    try:
        target = Target.parse(options.url)
    except ValueError as error:
        raise MTLSError(f"{displayed(options.url)!r} {error}") from error
    if options.connect is None:
        return target
    host, _, port = options.connect.rpartition(":")
    if not host or not port.isascii() or not port.isdecimal():
        raise MTLSError(f"--connect {displayed(options.connect)!r}: write HOST:PORT")
    return replace(target, address=(host.strip("[]"), int(port)))


def _method(text: str) -> str:
    if not (text.isascii() and text.isalpha()):
        raise MTLSError(f"--method {displayed(text)!r} is no method of HTTP")
    return text.upper()


def _correlation_id(headers: tuple[request.Header, ...]) -> str:
    return next((value for name, value in headers if name.lower() == request.CORRELATION_HEADER.lower()), "")


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Show on a terminal what is waited for."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    with console.status("calling …") as status:
        yield lambda step: status.update(Text(f"calling: {step} …"))
