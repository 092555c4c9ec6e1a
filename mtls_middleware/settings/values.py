"""Parsers of single values. Each returns a good value, or raises ValueError with what would be right."""

import ipaddress
import re
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import TypeVar
from unicodedata import normalize
from urllib.parse import unquote, urlsplit
from uuid import UUID

from mtls_middleware import regions
from mtls_middleware._core.boundary import Network
from mtls_middleware._core.protection import is_ambiguous

Choice = TypeVar("Choice", bound=StrEnum)

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DNS_NAME = re.compile(rf"(?=.{{1,253}}$)(?:{_LABEL}\.)*(?!\d+$){_LABEL}")
_URI = re.compile(r"(?=.{1,2048}$)[A-Za-z][A-Za-z0-9+-]*:(?:(?![,*])[!-~])+")
_SPIFFE_ID = re.compile(r"(?=.{1,2048}$)spiffe://[a-z0-9._-]{1,255}(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._-]+)*")
"""SPIFFE-ID standard, §2."""
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_ALMOST_SHA256 = re.compile(r"[0-9a-f]{32,}|[0-9a-f]{2}(?::[0-9a-f]{2})+")
_BAD_IN_PREFIX = ("..", ";", "%", "*", "?", "#", "{", "}", "<", ">", "[", "]", "^", "|", "/:")
_PATTERN = re.compile(r"[{}<>*\[\]]|/:")
"""Begins a part of a template or a glob that stands for any text."""
_END_OF_PATH = re.compile(r"[?#;|]|\$\Z|\(/")
_MAPPED = 96
"""Length of the prefix ``::ffff:0:0`` of IPv4-mapped addresses."""


def choice(options: type[Choice]) -> Callable[[str], Choice]:
    """Return a parser of an enum's values, without case."""

    def parse(text: str) -> Choice:
        return options(one_of(text, options))

    return parse


def one_of(text: str, options: Iterable[str]) -> str:
    """Return the one of these, all in lower case, that a text names without case."""
    known = tuple(map(str, options))
    if text.lower() in known:
        return text.lower()
    close = next(iter(get_close_matches(text.lower(), known, n=1)), None)
    raise ValueError(f"must be one of {', '.join(known)}{f'; did you mean {close!r}?' if close else ''}")


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """Return a parser of decimal numbers within bounds."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and len(text) <= len(str(most)) and least <= int(text) <= most):
            raise ValueError(f"must be a whole number from {least} to {most}")
        return int(text)

    return parse


def yes_or_no(text: str) -> bool:
    """Parse a switch."""
    if text.lower() in {"yes", "true", "1", "on"}:
        return True
    if text.lower() in {"no", "false", "0", "off"}:
        return False
    raise ValueError("must be yes or no")


def region(text: str) -> str:
    """Return the AWS region name of a region, given by that, its login domain or its zip label."""
    found = regions.find(text)
    if found is None:
        close = regions.nearest(text)
        raise ValueError(
            f"is no region{f'; did you mean {close!r}?' if close else ' that this version knows.'} For a new region, "
            "upgrade mtls-middleware, or use MTLS_AUTHORITIES=custom with its root and certificate name"
        )
    return found.aws_region


def dns_name(text: str) -> str:
    """Return an exact DNS name in lower case."""
    if _DNS_NAME.fullmatch(text.lower()) is None:
        raise ValueError("must be an exact DNS name, without wildcard, and no address")
    return text.lower()


def certificate_name(text: str) -> str:
    """Return an exact DNS name in lower case, or an exact URI as written."""
    if ":" not in text:
        return dns_name(text)
    if text.lower().startswith("spiffe:") and _SPIFFE_ID.fullmatch(text) is None:
        raise ValueError(
            "is no SPIFFE ID: write spiffe://TRUST-DOMAIN/PATH, the trust domain in lower case, without '.', '..' or "
            "an empty part in the path"
        )
    if _URI.fullmatch(text) is None:
        raise ValueError("must be an exact DNS name, without wildcard and port, or an exact URI such as spiffe://…")
    return text


def pin(text: str) -> Path | str:
    """Return the SHA-256 of a certificate in lower-case hex, or the path of a file that holds it."""
    digits = text.replace(":", "").lower()
    if _SHA256.fullmatch(digits):
        return digits
    if _ALMOST_SHA256.fullmatch(text.lower()) or _ALMOST_SHA256.fullmatch(digits):
        raise ValueError(f"has {len(digits)} hex digits, but a SHA-256 has 64; a file of that name would be ./{text}")
    return path(text)


def path(text: str) -> Path:
    """Return a path of the file system."""
    if "\0" in text:
        raise ValueError("is no path")
    return Path(text)


def network(text: str) -> Network:
    """Return a network; IPv4-mapped ones as IPv4."""
    if text == "*":
        raise ValueError("would trust everybody: name the proxy's address")
    try:
        parsed = ipaddress.ip_network(text)
    except ValueError:
        raise ValueError(_right_network(text)) from None
    mapped = getattr(parsed.network_address, "ipv4_mapped", None)
    if mapped is not None and parsed.prefixlen >= _MAPPED:
        parsed = ipaddress.ip_network((mapped, parsed.prefixlen - _MAPPED))
    if parsed.prefixlen == 0:
        raise ValueError("would trust everybody: name the proxy's address")
    return parsed


def _right_network(text: str) -> str:
    try:
        return f"has host bits set; did you mean '{ipaddress.ip_network(text, strict=False)}'?"
    except ValueError:
        return "must be an address, a network such as 10.0.0.0/24, or unix"


def header_name(text: str) -> str:
    """Return a header's name (RFC 9110 §5.1)."""
    if _TOKEN.fullmatch(text) is None:
        raise ValueError("is no name of a header")
    return text


def visible_text(text: str) -> str:
    """Return the value that a header must have."""
    if not (text.isascii() and text.isprintable()):
        raise ValueError("must be printable ASCII")
    return text


def path_prefix(text: str, *, opens: bool = False) -> str:
    """Return a path prefix without its final slash.

    Args:
        text: as an operator wrote it.
        opens: what lies under it needs no identity, so no wider prefix is suggested than what was meant.
    """
    bad = any(part in text for part in _BAD_IN_PREFIX) or text.endswith("$")
    if bad or not text.startswith("/") or is_ambiguous(normalize("NFKC", text)):
        nearest = _nearest_prefix(text, opens=opens)
        raise ValueError(
            "must be a path such as /actions, without query, route templates, wildcards, '.', '..', '//', ';', '%' or "
            "'\\'" + (f"; did you mean '{nearest}'?" if nearest else "")
        )
    return text.rstrip("/") or "/"


def _nearest_prefix(text: str, *, opens: bool) -> str:
    """Return the fixed part of a template, pattern or address, as a prefix; empty where there is none."""
    written = re.sub(r"\A\^|\A[A-Za-z][A-Za-z0-9+.-]*://[^/]*", "", normalize("NFKC", text).strip().replace("\\", "/"))
    written = _END_OF_PATH.split(unquote(f"/{written}"), maxsplit=1)[0]
    fixed, *varying = _PATTERN.split(written, maxsplit=1)
    segments = fixed.split("/")[: -1 if varying and not written.startswith(f"{fixed}/:") else None]
    nearest = "".join(f"/{segment}" for segment in segments if segment not in {"", ".", ".."})
    if opens and (not nearest or any("/" in part for part in varying)):
        return ""
    return "" if is_ambiguous(nearest or "/") else nearest or "/"


def organization_id(text: str) -> str:
    """Return an organisation's UUID in lower case."""
    try:
        parsed = str(UUID(text))
    except ValueError:
        parsed = ""
    if parsed != text.lower():
        raise ValueError("must be a UUID such as 0b0e4a5c-1f7d-4c2e-9a55-2f3f7c1d8e90")
    return parsed


def crl_location(text: str) -> str:
    """Return the address or the path of a CRL."""
    scheme, colon, rest = text.partition("://")
    if colon and (scheme.lower() not in {"http", "https"} or not rest):
        raise ValueError("must be an http or https address, or a path")
    if colon and ("@" in rest.partition("/")[0] or not _has_good_port(text)):
        raise ValueError("must name a host, with a port from 1 to 65535 or none, and no user")
    return text


def _has_good_port(address: str) -> bool:
    try:
        return urlsplit(address).port != 0
    except ValueError:
        return False
