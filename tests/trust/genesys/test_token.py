"""Tokens: asked for as RFC 6749 says, kept while they serve, and never believed to live longer than they can."""

import base64
from collections.abc import Mapping
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtls_middleware._io.http import Response
from mtls_middleware._trust.genesys.failure import FailureReason, GenesysFailure
from mtls_middleware._trust.genesys.token import LONGEST, MARGIN, SHORTEST, Token, Tokens
from mtls_middleware.testing import APIAnswer
from tests.trust.genesys.region import NOW, REGION, Clock


class Login:
    """Answer requests for tokens, one after the other."""

    def __init__(self, *answers: APIAnswer) -> None:
        self.answers = list(answers)
        self.requests: list[tuple[str, str, str, Mapping[str, str], bytes]] = []

    def __call__(self, method: str, host: str, path: str, *, headers: Mapping[str, str], content: bytes) -> Response:
        self.requests.append((method, host, path, headers, content))
        answer = self.answers.pop(0)
        return Response(status=answer.status, headers=answer.headers, body=answer.body)


def granted(token: object = "token", **more: object) -> APIAnswer:
    return APIAnswer.json({"access_token": token, **more})


def token(*answers: APIAnswer, secrets: tuple[str, ...] = ("secret",)) -> Token:
    return Tokens(REGION, "client", secrets, Clock()).current(Login(*answers))


def failure(*answers: APIAnswer, secrets: tuple[str, ...] = ("secret",)) -> GenesysFailure:
    with pytest.raises(GenesysFailure) as raised:
        token(*answers, secrets=secrets)
    return raised.value


def test_a_token_is_asked_for_with_basic_authentication() -> None:
    login = Login(granted())
    Tokens(REGION, "client", ("secret",), Clock()).current(login)
    assert login.requests == [
        (
            "POST",
            "login.mypurecloud.com",
            "/oauth/token",
            {
                "Authorization": f"Basic {base64.b64encode(b'client:secret').decode()}",
                "Content-Type": "application/x-www-form-urlencoded",
            },
            b"grant_type=client_credentials",
        )
    ]


def test_a_token_is_sent_as_a_bearer() -> None:
    assert token(granted("a.B-9_~+/==")).authorization == "Bearer a.B-9_~+/=="


@pytest.mark.parametrize(
    ("seconds", "life"),
    [
        pytest.param(86400, timedelta(days=1), id="a day"),
        pytest.param(600.5, timedelta(seconds=600.5), id="a fraction"),
        pytest.param(0, timedelta(), id="none"),
        pytest.param(10**400, LONGEST, id="huge"),
        pytest.param(1e308, LONGEST, id="large"),
        pytest.param(-1, SHORTEST, id="negative"),
        pytest.param(None, SHORTEST, id="missing"),
        pytest.param("86400", SHORTEST, id="text"),
        pytest.param(True, SHORTEST, id="bool"),
        pytest.param([], SHORTEST, id="list"),
    ],
)
def test_its_life_is_believed_within_reason(seconds: object, life: timedelta) -> None:
    assert token(granted(expires_in=seconds)).use_until == NOW + life - MARGIN


def test_a_token_that_ends_at_once_still_serves_once() -> None:
    clock = Clock()
    tokens, login = Tokens(REGION, "client", ("secret",), clock), Login(granted("a", expires_in=0), granted("b"))
    assert [tokens.current(login).authorization for _ in range(3)] == ["Bearer a", "Bearer b", "Bearer b"]


def test_a_discarded_token_is_replaced() -> None:
    tokens, login = Tokens(REGION, "client", ("secret",), Clock()), Login(granted("a"), granted("b"))
    tokens.current(login)
    tokens.discard()
    assert tokens.current(login).authorization == "Bearer b"


def test_a_token_is_not_shown() -> None:
    assert "token-of-mine" not in repr(token(granted("token-of-mine")))


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(APIAnswer.json({}), id="none"),
        pytest.param(granted(None), id="null"),
        pytest.param(granted(1), id="number"),
        pytest.param(granted(""), id="empty"),
        pytest.param(granted("a b"), id="blank"),
        pytest.param(granted("a\r\nX-Evil: b"), id="header"),
        pytest.param(granted("ä"), id="no ASCII"),
        pytest.param(granted("a" * 8193), id="long"),
        pytest.param(granted(token_type="mac"), id="other type"),
        pytest.param(granted(token_type=1), id="odd type"),
        pytest.param(APIAnswer.json([]), id="list"),
        pytest.param(APIAnswer.json({"error": "server_error"}, status=400), id="unknown error"),
        pytest.param(APIAnswer.json({}, status=404), id="not found"),
    ],
)
def test_without_a_good_token_the_answer_is_unexpected(answer: APIAnswer) -> None:
    assert failure(answer).reason is FailureReason.ANSWER


def test_an_unknown_error_is_shown() -> None:
    told = failure(APIAnswer.json({"error": "odd\x1b"}, status=400)).text
    assert told == r"login.mypurecloud.com answered 400, but with the error odd\x1b instead of a token"


@pytest.mark.parametrize("kind", ["bearer", "Bearer", None])
def test_a_bearer_is_taken_in_any_case(kind: str | None) -> None:
    assert token(granted(token_type=kind)).authorization == "Bearer token"


@pytest.mark.parametrize("status", [400, 401])
def test_an_unknown_client_is_a_matter_of_credentials(status: int) -> None:
    told = failure(APIAnswer.json({"error": "invalid_client"}, status=status))
    assert (told.reason, told.text) == (
        FailureReason.CREDENTIALS,
        "login.mypurecloud.com does not accept the OAuth client",
    )


def test_a_client_of_another_kind_is_told_which_grant_it_needs() -> None:
    told = failure(APIAnswer.json({"error": "unauthorized_client"}, status=400))
    assert (told.reason, told.next_step) == (
        FailureReason.CREDENTIALS,
        "give it the grant type Client Credentials, or make a new one with it",
    )


def test_the_second_secret_is_tried_where_the_first_is_refused() -> None:
    refused = APIAnswer.json({"error": "invalid_client"}, status=401)
    assert token(refused, granted("b"), secrets=("old", "new")).authorization == "Bearer b"
    assert failure(refused, refused, secrets=("old", "new")).reason is FailureReason.CREDENTIALS


def test_the_second_secret_is_not_tried_after_another_failure() -> None:
    assert failure(APIAnswer.json({}, status=404), secrets=("old", "new")).reason is FailureReason.ANSWER


@given(
    st.dictionaries(
        st.sampled_from(["access_token", "token_type", "expires_in", "error"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
            lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
            max_leaves=3,
        ),
    ),
    st.sampled_from([200, 400, 401, 403]),
)
def test_any_answer_is_a_token_or_a_failure(answer: dict[str, object], status: int) -> None:
    tokens, login = Tokens(REGION, "client", ("secret",), Clock()), Login(APIAnswer.json(answer, status=status))
    try:
        value = tokens.current(login)
    except GenesysFailure:
        return
    assert value.authorization.isascii()
    assert value.use_until <= NOW + LONGEST
