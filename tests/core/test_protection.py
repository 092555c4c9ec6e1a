"""A path is protected if any reading of it is, and exempt only if every reading is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtls_middleware._core.connection import Connection, Interface
from mtls_middleware._core.protection import Protection
from tests.core.requests import request

ACTIONS = Protection(protected=("/actions",))
HEALTH = Protection(protected=("/",), exempt=("/health",))

COVERED = {
    "itself": request(path="/actions"),
    "with a final slash": request(path="/actions/"),
    "below it": request(path="/actions/lookup"),
    "two slashes": request(path="//actions"),
    "a slash more": request(path="/actions//x"),
    "many slashes": request(path="////actions"),
    "a dot": request(path="/./actions"),
    "up and down": request(path="/other/../actions"),
    "up above the root": request(path="/../../actions"),
    "an encoded letter": request(path="/%61ctions"),
    "an encoded slash": request(path="/%2factions"),
    "encoded dots": request(path="/x/%2e%2e/actions"),
    "encoded twice": request(path="/x", raw_path=b"/%2561ctions"),
    "encoded twice on the way up": request(path="/x", raw_path=b"/x/%252e%252e/actions"),
    "an encoded letter in the raw path": request(path="/other", raw_path=b"/%61ctions"),
    "only in the raw path": request(path="/other", raw_path=b"/actions"),
    "with a query": request(path="/actions", raw_path=b"/actions?x=/other"),
    "with a fragment": request(path="/actions", raw_path=b"/actions#x"),
    "a backslash": request(path="\\actions"),
    "an encoded backslash": request(path="/x%5c..%5cactions"),
    "a parameter": request(path="/actions;v=1"),
    "a parameter before": request(path="/;v=1/actions"),
    "a parameter in between": request(path="/actions;v=1/x"),
    "without a slash": request(path="actions"),
    "a whole address": request(path="http://host/actions"),
    "a whole address in the raw path": request(path="/", raw_path=b"http://host/actions"),
    "a whole address with a path to tidy": request(path="https://host//x/../actions"),
    "beside bytes beyond ASCII": request(path="/actions/\xe9", raw_path=b"/actions/\xe9"),
    "under a root path": request(path="/api/actions", root_path="/api"),
    "under a root path with a slash": request(path="/api/actions", root_path="/api/"),
    "under a root path that the server cut off": request(path="/actions", root_path="/api"),
    "under a root path, two slashes first": request(path="//api/actions", root_path="/api"),
    "under a root path, encoded": request(path="/%61pi/actions", root_path="/api"),
    "under a root path, two slashes later": request(path="/api//actions", root_path="/api"),
    "under a root path, up and down": request(path="/x/../api/actions", root_path="/api"),
    "a root path that is the protected one": request(path="/x", root_path="/actions"),
    "a root path and nothing else": request(path="", root_path="/actions"),
    "SCRIPT_NAME before it": request(path="/x", root_path="/actions", interface=Interface.WSGI),
    "SCRIPT_NAME that looks the same": request(path="/actions", root_path="/actions", interface=Interface.WSGI),
}


@pytest.mark.parametrize("connection", COVERED.values(), ids=COVERED.keys())
def test_whatever_could_be_taken_for_a_protected_path_is_protected(connection: Connection) -> None:
    assert ACTIONS.covers(connection)


FREE = {
    "the root": request(path="/"),
    "nothing": request(path=""),
    "another": request(path="/other", raw_path=b"/other"),
    "another case": request(path="/Actions"),
    "half a segment": request(path="/actionsx"),
    "a segment later": request(path="/other/actions"),
    "in the query": request(path="/other", raw_path=b"/other?/actions"),
    "the address of a host": request(path="http://actions/other"),
    "down and up": request(path="/other/.."),
    "under a root path": request(path="/api/other", root_path="/api"),
}


@pytest.mark.parametrize("connection", FREE.values(), ids=FREE.keys())
def test_other_paths_are_free(connection: Connection) -> None:
    assert not ACTIONS.covers(connection)


def test_a_path_that_only_passes_through_a_protected_one_is_protected() -> None:
    """Read as given it lies below ``/actions``."""
    assert ACTIONS.covers(request(path="/actions/../other"))


EXEMPT = {
    "itself": request(path="/health", raw_path=b"/health"),
    "below it": request(path="/health/live"),
    "with a query": request(path="/health", raw_path=b"/health?verbose"),
    "a dot": request(path="/health/./live"),
}


@pytest.mark.parametrize("connection", EXEMPT.values(), ids=EXEMPT.keys())
def test_an_exempt_path_is_let_through(connection: Connection) -> None:
    assert not HEALTH.covers(connection)


NOT_EXEMPT = {
    "another": request(path="/healthy"),
    "another case": request(path="/HEALTH"),
    "up again": request(path="/health/../actions"),
    "up again, encoded": request(path="/health/%2e%2e/actions"),
    "up again, encoded twice": request(path="/health/%2e%2e/actions", raw_path=b"/health/%252e%252e/actions"),
    "up again, half encoded": request(path="/health/.%2e/actions"),
    "up to the same": request(path="/health/x/../y"),
    "two slashes": request(path="//health"),
    "two slashes later": request(path="/health//x"),
    "a parameter": request(path="/health;x"),
    "a parameter in the raw path": request(path="/health", raw_path=b"/health;x"),
    "an encoded slash": request(path="/health/x", raw_path=b"/health%2fx"),
    "an encoded slash in upper case": request(path="/health/x", raw_path=b"/health%2Fx"),
    "a backslash": request(path="/health\\..\\actions"),
    "an encoded backslash": request(path="/health/x", raw_path=b"/health%5cx"),
    "another in the raw path": request(path="/health", raw_path=b"/actions"),
    "another in the path": request(path="/actions", raw_path=b"/health"),
    "a whole address": request(path="http://host/health"),
    "a host of that name": request(path="http://health/actions"),
    "under a root path": request(path="/health", root_path="/api"),
    "a root path of that name": request(path="/health/actions", root_path="/health"),
    "nothing": request(path=""),
}


@pytest.mark.parametrize("connection", NOT_EXEMPT.values(), ids=NOT_EXEMPT.keys())
def test_a_path_that_has_another_reading_is_not_exempt(connection: Connection) -> None:
    assert HEALTH.covers(connection)


def test_an_exemption_may_lie_inside_a_protected_path() -> None:
    protection = Protection(protected=("/actions",), exempt=("/actions/health",))
    assert not protection.covers(request(path="/actions/health"))
    assert protection.covers(request(path="/actions/health/../lookup"))


def test_everything_is_protected_unless_something_else_is_said() -> None:
    assert Protection().covers(request(path="/anything"))


_PIECES = st.lists(
    st.sampled_from(
        ["/", "//", "..", ".", "%2e", "%2f", "%252e", "%5c", "\\", ";x", "a", "health", "actions", "\xe9", "%"]
    ),
    max_size=8,
).map("".join)


@given(prefix=_PIECES, detour=_PIECES)
def test_no_detour_makes_a_protected_path_exempt(prefix: str, detour: str) -> None:
    """What normalises to a protected path is protected, whatever stands before it."""
    path = f"/{prefix}/x/{detour}/../../../../../../../../../../../../../../../../../../actions"
    assert Protection(protected=("/",), exempt=("/health", "/a")).covers(request(path=path))
    assert ACTIONS.covers(request(path=path))


@given(path=st.text(max_size=40), raw=st.binary(max_size=40), root=st.text(max_size=10))
def test_any_path_is_judged(path: str, raw: bytes, root: str) -> None:
    assert ACTIONS.covers(request(path=path, raw_path=raw, root_path=root)) in {True, False}
