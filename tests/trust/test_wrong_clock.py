"""A machine that starts with a wrong clock, and without network: what was kept counts as soon as the clock is right."""

from datetime import timedelta

import pytest

from mtls_middleware._core.decision import Reason
from mtls_middleware._core.trust import AuthorityTrust
from mtls_middleware.testing import RegionalCA
from tests.core.certs import NOW, genesys
from tests.trust.crl.doubles import A, Bench, Host

CA = RegionalCA(now=NOW)
CLIENT = CA.client(crl_url=A)
BEFORE = NOW - timedelta(days=3650)


@pytest.fixture
def trust() -> AuthorityTrust:
    return genesys(CA)


@pytest.fixture
def restarted(trust: AuthorityTrust) -> Bench:
    """Return a worker whose predecessor learned the address of a list, and that begins long before it, cut off."""
    earlier = Bench(trust, host=Host({A: CA.crl([CLIENT])}))
    earlier.learn(CLIENT)
    earlier.refresh()
    now = Bench(trust, memory=earlier.memory)
    now.now = BEFORE
    now.recall()
    now.refresh()
    return now


def test_lesson_a_list_that_had_not_begun_yet_counts_when_the_clock_is_right(restarted: Bench) -> None:
    restarted.now = NOW
    restarted.recall()

    assert restarted.verdict(CLIENT) is Reason.CERTIFICATE_REVOKED


def test_lesson_an_address_is_learned_again_from_the_state_when_the_clock_is_right(restarted: Bench) -> None:
    before = [view.origin for view in restarted.revocations.views]
    restarted.now = NOW
    restarted.recall()

    assert (before, [view.origin for view in restarted.revocations.views]) == ([], [A])


def test_what_taught_everything_is_not_read_again(trust: AuthorityTrust) -> None:
    bench = Bench(trust, host=Host({A: CA.crl()}))
    bench.learn(CLIENT)
    bench.refresh()
    bench.recall()

    assert list(bench.revocations._store.chains()) == []


def test_lesson_what_only_an_expired_certificate_named_is_asked_no_more(trust: AuthorityTrust) -> None:
    bench = Bench(trust, host=Host({A: CA.crl()}))
    bench.learn(CLIENT)
    bench.refresh()
    bench.now = CLIENT.certificate.not_valid_after_utc + timedelta(seconds=1)
    asked = len(bench.host.asked)
    bench.refresh(force=True)
    bench.refresh()

    assert (len(bench.host.asked), bench.revocations.problems, bench.due > timedelta()) == (asked, (), True)
