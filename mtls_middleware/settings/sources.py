"""The headers of the configured source: a preset, and what the operator overrides of it."""

from collections.abc import Iterable
from dataclasses import replace

from mtls_middleware._core.connection import canonical
from mtls_middleware._core.sources.presets import CUSTOM, NAMES, PRESETS, TLS, Encoding, HeaderNames, Marker
from mtls_middleware.settings.reader import Reader
from mtls_middleware.settings.values import choice, header_name, one_of, visible_text

_OVERRIDES = ("HEADER", "HEADER_ENCODING", "CHAIN_HEADER", "VERIFY_HEADER", "VERIFY_VALUE")

_SELF_CONTAINED = (Encoding.XFCC, Encoding.B64_DER_LIST)
"""Encodings that hold the chain together with the leaf."""

_TAKEN = frozenset(
    {
        "authorization",
        "connection",
        "content-length",
        "content-type",
        "cookie",
        "forwarded",
        "host",
        "inin-correlation-id",
        "keep-alive",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
    }
)
"""Headers with a meaning of their own: none of ours can be one of them."""


def source_name(text: str) -> str:
    """Return the name of a source."""
    return one_of(text, NAMES)


def header_names_of(reader: Reader, source: str | None) -> HeaderNames | None:
    """Return the headers of the configured source; None where it reads none."""
    preset = PRESETS.get(source or TLS)
    if source is None or (preset is None and source != CUSTOM):
        _refuse_overrides(reader, source)
        return None
    header = reader.one("HEADER", header_name)
    encoding = reader.one("HEADER_ENCODING", choice(Encoding))
    if preset is None:
        for name in ("HEADER", "HEADER_ENCODING"):
            if not reader.is_set(name):
                reader.report(name, f"is required for {reader.prefix}SOURCE={CUSTOM}")
        header_names = HeaderNames(certificate=header or "X-Client-Cert", encoding=encoding or Encoding.URL_PEM)
    else:
        header_names = replace(preset, certificate=header or preset.certificate, encoding=encoding or preset.encoding)
    header_names = replace(header_names, bundled=header_names.bundled or header_names.encoding in _SELF_CONTAINED)
    return _with_markers(reader, source, _with_chain(reader, header_names))


def require_distinct(reader: Reader, roles: Iterable[tuple[str, str]]) -> None:
    """Refuse a header that has two roles, or a meaning of its own."""
    seen: dict[str, str] = {}
    for header, name in roles:
        form = canonical(header)
        if form in _TAKEN:
            reader.report(name, f"'{header}' has a meaning of its own: choose another header")
        elif form in seen:
            reader.report(name, f"'{header}' is the header of {reader.prefix}{seen[form]} too: choose another")
        seen.setdefault(form, name)


def _refuse_overrides(reader: Reader, source: str | None) -> None:
    for name in _OVERRIDES:
        if source is not None and reader.is_set(name):
            reader.report(name, f"has no meaning here, because {reader.prefix}SOURCE={source} reads no header")


def _with_chain(reader: Reader, header_names: HeaderNames) -> HeaderNames:
    chain = reader.one("CHAIN_HEADER", header_name)
    if chain is None:
        return header_names
    if header_names.bundled:
        reader.report("CHAIN_HEADER", f"has no meaning here, because {header_names.certificate} holds the chain itself")
    return replace(header_names, chain=(chain,))


def _with_markers(reader: Reader, source: str, header_names: HeaderNames) -> HeaderNames:
    header = reader.one("VERIFY_HEADER", header_name)
    value = reader.one("VERIFY_VALUE", visible_text)
    if not (reader.is_set("VERIFY_HEADER") or reader.is_set("VERIFY_VALUE")):
        return header_names
    lender = header_names.markers[0] if len(header_names.markers) == 1 else None
    header = header or (lender.header if lender else None)
    value = value or (lender.value if lender else None)
    if header is None and not reader.is_set("VERIFY_HEADER"):
        reader.report(
            "VERIFY_HEADER", f"is required beside {reader.prefix}VERIFY_VALUE, for {source} has no single marker"
        )
    if value is None and not reader.is_set("VERIFY_VALUE"):
        reader.report(
            "VERIFY_VALUE", f"is required beside {reader.prefix}VERIFY_HEADER, for {source} has no single marker"
        )
    if header is None or value is None:
        return header_names
    return replace(header_names, markers=(Marker(header=header, value=value),))
