"""Header fields by name: every copy of each, and whether somebody sent another spelling of it beside."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mtls_middleware._core.connection import Connection, Interface

Headers = Iterable[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """Hold what came under one header name.

    Attributes:
        values: in wire order, without surrounding white space.
        twin: another spelling came too, such as ``x_client_cert`` beside ``x-client-cert``. Some application, bridge
            or framework behind us would take it for the real one. WSGI cannot tell the spellings apart.
    """

    values: tuple[bytes, ...] = ()
    twin: bool = False

    @property
    def came(self) -> bool:
        """Return whether the caller, or a proxy, sent it in any spelling."""
        return self.twin or bool(self.values)

    @property
    def only(self) -> bytes | None:
        """Return the value if there is exactly one and no other spelling."""
        return self.values[0] if len(self.values) == 1 and not self.twin else None


ABSENT = Field()


@dataclass(frozen=True, slots=True)
class Fields:
    """Hold the fields that somebody asked for. Those that did not come are `ABSENT`."""

    _by_name: dict[str, Field]

    def __getitem__(self, name: str) -> Field:
        """Return the field of this name, whatever its case."""
        return self._by_name.get(canonical(name), ABSENT)


def canonical(name: str) -> str:
    """Return the one form that all confusable spellings of a header name share."""
    return name.strip().lower().replace("_", "-")


def collect(connection: Connection, names: Iterable[str]) -> Fields:
    """Pick the fields with these names out of a request, in one pass."""
    wanted = {canonical(name): name.lower() for name in names}
    values: dict[str, list[bytes]] = {}
    twins: set[str] = set()
    for raw_name, value in connection.headers:
        name = raw_name.decode("latin-1").lower()
        shared = canonical(name)
        if shared not in wanted:
            continue
        # WSGI has one spelling for '_' and '-'; what is alike in any other way is a twin there as well.
        if name == wanted[shared] or (connection.interface is Interface.WSGI and name.replace("_", "-") == shared):
            values.setdefault(shared, []).append(value.strip(b" \t\r\n"))
        else:
            twins.add(shared)
    return Fields(
        {name: Field(values=tuple(values.get(name, ())), twin=name in twins) for name in values.keys() | twins}
    )


def without(headers: Headers, hidden: frozenset[str]) -> Iterator[tuple[bytes, bytes]]:
    """Leave out every spelling of the `hidden` names, given in `canonical` form."""
    return ((name, value) for name, value in headers if canonical(name.decode("latin-1")) not in hidden)
