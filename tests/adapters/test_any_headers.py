"""Whatever becomes of an accepted request's headers: no crash, and nobody gets in who should not."""

import re
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtls_middleware import Guard
from tests.adapters.cases import Case, asgi_outcome, http_scope, wsgi_environ, wsgi_outcome
from tests.adapters.site import NGINX, SECRET, Site, good_client, through_nginx

GOOD = tuple((name.lower().encode(), value.encode()) for name, value in through_nginx(good_client()).headers)
CERTIFICATE, MARKER, SECRET_NAME = b"x-ssl-client-cert", b"x-ssl-client-verify", b"x-mtls-proxy-secret"

Headers = list[tuple[bytes, bytes]]

_NAMES = st.sampled_from(
    [
        CERTIFICATE,
        MARKER,
        SECRET_NAME,
        b"x_ssl_client_cert",
        b"X-SSL-Client-Cert",
        b"x-ssl-client_verify",
        b"cookie",
        b"x-forwarded-for",
        b"forwarded",
        b"transfer-encoding",
        b"",
        b"\xff",
        b" x-ssl-client-cert",
    ]
) | st.binary(max_size=12)
_VALUES = st.sampled_from(
    [b"", b"SUCCESS", b"NONE", SECRET.encode(), dict(GOOD)[CERTIFICATE], b"(null)", b","]
) | st.binary(max_size=40)


_TOKEN = re.compile(rb"[A-Za-z0-9!#$%&'*+.^`|~-]+")
"""RFC 9110 §5.6.2, without the underscore."""


@st.composite
def mutated(draw: st.DrawFn) -> Headers:
    """Return the good call's headers after some accidents."""
    headers = list(GOOD)
    for accident in draw(st.lists(st.sampled_from(["add", "drop", "double", "swap", "change"]), max_size=4)):
        place = draw(st.integers(0, len(headers)))
        if accident == "add" or place == len(headers):
            headers.insert(place, (draw(_NAMES), draw(_VALUES)))
        elif accident == "drop":
            del headers[place]
        elif accident == "double":
            headers.append(headers[place])
        elif accident == "swap":
            headers.insert(0, headers.pop(place))
        else:
            headers[place] = draw(_changed(*headers[place]))
    return headers


def _changed(name: bytes, value: bytes) -> st.SearchStrategy[tuple[bytes, bytes]]:
    places = st.integers(0, len(value))
    bytes_of_value = (
        _VALUES
        | st.builds(lambda at, junk: value[:at] + junk + value[at + 1 :], places, st.binary(min_size=1, max_size=2))
        | st.builds(lambda at: value[:at], places)
        | st.builds(lambda pad: pad + value + b" ", st.sampled_from([b" ", b"\t", b"\r\n", b"\x00", b"%0A"]))
    )
    return st.tuples(_NAMES, st.just(value)) | st.tuples(st.just(name), bytes_of_value)


@pytest.fixture(scope="module")
def guard(tmp_path_factory: pytest.TempPathFactory) -> Guard:
    site = Site(tmp_path_factory.mktemp("site"))
    guard = site.guard(NGINX)
    site.close()
    return guard


def _is_good(headers: Headers) -> bool:
    """Say it in another way than the gate does: each of the three once, in one spelling, and right."""
    wanted = {CERTIFICATE: None, MARKER: b"SUCCESS", SECRET_NAME: SECRET.encode()}
    for name, right in wanted.items():
        alike = [
            pair for pair in headers if pair[0].decode("latin-1").strip().lower().replace("_", "-") == name.decode()
        ]
        if len(alike) != 1 or alike[0][0].lower() != name:
            return False
        value = alike[0][1].strip(b" \t\r\n")
        if right is not None and value != right:
            return False
        if right is None and unquote(value.decode("latin-1")).replace("\r", "").strip() != good_client().pem.strip():
            return False
    return True


@given(headers=mutated())
def test_asgi_accepts_the_good_call_and_no_other(guard: Guard, headers: Headers) -> None:
    for kind in ("http", "websocket"):
        scope = {**http_scope(Case()), "type": kind, "headers": headers, "extensions": {"websocket.http.response": {}}}
        outcome = asgi_outcome(guard, scope)
        assert outcome.status != 500
        assert outcome.verdict != "passed"
        if outcome.reached:
            assert _is_good(headers)
            assert outcome.identity is not None
            assert outcome.identity.fingerprint_sha256 == good_client().fingerprint_sha256
            assert outcome.seen is not None
            assert not outcome.seen & {name.decode() for name in (CERTIFICATE, MARKER, SECRET_NAME)}


@given(headers=mutated())
def test_wsgi_lets_nobody_in_whom_asgi_would_refuse(guard: Guard, headers: Headers) -> None:
    """With gunicorn's environ: no name but tokens gets in, those with an underscore are dropped, copies are joined."""
    headers = [(name, value) for name, value in headers if _TOKEN.fullmatch(name)]
    case = Case(headers=tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers))
    outcome = wsgi_outcome(guard, wsgi_environ(case))
    assert outcome.status != 500
    assert outcome.verdict != "passed"
    if outcome.reached:
        assert _is_good(headers)


@given(headers=mutated())
def test_nothing_of_ours_is_seen_on_an_unprotected_path(headers: Headers, unprotected: Guard) -> None:
    outcome = asgi_outcome(unprotected, {**http_scope(Case(path="/open")), "headers": headers})
    assert outcome.reached
    assert outcome.seen is not None
    assert not {name.strip() for name in outcome.seen} & {name.decode() for name in (CERTIFICATE, MARKER, SECRET_NAME)}
    if outcome.identity is not None:
        assert _is_good(headers)


@pytest.fixture(scope="module")
def unprotected(tmp_path_factory: pytest.TempPathFactory) -> Guard:
    site = Site(tmp_path_factory.mktemp("open"))
    guard = site.guard(NGINX, protect="/actions")
    site.close()
    return guard


def test_the_good_call_itself_is_good(guard: Guard) -> None:
    assert _is_good(list(GOOD))
    assert asgi_outcome(guard, {**http_scope(Case()), "headers": list(GOOD)}).verdict == "accepted"
