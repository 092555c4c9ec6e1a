"""The regional table of Genesys Cloud, read from ``regions.csv``: data, not code.

A name is never generated: the table's irregular rows show why.
"""

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from functools import cache
from importlib.resources import files
from types import MappingProxyType


class Certainty(StrEnum):
    """How certain the certificate name of a region is."""

    CONFIRMED = "confirmed"
    PARTIAL = "partial"
    RECONSTRUCTED = "reconstructed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """One region.

    Attributes:
        aws_region: AWS region name, such as ``us-east-1``; the key everywhere in this package.
        name: as Genesys writes it.
        domain: login domain, such as ``mypurecloud.com``.
        api_host: host of the platform API.
        login_host: host that issues OAuth tokens.
        cert_name: DNS name in the data actions client certificate; None where it is not known.
        zip_label: stem of the root certificate's download, such as ``US-East-1``; None where it is not known.
        certainty: how `cert_name` is known.
    """

    aws_region: str
    name: str
    domain: str
    api_host: str
    login_host: str
    cert_name: str | None
    zip_label: str | None
    certainty: Certainty


@cache
def table() -> tuple[Region, ...]:
    """Return every region, in the table's order."""
    with files("mtls_middleware").joinpath("regions.csv").open(encoding="utf-8") as lines:
        return tuple(
            Region(
                aws_region=row["aws_region"],
                name=row["name"],
                domain=row["domain"],
                api_host=row["api_host"],
                login_host=row["login_host"],
                cert_name=row["cert_name"] or None,
                zip_label=row["zip_label"] or None,
                certainty=Certainty(row["cert_name_certainty"]),
            )
            for row in csv.DictReader(lines)
        )


def find(text: str) -> Region | None:
    """Return the region with this AWS name, login domain or zip label (without case), or None."""
    return _index().get(text.casefold())


def named_in(text: str) -> tuple[Region, ...]:
    """Return each region that is named somewhere in a text, as an operator or a CA might write it."""
    pattern, by_name = _names()
    found = pattern.finditer(re.sub(r"[\s_]+", "-", text.casefold()))
    return tuple(dict.fromkeys(by_name[match[0]] for match in found))


@cache
def of_certificate_names() -> Mapping[str, str]:
    """Return the AWS region name of each certificate name, in lower case."""
    return MappingProxyType({region.cert_name: region.aws_region for region in table() if region.cert_name})


def nearest(text: str) -> str | None:
    """Return the known spelling closest to `text`, for error messages."""
    matches = get_close_matches(text.casefold(), _index(), n=1, cutoff=0.6)
    return matches[0] if matches else None


@cache
def _names() -> tuple[re.Pattern[str], dict[str, Region]]:
    """Return what finds names of regions, and whose they are: also ``prod-euw1``, which stands in certificate names."""
    short = {region.cert_name.split(".")[1]: region for region in table() if region.cert_name}
    by_name = _index() | {name: region for name, region in short.items() if "-" in name}
    domains = {region.domain for region in table()}
    longest_first = sorted(by_name, key=len, reverse=True)  # mypurecloud.com.au is not mypurecloud.com
    alternatives = "|".join(
        rf"(?<![\w.]){re.escape(name)}(?![\w-])" if name in domains else re.escape(name) for name in longest_first
    )
    return re.compile(rf"(?<![^\W_])(?:{alternatives})(?![^\W_])"), by_name


@cache
def _index() -> dict[str, Region]:
    return {
        key.casefold(): region
        for region in table()
        for key in (region.zip_label, region.domain, region.aws_region)
        if key is not None
    }
