"""Whom to trust: regions, authorities, files, certificate names and pins, as one consistent whole."""

from pathlib import Path
from types import MappingProxyType
from typing import Any

from mtls_middleware import regions
from mtls_middleware._core.trust import Binding, Bound
from mtls_middleware.identity import Authority
from mtls_middleware.settings import values
from mtls_middleware.settings.prefixes import bound_entries
from mtls_middleware.settings.reader import Reader
from mtls_middleware.settings.secrets import read_clients


def read_authorities(reader: Reader) -> dict[str, Any]:
    """Return the fields of `Settings` that say whom to trust."""
    authorities = tuple(dict.fromkeys(reader.each("AUTHORITIES", values.choice(Authority))))
    uses_regions = authorities != (Authority.CUSTOM,)
    if uses_regions and authorities and not reader.is_set("REGIONS"):
        reader.report(
            "REGIONS", "is required: write the region of your organisation, such as us-east-1 or mypurecloud.ie"
        )
    configured = tuple(dict.fromkeys(reader.each("REGIONS", values.region)))
    regional = _bindings(Authority.GENESYS, configured, authorities)
    custom = (Binding(Authority.CUSTOM),) if Authority.CUSTOM in authorities else ()
    shared = (Binding(Authority.DIGICERT),) if Authority.DIGICERT in authorities else ()
    pinned = _bindings(Authority.DIGICERT, configured, authorities)
    client_ids, client_secrets = read_clients(reader, pinned or regional)
    return {
        "regions": configured,
        "authorities": authorities,
        "trust": _read_trust(reader, authorities, (*regional, *custom), shared),
        "cert_names": MappingProxyType(_read_names(reader, regional, custom)),
        "pins": _read_pins(reader, pinned, frozenset(client_ids)),
        "genesys_client_id": MappingProxyType(client_ids),
        "genesys_client_secret": client_secrets,
    }


def _bindings(
    authority: Authority, configured: tuple[str, ...], authorities: tuple[Authority, ...]
) -> tuple[Binding, ...]:
    return tuple(Binding(authority, region) for region in configured) if authority in authorities else ()


def _read_trust(
    reader: Reader, authorities: tuple[Authority, ...], required: tuple[Binding, ...], shared: tuple[Binding, ...]
) -> tuple[Bound[Path], ...]:
    entries = bound_entries(reader, "TRUST", values.path, (*required, *shared), prefix_needed=False)
    if not reader.is_set("TRUST") and not {Authority.GENESYS, Authority.CUSTOM}.isdisjoint(authorities):
        reader.report(
            "TRUST", "is required: write the path of the region's root certificate, a zip as downloaded will do"
        )
    elif entries and all(entry.binding for entry in entries):
        given = {entry.binding for entry in entries}
        for binding in required:
            if binding not in given:
                reader.report("TRUST", f"has no entry for {binding}: add {binding}=PATH")
    return entries


def _read_names(
    reader: Reader, regional: tuple[Binding, ...], custom: tuple[Binding, ...]
) -> dict[Binding, frozenset[str]]:
    given: dict[Binding, set[str]] = {}
    for entry in bound_entries(reader, "CERT_NAMES", values.certificate_name, (*regional, *custom)):
        if entry.binding in regional and ":" in entry.value:
            reader.report("CERT_NAMES", f"'{entry.value}' is a URI, but callers of {entry.binding} have a DNS name")
        elif entry.binding is not None:
            given.setdefault(entry.binding, set()).add(entry.value)
    names: dict[Binding, frozenset[str]] = {}
    for binding in (*regional, *custom):
        own = given.get(binding) or _known_names(binding)
        if not own and not reader.is_set("CERT_NAMES"):
            why = "the certificate name of this region is not known" if binding.region else "no name is allowed yet"
            reader.report("CERT_NAMES", f"is required for {binding}, because {why}: add {binding}=NAME")
        elif not own and not reader.is_bad("CERT_NAMES"):
            reader.report("CERT_NAMES", f"has no entry for {binding}: add {binding}=NAME")
        names[binding] = frozenset(own)
    return names


def _known_names(binding: Binding) -> set[str]:
    region = regions.find(binding.region or "")
    return {region.cert_name} if region is not None and region.cert_name is not None else set()


def _read_pins(
    reader: Reader, possible: tuple[Binding, ...], with_client: frozenset[str]
) -> tuple[Bound[Path | str], ...]:
    pins = bound_entries(reader, "PINS", values.pin, possible)
    given = {entry.binding for entry in pins}
    for binding in possible:
        if binding not in given and binding.region not in with_client:
            reader.report(
                "PINS",
                f"has no client certificate for {binding}, and DigiCert signs for strangers too: add {binding}=PATH "
                f"or {binding}=SHA-256, or {reader.prefix}GENESYS_CLIENT_ID and {reader.prefix}GENESYS_CLIENT_SECRET",
            )
    return pins
