"""Listings as the official SDK's models write them, drawn at random, and what our parser makes of each."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import version
from typing import Any

from mtls_middleware._io.files import parse_object
from mtls_middleware._trust.genesys.client import PATH
from mtls_middleware._trust.genesys.listing import CertificateStatus, parse_page
from mtls_middleware.identity import Authority
from mtls_middleware.testing import ClientCertificate, RegionalCA
from tests.core.certs import NOW

LISTINGS = 3_000
MOST_ENTRIES = 6

Expected = tuple[Authority, CertificateStatus, bytes]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the listings: the SDK's version, how many, entries in all, and those that were read otherwise."""

    version: str
    listings: int
    entries: int
    wrong: tuple[int, ...]


def outcome() -> Outcome | None:
    """Write and read listings; None where the SDK is not installed."""
    try:
        sdk: Any = import_module("PureCloudPlatformClientV2")
    except ImportError:
        return None
    chance = random.Random(0)
    client = sdk.ApiClient.__new__(sdk.ApiClient)  # its __init__ reads a file in the user's home
    entries, wrong = 0, []
    for number in range(LISTINGS):
        asked_for = chance.choice([None, *CertificateStatus])
        drawn = [_entry(sdk, chance, asked_for) for _ in range(chance.randint(0, MOST_ENTRIES))]
        listing = _listing(sdk, chance, [model for model, _ in drawn])
        page = parse_page(parse_object(json.dumps(client.sanitize_for_serialization(listing)).encode()), asked_for)
        entries += len(drawn)
        read = [(one.authority, one.status, one.leaf_der) for one in page.certificates]
        if page.warnings or read != [expected for _, expected in drawn] or page.next_uri != listing.next_uri:
            wrong.append(number)
    return Outcome(version("purecloudplatformclientv2"), LISTINGS, entries, tuple(wrong))


def _listing(sdk: Any, chance: random.Random, entities: list[Any]) -> Any:
    listing = sdk.ActionCertificateListing()
    listing.entities = entities
    listing.page_size, listing.page_number = chance.randint(1, 100), chance.randint(1, 9)
    listing.total, listing.page_count = len(entities), chance.randint(1, 9)
    listing.next_uri = chance.choice([None, f"{PATH}?type=Client&pageNumber={chance.randint(2, 9)}"])
    listing.first_uri = listing.last_uri = listing.self_uri = f"{PATH}?pageNumber=1"
    return listing


def _entry(sdk: Any, chance: random.Random, asked_for: CertificateStatus | None) -> tuple[Any, Expected]:
    """Return a model, with some of its fields set, and what it says."""
    client, authority = chance.choice(_clients())
    status = chance.choice(list(CertificateStatus))
    model = sdk.ActionCertificate()
    if chance.random() < 0.9:
        model.status = status.capitalize()
    else:
        status = asked_for or CertificateStatus.CURRENT
    if chance.random() < 0.8:
        model.signing_authority = {Authority.DIGICERT: "DigiCert", Authority.GENESYS: "Genesys"}[authority]
    if chance.random() < 0.9:
        model.type = "Client"
    links = list(client.pems)
    chance.shuffle(links)
    newline = chance.choice(["\n", "\r\n"])
    model.certificate = chance.choice(["", "\n"]).join(links).replace("\n", newline) + chance.choice(["", newline])
    return model, (authority, status, client.der)


@cache
def _clients() -> tuple[tuple[ClientCertificate, Authority], ...]:
    """Return DigiCert's clients, which come with their chain, and those of Genesys, which come without."""
    return tuple(_made())


def _made() -> Iterator[tuple[ClientCertificate, Authority]]:
    for number in range(5):
        ca = RegionalCA(now=NOW)
        yield ca.intermediate(f"Intermediate {number}").client(), Authority.DIGICERT
        yield ca.client(), Authority.GENESYS
