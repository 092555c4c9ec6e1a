"""A path is open only if it has exactly one reading: protected if any reading is, exempt only if every reading is."""

from unicodedata import normalize
from urllib.parse import quote, quote_from_bytes, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtls_middleware._core.connection import Connection, Interface
from mtls_middleware._core.protection import _MAX_LENGTH, Protection, _mounted
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
    "a slash that NFKC makes one": request(path="\uff0fapi/actions"),
    "an extension, which Django REST framework cuts off": request(path="/actions.json"),
    "an extension and a slash": request(path="/actions.json/"),
    "an extension, encoded": request(path="/actions.json", raw_path=b"/actions%2ejson"),
    "an extension in another case": request(path="/Actions.HTML"),
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
    "half a segment": request(path="/actionsx"),
    "a segment later": request(path="/other/actions"),
    "in the query": request(path="/other", raw_path=b"/other?/actions"),
    "under a root path": request(path="/api/other", root_path="/api"),
}


@pytest.mark.parametrize("connection", FREE.values(), ids=FREE.keys())
def test_other_paths_are_free(connection: Connection) -> None:
    assert not ACTIONS.covers(connection)


PUNCTUATION = ["-", ".", "+", "~", "!", "$", "'", "(", ",", ":", "=", "@", "%25", "%5f", "%2d"]


@pytest.mark.parametrize("mark", PUNCTUATION)
@pytest.mark.parametrize("prefix", ["/data_actions", "/data-actions"])
def test_punctuation_is_one_as_in_names_of_functions(mark: str, prefix: str) -> None:
    """CherryPy calls ``data_actions`` for each of them."""
    protection = Protection(protected=(prefix,))
    raw = f"/data{mark}actions/x"
    assert protection.covers(request(path=unquote(raw), raw_path=raw.encode()))


@pytest.mark.parametrize("path", ["/data-other", "/dataactions", "/data_actions_too", "/data_actions-docs", "/x.json"])
def test_other_names_with_punctuation_are_free(path: str) -> None:
    assert not Protection(protected=("/data_actions",)).covers(request(path=path))


def test_what_is_exempt_is_so_without_an_extension_and_with_its_own_punctuation() -> None:
    protection = Protection(protected=("/",), exempt=("/data-health",))
    assert not protection.covers(request(path="/data-health"))
    assert protection.covers(request(path="/data_health"))
    assert protection.covers(request(path="/data-health.json"))


def test_a_path_that_only_passes_through_a_protected_one_is_protected() -> None:
    """Read as given it lies below ``/actions``."""
    assert ACTIONS.covers(request(path="/actions/../other"))


EXEMPT = {
    "itself": request(path="/health", raw_path=b"/health"),
    "below it": request(path="/health/live"),
    "with a query": request(path="/health", raw_path=b"/health?verbose"),
    "beyond ASCII": request(path="/health/caf\xe9", raw_path=b"/health/caf%C3%A9"),
    "a final slash": request(path="/health/", raw_path=b"/health/"),
}


@pytest.mark.parametrize("connection", EXEMPT.values(), ids=EXEMPT.keys())
def test_an_exempt_path_is_let_through(connection: Connection) -> None:
    assert not HEALTH.covers(connection)


NOT_EXEMPT = {
    "another": request(path="/healthy"),
    "an encoded letter": request(path="/health", raw_path=b"/h%65alth"),
    "a letter of another width": request(path="/\uff48ealth"),
    "a question mark": request(path="/health?/../x", raw_path=b"/health%3f/../x"),
    "a dot": request(path="/health/./live"),
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


AMBIGUOUS = {
    "an address": "http://actions/other",
    "down and up": "/other/..",
    "a dot at the end": "/other/.",
    "an empty segment": "/other//x",
    "a segment of blanks": "/other/ /x",
    "dots in blanks": "/other/ .. /x",
    "dots in a parameter": "/other/..;a/x",
    "full-width dots": "/other/\uff0e\uff0e/x",
    "a two dot leader": "/other/\u2025/x",
    "a one dot leader": "/other/\u2024\u2024/x",
    "a full-width slash after a slash": "/\uff0fother",
    "a full-width percent sign": "/other\uff052fx",
    "a full-width backslash": "/other\uff3cx",
    "a full-width semicolon": "/other/.\uff1ba/x",
    "a small semicolon": "/other/..\u037ea/x",
    "nothing before the slash": "other",
    "a star": "*",
    "a backslash": "/other\\x",
    "an encoded slash": "/other%2fx",
    "an encoded backslash": "/other%5Cx",
    "a line feed": "/other\n",
    "a null": "/other\0",
    "an unit separator": "/other\x1f",
    "delete": "/other\x7f",
    "next line": "/other\x85",
    "a line separator": "/other\u2028",
    "a soft hyphen": "/ot\xadher",
    "zero width": "/ot\u200bher",
    "a joiner": "/ot\u200dher",
    "right to left": "/\u202eother",
    "a byte order mark": "/\ufeffother",
    "a tag": "/other\U000e0061",
    "a variation selector": "/other\ufe0f",
    "a grapheme joiner": "/oth\u034fer",
    "a filler": "/oth\u3164er",
    "undecodable": "/other\ufffd",
    "a lone surrogate": "/other\udcff",
    "private use": "/other\ue000",
    "encoded three times": "/other%25252561",
    "a pile of marks": "/o" + "\u0301\u0327" * 20,
    "a letter of eighteen": "/" + "\ufdfa" * 9,
    "too long": "/" + "\xe9" * 16_384,
}


def spelled(path: str) -> list[Connection]:
    """Return requests for a path as servers hand them over: decoded, and raw beside it, and encoded twice."""
    raw = quote_from_bytes(path.encode("utf-8", "surrogateescape"), safe="/:;%*\\").encode()
    return [
        request(path=path),
        request(path=path, raw_path=raw),
        request(path="/", raw_path=raw),
        request(path=quote(path, safe="/:;%*\\", errors="surrogatepass")),
        request(path="/", raw_path=quote(raw, safe="/:;*").encode()),
        request(path=path, root_path="/api"),
        request(path=path, root_path="/api", interface=Interface.WSGI),
        request(path="/", root_path=path if path.startswith("/") else f"/{path}//"),
    ]


@pytest.mark.parametrize("path", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
def test_a_path_that_routers_read_in_two_ways_is_protected(path: str) -> None:
    for connection in spelled(path):
        assert ACTIONS.covers(connection), connection
    for connection in spelled(f"/health{path if path.startswith('/') else '//'}"):
        assert HEALTH.covers(connection), connection


FOLDED = {
    "upper case": "/ACTIONS",
    "one letter": "/actionS/x",
    "a long s": "/action\u017f",
    "a dotless i": "/act\u0131ons",
    "a dotted I": "/ACT\u0130ONS",
    "a dotted I in lower case": "/acti\u0307ons",
    "full width": "/\uff41\uff43tions",
    "a full-width slash behind": "/actions\uff0fx",
    "mathematical": "/\U0001d41actions",
    "a blank behind": "/actions ",
    "a blank before": "/ actions/x",
    "a no-break space behind": "/actions\xa0/x",
    "a question mark behind": "/actions?x",
    "a number sign behind": "/actions#x",
}


@pytest.mark.parametrize("path", FOLDED.values(), ids=FOLDED.keys())
def test_protected_prefixes_are_compared_without_case(path: str) -> None:
    for connection in spelled(path):
        assert ACTIONS.covers(connection), connection


@pytest.mark.parametrize(
    ("prefix", "path"),
    [
        ("/stra\xdfe", "/STRASSE"),
        ("/STRASSE", "/stra\xdfe/x"),
        ("/caf\xe9", "/cafe\u0301"),
        ("/Caf\xe9", "/CAFE\u0301/x"),
        ("/kelvin", "/\u212aelvin"),
        ("/\u03c3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2", "/\u03a3\u038a\u03a3\u03a5\u03a6\u039f\u03a3"),
        ("/\u01f0", "/%6a\u030c"),
    ],
)
def test_both_sides_are_folded(prefix: str, path: str) -> None:
    assert Protection(protected=(prefix,)).covers(request(path=path))


@pytest.mark.parametrize("letter", "abcdefghijklmnopqrstuvwxyz")
def test_whatever_a_router_may_take_for_a_letter_is_folded_to_it(letter: str) -> None:
    likes = {chr(code) for code in range(0x80, 0x20000) if not 0xD800 <= code < 0xE000}
    likes = {like for like in likes if letter in {like.lower(), like.upper().lower(), normalize("NFKC", like).lower()}}
    for like in likes | ({"\u0130", "\u0131"} if letter == "i" else set()):
        assert Protection(protected=(f"/x{letter}",)).covers(request(path=f"/x{like}")), like


OPEN = {
    "blanks": "/a page/with blanks",
    "letters beyond ASCII": "/gr\xf6\xdfe/\u65e5\u672c\u8a9e/\u0645\u0631\u062d\u0628\u0627",
    "decomposed letters": "/cafe\u0301",
    "Hindi, with combining signs": "/\u0939\u093f\u0928\u094d\u0926\u0940",
    "punctuation": "/~user/@me/a:b/a+b/a,b/(x)/a.b/!*'&=$",
    "a hundred per cent": "/100%",
    "a hundred per cent of something": "/100% sure",
    "a slash at the end": "/page/",
    "a leading dot": "/.well-known/security.txt",
    "dots in a name": "/v1..v2/a...b/...",
    "an ellipsis": "/and so on\u2026",
    "a parameter": "/page;v=1",
    "a question mark": "/what?",
    "a number sign": "/tickets/#12",
    "an emoji": "/\U0001f600",
    "the protected name later": "/page/actions",
    "more than the protected name": "/actionsx",
    "a file of a longer name": "/actionsx.json",
}


@pytest.mark.parametrize("path", OPEN.values(), ids=OPEN.keys())
def test_an_ordinary_path_stays_open(path: str) -> None:
    raw = quote(path, safe="/~@:+,();!*'&=$").encode()
    for root in ("", "/api"):
        assert not ACTIONS.covers(request(path=path, root_path=root))
        assert not ACTIONS.covers(request(path=path, raw_path=raw, root_path=root))
        assert not ACTIONS.covers(request(path=path, raw_path=raw + b"?x=//../%0a", root_path=root))
        assert not ACTIONS.covers(request(path=path, raw_path=raw, root_path=root, interface=Interface.WSGI))


@pytest.mark.parametrize("path", [path for path in OPEN.values() if not set(";?#") & set(path)])
def test_an_ordinary_path_below_an_exempt_one_is_exempt(path: str) -> None:
    assert not HEALTH.covers(
        request(path=f"/health{path}", raw_path=quote(f"/health{path}", safe="/~@:+,()!*'&=$").encode())
    )


def test_an_exempt_path_beyond_ascii_is_exempt_as_it_is_sent() -> None:
    protection = Protection(exempt=("/gr\xf6\xdfe", "/a b"))
    assert not protection.covers(request(path="/gr\xf6\xdfe", raw_path=b"/gr%C3%B6%C3%9Fe"))
    assert not protection.covers(request(path="/a b/c", raw_path=b"/a%20b/c"))
    assert protection.covers(request(path="/GR\xf6\xdfE", raw_path=b"/GR%C3%B6%C3%9FE"))


MOUNTED = {
    "uvicorn --root-path": (request(path="/api/health", raw_path=b"/api/health", root_path="/api"), "/api/health"),
    "FastAPI(root_path=)": (request(path="/health", raw_path=b"/health", root_path="/api"), "/api/health"),
    "a slash at its end": (request(path="/health/live", root_path="/api/"), "/api/health"),
    "no slash before it": (request(path="/health", root_path="api"), "/api/health"),
    "encoded": (
        request(path="/caf\xe9/health", raw_path=b"/caf%C3%A9/health", root_path="/caf\xe9"),
        "/caf\xe9/health",
    ),
    "SCRIPT_NAME": (
        request(path="/health", raw_path=b"/api/health", root_path="/api", interface=Interface.WSGI),
        "/api/health",
    ),
    "SCRIPT_NAME alone": (request(path="/health", root_path="/api", interface=Interface.WSGI), "/api/health"),
    "cut off without a word": (request(path="/health", raw_path=b"/api/health?x"), "/api/health"),
}


@pytest.mark.parametrize(("connection", "value"), MOUNTED.values(), ids=MOUNTED.keys())
def test_behind_a_mount_point_the_missing_exemption_is_named(connection: Connection, value: str) -> None:
    assert HEALTH.covers(connection)
    assert HEALTH.missing_exemption(connection) == value
    assert not Protection(exempt=("/health", value)).covers(connection)


def test_the_missing_exemption_may_be_the_shorter_one() -> None:
    connection = request(path="/api/health", root_path="/api")
    assert Protection(exempt=("/api/health",)).missing_exemption(connection) == "/health"


@pytest.mark.parametrize("raw_path", [b"/health/x", b"/health/x?/health/y", b"/health/%78", b"/health/x/health", b""])
def test_only_what_was_cut_off_before_the_path_is_a_mount_point(raw_path: bytes) -> None:
    """Else the exemption that is named would be wider than what the operator meant."""
    connection = request(path="/health/y", raw_path=raw_path)
    protection = Protection(exempt=("/health/x/health",))
    assert protection.covers(connection)
    assert protection.missing_exemption(connection) is None


@pytest.mark.parametrize("exempt", ["/api", "/apiary", "/other/api"])
def test_a_mount_point_is_no_exemption_by_itself(exempt: str) -> None:
    connection = request(path="/actions", root_path="/api")
    assert Protection(exempt=(exempt, "/health")).missing_exemption(connection) is None


@pytest.mark.parametrize(
    "connection",
    [
        request(path="/actions", root_path="/api"),
        request(path="/api//health", root_path="/api"),
        request(path="/api/health;x", root_path="/api"),
        request(path="/health%0a", root_path="/api"),
        request(path="/HEALTH", root_path="/api"),
        request(path="/health", raw_path=b"http://h/health"),
        request(path="/actions"),
    ],
)
def test_of_any_other_path_no_exemption_is_named(connection: Connection) -> None:
    assert HEALTH.covers(connection)
    assert HEALTH.missing_exemption(connection) is None
    assert ACTIONS.missing_exemption(connection) is None


@pytest.mark.parametrize(
    "paths", [("/a", "/b", "/c"), ("/api/a", "/api/b"), ("/api", "/API/a", "/%61pi/b"), ("/api/a", "/b")]
)
def test_behind_a_mount_point_each_path_is_read_with_it_and_without_it(paths: tuple[str, ...]) -> None:
    together = set(_mounted(frozenset(paths), "/api"))
    assert together == {reading for path in paths for reading in _mounted(frozenset((path,)), "/api")}
    assert together >= {*paths}


@pytest.mark.parametrize("path", ["/apiactions", "/API/actions", "/%61pi/actions", "/%61piactions", "/api;x/actions"])
def test_a_mount_point_is_cut_off_in_any_spelling_and_wherever_it_ends(path: str) -> None:
    assert ACTIONS.covers(request(path=path, root_path="/api"))


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


@pytest.mark.parametrize(("length", "covered"), [(_MAX_LENGTH, False), (_MAX_LENGTH + 1, True)])
def test_an_exempt_path_may_have_as_many_characters_as_are_read(length: int, *, covered: bool) -> None:
    protection = Protection(exempt=("/open",))
    path = "/open/".ljust(length, "a")
    assert protection.covers(request(path=path)) is covered
    assert protection.covers(request(path=path, raw_path=path.encode())) is covered
