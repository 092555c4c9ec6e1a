"""The cache of acceptances: bounded, bound to the bytes, and never older than the chain."""

from datetime import datetime

import pytest

from mtls_middleware._core.trust import CAPACITY, Verdict, Verdicts
from mtls_middleware.identity import Authority, ClientIdentity
from tests.core.certs import DAY, NOW, SECOND

VERDICT = Verdict(
    identity=ClientIdentity(
        region="us-east-1",
        authority=Authority.GENESYS,
        dns_names=(),
        subject="CN=x",
        issuer="CN=y",
        serial_number=1,
        fingerprint_sha256="0" * 64,
        not_before=NOW,
        not_after=NOW + DAY,
        organization_id=None,
        source="tls",
    ),
    not_before=NOW,
    not_after=NOW + DAY,
)


def test_a_verdict_is_found_by_the_bytes_presented() -> None:
    verdicts = Verdicts()
    verdicts.keep((b"leaf", b"chain"), VERDICT)
    assert verdicts.find((b"leaf", b"chain"), NOW) is VERDICT


@pytest.mark.parametrize(
    "presented",
    [
        pytest.param((b"leaf",), id="another chain"),
        pytest.param((b"chain", b"leaf"), id="another order"),
        pytest.param((b"leafchain",), id="joined"),
        pytest.param((b"leaf", b"chain", b""), id="a part more"),
        pytest.param((), id="nothing"),
    ],
)
def test_other_bytes_have_no_verdict(presented: tuple[bytes, ...]) -> None:
    verdicts = Verdicts()
    verdicts.keep((b"leaf", b"chain"), VERDICT)
    assert verdicts.find(presented, NOW) is None


@pytest.mark.parametrize(
    ("now", "found"),
    [
        pytest.param(NOW - SECOND, False, id="before"),
        pytest.param(NOW, True, id="first second"),
        pytest.param(NOW + DAY, True, id="last second"),
        pytest.param(NOW + DAY + SECOND, False, id="after"),
    ],
)
def test_a_verdict_holds_in_the_life_of_its_path(now: datetime, *, found: bool) -> None:
    verdicts = Verdicts()
    verdicts.keep((b"leaf",), VERDICT)
    assert (verdicts.find((b"leaf",), now) is not None) is found


def test_the_cache_is_bounded_and_the_oldest_leaves_first() -> None:
    verdicts = Verdicts()
    for number in range(CAPACITY + 1):
        verdicts.keep((b"%d" % number,), VERDICT)
    assert len(verdicts) == CAPACITY
    assert verdicts.find((b"0",), NOW) is None
    assert verdicts.find((b"1",), NOW) is VERDICT
