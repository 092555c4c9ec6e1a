"""JSON from outside, read strictly: an object, in UTF-8, without doubled names, and nothing raised but `Unusable`."""

import json

from mtls_middleware._trust.report import Unusable

Object = dict[str, object]


def parse_object(data: bytes) -> Object:
    """Read one JSON object. Its depth is bounded by the interpreter, its size by the caller.

    Raises:
        Unusable: it is not that.
    """
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_object, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise Unusable("is JSON that is nested too deeply") from error
    except ValueError as error:  # bad UTF-8, bad JSON, and numbers of thousands of digits
        raise Unusable("is not JSON (RFC 8259)") from error
    if not isinstance(value, dict):
        raise Unusable("is JSON, but no object")
    return value


def _object(pairs: list[tuple[str, object]]) -> Object:
    found = dict(pairs)
    if len(found) != len(pairs):  # two readers would see two different things
        raise Unusable("is JSON with a name twice in one object")
    return found


def _refuse_constant(name: str) -> object:
    raise Unusable(f"is not JSON: {name} stands in it")
