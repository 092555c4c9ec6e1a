"""What was seen of a call, as a person likes to read it, and as a script does."""

import base64
import json
import textwrap
from contextlib import suppress
from typing import Any

from rich.console import Console
from rich.text import Text

from mtls_middleware.cli.call.conclusions import Meaning
from mtls_middleware.cli.call.exchange import Answer, Exchange
from mtls_middleware.cli.call.tls import NAMES_SHOWN, TLSFacts
from mtls_middleware.cli.console import console_for
from mtls_middleware.display import displayed

BODY_CHARACTERS = 4_000
"""Shown of an answer."""

BODY_LINES = 40

_LABEL = 13
_BAR = 30
"""Columns of the longest bar of the times."""


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
    page = _Page(console)
    page.heading(title)
    page.line("certificate", shown)
    page.line("correlation", correlation_id)
    if seen.address:
        page.line("address", seen.address)
    if seen.tls is not None:
        page.tls(seen.tls)
    page.times(seen)
    if seen.answer is not None:
        page.answer(seen.answer)
    page.meaning(meaning)
    for warning in warnings:
        page.wrapped(f"note: {warning}", style="yellow")


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


class _Page:
    """Print parts, one below the other; texts are data, never markup."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def heading(self, text: str) -> None:
        self._console.print(Text(f"\n{text}\n", style="bold"), soft_wrap=True)

    def line(self, label: str, text: str, *, style: str = "") -> None:
        width = max(self._console.width - _LABEL, 20)
        lines = textwrap.wrap(text, width, break_on_hyphens=False, break_long_words=False) or [""]
        for place, part in enumerate(lines):
            start = Text(f"{label if not place else '':<{_LABEL}}", style="dim")
            self._console.print(start + Text(part, style=style), soft_wrap=True)

    def wrapped(self, text: str, *, style: str = "") -> None:
        self._console.print()
        for part in textwrap.wrap(text, self._console.width, break_on_hyphens=False):
            self._console.print(Text(part, style=style), soft_wrap=True)

    def tls(self, tls: TLSFacts) -> None:
        self.line("TLS", f"{tls.version}, {tls.cipher}, {tls.alpn or 'no ALPN'}")
        asked = {True: "yes", False: "no", None: "cannot be seen"}[tls.asked]
        self.line("asks for one", asked, style="" if tls.asked is not False else "bold yellow")
        if tls.server is not None:
            server = tls.server
            more = f" and {len(server.names) - NAMES_SHOWN} more" if len(server.names) > NAMES_SHOWN else ""
            self.line("server", f"{server.subject}, by {server.issuer}")
            self.line("", f"for {', '.join(server.names[:NAMES_SHOWN]) or 'no name'}{more}")
            self.line("", f"until {server.not_after:%Y-%m-%d %H:%M:%SZ}")

    def times(self, seen: Exchange) -> None:
        total = sum(seen.seconds.values())
        longest = max(seen.seconds.values(), default=0.0) or 1.0
        self._console.print()
        for step, seconds in (*seen.seconds.items(), ("total", total)):
            bar = "" if step == "total" else "▇" * max(1, round(_BAR * seconds / longest))
            line = Text(f"{step:<{_LABEL}}", style="dim") + Text(f"{seconds * 1000:>9.1f} ms")
            shown = self._console.is_terminal
            self._console.print(line + Text(f"  {bar}", style="cyan") if shown and bar else line, soft_wrap=True)

    def answer(self, answer: Answer) -> None:
        self._console.print()
        status = displayed(f"{answer.status} {answer.phrase}".strip())
        self.line("answer", status, style="bold green" if answer.status // 100 == 2 else "bold red")  # noqa: PLR2004 - 2xx
        for name, value in answer.headers.items():
            self.line("", f"{name}: {displayed(value)}")
        lines = _body_lines(answer)
        if lines:
            self._console.print()
        for line in lines:
            self._console.print(Text(f"  {line}"), soft_wrap=True)

    def meaning(self, meaning: Meaning) -> None:
        self.wrapped(
            f"{meaning.text[:1].upper()}{meaning.text[1:]}.", style="bold green" if meaning.is_success else "bold red"
        )
        happened, cure = meaning.explanation
        if happened:
            self.line("means", happened)
        if cure:
            self.line("what to do", cure)


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
