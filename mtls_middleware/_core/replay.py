"""The fast path: it repeats an acceptance that the full way gave to the same bytes, and does nothing else.

Invariant: everything that the gate's decision depends on is either *equal*, whole and byte for byte, to what a request
brought that the gate accepted under the same snapshot, or it is *checked again* on this call: the time against the life
of the verdict, each secret in constant time, the peer's port by its range. Which header means what depends on the names
alone, so it is learned once for each sequence of names. Whatever is unusual, and whatever raises, goes the full way:
`find` returns None, and its caller asks the gate. No refusal is ever repeated.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Generic, TypeVar

from mtls_middleware._core.connection import TRANSPORT_SCOPE_KEY, Transport, may_make_headers_of_trailers
from mtls_middleware._core.decision import Accepted
from mtls_middleware._core.fields import canonical
from mtls_middleware._core.gate import Gate, Mode
from mtls_middleware._core.snapshot import TrustSnapshot
from mtls_middleware._core.sources.headers import HeaderSource
from mtls_middleware._core.sources.tls import TLSSource

CAPACITY = 256
"""Acceptances, and sequences of header names. Only callers who were accepted take room; a full house begins anew."""

PATHS = 1024
"""Protected paths that are known."""

_STRIDE = 29
"""An acceptance is looked up by each 29th character: hashing a certificate costs more than comparing it once."""

_SEQUENCES = (list, tuple)
_FORWARDED = frozenset({"x-forwarded-for", "forwarded"})

Scope = Mapping[str, Any]
Header = tuple[bytes, bytes]
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class _Acceptance:
    """Remember one acceptance: one reference, so that threads never mix two.

    Attributes:
        evidence: what the decision depended on, beside time, path and secrets.
        snapshot: the trust under which it was reached.
        not_before: start of the verdict's life, seconds since 1970.
        not_after: end of it.
        result: what its keeper wants to have again.
    """

    evidence: object
    snapshot: TrustSnapshot | None
    not_before: float
    not_after: float
    result: Any


@dataclass(frozen=True, slots=True)
class _Layout:
    """Say what the headers of a request mean, by their names alone.

    Attributes:
        names: all of them, in their order.
        judged: picks the headers on whose values the decision depends.
        secrets: the place of each header that must hold a secret, and its check.
        hidden: the places of headers that the application must not see, from behind.
        chunked: trailers may follow.
    """

    names: list[bytes]
    judged: Callable[[list[Header]], object]
    secrets: tuple[tuple[int, Callable[[bytes], bool]], ...]
    hidden: tuple[slice, ...]
    chunked: bool


class Replay(Generic[Result]):
    """Repeat what one gate accepted. It lives with the gate; each acceptance ends with its snapshot.

    In report mode, and for a source that is neither ``tls`` nor made of headers, everything goes the full way.
    """

    def __init__(self, gate: Gate) -> None:
        shape = gate.source.shape
        self._hidden = gate.hidden
        self._is_usable = gate.mode is Mode.ENFORCE and isinstance(gate.source, TLSSource | HeaderSource)
        self._reads_tls = shape is None
        asks_peer = shape is not None and bool(gate.boundary.networks or gate.boundary.unix_socket)
        self._beside = _chain if shape is None else _peer if asks_peer else None
        secrets = filter(None, (gate.boundary.secret, gate.callers.secret))
        self._secrets = {canonical(secret.header): secret for secret in secrets}
        judged = frozenset(map(canonical, (*(shape.headers if shape else ()), *gate.callers.headers)))
        self._judged = (judged | (_FORWARDED if asks_peer else frozenset())) - self._secrets.keys()
        self._reads_headers = bool(self._judged or self._secrets)
        self._every_path = gate.protection.is_total
        self._paths: dict[object, None] = {}
        self._layouts: dict[tuple[bytes, ...], _Layout] = {}
        self._layout = self._layout_of([])
        self._acceptances: dict[object, _Acceptance] = {}
        self._last = _Acceptance(None, None, 1.0, 0.0, None)

    def find(  # noqa: C901, PLR0911, PLR0912 - one function: it runs for every request
        self, scope: Scope, snapshot: TrustSnapshot | None, clock: Callable[[], float]
    ) -> tuple[list[Header], Result] | None:
        """Return the headers that the application may see, and what was kept with an acceptance of the same.

        Args:
            scope: of an http or websocket request, in ASGI.
            snapshot: the trust of this moment.
            clock: returns seconds since 1970.
        """
        try:
            headers = scope["headers"]
            if type(headers) is not list:  # what can be read only once is left to the full way
                return None
            # 1. What do the headers mean, and do they hold the secrets?
            judged: object = None
            seen = headers.copy()
            if self._reads_headers:
                names = [name for name, _ in headers]
                layout = self._layout
                if layout.names != names:
                    self._layout = layout = self._layouts[tuple(names)]
                for place, matches in layout.secrets:
                    if not matches(headers[place][1]):
                        return None
                if layout.chunked and may_make_headers_of_trailers(scope.get(TRANSPORT_SCOPE_KEY)):
                    return None
                judged = layout.judged(headers)
                for hidden in layout.hidden:
                    del seen[hidden]
            elif headers and type(headers[0]) is not tuple:  # as all that are learned with a layout
                return None
            # 2. Was the same accepted?
            evidence = (judged, self._beside(scope) if self._beside is not None else None)
            acceptance = self._last
            if acceptance.evidence != evidence:
                acceptance = self._acceptances[self._slot(evidence)]
                if acceptance.evidence != evidence:
                    return None
                self._last = acceptance
            # 3. Does it hold now, and here?
            if acceptance.snapshot is not snapshot or not acceptance.not_before <= clock() <= acceptance.not_after:
                return None
            if not self._every_path and _path(scope) not in self._paths:
                return None
        except Exception:  # noqa: BLE001 - whatever is unusual goes the full way
            return None
        return seen, acceptance.result

    def keep(self, scope: Scope, snapshot: TrustSnapshot | None, accepted: Accepted, result: Result) -> None:
        """Remember that the gate accepted this under this trust.

        Args:
            scope: the same that the gate judged.
            snapshot: the trust of this moment; what was judged by another is not kept.
            accepted: what the gate said.
            result: what `find` returns where the same comes again.
        """
        if not self._is_usable or not accepted.protected or snapshot is None or snapshot.version != accepted.version:
            return
        try:
            headers = scope["headers"]
            if not all(type(part) is bytes for name, value in map(_pair, headers) for part in (name, value)):
                return
            judged: object = None
            if self._reads_headers:
                layout = self._layout_of(headers)
                _keep(self._layouts, tuple(layout.names), layout, CAPACITY)
                self._layout = layout
                judged = layout.judged(headers)
            evidence = (judged, self._beside(scope) if self._beside is not None else None)
            acceptance = _Acceptance(
                evidence, snapshot, accepted.not_before.timestamp(), accepted.not_after.timestamp(), result
            )
            if not self._every_path:
                _keep(self._paths, _path(scope), None, PATHS)
            _keep(self._acceptances, self._slot(evidence), acceptance, CAPACITY)
            self._last = acceptance
        except Exception:  # noqa: BLE001 - what is too unusual to be kept is judged again
            return

    def _slot(self, evidence: tuple[Any, Any]) -> object:
        """Return a sample of the evidence, soon hashed: equal for equal evidence."""
        judged, beside = evidence
        if self._reads_tls:
            beside = tuple(part[::_STRIDE] for part in beside)
        return tuple(value[::_STRIDE] for _, value in judged or ()), beside

    def _layout_of(self, headers: list[Header]) -> _Layout:
        names = [canonical(name.decode("latin-1")) for name, _ in headers]
        places = range(len(names))
        return _Layout(
            names=[name for name, _ in headers],
            judged=_picker([place for place in places if names[place] in self._judged]),
            secrets=tuple(
                (place, self._secrets[names[place]].matches) for place in places if names[place] in self._secrets
            ),
            hidden=tuple(_runs_from_behind([place for place in places if names[place] in self._hidden])),
            chunked=not self._reads_tls and "transfer-encoding" in names,
        )


def _chain(scope: Scope) -> tuple[str | bytes, ...]:
    """Return the chain of the TLS extension; raise for whatever is not a plain one, or came with a complaint."""
    tls = scope["extensions"]["tls"]
    chain = tls["client_cert_chain"]
    if not chain or type(chain) not in _SEQUENCES or tls.get("client_cert_error"):
        raise LookupError
    return tuple(chain)


def _peer(scope: Scope) -> object:
    """Return what the decision depends on of the peer: all but the port, which must be one."""
    transport = scope.get(TRANSPORT_SCOPE_KEY)
    if isinstance(transport, Transport):
        return (transport.peer and transport.peer[0],)
    if scope["client"] is None:
        return None
    host, port = scope["client"]
    if type(port) is not int or not 1 <= port <= 65535:  # noqa: PLR2004 - TCP
        raise LookupError
    return host


def _pair(header: Any) -> tuple[Any, Any]:  # noqa: ANN401 - whatever a server put there
    """Return a header that nobody can change; raise for any other."""
    if type(header) is not tuple:
        raise TypeError
    name, value = header
    return name, value


def _picker(places: list[int]) -> Callable[[list[Header]], tuple[Header, ...]]:
    match places:
        case []:
            return lambda _: ()
        case [place]:
            return lambda headers: (headers[place],)
        case _:
            return itemgetter(*places)


def _runs_from_behind(places: list[int]) -> Iterator[slice]:
    """Return each run of neighbours, the last first, so that deleting one moves none of the others."""
    while places:
        stop = places.pop() + 1
        start = stop - 1
        while places and places[-1] == start - 1:
            start = places.pop()
        yield slice(start, stop)


def _path(scope: Scope) -> tuple[object, ...]:
    return scope["path"], scope.get("raw_path"), scope.get("root_path", "")


def _keep(memory: dict[Any, Any], key: object, value: object, capacity: int) -> None:
    if len(memory) >= capacity:
        memory.clear()
    memory[key] = value
