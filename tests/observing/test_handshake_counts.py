"""Refused handshakes are counted by reason, and each is counted once."""

import os

import pytest

from mtls_middleware.observing.handshake_counts import HandshakeCounts
from mtls_middleware.observing.handshakes import HandshakeRefusal
from mtls_middleware.observing.history import Handshake
from mtls_middleware.testing import RegionalCA

STRANGER = HandshakeRefusal(reason="not_tls", detail="the caller does not speak TLS", peer="203.0.113.9:1")


def refused(ca: RegionalCA) -> HandshakeRefusal:
    certificate = ca.client().der
    return HandshakeRefusal(
        reason="issuer_untrusted", detail="nobody signed it", verify_code=20, certificate=certificate, peer="10.0.0.5:2"
    )


def test_each_is_counted_and_drained_once() -> None:
    counts = HandshakeCounts()
    for refusal in (STRANGER, STRANGER, refused(RegionalCA("us-east-1"))):
        counts.add(refusal)

    assert counts.totals() == {"not_tls": 2, "issuer_untrusted": 1}
    assert counts.drain() == {Handshake("not_tls", has_certificate=False): 2, Handshake("issuer_untrusted", True): 1}
    assert counts.drain() == {}


def test_the_last_one_with_a_certificate_says_whose_it_was() -> None:
    counts, ca = HandshakeCounts(), RegionalCA("us-east-1")
    before = counts.last_refused()
    counts.add(refused(ca))
    counts.add(STRANGER)
    last = counts.last_refused()

    assert before is None
    assert last is not None
    assert (last.reason, last.detail, last.peer) == ("issuer_untrusted", "nobody signed it", "10.0.0.5:2")
    assert (last.names, len(last.fingerprint)) == ((ca.cert_name,), 64)
    assert "us-east-1" in last.issuer


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_a_child_counts_from_nothing() -> None:
    counts = HandshakeCounts()
    counts.add(STRANGER)
    counts.after_fork()

    assert (counts.totals(), counts.drain(), counts.last_refused()) == ({}, {}, None)
