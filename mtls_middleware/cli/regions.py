"""The verb ``regions``: the regional table."""

import json
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mtls_middleware.cli.console import console_for
from mtls_middleware.cli.extras import WRONG
from mtls_middleware.display import displayed
from mtls_middleware.regions import Certainty, Region, find, nearest, table

UNKNOWN = "-"

_WIDTH = 160
"""Columns where nobody looks at a terminal: the longest row."""

_CERTAINTIES = {
    Certainty.CONFIRMED: "stands in the documentation of Genesys, or was seen in a certificate",
    Certainty.PARTIAL: "parts of it were seen",
    Certainty.RECONSTRUCTED: "by the pattern of other regions: compare it with the certificate of your region",
    Certainty.UNKNOWN: "set MTLS_CERT_NAMES=REGION=NAME; the first refusal's log line tells the name",
}


def run_regions(name: str | None, *, as_json: bool, console: Console | None = None) -> int:
    """Print the table, or one region, and return the exit status.

    Args:
        name: AWS region name, login domain or label of the download; None for all.
        as_json: for a script.
        console: of a test.
    """
    chosen = table() if name is None else tuple(filter(None, [find(name)]))
    if not chosen:
        near = nearest(name or "")
        meant = f": did you mean '{near}'?" if near else "."
        sys.stderr.write(f"There is no region '{displayed(name or '')}'{meant} All: mtls-middleware regions\n")
        return WRONG
    if as_json:
        found = [_facts(region) for region in chosen]
        sys.stdout.write(json.dumps(found if name is None else found[0], indent=2) + "\n")
        return 0
    console = console_for(console, _WIDTH)
    if name is None:
        console.print(_table(chosen))
        for certainty, meaning in _CERTAINTIES.items():
            console.print(Text(f"{certainty:<14} {meaning}"), soft_wrap=True)
    else:
        for label, value in _facts(chosen[0]).items():
            console.print(Text(f"{label:<22} {value if value is not None else UNKNOWN}"), soft_wrap=True)
    return 0


def _table(regions: Sequence[Region]) -> Table:
    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("AWS region", "login domain", "download", "certificate name", "certainty"):
        shown.add_column(heading, overflow="fold")
    for region in regions:
        cells = (region.aws_region, region.domain, region.zip_label, region.cert_name, str(region.certainty))
        shown.add_row(*(Text(cell or UNKNOWN) for cell in cells))
    return shown


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
