"""Frozen dataclasses as JSON, and back: what is read has exactly the types that the dataclass says, or is refused."""

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

Record = TypeVar("Record")

LARGEST = 2**63 - 1
"""No process can have counted further."""


_SIGNED = {"days"}
"""Fields with numbers that may be negative: until something expires, and since then."""


def encoded(value: object) -> object:
    """Return a value as JSON has it. Mappings whose keys are tuples become rows."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        if any(isinstance(key, tuple) for key in value):
            return [[*key, encoded(item)] for key, item in value.items()]
        return {str(key): encoded(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [encoded(item) for item in value]
    if is_dataclass(value):
        return {field.name: encoded(getattr(value, field.name)) for field in fields(value)}
    return value


def decoded(kind: type[Record], payload: object) -> Record:
    """Return what `encoded` was given.

    Args:
        kind: a dataclass.
        payload: parsed JSON, unbelieved.

    Raises:
        ValueError: it is anything else.
    """
    value: Record = _decoded(kind, payload)
    return value


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _decoded(kind: Any, payload: object, least: int = 0) -> Any:  # noqa: ANN401 - any type that a field can have
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in {Union, types.UnionType}:
        return None if payload is None else _decoded(arguments[0], payload)
    if origin is tuple:
        return tuple(_decoded(arguments[0], item) for item in _of(list, payload))
    if origin is Mapping:
        return _mapping(arguments[0], arguments[1], payload)
    if kind is datetime:
        return _moment(payload)
    if issubclass(kind, StrEnum):
        return kind(_of(str, payload))
    if is_dataclass(kind) or hasattr(kind, "_fields"):
        return _record(kind, payload)
    return _of(kind, payload, least)


def _record(kind: Any, payload: object) -> Any:  # noqa: ANN401 - as above
    hints = _hints(kind)
    if hasattr(kind, "_fields"):  # a NamedTuple
        payload = dict(zip(kind._fields, _of(list, payload), strict=True))
    found = _of(dict, payload)
    if found.keys() != hints.keys():
        raise ValueError("has other fields")
    return kind(
        **{
            name: _decoded(int, found[name], -LARGEST) if name in _SIGNED else _decoded(hint, found[name])
            for name, hint in hints.items()
        }
    )


def _mapping(key: Any, value: Any, payload: object) -> dict[Any, Any]:  # noqa: ANN401 - as above
    if not hasattr(key, "_fields"):
        return {_decoded(key, name): _decoded(value, item) for name, item in _of(dict, payload).items()}
    if payload == {}:  # without a key, no mapping says of what kind they would be
        return {}
    rows = [_of(list, row) for row in _of(list, payload)]
    found = {_decoded(key, row[:-1]): _decoded(value, row[-1]) for row in rows if row}
    if len(found) != len(rows):
        raise ValueError("has a row twice")
    return found


def _of(kind: type[Record], payload: object, least: int = 0) -> Record:
    if type(payload) is not kind or (isinstance(payload, int) and not least <= payload <= LARGEST):
        raise ValueError(f"is not of type {kind.__name__}")
    return payload


def _moment(payload: object) -> datetime:
    moment = datetime.fromisoformat(_of(str, payload))
    if moment.tzinfo is None:
        raise ValueError("is a time without a zone")
    return moment.astimezone(UTC)
