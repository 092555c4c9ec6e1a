"""Changes of `_core` that no test can find, because nothing that can be seen depends on them; each with its reason."""

from collections.abc import Mapping
from types import MappingProxyType

_SAME = "only whether it is true is asked"
_SPEED = "it is the faster of two ways to the same result"
_UNDECODABLE = "U+FFFD alone makes a path ambiguous"
_SHOWN = "what `repr` shows is for people"
_BOUND = "a bound on work or memory, one more or less"
_MORE = "one certificate more is read, and refused all the same"

EQUIVALENT: Mapping[str, str] = MappingProxyType(
    {
        "serials.py SerialNumbers.__contains__: return False -> return None": _SAME,
        "crl.py CRLSignature.is_by: return False -> return None": _SAME,
        "crl.py CRLSignature.is_by: return False -> return None #1": _SAME,
        "crl.py CRL.covers: return False -> return None": _SAME,
        "crl.py _may_sign_crls: return False -> return None": _SAME,
        "signatures.py _is_signed_by: return False -> return None": _SAME,
        "elements.py has_too_many_elements: return False -> return None": _SAME,
        "elements.py has_too_many_elements: return False -> return None #1": _SAME,
        "crl.py CRLSet.of: found = self._known.get(issuer) -> found = None": _SPEED,
        "crl.py CRLSet.of: found = self._met.get(issuer) -> found = None": _SPEED,
        "crl.py CRLSet.of: found is None -> found is not None": _SPEED,
        "crl.py CRLSet.of: if found is None: -> if True:": _SPEED,
        "crl.py CRLSet.of: if found is None: -> if False:": _SPEED,
        (
            "revocation.py check: one.next_update is not None and one.confirms(now) and "
            "one.covers(certificate, is_ca=index > 0) -> "
            "one.confirms(now) and one.covers(certificate, is_ca=index > 0)"
        ): "`confirms` asks for it again; here it tells the type checker",
        "revocation.py _newest: last[1] > latest -> last[1] >= latest": "they differ, says the line before",
        "crl.py CRLSet.of: if found is None: -> if True: #1": _SPEED,
        "sources/decoders.py unquoted: if b'%' not in plain: -> if False:": _SPEED,
        "sources/decoders.py unquoted: plain.replace(escape, byte) -> plain": _SPEED,
        "sources/decoders.py _end_of_sequence: 2 -> 3": "of the slice, the first two bytes are used",
        "sources/decoders.py _end_of_sequence: start:start + 2 -> start:": "of the slice, the first two bytes are used",
        "sources/decoders.py _end_of_sequence: header[1] >= _LONG_FORM -> header[1] > _LONG_FORM": (
            "for 0x80 both are 0, and it is refused in the next line"
        ),
        "sources/decoders.py pem_certificate: 1 -> 2": _MORE,
        "sources/decoders.py pem_certificates: end < 0 -> end <= 0": "no line ends where the text begins",
        "sources/decoders.py pem_certificates: 0 -> 1 #1": "no line ends where the text begins",
        "sources/decoders.py base64_list: 1 -> 2": "what is split once more is cut off",
        "protection.py _variants: '/\ufffd' -> '/\ufffdX'": _UNDECODABLE,
        "protection.py _nfkc: '\ufffd' -> '\ufffdX'": _UNDECODABLE,
        "protection.py _nfkc: '\ufffd' -> '\ufffdX' #1": _UNDECODABLE,
        (
            "boundary.py Secret.comparison: partial(compare_digest, self.values[0]) if len(self.values) == 1 else "
            "self.matches -> self.matches"
        ): _SPEED,
        (
            "boundary.py Boundary._refuse_joined: self.secret and secret and (b',' in secret) and "
            "(not self.secret.matches(secret)) -> secret and b',' in secret and (not self.secret.matches(secret))"
        ): "`secret` is None where `self.secret` is; this tells the type checker",
        "boundary.py _stands_in_forwarded: return False -> return None": _SAME,
        "boundary.py Secret.matches: found = False -> found = None": _SAME,
        "boundary.py Boundary._require_known_spellings: believed = False -> believed = None": _SAME,
        "sources/headers.py HeaderSource.one: 1 -> 2": _MORE,
        "sources/headers.py _decoded: break -> continue": "what follows finds the same bound exceeded",
        "replay.py Replay._slot: tls is None or not self._is_tls -> not self._is_tls": (
            "where it is None, nothing was accepted; what raises goes the full way"
        ),
        "replay.py Replay._tls: tls is None and (not self._is_tls) -> tls is None": (
            "where it is None, nothing was accepted; what raises goes the full way"
        ),
        "replay.py Replay.find: layout is None or layout.names != names -> layout.names != names": (
            "it is None until something was accepted; what raises goes the full way"
        ),
        "replay.py Replay.find: path != self._path and path not in self._paths -> path not in self._paths": _SPEED,
        (
            "replay.py Replay.keep: self._layout, self._last, self._path = (layout, acceptance, path) -> "
            "self._layout, self._last, self._path = None"
        ): "what is kept was kept before; `find` looks it up, and remembers it",
        "gate.py Gate._identify: if without: -> if True: #1": _SPEED,
        "sources/headers.py module: b'' -> b'X'": "what is empty is none in either case",
        "sources/xfcc.py _split: start = 0 -> start = None": "a slice from None begins at 0",
        (
            "protection.py Protection.missing_exemption: "
            "filter(None, (_root(connection), _cut_off(connection))) if self.exempt else () -> "
            "filter(None, (_root(connection), _cut_off(connection)))"
        ): "without exempt prefixes there is nothing to try",
        "boundary.py _without_port: entry.partition(':') -> entry.rpartition(':')": "there is exactly one",
        "connection.py module: 'mtls.transport' -> 'mtls.transportX'": "adapters and scope read the same constant",
        "crl.py CRL: field(compare=False, repr=False) -> field(compare=False) #1": _SHOWN,
        "pin.py Pin: field(default=b'', repr=False) -> field(default=b'')": _SHOWN,
        "pin.py Pin: False -> True": _SHOWN,
        "revocation.py Revocation: field(default=(), compare=False) -> field(default=()) #1": "no two are compared",
        "replay.py Replay.find: if self._reads_headers: -> if True:": _SPEED,
        "replay.py Replay.keep: _size(layout.names) <= NAMES_BYTES -> _size(layout.names) < NAMES_BYTES": _BOUND,
        "replay.py Replay.keep: _size(path or ()) <= PATH_BYTES -> _size(path or ()) < PATH_BYTES": _BOUND,
        (
            "response.py correlation_id: len(name) == len(_CORRELATION_HEADER) and name.lower() == _CORRELATION_HEADER "
            "-> name.lower() == _CORRELATION_HEADER"
        ): _SPEED,
        "scope.py connection_of: type(name) is type(value) is bytes -> type(name) is type(value) is not bytes": _SPEED,
        "sources/xfcc.py module: 1024 -> 1025": _BOUND,
        "trust.py module: 8 -> 9": _BOUND,
    }
)
"""By the key of the mutant, as `tests/mutants/results.json` has it."""
