"""The fast path: it repeats an acceptance that the full way gave to the same bytes, and does nothing else.

Invariant: all that the gate can read of an ASGI request is what the functions of `_core/scope.py` return, and gate and
fast path read it through these. Each part of it is either *equal*, whole, to that of a request which the gate accepted
under the same trust; or it is *checked again* on this call: the time against the life of the verdict, each secret in
constant time, the peer's port by its range. What is kept is made of str, bytes and other values that nobody can change,
so what equals it, such as a memoryview of the same bytes, is read by the gate as the same. What is left out has a
comment that proves that this gate cannot read it. Whatever is unusual, and whatever raises, goes the full way: `find`
returns None, and its caller asks the gate. No refusal is ever repeated, nothing is known before the first acceptance,
and what is remembered has a bound in bytes.
"""

import sys
from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from math import inf
from typing import Any

from mtls_middleware._core.connection import canonical, may_make_headers_of_trailers
from mtls_middleware._core.decision import Accepted
from mtls_middleware._core.gate import Gate, Mode
from mtls_middleware._core.layout import Header, Layout, layout_of
from mtls_middleware._core.scope import headers_and_extensions_of, known_path, known_peer, peer_of
from mtls_middleware._core.sources.headers import HeaderSource
from mtls_middleware._core.sources.tls import TLSSource
from mtls_middleware._core.trust import TrustSnapshot

CAPACITY = 256
"""Acceptances, and sequences of header names. Only callers who were accepted take room; a full house begins anew."""

PATHS = 1024
"""Protected paths that are known."""

EVIDENCE_BYTES = 32 * 1024
"""Of one acceptance. What is larger than one of these three bounds is judged in full each time."""

NAMES_BYTES = 8 * 1024
"""Of the header names of one request."""

PATH_BYTES = 2 * 1024
"""Of one path in its three forms."""

_STRIDE = 29
"""An acceptance is looked up by each 29th character: hashing a certificate costs more than comparing it once."""

_CHAIN = "client_cert_chain"
_ERROR = "client_cert_error"
_PLAIN = frozenset({type(None), bool, int, str, bytes})
"""Types of values that nobody can change."""

_SEQUENCES = frozenset({list, tuple})
_TEXTS = frozenset({str, bytes})
_FORWARDED = frozenset({"x-forwarded-for", "forwarded"})

Scope = Mapping[str, Any]


_Evidence = tuple[tuple[Header, ...], dict[str, Any] | None, object]
"""The headers on which a decision depended, beside secrets; the TLS extension; the direct peer, without its port."""

_Acceptance = tuple[_Evidence, float, float, dict[str, Any], Callable[[], object]]
"""One acceptance: its evidence; start and end of the verdict's life, seconds since 1970; what the scope of such a
request gets; what is called each time. It is one reference, so that threads never mix two, and a plain tuple, which the
interpreter takes apart fastest."""

_NOTHING: _Acceptance = ((), None, None), inf, -inf, {}, dict
"""Stands for the last acceptance where there is none: it holds at no time."""


class Replay:
    """The acceptances of one gate under one snapshot, to be repeated.

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
        header_names = gate.source.header_names
        self._is_tls = header_names is None
        # The gate reads the peer only where headers are to be believed, and only where peers are restricted.
        self._asks_peer = header_names is not None and bool(gate.boundary.networks or gate.boundary.unix_socket)
        # Without a source of headers the gate asks for no proxy secret; it refuses two of them by their names alone.
        secrets = [*filter(None, (gate.callers.secret, gate.boundary.secret if header_names is not None else None))]
        self._secrets = {canonical(secret.header): secret for secret in secrets}
        # Of all other headers the gate reads the names alone, and these are compared.
        judged = frozenset(map(canonical, (*(header_names.headers if header_names else ()), *gate.callers.headers)))
        self._judged = (judged | (_FORWARDED if self._asks_peer else frozenset())) - self._secrets.keys()
        self._hidden = gate.hidden
        # Without any of these the gate reads no header.
        self._reads_headers = bool(self._judged or self._secrets or self._hidden)
        # A gate that protects every path reads none.
        self._every_path = gate.protection.is_total
        is_repeatable = gate.mode is Mode.ENFORCE and isinstance(gate.source, TLSSource | HeaderSource)
        self._is_usable = is_repeatable and len(self._secrets) == len(secrets)
        self._paths: dict[object, None] = {}
        self._path: object = None
        self._layouts: dict[tuple[bytes, ...], Layout] = {}
        self._layout: Layout | None = None
        self._acceptances: dict[object, _Acceptance] = {}
        self._last = _NOTHING

    def find(self, scope: dict[str, Any]) -> dict[str, Any] | None:  # noqa: C901, PLR0911, PLR0912 - each request runs it
        """Return the scope that the application may see, if the same was accepted before.

        Args:
            scope: of an http or websocket request, in ASGI; what is returned shares no dict with it.
        """
        try:
            headers, extensions = headers_and_extensions_of(scope)
            if type(headers) is not list:  # what can be read only once is left to the full way
                return None
            # 1. What do the headers mean, and do they hold the secrets?
            judged: tuple[Header, ...] = ()
            shown: list[Header] = headers
            peer: object = None
            if self._reads_headers:
                names = [
                    name
                    for header in headers
                    if type(header) is tuple
                    for name, value in [header]
                    if type(value) is bytes
                ]
                layout = self._layout
                if layout is None or layout.names != names:
                    self._layout = layout = self._layouts[tuple(names)]
                if len(names) != len(headers):
                    return None
                for index, matches in layout.secrets:
                    if not matches(headers[index][1]):
                        return None
                judged = layout.judged(headers)
                if layout.shown is not None:
                    shown = layout.shown(headers)
                if self._asks_peer or layout.chunked:
                    client, transport = peer_of(scope)
                    if layout.chunked and may_make_headers_of_trailers(transport):
                        return None
                    if self._asks_peer:
                        peer = known_peer(client, transport)
            elif headers and type(headers[0]) is not tuple:
                return None
            # 2. Was the same accepted?
            tls: Any = None
            if extensions is not None:
                if type(extensions) is not dict:
                    return None
                tls = extensions.get("tls")
                if tls is not None and type(tls) is not dict:
                    return None
            if self._is_tls:
                certificates = tls[_CHAIN]
                if type(certificates) is not tuple and type(certificates) is not list:  # it may be read only once
                    return None
                for certificate in certificates:
                    if type(certificate) is not str and type(certificate) is not bytes:
                        return None
                if tls.get(_ERROR) is not None:
                    return None
            evidence = judged, tls, peer
            known, not_before, not_after, additions, repeated = self._last
            if known != evidence:
                found = self._acceptances[self._slot(*evidence)]
                known, not_before, not_after, additions, repeated = found
                if known != evidence:
                    return None
                self._last = found
            # 3. Does it hold now, and here?
            if not not_before <= self._clock() <= not_after:
                return None
            if not self._every_path:
                path = known_path(scope)
                if path != self._path and path not in self._paths:
                    return None
            # 4. Then the application sees the same as the first time.
            seen = scope | additions
            seen["headers"] = shown if shown is not headers else headers.copy()
            if extensions is not None:  # dicts that servers may share between requests
                seen["extensions"] = {**extensions, "tls": {**tls}} if tls is not None else {**extensions}
            repeated()
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
            headers, extensions = headers_and_extensions_of(scope)
            if type(headers) is not list:
                return
            layout = layout_of(headers, judged=self._judged, secrets=self._secrets, hidden=self._hidden)
            peer = known_peer(*peer_of(scope)) if self._asks_peer else None
            evidence = layout.judged(headers), self._tls(extensions), peer
            life = accepted.not_before.timestamp(), accepted.not_after.timestamp()
            path = None if self._every_path else known_path(scope)
            if (
                _size(layout.names) <= NAMES_BYTES
                and _size(_parts(*evidence)) <= EVIDENCE_BYTES
                and _size(path or ()) <= PATH_BYTES
            ):
                acceptance = evidence, *life, additions, repeated
                _keep(self._layouts, tuple(layout.names), layout, CAPACITY)
                _keep(self._acceptances, self._slot(*evidence), acceptance, CAPACITY)
                _keep(self._paths, path, None, PATHS)
                self._layout, self._last, self._path = layout, acceptance, path
        except Exception:  # noqa: BLE001 - what is too unusual to be kept is judged again
            return

    def _tls(self, extensions: Any) -> dict[str, Any] | None:  # noqa: ANN401 - whatever a server put there
        """Return the TLS extension for good; raise for one that can be changed later, or that holds no chain."""
        tls: Any = (extensions or {}).get("tls")
        if tls is None and not self._is_tls:
            return None
        copy = {**tls}
        certificates = copy.pop(_CHAIN, None)
        usual = all(type(value) in _PLAIN for value in chain(copy.keys(), copy.values()))
        if certificates is not None:
            usual &= type(certificates) in _SEQUENCES and all(type(part) in _TEXTS for part in certificates)
        if not usual or (self._is_tls and not (certificates and all(certificates))):  # else the gate read another key
            raise TypeError
        certificates = certificates and certificates[:]
        return {name: certificates if name == _CHAIN else value for name, value in tls.items()}

    def _slot(self, judged: tuple[Header, ...], tls: dict[str, Any] | None, peer: object) -> object:
        """Return a sample of the evidence, soon hashed: equal for equal evidence."""
        if tls is None or not self._is_tls:
            return _sample(value for _, value in judged), peer
        version = tls.get("tls_version"), tls.get("cipher_suite")  # one caller may speak two
        return _sample(value for _, value in judged), _sample(tls[_CHAIN]), version


def _sample(values: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(value[::_STRIDE] for value in values)


def _parts(judged: tuple[Header, ...], tls: dict[str, Any] | None, peer: object) -> Iterable[object]:
    """Return all of the evidence that may be long."""
    yield from chain.from_iterable(judged)
    for name, value in (tls or {}).items():
        yield from (name, value)
        if name == _CHAIN:
            yield from value or ()
    yield peer if type(peer) is not tuple else peer[0]


def _size(values: Iterable[object]) -> int:
    return sum(map(sys.getsizeof, values))


def _keep(memory: dict[Any, Any], key: object, value: object, capacity: int) -> None:
    if len(memory) >= capacity:
        memory.clear()
    memory[key] = value
