"""The table of attacks: what is in it, and what each sends."""

import pytest

from mtls_middleware.cli.attack.attacks import (
    DIRECT,
    HEADERS,
    HONEST,
    HTTP2,
    OVER_HTTP2,
    WEBSOCKET,
    Attack,
    Weakness,
    attacks_on,
)
from mtls_middleware.cli.attack.fixes import TITLES, cure
from mtls_middleware.cli.attack.forgery import forge, known_sources, stranger
from mtls_middleware.cli.attack.paths import path_attacks
from mtls_middleware.cli.wire.message import Message
from tests.cli.attack.deployments import source

ALL = (*HEADERS, WEBSOCKET, HTTP2, *OVER_HTTP2, *DIRECT, *path_attacks("/actions/lookup"))
FORGERY = forge(source(), stranger(), "X-MTLS-Proxy-Secret")
NAMES = {name for name, _ in FORGERY.perfect}


def sent(name: str) -> Message:
    return next(attack for attack in ALL if attack.name == name).message(FORGERY)


def test_each_name_is_there_once() -> None:
    names = [attack.name for attack in ALL]

    assert len(names) == len(set(names))


@pytest.mark.parametrize("attack", ALL, ids=lambda attack: attack.name)
def test_copies_are_where_the_table_says(attack: Attack) -> None:
    plain = {name.strip().lower() for name, _ in attack.message(FORGERY).headers} & {name.lower() for name in NAMES}

    assert bool(plain) == attack.copies


def test_a_twin_has_no_spelling_in_common_with_the_real_ones() -> None:
    assert {name for name, _ in sent("underscores").headers} == {"X_SSL_Client_Cert", "X_SSL_Client_Verify"}
    assert {name for name, _ in sent("half-underscores").headers} == {"X-SSL-CLIENT_CERT", "X-SSL-CLIENT_VERIFY"}


def test_trailers_are_in_no_header() -> None:
    assert (sent("trailers").headers, sent("trailers").trailers) == ((), FORGERY.perfect)


def test_connection_names_the_secret_too() -> None:
    assert sent("connection").connection == ("X-SSL-Client-Cert", "X-SSL-Client-Verify", "X-MTLS-Proxy-Secret")


def test_a_source_without_marker_is_not_asked_about_it() -> None:
    caddy = forge(source("caddy"), stranger(), "X-MTLS-Proxy-Secret")

    assert not {"marker-alone", "marker-absent"} & {attack.name for attack in attacks_on(caddy)}


PATHS: dict[str, dict[str, str]] = {
    "/actions/lookup?x=1": {
        "path-slashes": "//actions/lookup?x=1",
        "path-dots": "/%2e/actions/lookup?x=1",
        "path-up": "/mtls-doctor/%2e%2e/actions/lookup?x=1",
        "path-slashes-up": "//mtls-doctor/../actions/lookup?x=1",
        "path-semicolon": "/;/actions/lookup?x=1",
        "path-parameter": "/actions/lookup;a?x=1",
        "path-newline": "/actions/lookup%0A?x=1",
        "path-undecodable": "/actions/lookup%FF?x=1",
        "path-case": "/ACTIONS/LOOKUP?x=1",
        "path-encoded": "/%61ctions/lookup?x=1",
        "path-encoded-slash": "/actions%2flookup?x=1",
    },
    "/actions": {
        "path-slashes": "//actions",
        "path-dots": "/%2e/actions",
        "path-up": "/mtls-doctor/%2e%2e/actions",
        "path-slashes-up": "//mtls-doctor/../actions",
        "path-semicolon": "/;/actions",
        "path-parameter": "/actions;a",
        "path-newline": "/actions%0A",
        "path-undecodable": "/actions%FF",
        "path-case": "/ACTIONS",
        "path-encoded": "/%61ctions",
    },
    "/": {
        "path-slashes": "//",
        "path-dots": "/%2e/",
        "path-up": "/mtls-doctor/%2e%2e/",
        "path-slashes-up": "//mtls-doctor/../",
        "path-semicolon": "/;/",
        "path-parameter": "/;a",
        "path-newline": "/%0A",
        "path-undecodable": "/%FF",
    },
    "//%61": {
        "path-slashes": "//%61",
        "path-dots": "/%2e/%61",
        "path-up": "/mtls-doctor/%2e%2e/%61",
        "path-slashes-up": "//mtls-doctor/../%61",
        "path-semicolon": "/;/%61",
        "path-parameter": "/%61;a",
        "path-newline": "/%61%0A",
        "path-undecodable": "/%61%FF",
        "path-encoded": "/%61",
    },
}


@pytest.mark.parametrize("path", PATHS)
def test_a_path_is_spelled_in_other_ways(path: str) -> None:
    spelled = {attack.name: attack.message(FORGERY).path for attack in path_attacks(path)}

    assert spelled == PATHS[path]


@pytest.mark.parametrize("weakness", [weakness for weakness in Weakness if weakness not in HONEST])
@pytest.mark.parametrize("known", known_sources(), ids=lambda known: known.name)
def test_each_weakness_has_a_title_and_a_cure_for_each_source(weakness: Weakness, known: object) -> None:
    forgery = forge(source(getattr(known, "name", "")), stranger(), "X-MTLS-Proxy-Secret")

    lines = cure(weakness, forgery)

    assert TITLES[weakness]
    assert lines
    assert [line for line in lines if not line.strip() or "\n" in line] == []


def test_a_cure_for_a_proxy_names_the_headers_of_the_application() -> None:
    cloudflare = forge(source("cloudflare"), stranger(), "X-Secret")

    assert (
        "Cf-Client-Cert-Der-Base64, Cf-Cert-Presented, Cf-Cert-Verified, Cf-Cert-Revoked, X-Secret"
        in (cure(Weakness.COPY, cloudflare)[0])
    )
