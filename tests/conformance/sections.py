"""Sections of docs/conformance.md on what this repository brings: CRLs, fields, captures, listings."""

import textwrap
from collections.abc import Iterator

from tests.conformance import fields, proxies, sdk
from tests.conformance.errors import ConformanceError
from tests.conformance.revocation_cases import CASES, ON_PURPOSE
from tests.documentation.tables import table

WIDTH = 118
NOT_RUN = "not run: {} is not installed (`pip install --group conformance`)\n"


def paragraph(text: str) -> str:
    """Return text in lines, with a blank line behind them."""
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False) + "\n"


def revocation() -> Iterator[str]:
    """Yield what becomes of CRLs of each kind."""
    found = [(f"{kind}: {case.name}", case, case.judge()) for kind, cases in CASES.items() for case in cases]
    divergent = [(name, case, verdict) for name, case, verdict in found if verdict != case.verdict]
    if unexpected := sorted({name for name, _, _ in divergent} ^ ON_PURPOSE.keys()):
        raise ConformanceError(f"CRLs: {', '.join(unexpected)}")
    yield "## CRLs by RFC 5280\n"
    yield paragraph(
        "CRLs of each kind that suites of revocation have, made here by a CA of our own. With them, "
        f"{len(found) - len(divergent)} of {len(found)} callers are good, revoked or unknown as RFC 5280 §6.3 says; "
        "`require` refuses the unknown. The others:"
    )
    rows = [(name, case.section, case.verdict, verdict, ON_PURPOSE[name]) for name, case, verdict in divergent]
    yield table(("CRL", "RFC 5280", "says", "here", "because"), rows)


def structured_fields() -> Iterator[str]:
    """Yield how byte sequences are read."""
    yield "## Structured fields (RFC 9651, RFC 9440)\n"
    found = fields.outcome()
    if found is None:
        yield NOT_RUN.format("http-sf")
        return
    if found.wrong:
        raise ConformanceError(f"structured fields: {found.wrong[0]}")
    divergent = sum(found.divergent.values())
    readable = found.read + divergent
    yield paragraph(
        f"Items and lists of byte sequences, {found.refused + readable:,} of them, compared with `http-sf`, the parser "
        f"of an author of the RFC: all {found.refused:,} that it refuses are refused here; of {readable:,} that it "
        f"reads, {found.read:,} are read to the same bytes. The others are refused:"
    )
    rows = [
        (kind, str(found.divergent[kind]), why) for kind, why in fields.DIVERGENT.items() if kind in found.divergent
    ]
    yield table(("kind", "cases", "because"), rows)


def captures() -> Iterator[str]:
    """Yield who is read out of what proxies sent."""
    found = list(proxies.outcomes())
    if wrong := [name for one in found for name in one.wrong]:
        raise ConformanceError(f"captures: {', '.join(wrong)}")
    total = sum(sum(one.found.values()) for one in found)
    yield "## XFCC and other headers, as proxies sent them\n"
    yield paragraph(
        f"{total} requests as an application behind a proxy gets them, of honest callers and forgers; those of clouds "
        "are made from documentation. The certificate of an honest caller is read as the TLS client sent it, and "
        "nobody but the TLS client is accepted."
    )
    yield table(
        ("proxy", *proxies.KINDS), [(one.proxy, *(str(one.found[kind]) for kind in proxies.KINDS)) for one in found]
    )
    yield "Honest captures that are refused:\n"
    rows = [(f"`{name}`", why) for one in found for name, why in one.divergent.items()]
    yield table(("capture", "because"), rows)


def listings() -> Iterator[str]:
    """Yield what becomes of the official SDK's listings."""
    yield "## The official SDK's models\n"
    found = sdk.outcome()
    if found is None:
        yield NOT_RUN.format("PureCloudPlatformClientV2")
        return
    if found.wrong:
        raise ConformanceError(f"listings of the SDK: {found.wrong[0]}")
    yield paragraph(
        "Listings of client certificates as the models of `PureCloudPlatformClientV2` write them, drawn at random: "
        f"{found.listings:,} of {found.listings:,}, with {found.entries:,} entries, are read to the same certificates, "
        "authorities and statuses."
    )


def elsewhere() -> Iterator[str]:
    """Yield the suites that cannot be had here, and what takes their place."""
    yield "## Not run\n"
    yield table(
        ("suite", "why", "in its place"),
        [
            (
                "BetterTLS",
                "its generator needs Go, and modules of Go from a registry that CI does not reach",
                "x509-limbo has cases of path building and name constraints; `tests/core/test_intermediates.py`",
            ),
            (
                "rustls-webpki, revocation",
                "its cases come with the sources of a Rust crate, not with a package for Python",
                "*CRLs by RFC 5280* above: the same kinds, made anew",
            ),
            (
                "httpwg/structured-field-tests",
                "they are in no package",
                "*Structured fields* above: more cases, judged by a parser of the same author",
            ),
        ],
    )
