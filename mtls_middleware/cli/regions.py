"""The command ``regions``: the regional table."""

import sys
from collections.abc import Sequence

from rich.console import Console

from mtls_middleware.cli.ending import WRONG
from mtls_middleware.cli.page import console_for, line, print_json
from mtls_middleware.display import displayed
from mtls_middleware.regions import Certainty, Region, find, nearest, table

UNKNOWN = "-"

PLAIN_WIDTH = 160
"""Columns where nobody looks at a terminal: the longest row fits."""

_GAP = "  "
_HEADINGS = ("AWS region", "login domain", "root", "certainty", "certificate name")

_CERTAINTIES = {
    Certainty.CONFIRMED: "stands in the documentation of Genesys, or was seen in a certificate",
    Certainty.PARTIAL: "parts of it were seen",
    Certainty.RECONSTRUCTED: "by the pattern of other regions: compare it with the certificate of your region",
    Certainty.UNKNOWN: "set MTLS_CERT_NAMES=REGION=NAME; the first refusal's log line tells the name",
}


def run_regions(name: str | None, *, as_json: bool, console: Console | None = None) -> int:
    """Print the table, or one region, and return the exit status."""
    chosen = table() if name is None else tuple(filter(None, [find(name)]))
    if not chosen:
        near = nearest(name or "")
        meant = f": did you mean '{near}'?" if near else "."
        sys.stderr.write(f"There is no region '{displayed(name or '')}'{meant} All: mtls-middleware regions\n")
        return WRONG
    if as_json:
        print_json({"regions": [_facts(region) for region in chosen]})
        return 0
    console = console_for(console, PLAIN_WIDTH)
    if name is None:
        _show_all(chosen, console)
    else:
        for label, value in _facts(chosen[0]).items():
            line(console, f"{label:<22} {value if value is not None else UNKNOWN}")
        line(console, f"{'':<22} {_CERTAINTIES[chosen[0].certainty]}")
    return 0


def _show_all(regions: Sequence[Region], console: Console) -> None:
    rows = [_HEADINGS, *(tuple(cell or UNKNOWN for cell in _cells(region)) for region in regions)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    is_wide = sum(widths) + len(_GAP) * (len(widths) - 1) <= console.width
    for index, row in enumerate(rows):
        *cells, name = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        style = "" if index else "bold"
        if is_wide:
            line(console, _GAP.join((*cells, name)).rstrip(), style)
        else:  # on a line of its own a long name can be copied
            line(console, _GAP.join(cells).rstrip(), style)
            line(console, f"{_GAP}{name}".rstrip(), style or "dim")
    line(console)
    for certainty, meaning in _CERTAINTIES.items():
        line(console, f"{certainty:<14} {meaning}")


def _cells(region: Region) -> tuple[str | None, ...]:
    return region.aws_region, region.domain, region.zip_label, str(region.certainty), region.cert_name


def _facts(region: Region) -> dict[str, str | None]:
    return {
        "aws_region": region.aws_region,
        "name": region.name,
        "login_domain": region.domain,
        "api_host": region.api_host,
        "login_host": region.login_host,
        "download": f"{region.zip_label}.zip" if region.zip_label else None,
        "certificate_name": region.cert_name,
        "certainty": str(region.certainty),
    }
