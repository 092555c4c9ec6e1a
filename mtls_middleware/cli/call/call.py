"""The command ``call``: one call, and what was seen of it for a person and for a script."""

import base64
import json
from contextlib import suppress
from typing import Any

from rich.console import Console
from rich.text import Text

from mtls_middleware.cli.call import request
from mtls_middleware.cli.call.conclusions import Meaning, meaning_of, warnings_of
from mtls_middleware.cli.call.request import Credentials
from mtls_middleware.cli.options import CallOptions
from mtls_middleware.cli.page import console_for, heading, line, print_json, waiting, wrapped
from mtls_middleware.cli.wire.answer import Answer
from mtls_middleware.cli.wire.exchange import Exchange, call_once
from mtls_middleware.cli.wire.message import CORRELATION_HEADER, Header, Target, method_of
from mtls_middleware.cli.wire.tls import NAMES_SHOWN, TLSFacts
from mtls_middleware.display import displayed

BODY_CHARACTERS = 4_000
"""Shown of an answer."""

BODY_LINES = 40

_LABEL = 13
_BAR = 30
"""Columns of the longest bar of the times."""


def run_call(options: CallOptions) -> int:
    """Make the call, print what was seen, and return the exit status.

    Raises:
        MTLSError: before anything is sent: what is wrong with the options.
    """
    target = Target.of_option(options.url, options.connect)
    method = method_of(options.method)
    credentials = Credentials.choose(
        certificate=options.certificate,
        key=options.key,
        folder=options.folder,
        caller=options.caller,
        ca=options.ca,
    )
    context = credentials.context() if target.is_tls else None
    standard = request.standard_headers(target, request.new_correlation_id())
    headers = request.combined(standard, request.parse_headers(options.header or ()))
    body = request.read_body(options.data)
    with waiting("calling …") as progress:
        seen = call_once(
            target,
            request.written(method, target, headers, body),
            context,
            timeout=options.timeout,
            progress=lambda step: progress(f"calling: {step} …"),
        )
    meaning = meaning_of(seen, credentials.own)
    warnings = list(warnings_of(target, credentials, seen))
    shown = credentials.title if target.is_tls else "none, over plain HTTP"
    correlation_id = displayed(_correlation_id(headers))
    if options.as_json:
        print_json(facts(options.url, shown, correlation_id, seen, meaning, warnings))
    else:
        show(f"{method} {displayed(options.url)}", shown, correlation_id, seen, meaning, warnings)
    return 0 if meaning.is_success else 1


def _correlation_id(headers: tuple[Header, ...]) -> str:
    return next((value for name, value in headers if name.lower() == CORRELATION_HEADER.lower()), "")


def show(
    title: str,
    shown: str,
    correlation_id: str,
    seen: Exchange,
    meaning: Meaning,
    warnings: list[str],
    console: Console | None = None,
) -> None:
    """Print what was sent, the time of each step, TLS, the answer, and what it means."""
    console = console_for(console)
    heading(console, title)
    line(console)
    _row(console, "certificate", shown)
    _row(console, "correlation", correlation_id)
    if seen.address:
        _row(console, "address", seen.address)
    if seen.tls is not None:
        _show_tls(console, seen.tls)
    _show_times(console, seen)
    if seen.answer is not None:
        _show_answer(console, seen.answer)
    line(console)
    wrapped(
        console,
        f"{meaning.text[:1].upper()}{meaning.text[1:]}.",
        "bold green" if meaning.is_success else "bold red",
    )
    for label, text in zip(("means", "what to do"), meaning.explanation, strict=True):
        if text:
            _row(console, label, text)
    for warning in warnings:
        line(console)
        wrapped(console, f"note: {warning}", "yellow")


def facts(
    url: str, shown: str, correlation_id: str, seen: Exchange, meaning: Meaning, warnings: list[str]
) -> dict[str, Any]:
    """Return the same for a script."""
    happened, cure = meaning.explanation
    return {
        "url": url,
        "certificate": shown,
        "correlationId": correlation_id,
        "success": meaning.is_success,
        "conclusion": meaning.text,
        "reason": None if meaning.reason is None else str(meaning.reason),
        "in_handshake": meaning.in_handshake,
        "happened": happened,
        "cure": cure,
        "address": seen.address,
        "seconds": {step: round(seconds, 6) for step, seconds in seen.seconds.items()},
        "tls": None if seen.tls is None else _tls_facts(seen.tls),
        "answer": None if seen.answer is None else _answer_facts(seen.answer),
        "notes": warnings,
    }


def _row(console: Console, label: str, text: str, style: str = "") -> None:
    wrapped(console, text, style, label=Text(f"{label:<{_LABEL}}", style="dim"))


def _show_tls(console: Console, tls: TLSFacts) -> None:
    _row(console, "TLS", f"{tls.version}, {tls.cipher}, {tls.alpn or 'no ALPN'}")
    asked = {True: "yes", False: "no", None: "cannot be seen"}[tls.asked]
    _row(console, "asks for one", asked, style="" if tls.asked is not False else "bold yellow")
    if tls.server is not None:
        server = tls.server
        more = f" and {len(server.names) - NAMES_SHOWN} more" if len(server.names) > NAMES_SHOWN else ""
        _row(console, "server", f"{server.subject}, by {server.issuer}")
        _row(console, "", f"for {', '.join(server.names[:NAMES_SHOWN]) or 'no name'}{more}")
        _row(console, "", f"until {server.not_after:%Y-%m-%d %H:%M:%SZ}")


def _show_times(console: Console, seen: Exchange) -> None:
    longest = max(seen.seconds.values(), default=0.0) or 1.0
    line(console)
    for step, seconds in (*seen.seconds.items(), ("total", sum(seen.seconds.values()))):
        shown = console.is_terminal and step != "total"
        bar = f"  {'▇' * max(1, round(_BAR * seconds / longest))}" if shown else ""
        start = Text(f"{step:<{_LABEL}}", style="dim") + Text(f"{seconds * 1000:>9.1f} ms")
        line(console, start + Text(bar, style="cyan"))


def _show_answer(console: Console, answer: Answer) -> None:
    line(console)
    status = displayed(f"{answer.status} {answer.phrase}".strip())
    _row(console, "answer", status, style="bold green" if answer.status // 100 == 2 else "bold red")  # noqa: PLR2004 - 2xx
    for name, value in answer.headers.items():
        _row(console, "", f"{name}: {displayed(value)}")
    for number, text in enumerate(_body_lines(answer)):
        if not number:
            line(console)
        line(console, f"  {text}")


def _body_lines(answer: Answer) -> list[str]:
    """Return a body to look at: JSON in the form that people read, all else as it is, and nothing that acts."""
    text = answer.body.decode("utf-8", "replace")
    with suppress(ValueError, RecursionError):
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    lines = [displayed(line, BODY_CHARACTERS) for line in text[:BODY_CHARACTERS].splitlines()]
    if len(lines) > BODY_LINES or len(text) > BODY_CHARACTERS or not answer.is_whole:
        lines = [*lines[:BODY_LINES], "… and more"]
    return lines


def _tls_facts(tls: TLSFacts) -> dict[str, Any]:
    server = tls.server
    return {
        "version": tls.version,
        "cipher": tls.cipher,
        "alpn": tls.alpn,
        "asked_for_certificate": tls.asked,
        "server": None
        if server is None
        else {
            "subject": server.subject,
            "issuer": server.issuer,
            "names": list(server.names),
            "not_after": server.not_after.isoformat(),
        },
    }


def _answer_facts(answer: Answer) -> dict[str, Any]:
    try:
        body: Any = answer.body.decode("utf-8")
    except UnicodeDecodeError:
        body = {"base64": base64.b64encode(answer.body).decode("ascii")}
    return {
        "status": answer.status,
        "phrase": answer.phrase,
        "headers": answer.headers,
        "body": body,
        "whole": answer.is_whole,
    }
