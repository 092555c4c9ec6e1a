"""A plain text in place of a member of an enumeration: it becomes the member, or is refused."""

import inspect
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from enum import StrEnum
from importlib import import_module
from pkgutil import walk_packages
from typing import Any, get_type_hints
from unittest.mock import MagicMock

import pytest

import mtls_middleware
from mtls_middleware import Connection, Interface, Mode, Reason, Rejected, Settings
from mtls_middleware.testing import KeyKind, RegionalCA
from mtls_middleware.testing.encodings import b64_der
from tests.adapters.cases import Case, http_scope
from tests.adapters.site import Site, good_client

PUBLIC = tuple(f"mtls_middleware.{name}" for name in ("_core", "observing.events", "identity"))


def _classes() -> Iterator[type[Any]]:
    names = [name for _, name, _ in walk_packages(mtls_middleware.__path__, "mtls_middleware.")]
    modules = [import_module(name) for name in names if name.startswith(PUBLIC)]
    for module in modules:
        for found in vars(module).values():
            if inspect.isclass(found) and is_dataclass(found) and found.__module__.startswith("mtls_middleware"):
                yield found


def _enumerations() -> dict[str, tuple[type[Any], str, type[StrEnum]]]:
    return {
        f"{found.__name__}.{field.name}": (found, field.name, kind)
        for found in _classes()
        for field in fields(found)
        if inspect.isclass(kind := get_type_hints(found)[field.name]) and issubclass(kind, StrEnum) and field.init
    }


ENUMERATIONS = _enumerations()


def made(found: type[Any], **given: object) -> Any:
    """Make a value of which only some fields matter; the others take whatever is done with them."""
    others = {name: member for place, (owner, name, kind) in ENUMERATIONS.items() if owner is found for member in kind}
    return found(**{field.name: MagicMock() for field in fields(found) if field.init} | others | given)


def test_the_known_ones_are_found() -> None:
    assert {"Connection.interface", "Gate.mode", "ClientIdentity.authority", "Rejected.reason"} <= ENUMERATIONS.keys()


@pytest.mark.parametrize("place", ENUMERATIONS)
def test_a_text_becomes_the_member(place: str) -> None:
    found, name, kind = ENUMERATIONS[place]
    for member in kind:
        assert getattr(made(found, **{name: member.value}), name) is member
        assert getattr(made(found, **{name: member}), name) is member


WRONG = [
    (place, rubbish)
    for place, (_, _, kind) in ENUMERATIONS.items()
    for rubbish in ("", "rubbish", None, 7)
    if rubbish not in set(kind)
]
"""An empty text is a member of one of them."""


@pytest.mark.parametrize(("place", "rubbish"), WRONG)
def test_anything_else_is_refused(place: str, rubbish: object) -> None:
    found, name, _ = ENUMERATIONS[place]
    with pytest.raises(ValueError, match="is not a valid"):
        made(found, **{name: rubbish})


def test_settings_and_keys_take_texts() -> None:
    given = Settings(regions="us-east-1", trust="/root.pem", mode="report")
    assert given.mode is Mode.REPORT
    assert RegionalCA(key="p384").certificate.public_key().key_size == 384  # type: ignore[arg-type, union-attr]
    with pytest.raises(ValueError, match="is not a valid"):
        RegionalCA(key="rubbish")  # type: ignore[arg-type]
    assert KeyKind("p384") is KeyKind.P384


@pytest.mark.parametrize("interface", [Interface.WSGI, "wsgi"], ids=["member", "text"])
def test_a_wsgi_request_by_its_name_is_read_as_one(site: Site, interface: Any) -> None:
    scope = http_scope(Case(headers=(("X-SSL-Client-Cert", b64_der(good_client())),)))
    guard = site.guard({"MTLS_SOURCE": "caddy", "MTLS_TRUSTED_PROXIES": "10.0.0.5"})
    connection = Connection(
        interface=interface,
        path="/",
        raw_path=None,
        root_path="",
        headers=tuple(scope["headers"]),
        client=("10.0.0.5", "40000"),
        server_software="granian",
    )

    decision = guard.decide(connection)
    assert isinstance(decision, Rejected)
    assert decision.reason is Reason.SOURCE_UNTRUSTED
