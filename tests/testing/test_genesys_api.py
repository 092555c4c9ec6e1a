"""The API of the testing kit: it answers as the platform does, and says what it was asked."""

import asyncio
import base64
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import httpx2
import pytest

from mtls_middleware.testing import APIAnswer, ClientCertificate, GenesysAPI, RegionalCA
from mtls_middleware.testing.genesys_api import PERMISSION, entry_text
from tests.testing.verification import NOW

FORM = "application/x-www-form-urlencoded"
LOGIN = "https://login.mypurecloud.com/oauth/token"
LISTING = "https://api.mypurecloud.com/api/v2/integrations/actions/certificates"


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


class Caller:
    """Call the API in memory."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.api = GenesysAPI(clock=self.clock)
        self.client = httpx2.Client(transport=self.api.transport())

    def log_in(self, *, secret: str | None = None, **more: Any) -> httpx2.Response:
        return self.client.post(
            LOGIN,
            auth=(self.api.client_id, secret or self.api.client_secret),
            **{"data": {"grant_type": "client_credentials"}, **more},
        )

    def token(self) -> str:
        token: str = self.log_in().json()["access_token"]
        return token

    def list_certificates(self, query: str = "", token: str | None = None) -> httpx2.Response:
        return self.client.get(LISTING + query, headers={"Authorization": f"Bearer {token or self.token()}"})


@pytest.fixture
def caller() -> Caller:
    return Caller()


@pytest.fixture
def chained() -> ClientCertificate:
    return RegionalCA("DigiCert", now=NOW).intermediate().client()


def test_a_client_gets_a_token(caller: Caller) -> None:
    answer = caller.log_in()
    assert answer.status_code == 200
    assert answer.json() | {"access_token": ""} == {"access_token": "", "token_type": "bearer", "expires_in": 86400}


@pytest.mark.parametrize(
    ("given", "status", "error"),
    [
        pytest.param({"secret": "another secret"}, 401, "invalid_client", id="secret"),
        pytest.param({"data": {"grant_type": "password"}}, 400, "unsupported_grant_type", id="grant"),
        pytest.param(
            {"data": None, "content": b"grant_type=client_credentials"}, 400, "unsupported_grant_type", id="no form"
        ),
        pytest.param(
            {"data": None, "content": b"\xff", "headers": {"Content-Type": FORM}},
            400,
            "unsupported_grant_type",
            id="odd",
        ),
    ],
)
def test_others_get_none(caller: Caller, given: dict[str, Any], status: int, error: str) -> None:
    answer = caller.log_in(**given)
    assert (answer.status_code, answer.json()["error"]) == (status, error)


def test_a_listing_has_the_fields_of_the_platform(caller: Caller, chained: ClientCertificate) -> None:
    caller.api.add(chained)
    listing = caller.list_certificates("?type=Client").json()
    (entity,) = listing.pop("entities")
    uri = "/api/v2/integrations/actions/certificates?type=Client&pageNumber=1"
    assert listing == {
        "pageSize": 25,
        "pageNumber": 1,
        "total": 1,
        "pageCount": 1,
        "firstUri": uri,
        "lastUri": uri,
        "selfUri": uri,
    }
    assert entity == {
        "signingAuthority": "DigiCert",
        "certificate": entry_text(chained),
        "status": "Current",
        "type": "Client",
    }


def test_a_chain_is_written_with_crlf_and_without_a_final_one(chained: ClientCertificate) -> None:
    root = RegionalCA("root", now=NOW).certificate
    text = entry_text(chained, root=root)
    assert text.count("-----BEGIN CERTIFICATE-----\r\n") == 3
    assert text.endswith("-----END CERTIFICATE-----")
    assert "\n" not in text.replace("\r\n", "")


def test_a_genesys_leaf_is_written_alone_with_blank_lines_behind(ca: RegionalCA) -> None:
    text = entry_text(ca.client(), authority="Genesys")
    assert text.count("-----BEGIN") == 1
    assert text.endswith("-----END CERTIFICATE-----\n\n")


def test_a_text_is_listed_as_it_is(caller: Caller) -> None:
    caller.api.add("no certificate", authority="Acme", status="Lost")
    assert caller.list_certificates().json()["entities"] == [
        {"signingAuthority": "Acme", "certificate": "no certificate", "status": "Lost", "type": "Client"}
    ]


@pytest.mark.parametrize(("status", "number"), [("Current", 2), ("current", 2), ("Upcoming", 1), ("", 3)])
def test_a_status_selects(caller: Caller, status: str, number: int) -> None:
    for text, its in [("a", "Current"), ("b", "Current"), ("c", "Upcoming")]:
        caller.api.add(text, status=its)
    assert len(caller.list_certificates(f"?status={status}").json()["entities"]) == number


def test_pages_follow_each_other(caller: Caller) -> None:
    caller.api.page_size = 2
    for text in "abcde":
        caller.api.add(text)
    token = caller.token()
    seen, uri = [], "?type=Client"
    while uri:
        listing = caller.list_certificates(uri, token).json()
        seen += [entity["certificate"] for entity in listing["entities"]]
        uri = "?" + listing["nextUri"].partition("?")[2] if "nextUri" in listing else ""
    assert "".join(seen) == "abcde"


def test_what_was_cleared_is_not_listed(caller: Caller) -> None:
    caller.api.add("a")
    caller.api.clear()
    assert caller.list_certificates().json()["entities"] == []


def end_token(caller: Caller) -> None:
    caller.clock.now += caller.api.token_life


def leave_idle(caller: Caller) -> None:
    caller.api.idle_timeout = timedelta(minutes=15)
    caller.clock.now += timedelta(minutes=16)


@pytest.mark.parametrize("happen", [end_token, leave_idle, lambda caller: caller.api.revoke_tokens()])
def test_a_token_ends(caller: Caller, happen: Callable[[Caller], None]) -> None:
    token = caller.token()
    assert caller.list_certificates(token=token).status_code == 200
    happen(caller)
    refused = caller.list_certificates(token=token)
    assert (refused.status_code, refused.json()["code"]) == (401, "bad.credentials")


def test_a_permission_is_needed(caller: Caller) -> None:
    caller.api.permissions.clear()
    refused = caller.list_certificates()
    assert (refused.status_code, refused.json()["code"]) == (403, "missing.any.permissions")
    assert PERMISSION in refused.json()["message"]


def test_another_path_is_not_found(caller: Caller) -> None:
    assert caller.client.get("https://api.mypurecloud.com/").status_code == 404


def test_every_answer_has_a_correlation_id_of_its_own(caller: Caller) -> None:
    numbers = {caller.log_in().headers["inin-correlation-id"] for _ in range(3)}
    assert len(numbers) == 3


def test_planned_answers_come_first(caller: Caller) -> None:
    caller.api.answer_next(APIAnswer(status=503, body=b"sorry"), None, httpx2.ConnectError("down"))
    assert caller.log_in().content == b"sorry"
    assert caller.log_in().status_code == 200
    with pytest.raises(httpx2.ConnectError, match="down"):
        caller.log_in()
    assert caller.log_in().status_code == 200


def test_an_answer_of_json_can_have_headers() -> None:
    answer = APIAnswer.json({"a": 1}, status=429, Retry_After="7")
    assert (answer.status, answer.headers["Retry-After"], json.loads(answer.body)) == (429, "7", {"a": 1})


def test_calls_are_kept(caller: Caller) -> None:
    caller.list_certificates("?status=Current")
    login, listing = caller.api.calls
    assert (login.method, login.path, dict(login.query)) == ("POST", "/oauth/token", {})
    assert (listing.method, dict(listing.query)) == ("GET", {"status": "Current"})
    assert listing.headers["authorization"].startswith("Bearer ")


def test_it_is_an_asgi_application(caller: Caller) -> None:
    basic = base64.b64encode(f"{caller.api.client_id}:{caller.api.client_secret}".encode()).decode()

    async def call() -> httpx2.Response:
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=caller.api)) as client:
            return await client.post(
                LOGIN,
                headers={"Authorization": f"Basic {basic}", "Content-Type": FORM},
                content=_pieces(),
            )

    answer = asyncio.run(call())
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")


def test_it_serves_http_alone(caller: Caller) -> None:
    async def call() -> None:
        await caller.api({"type": "lifespan"}, _never, _never)

    with pytest.raises(RuntimeError, match="no lifespan here"):
        asyncio.run(call())


async def _pieces() -> Any:
    yield b"grant_type="
    yield b"client_credentials"


async def _never(*_: object) -> Any:
    raise AssertionError("nothing is received or sent")
