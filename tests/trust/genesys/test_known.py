"""Pins come with an answer, and leave when they expire or were superseded for a long time; a failure takes none."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtls_middleware._io.store import CLOCKS_DIFFER
from mtls_middleware._trust.genesys.client import APIResponse
from mtls_middleware._trust.genesys.failure import FailureReason, GenesysFailure
from mtls_middleware._trust.genesys.known import GRACE, MAX_CERTIFICATES, KnownCertificates
from mtls_middleware._trust.genesys.listing import CertificateStatus, ListedCertificate
from mtls_middleware.identity import Authority
from mtls_middleware.testing import ClientCertificate
from tests.trust.genesys.region import DAY, INTERMEDIATE, NAME, NOW, digicert, genesys

SECOND = timedelta(seconds=1)
FAILURE = GenesysFailure(FailureReason.SERVER, "out of order", "wait")
NOTHING = KnownCertificates(region=NAME)
OLD, NEW = digicert(ends=NOW + 60 * DAY), digicert(ends=NOW + 400 * DAY)
UPCOMING = CertificateStatus.UPCOMING


def listed(
    client: ClientCertificate,
    status: CertificateStatus = CertificateStatus.CURRENT,
    authority: Authority = Authority.DIGICERT,
) -> ListedCertificate:
    return ListedCertificate(
        authority=authority,
        status=status,
        leaf=client.certificate,
        intermediates=client.chain if authority is Authority.DIGICERT else (),
    )


def answer(*certificates: ListedCertificate, **more: object) -> APIResponse:
    return APIResponse(region=NAME, certificates=certificates, **more)  # type: ignore[arg-type] # whatever the test gives


def known(*certificates: ListedCertificate, now: datetime = NOW) -> KnownCertificates:
    return NOTHING.merge(answer(*certificates), now)


def pinned(known: KnownCertificates, now: datetime = NOW) -> set[str]:
    return {pin.fingerprint_sha256 for pin in known.pins(now)}


def prints(*clients: ClientCertificate) -> set[str]:
    return {listed(client).fingerprint_sha256 for client in clients}


def test_before_the_first_answer_nothing_is_known() -> None:
    assert (NOTHING.pins(NOW), NOTHING.intermediates(NOW), NOTHING.genesys_leaves(NOW)) == ((), (), ())


def test_a_certificate_becomes_a_pin_of_its_region() -> None:
    (pin,) = known(listed(OLD)).pins(NOW)
    assert (pin.fingerprint_sha256, pin.region) == (listed(OLD).fingerprint_sha256, NAME)
    assert (pin.not_before, pin.not_after) == (
        OLD.certificate.not_valid_before_utc,
        OLD.certificate.not_valid_after_utc,
    )
    assert pin.origin.startswith("certificates API of us-east-1, current: CN=")


def test_an_upcoming_certificate_is_pinned_beside_the_current_one() -> None:
    both = known(listed(OLD), listed(NEW, UPCOMING))
    assert pinned(both) == prints(OLD, NEW)
    assert "us-east-1, upcoming: " in both.pins(NOW)[1].origin


def test_a_certificate_that_does_not_live_yet_is_pinned_already() -> None:
    (pin,) = known(listed(digicert(begins=NOW + DAY), UPCOMING)).pins(NOW)
    assert not pin.is_valid(NOW)
    assert pin.is_valid(NOW + DAY)


def test_its_chain_is_given_as_intermediates_once() -> None:
    assert known(listed(OLD), listed(NEW)).intermediates(NOW) == (INTERMEDIATE.certificate,)


def test_a_genesys_leaf_is_given_on_and_is_no_pin() -> None:
    own = genesys()
    it = known(listed(own, authority=Authority.GENESYS))
    assert (it.genesys_leaves(NOW), it.pins(NOW), it.intermediates(NOW)) == ((own.der,), (), ())


def test_answers_add_up() -> None:
    it = known(listed(OLD)).merge(answer(listed(NEW)), NOW)
    assert pinned(it) == prints(OLD, NEW)


def test_a_superseded_certificate_says_since_when() -> None:
    it = known(listed(OLD)).merge(answer(listed(NEW)), NOW + DAY)
    assert "superseded 2026-11-24" in it.pins(NOW + DAY)[1].origin


def test_a_superseded_certificate_stays_for_the_grace_period() -> None:
    it = known(listed(OLD)).merge(answer(listed(NEW)), NOW)
    assert pinned(it.merge(answer(listed(NEW)), NOW + GRACE - SECOND)) == prints(OLD, NEW)
    assert pinned(it.merge(answer(listed(NEW)), NOW + GRACE)) == prints(NEW)


def test_the_grace_period_begins_again_for_one_that_comes_back() -> None:
    it = known(listed(OLD)).merge(answer(listed(NEW)), NOW)
    it = it.merge(answer(listed(OLD), listed(NEW)), NOW + GRACE / 2).merge(answer(listed(NEW)), NOW + GRACE)
    assert pinned(it) == prints(OLD, NEW)


def test_time_alone_supersedes_nothing() -> None:
    it = known(listed(OLD)).merge(answer(listed(NEW)), NOW)
    later = NOW + GRACE + DAY
    assert pinned(it, later) == prints(OLD, NEW)


def test_an_expired_certificate_is_no_pin() -> None:
    it = known(listed(OLD))
    end = OLD.certificate.not_valid_after_utc
    assert pinned(it, end) == prints(OLD)
    assert pinned(it, end + SECOND) == set()
    assert it.intermediates(end + SECOND) == ()


def test_an_expired_certificate_is_forgotten_when_another_serves() -> None:
    after = OLD.certificate.not_valid_after_utc + SECOND
    serving = digicert(begins=after - DAY, ends=after + DAY)
    assert pinned(known(listed(OLD)).merge(answer(), after), after) == set()
    assert prints(OLD).isdisjoint(
        one.listed.fingerprint_sha256 for one in known(listed(OLD)).merge(answer(listed(serving)), after).certificates
    )
    assert known(listed(OLD), now=after).certificates == ()


def test_lesson_a_clock_that_was_ahead_for_a_moment_takes_no_pin() -> None:
    it = known(listed(OLD)).merge(answer(listed(OLD), listed(NEW, UPCOMING)), NOW + 4000 * DAY)
    assert pinned(it, NOW + 4000 * DAY) == set()
    assert pinned(it.merge(answer(), NOW)) == prints(OLD)


@pytest.mark.parametrize(
    "later",
    [
        pytest.param(answer(), id="empty"),
        pytest.param(answer(listed(NEW, UPCOMING)), id="only an upcoming one"),
        pytest.param(answer(listed(digicert(begins=NOW + 99 * DAY))), id="a current one that does not live yet"),
        pytest.param(answer(listed(genesys(), authority=Authority.GENESYS)), id="only one of the other authority"),
        pytest.param(answer(listed(NEW), failure=FAILURE), id="a part failed"),
        pytest.param(answer(listed(NEW), warnings=("odd",)), id="a part was not understood"),
    ],
)
def test_nothing_is_superseded_by(later: APIResponse) -> None:
    it = known(listed(OLD))
    for day in (0, 20, 40):
        it = it.merge(later, NOW + day * DAY)
    assert prints(OLD) <= pinned(it, NOW + 40 * DAY)


def test_a_clock_that_goes_back_does_not_prolong_the_grace_period_for_ever() -> None:
    it = known(listed(OLD)).merge(answer(listed(NEW)), NOW + 20 * DAY).merge(answer(listed(NEW)), NOW)
    assert pinned(it.merge(answer(listed(NEW)), NOW + GRACE)) == prints(NEW)


def test_an_answer_about_another_region_is_refused() -> None:
    with pytest.raises(ValueError, match="says nothing about us-east-1"):
        NOTHING.merge(APIResponse(region="eu-west-1", certificates=()), NOW)


def test_what_is_remembered_is_bounded_and_the_latest_stays() -> None:
    one = listed(digicert())
    many = [_numbered(one, number) for number in range(MAX_CERTIFICATES)]
    it = replace(NOTHING, certificates=known(*many).certificates).merge(answer(listed(NEW)), NOW)
    assert len(it.certificates) == MAX_CERTIFICATES
    assert prints(NEW) <= pinned(it)


def test_the_later_answer_is_the_newer() -> None:
    old, new = known(listed(OLD)), known(listed(NEW), now=NOW + DAY)
    assert old.newer(new, NOW + DAY) is new
    assert new.newer(old, NOW + DAY) is new


@pytest.mark.parametrize(
    "stored",
    [
        pytest.param(NOTHING, id="never answered"),
        pytest.param(known(listed(NEW)), id="of the same time"),
        pytest.param(known(listed(NEW), now=NOW - SECOND), id="older"),
        pytest.param(known(listed(NEW), now=NOW + CLOCKS_DIFFER + SECOND), id="from the future"),
        pytest.param(replace(known(listed(NEW), now=NOW), region="eu-west-1"), id="of another region"),
    ],
)
def test_what_is_stored_does_not_replace_what_is_known(stored: KnownCertificates) -> None:
    it = known(listed(OLD))
    assert it.newer(stored, NOW) is it


def test_what_is_stored_serves_where_nothing_is_known() -> None:
    stored = known(listed(OLD))
    assert NOTHING.newer(stored, NOW) is stored


CLIENTS = [digicert(begins=NOW + n * 60 * DAY, ends=NOW + (n * 60 + 150) * DAY) for n in range(6)]
polls = st.tuples(
    st.integers(0, 40),
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from(CertificateStatus)), max_size=3),
    st.booleans(),
)


@given(st.lists(polls, max_size=20))
def test_whatever_is_answered_only_time_takes_a_pin(
    history: list[tuple[int, list[tuple[int, CertificateStatus]], bool]],
) -> None:
    it, now, seen = NOTHING, NOW, dict[int, datetime]()
    for days, entries, fails in history:
        now += days * DAY
        found = {number: listed(CLIENTS[number], status) for number, status in entries}
        it = it.merge(answer(*found.values(), failure=FAILURE if fails else None), now)
        seen |= dict.fromkeys(found, now)
        alive = {number for number in seen if now <= CLIENTS[number].certificate.not_valid_after_utc}
        recent = {number for number in alive if now - seen[number] < GRACE}
        assert prints(*(CLIENTS[number] for number in recent)) <= pinned(it, now)
        assert pinned(it, now) <= prints(*(CLIENTS[number] for number in alive))


def _numbered(one: ListedCertificate, number: int) -> ListedCertificate:
    leaf = INTERMEDIATE.client(serial_number=1000 + number, public_key_of=OLD).certificate
    return replace(one, leaf=leaf)
