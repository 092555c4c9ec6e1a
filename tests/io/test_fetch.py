"""How a list is fetched: one way to the network, in memory, that answers as told."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from mtls_middleware._io.fetch import CRL_BYTES, CRL_SECONDS, REDIRECTS, AddressPolicy, Fetcher
from mtls_middleware._io.files import InputError
from mtls_middleware._io.http import FailureKind, HTTPFailure, Resolve, Response, Session

LIST = "http://crl.example/a.crl"


class Web:
    """Answer requests from a table, and remember them."""

    def __init__(self, answers: Mapping[str, Response | Exception]) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.sent: list[Mapping[str, str] | None] = []
        self.limits: list[int] = []
        self.seconds: list[float] = []
        self.resolvers: list[Resolve | None] = []

    @contextmanager
    def __call__(self, *, seconds: float = 0.0, resolve: Resolve | None = None) -> Iterator[Session]:
        self.seconds.append(seconds)
        self.resolvers.append(resolve)
        yield self

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes = b"",
        body_bytes: int = 0,
    ) -> Response:
        assert (method, content) == ("GET", b"")
        self.asked.append(url)
        self.sent.append(headers)
        self.limits.append(body_bytes)
        answer = self.answers[url]
        if isinstance(answer, Exception):
            raise answer
        return answer


def answer(status: int = 200, body: bytes = b"", **headers: str) -> Response:
    return Response(status=status, headers=headers, body=body)


def to(address: str, status: int = 302) -> Response:
    return answer(status, location=address)


POLICY = AddressPolicy(resolver=lambda _host, _port: ["192.0.2.1"], listed=["http://10.0.0.9/x"])


def fetch(web: Web, address: str = LIST, *, proxy: str | None = None) -> bytes:
    return Fetcher(POLICY, open_session=web, proxy_of=lambda _: proxy)(address)


def failure(web: Web, address: str = LIST, *, proxy: str | None = None) -> str:
    with pytest.raises(InputError) as caught:
        fetch(web, address, proxy=proxy)
    return str(caught.value)


def test_the_content_comes_back() -> None:
    assert fetch(Web({LIST: answer(body=b"content")})) == b"content"


def test_it_asks_once_within_limits_of_time_and_size_and_sends_nothing_of_its_own() -> None:
    web = Web({LIST: answer()})
    fetch(web)
    assert (web.asked, web.limits, web.seconds) == ([LIST], [CRL_BYTES], [CRL_SECONDS])
    assert web.sent == [{"accept": "application/pkix-crl, */*;q=0.1"}]


def test_connections_go_only_where_the_policy_allows() -> None:
    web = Web({LIST: answer()})
    fetch(web)
    assert web.resolvers == [POLICY.resolve]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed(status: int) -> None:
    web = Web({LIST: to("http://other.example/b", status), "http://other.example/b": answer(body=b"there")})
    assert fetch(web) == b"there"


def test_a_redirect_may_be_relative() -> None:
    assert fetch(Web({LIST: to("b.crl"), "http://crl.example/b.crl": answer(body=b"b")})) == b"b"


def test_all_requests_share_one_session() -> None:
    web = Web({LIST: to("/b"), "http://crl.example/b": to("/c"), "http://crl.example/c": answer()})
    fetch(web)
    assert len(web.seconds) == 1
    assert len(web.asked) == REDIRECTS + 1


REFUSED: Mapping[str, tuple[Response, str]] = {
    "in a circle": (to(LIST), "more than 2 times"),
    "to another scheme": (to("https://crl.example/a.crl"), "another scheme"),
    "to a file": (to("file:/etc/passwd"), "neither http nor https"),
    "with a user": (to("http://user@crl.example/"), "names a user"),
    "to nonsense": (to("http://[/"), "leads to what is not an address"),
    "to nowhere": (answer(302), "more than 2 times"),
    "not found": (answer(404), "status 404"),
    "nothing new": (answer(304), "status 304"),
    "a part": (answer(206), "status 206"),
    "no content": (answer(204), "status 204"),
}


@pytest.mark.parametrize(("response", "why"), REFUSED.values(), ids=REFUSED.keys())
def test_any_other_answer_is_no_list(response: Response, why: str) -> None:
    assert why in failure(Web({LIST: response}))


@pytest.mark.parametrize("address", ["ldap://x/", "http://user@x/", "/etc/passwd"])
def test_nothing_is_asked_at_what_is_no_plain_address(address: str) -> None:
    web = Web({})
    failure(web, address)
    assert web.asked == []


FAILURES: Mapping[str, tuple[Exception, str]] = {
    "of the network": (HTTPFailure(FailureKind.TIMEOUT, "a step took too long"), "fetched: a step took too long"),
    "of the resolver": (HTTPFailure(FailureKind.UNKNOWN_HOST, "no such name"), "cannot be fetched: no such name"),
    "of the policy": (InputError("leads to 10.0.0.5, which is not public"), "not public"),
}


@pytest.mark.parametrize(("error", "why"), FAILURES.values(), ids=FAILURES.keys())
def test_every_failure_says_what_happened(error: Exception, why: str) -> None:
    assert why in failure(Web({LIST: error}))


def test_what_the_other_side_says_is_shown_as_data() -> None:
    assert "\x1b" not in failure(Web({LIST: HTTPFailure(FailureKind.GARBLED, "\x1b[31m")}))


def test_through_a_proxy_an_address_that_is_written_out_must_be_public() -> None:
    web = Web({})
    assert "not public" in failure(web, "http://10.0.0.5/a.crl", proxy="http://proxy.example:3128")
    assert web.asked == []


def test_through_a_proxy_a_redirect_to_a_written_out_private_address_is_not_followed() -> None:
    web = Web({LIST: to("http://169.254.169.254/latest")})
    assert "not public" in failure(web, proxy="http://proxy.example:3128")
    assert web.asked == [LIST]


def test_through_a_proxy_names_are_the_proxys_to_judge() -> None:
    assert fetch(Web({LIST: answer(body=b"x")}), proxy="http://proxy.example:3128") == b"x"
