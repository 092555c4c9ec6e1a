"""Who may speak for a client, said anew for every combination of what is configured and what is seen."""

from dataclasses import replace
from ipaddress import ip_network
from itertools import product

import pytest

from mtls_middleware._core.boundary import FORWARDED_ENTRIES, Boundary, Secret, _is_port, parse_address
from mtls_middleware._core.connection import Connection, Interface, Transport, collect
from mtls_middleware._core.decision import Reason, RejectionError
from mtls_middleware._core.sources import source_of
from mtls_middleware._core.sources.presets import PRESETS, Encoding, HeaderNames
from tests.core.requests import request

SECRET = Secret(header="X-Proxy-Secret", values=(b"0123456789abcdef",))
RIGHT, WRONG = SECRET.values[0], b"fedcba9876543210"
NAMES = HeaderNames(certificate="X-Cert", encoding=Encoding.B64_DER)
PROXY, STRANGER = "10.0.0.5", "10.0.0.9"


def detail(boundary: Boundary, connection: Connection, names: HeaderNames = NAMES) -> str:
    """Return why a request is refused; empty where it is believed."""
    try:
        boundary.check(connection, collect(connection, names.headers | boundary.headers), names)
    except RejectionError as rejection:
        return rejection.detail if rejection.reason is Reason.SOURCE_UNTRUSTED else rejection.reason
    return ""


PEERS: dict[str, tuple[tuple[object, object] | None, Transport | None]] = {
    "the proxy": ((PROXY, 40_000), None),
    "a stranger": ((STRANGER, 40_000), None),
    "nobody": (None, None),
    "the proxy, as somebody says": ((PROXY, 0), None),
    "the proxy, as our adapter says": ((STRANGER, 0), Transport(peer=(PROXY, 40_000))),
    "a stranger, as our adapter says": ((PROXY, 40_000), Transport(peer=(STRANGER, 40_000))),
    "a unix socket": ((PROXY, 40_000), Transport(peer=None)),
}


def expected(*, networks: bool, unix: bool, secret: bool, sent: bytes | None, peer: str) -> str:
    if secret and sent != RIGHT:
        return "X-Proxy-Secret is wrong" if sent else "X-Proxy-Secret is missing"
    if not networks and not unix:
        return "" if secret else "neither trusted proxies nor a proxy secret are configured"
    untrusted = "the peer '{}' is not one of MTLS_TRUSTED_PROXIES"
    if "stranger" in peer:
        return untrusted.format(STRANGER)
    if peer == "a unix socket":
        return "" if unix else untrusted.format("on a unix socket")
    if peer == "nobody":
        return "" if unix or secret else "the server does not tell the peer's address; "
    if peer == "the proxy, as somebody says":
        return "" if secret else f"the peer '{PROXY}' has the port 0: something rewrote it; "
    return "" if networks else untrusted.format(PROXY)


@pytest.mark.parametrize("peer", PEERS)
def test_peers_and_secrets_are_asked_for_as_configured(peer: str) -> None:
    client, transport = PEERS[peer]
    some = (True, False)
    for networks, unix, secret, sent, interface in product(some, some, some, (RIGHT, WRONG, None), Interface):
        boundary = Boundary(
            networks=(ip_network("192.0.2.0/24"), ip_network("10.0.0.4/31")) if networks else (),
            unix_socket=unix,
            secret=SECRET if secret else None,
            drops_underscores=True,
        )
        headers = [(b"x-cert", b"QUJD"), *([(b"x-proxy-secret", sent)] if sent else [])]
        connection = replace(request(*headers, interface=interface), client=client, transport=transport)
        wanted = expected(networks=networks, unix=unix, secret=secret, sent=sent, peer=peer)
        found = detail(boundary, connection)
        if wanted.endswith("; "):  # the cure follows
            found = found[: len(wanted)]
        assert found == wanted, (networks, unix, secret, sent, interface)


def test_without_a_header_of_the_source_nobody_is_asked() -> None:
    connection = replace(request((b"x-other", b"1")), client=(STRANGER, 1))
    assert detail(Boundary(networks=(ip_network(PROXY),)), connection) == ""


PORTS = (1, 80, 65_535, "1", "80", "65535", "00080")
NO_PORTS = (0, -1, 65_536, True, None, 80.0, b"1", "", "0", "65536", "000080", "-1", "+1", "8a", "\u0668")


def test_a_port_is_a_number_of_tcp() -> None:
    assert [port for port in PORTS if not _is_port(port)] == []
    assert [port for port in NO_PORTS if _is_port(port)] == []


@pytest.mark.parametrize("text", ["fe80::1%eth0", "fe80::1%", "FE80:0::1", "fe80::1"])
def test_a_zone_says_nothing_of_the_address(text: str) -> None:
    assert parse_address(text) == parse_address("fe80::1")


AROUND = [(" ", ""), ("", "\t"), ('"', '"'), (' "', '"\t'), ('" ', ' "'), ('\t" ', '\t" '), (' "[', ']:80" ')]
"""What may stand around an address: blanks outside of the quotes, and inside."""


@pytest.mark.parametrize(
    ("host", "entries", "stands"),
    [
        (PROXY, [STRANGER], False),
        (PROXY, [STRANGER, PROXY], True),
        *((PROXY, [STRANGER, f"{before}{PROXY}{behind}"], True) for before, behind in AROUND),
        *((PROXY, [f"{mark}{PROXY}{mark}"], False) for mark in "Xx'([.-0"),
        (PROXY, [STRANGER] * FORWARDED_ENTRIES, False),
        (PROXY, [STRANGER] * (FORWARDED_ENTRIES + 1), True),
        ("proxy.example", ["caller.example"], False),
        ("proxy.example", ["proxy.example"], True),
    ],
)
def test_a_peer_that_a_header_names_is_doubted(host: str, entries: list[str], *, stands: bool) -> None:
    named = (b"x-forwarded-for", ",".join(entries).encode())
    connection = replace(request((b"x-cert", b"QUJD"), named), client=(host, 40_000))
    found = detail(Boundary(networks=(ip_network(PROXY),)), connection)
    assert ("stands in X-Forwarded-For or Forwarded too" in found) is stands


@pytest.mark.parametrize("encoding", Encoding)
@pytest.mark.parametrize("where", ["x-cert", "x-chain", "x-proxy-secret"])
def test_where_a_comma_is_a_second_copy(encoding: Encoding, where: str) -> None:
    names = HeaderNames(certificate="X-Cert", encoding=encoding, chain=("X-Chain",))
    sent = {"x-cert": b"a", "x-chain": b"b", "x-proxy-secret": RIGHT}
    sent[where] += b"," + sent[where]
    headers = [(name.encode(), value) for name, value in sent.items()]
    found = detail(Boundary(secret=SECRET, drops_underscores=True), request(*headers, interface=Interface.WSGI), names)
    is_list = encoding is Encoding.RFC9440 and where == "x-chain"
    has_commas = is_list or encoding in {Encoding.XFCC, Encoding.B64_DER_LIST}
    if where == "x-proxy-secret":
        assert found == "X-Proxy-Secret came twice"
    else:
        assert found == ("" if has_commas else f"{where.title()} came twice")


def test_a_secret_may_have_a_comma() -> None:
    secret = Secret(header="X-Proxy-Secret", values=(b"another secret", b"a, comma in a secret"))
    headers = (b"x-cert", b"a"), (b"x-proxy-secret", secret.values[1])
    for interface in Interface:
        assert detail(Boundary(secret=secret, drops_underscores=True), request(*headers, interface=interface)) == ""


@pytest.mark.parametrize("values", [(b"X",), (b"None", b"X"), (b"0123456789abcdef",)])
def test_nothing_is_no_secret(values: tuple[bytes, ...]) -> None:
    assert not Secret(header="X", values=values).matches(None)


def test_the_number_of_elements_reaches_the_source() -> None:
    assert [getattr(source_of("envoy", PRESETS["envoy"], number), "xfcc_elements") for number in (1, 2)] == [1, 2]  # noqa: B009 - the protocol has no such attribute
