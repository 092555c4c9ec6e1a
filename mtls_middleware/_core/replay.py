"""The fast path: it repeats an acceptance that the full way gave to the same bytes, and does nothing else.

Invariant: everything that the gate's decision depends on is either *equal*, whole and byte for byte, to what a request
brought that the gate accepted under the same trust, or it is *checked again* on this call: the time against the life
of the verdict, each secret in constant time, the peer's port by its range. Which header means what depends on the names
alone, so it is learned once for each sequence of names. Whatever is unusual, and whatever raises, goes the full way:
`find` returns None, and its caller asks the gate. No refusal is ever repeated.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, cast

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
_TEXTS = (str, bytes)
_FORWARDED = frozenset({"x-forwarded-for", "forwarded"})

Scope = Mapping[str, Any]
Header = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class _Acceptance:
    """Remember one acceptance: one reference, so that threads never mix two.

    Attributes:
        judged: the headers on which the decision depended, beside secrets.
        beside: what else it depended on, beside time and path: the chain of the TLS extension, or the peer.
        not_before: start of the verdict's life, seconds since 1970.
        not_after: end of it.
        additions: what the scope of such a request gets.
        repeated: called each time.
    """

    judged: object
    beside: object
    not_before: float
    not_after: float
    additions: dict[str, Any]
    repeated: Callable[[], object]


@dataclass(frozen=True, slots=True)
class _Layout:
    """Say what the headers of a request mean, by their names alone.

    Attributes:
        names: all of them, in their order.
        judged: picks the headers on whose values the decision depends.
        secrets: the place of each header that must hold a secret, and its check.
        shown: picks the headers that the application may see.
        chunked: trailers may follow.
    """

    names: list[bytes]
    judged: Callable[[list[Header]], object]
    secrets: tuple[tuple[int, Callable[[bytes], bool]], ...]
    shown: Callable[[list[Header]], Sequence[Header]]
    chunked: bool


class Replay:
    """Repeat what one gate accepted under one snapshot; with either it ends.

    In report mode, and for a source that is neither ``tls`` nor made of headers, everything goes the full way.
    """

    def __init__(self, gate: Gate, snapshot: TrustSnapshot | None, clock: Callable[[], float]) -> None:
        """Remember nothing yet.

        Args:
            gate: judges what is not repeated.
            snapshot: the trust in force.
            clock: returns seconds since 1970.
        """
        self._version = snapshot.version if snapshot is not None else None
        self._clock = clock
        shape = gate.source.shape
        self._hidden = gate.hidden
        self._is_usable = gate.mode is Mode.ENFORCE and isinstance(gate.source, TLSSource | HeaderSource)
        self._reads_tls = shape is None
        self._asks_peer = shape is not None and bool(gate.boundary.networks or gate.boundary.unix_socket)
        secrets = filter(None, (gate.boundary.secret, gate.callers.secret))
        self._secrets = {canonical(secret.header): secret for secret in secrets}
        judged = frozenset(map(canonical, (*(shape.headers if shape else ()), *gate.callers.headers)))
        self._judged = (judged | (_FORWARDED if self._asks_peer else frozenset())) - self._secrets.keys()
        self._reads_headers = bool(self._judged or self._secrets)
        self._every_path = gate.protection.is_total
        self._paths: dict[object, None] = {}
        self._path: object = None
        self._layouts: dict[tuple[bytes, ...], _Layout] = {}
        self._layout = self._layout_of([])
        self._acceptances: dict[object, _Acceptance] = {}
        self._last = _Acceptance(None, None, 1.0, 0.0, {}, dict)

    def find(self, scope: dict[str, Any]) -> dict[str, Any] | None:  # noqa: C901, PLR0911, PLR0912 - each request runs it
        """Return the scope that the application may see, if the same was accepted before.

        Args:
            scope: of an http or websocket request, in ASGI; what is returned shares no dict with it.
        """
        try:
            headers = scope["headers"]
            if type(headers) is not list:  # what can be read only once is left to the full way
                return None
            # 1. What do the headers mean, and do they hold the secrets?
            judged: object = None
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
                shown = [*layout.shown(headers)]
            elif headers and type(headers[0]) is not tuple:  # as all that are learned with a layout
                return None
            else:
                shown = headers.copy()
            beside: object = None
            if self._reads_tls:
                tls = scope["extensions"]["tls"]
                beside = tls["client_cert_chain"]
                if type(beside) not in _SEQUENCES or tls.get("client_cert_error"):
                    return None
            elif self._asks_peer:
                beside = _peer(scope)
            # 2. Was the same accepted?
            acceptance = self._last
            if acceptance.judged != judged or acceptance.beside != beside:
                acceptance = self._acceptances[self._slot(judged, beside)]
                if acceptance.judged != judged or acceptance.beside != beside:
                    return None
                self._last = acceptance
            # 3. Does it hold now, and here?
            if not acceptance.not_before <= self._clock() <= acceptance.not_after:
                return None
            if not self._every_path:
                path = _path(scope)
                if path != self._path and path not in self._paths:
                    return None
            # 4. Then the application sees the same as the first time.
            seen = scope | acceptance.additions
            seen["headers"] = shown
            if extensions := scope.get("extensions"):  # dicts that servers may share between requests
                seen["extensions"] = extensions = extensions.copy()
                if tls := extensions.get("tls"):
                    extensions["tls"] = tls.copy()
            acceptance.repeated()
        except Exception:  # noqa: BLE001 - whatever is unusual goes the full way
            return None
        return seen

    def keep(self, scope: Scope, accepted: Accepted, additions: dict[str, Any], repeated: Callable[[], object]) -> None:
        """Remember that the gate accepted this.

        Args:
            scope: the same that the gate judged.
            accepted: what the gate said; what it judged under other trust is not kept.
            additions: what goes into the scope where the same comes again.
            repeated: called each time that it does; waits for nothing.
        """
        if not self._is_usable or not accepted.protected or accepted.version != self._version:
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
            beside = _chain(scope) if self._reads_tls else _peer(scope) if self._asks_peer else None
            acceptance = _Acceptance(
                judged,
                beside,
                accepted.not_before.timestamp(),
                accepted.not_after.timestamp(),
                additions,
                repeated,
            )
            if not self._every_path:
                self._path = _path(scope)
                _keep(self._paths, self._path, None, PATHS)
            _keep(self._acceptances, self._slot(judged, beside), acceptance, CAPACITY)
            self._last = acceptance
        except Exception:  # noqa: BLE001 - what is too unusual to be kept is judged again
            return

    def _slot(self, judged: Any, beside: Any) -> object:  # noqa: ANN401 - of several shapes
        """Return a sample of the evidence, soon hashed: equal for equal evidence."""
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
                (place, self._secrets[names[place]].comparison()) for place in places if names[place] in self._secrets
            ),
            shown=_picker([place for place in places if names[place] not in self._hidden]),
            chunked=not self._reads_tls and "transfer-encoding" in names,
        )


def _chain(scope: Scope) -> Sequence[str | bytes]:
    """Return the chain of the TLS extension, for good; raise for one that can be changed later."""
    chain = scope["extensions"]["tls"]["client_cert_chain"]
    if type(chain) not in _SEQUENCES or not all(type(part) in _TEXTS for part in chain):
        raise TypeError
    return cast("Sequence[str | bytes]", chain[:])


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


def _path(scope: Scope) -> tuple[object, ...]:
    return scope["path"], scope.get("raw_path"), scope.get("root_path", "")


def _keep(memory: dict[Any, Any], key: object, value: object, capacity: int) -> None:
    if len(memory) >= capacity:
        memory.clear()
    memory[key] = value
