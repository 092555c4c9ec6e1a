"""Lists over time: learned of, fetched, kept, replaced, and never lost."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from weakref import WeakSet

import pytest
from cryptography import x509

from mtls_middleware._core.decision import Reason, RevocationState
from mtls_middleware._io import forks
from mtls_middleware._io.files import InputError
from mtls_middleware._io.store import Kind
from mtls_middleware._trust.crl.known import LISTS, KnownCRLs
from mtls_middleware._trust.crl.revocations import Revocations
from mtls_middleware._trust.crl.sources import ADDRESSES_AN_ANCHOR, LearnedAddresses
from mtls_middleware._trust.schedule import AFTER_ANOTHER, FIRST_RETRY
from mtls_middleware.testing import ClientCertificate, RegionalCA
from tests.core.certs import DAY, NOW, SECOND, custom, digicert, genesys, new_ca, pin, regional_ca
from tests.core.crls import HOUR, WEEK, crl, parsed
from tests.trust.crl.doubles import INTERVAL, A, B, Bench, Host, Memory, refresh

GOOD, UNKNOWN, REVOKED = RevocationState.GOOD, RevocationState.UNKNOWN, Reason.CERTIFICATE_REVOKED
CA = regional_ca()
CLIENT = CA.client(crl_url=A)
ZERO = timedelta(0)


def at(*points: tuple[str, ...], ca: RegionalCA = CA) -> ClientCertificate:
    """Return a client with these distribution points."""
    made = [
        x509.DistributionPoint([x509.UniformResourceIdentifier(one) for one in point], None, None, None)
        for point in points
    ]
    return ca.client(extra_extensions=[x509.CRLDistributionPoints(made)])


def bench(*places: str, **lists: bytes | None) -> Bench:
    """Return a worker and a host with lists under the addresses `A` and `B`."""
    known = {"a": A, "b": B}
    return Bench(genesys(CA), Host({known[name]: content for name, content in lists.items()}), origins=places)


# --- learning -----------------------------------------------------------------------------------------------------


def test_a_learned_address_is_asked_and_its_list_believed() -> None:
    worker = bench(a=crl(CA))
    worker.learn(CLIENT)
    assert worker.verdict(CLIENT) is UNKNOWN
    worker.refresh()
    assert worker.host.asked == [A]
    assert worker.verdict(CLIENT) is GOOD
    assert worker.revocations.problems == ()


def test_a_new_address_is_due_at_once_and_wakes_who_asks() -> None:
    worker = bench(a=crl(CA))
    assert worker.due == timedelta(seconds=INTERVAL)
    worker.learn(CLIENT)
    assert (worker.due, worker.woken) == (ZERO, 1)


def test_an_address_that_is_known_wakes_nobody() -> None:
    worker = bench()
    worker.learn(CLIENT)
    worker.refresh()
    worker.learn(CLIENT)
    assert worker.woken == 1
    assert worker.due == FIRST_RETRY


@pytest.mark.parametrize("path", [(), (CA.certificate,)], ids=["empty", "the anchor alone"])
def test_what_is_no_chain_teaches_nothing(path: tuple[x509.Certificate, ...]) -> None:
    worker = bench()
    worker.revocations.learn(path)
    assert worker.woken == 0


@pytest.mark.parametrize("url", ["ldap://crl.example/cn", "file:/etc/passwd", "http://user@crl.example/"])
def test_only_plain_addresses_are_learned(url: str) -> None:
    worker = bench()
    worker.learn(CA.client(crl_url=url))
    worker.refresh()
    assert (worker.woken, worker.host.asked) == (0, [])


def test_each_anchor_has_a_few_addresses_and_the_oldest_is_forgotten() -> None:
    worker = bench()
    clients = [CA.client(crl_url=f"http://crl.example/{index}") for index in range(ADDRESSES_AN_ANCHOR + 1)]
    for client in clients:
        worker.learn(client)
    worker.refresh()
    assert worker.host.asked == [f"http://crl.example/{index}" for index in range(1, ADDRESSES_AN_ANCHOR + 1)]


def test_an_address_that_was_seen_again_is_not_the_oldest() -> None:
    worker = bench(a=crl(CA))
    worker.learn(CLIENT)
    for index in range(ADDRESSES_AN_ANCHOR):
        worker.learn(CLIENT)
        worker.learn(CA.client(crl_url=f"http://crl.example/{index}"))
    worker.refresh()
    assert A in worker.host.asked


def test_one_certificate_cannot_name_more_addresses_than_an_anchor_may_have() -> None:
    worker = bench()
    worker.learn(at(tuple(f"http://crl.example/{index}" for index in range(ADDRESSES_AN_ANCHOR + 5))))
    worker.refresh()
    assert len(worker.host.asked) == ADDRESSES_AN_ANCHOR


def test_each_anchor_has_its_own() -> None:
    other = new_ca("Other")
    worker = Bench(genesys(CA, other), Host({A: crl(CA), B: crl(other)}))
    worker.learn(CLIENT)
    worker.learn(other.client(crl_url=B))
    worker.refresh()
    assert sorted(worker.host.asked) == [A, B]


def test_what_was_learned_below_an_anchor_that_is_gone_is_forgotten() -> None:
    worker = bench(a=crl(CA))
    worker.learn(CLIENT)
    worker.trust = genesys(new_ca())
    worker.refresh()
    assert worker.host.asked == []


def test_an_intermediates_address_is_learned_too() -> None:
    lower = CA.intermediate()
    client = lower.client(crl_url=A)
    worker = Bench(custom(CA), Host({A: crl(lower), B: crl(CA)}), origins=(B,))
    worker.learn(client)
    worker.refresh()
    assert worker.verdict(client) is GOOD


def test_a_chain_that_is_not_verified_yet_teaches_only_if_it_passes() -> None:
    worker = bench()
    stranger, nameless = new_ca().client(crl_url=A), CA.client(crl_url=A, names="x.example")
    assert [
        worker.revocations.learn_unverified([one.der], [genesys(), worker.trust], NOW)
        for one in (stranger, nameless, CLIENT)
    ] == [False, False, True]
    assert not worker.revocations.learn_unverified([b"junk"], [worker.trust], NOW)
    assert worker.woken == 1


def test_learning_goes_on_in_a_child_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forks, "_followers", WeakSet())  # guards of other tests would start their threads once more
    learned = LearnedAddresses()
    learned._lock.acquire()
    forks._after_fork()
    assert learned.all == ()


# --- when ---------------------------------------------------------------------------------------------------------


def test_a_list_is_asked_for_again_after_the_interval_and_not_before() -> None:
    worker = bench(a=crl(CA))
    worker.learn(CLIENT)
    worker.refresh()
    assert worker.due == timedelta(seconds=INTERVAL)
    worker.later(seconds=INTERVAL - 1)
    worker.refresh()
    assert worker.host.asked == [A]
    worker.later(seconds=1)
    worker.refresh()
    assert worker.host.asked == [A, A]


def test_a_refresh_of_everything_asks_what_is_not_due() -> None:
    worker = bench(A, b=crl(CA, addresses=[B]))
    worker.learn(CA.client(crl_url=B))
    worker.refresh()
    worker.refresh(force=True)
    assert worker.host.asked == [A, B, A, B]


def test_a_list_is_asked_for_well_before_it_ends() -> None:
    worker = bench(a=crl(CA, ends=NOW + timedelta(minutes=10)))
    worker.learn(CLIENT)
    worker.refresh()
    assert worker.due == timedelta(minutes=5)


def test_a_host_that_fails_is_asked_less_and_less_often_but_as_often_as_usual() -> None:
    worker = bench()
    worker.learn(CLIENT)
    waits = []
    for _ in range(20):
        worker.refresh()
        waits.append(worker.due.total_seconds())
        worker.later(seconds=waits[-1])
    assert waits[:4] == [30.0, 60.0, 120.0, 240.0]
    assert waits[-1] == INTERVAL
    worker.host.lists[A] = crl(CA)
    worker.refresh()
    worker.host.lists[A] = None
    worker.later(seconds=INTERVAL)
    worker.refresh()
    assert worker.due == FIRST_RETRY


def test_the_next_address_is_asked_where_the_first_fails() -> None:
    worker = bench(b=crl(CA, addresses=[A, B]))
    client = at((A, B))
    worker.learn(client)
    worker.refresh()
    assert worker.host.asked == [A, B]
    assert worker.verdict(client) is GOOD
    assert worker.revocations.problems == ()


def test_other_points_are_alternatives_too() -> None:
    worker = bench(b=crl(CA, addresses=[A, B]))
    worker.learn(at((A,), (B,)))
    worker.refresh()
    assert worker.revocations.problems == ()


# --- nothing is lost ----------------------------------------------------------------------------------------------

BAD: Mapping[str, tuple[Callable[[], bytes | None], str]] = {
    "nothing": (lambda: None, "cannot be fetched: no connection"),
    "a web page": (lambda: b"<html>", "is a web page"),
    "cut off": (lambda: crl(CA)[:-9], "cut off"),
    "forged": (lambda: crl(CA, number=9, key=new_ca().private_key), "did not sign it"),
    "an older number": (lambda: crl(CA, number=4), "is older than what is known: number 4 of"),
    "an older time": (lambda: crl(CA, number=6, begins=NOW - WEEK, ends=NOW + WEEK), "is older than what is known"),
    "not yet usable": (lambda: crl(CA, number=6, begins=NOW + DAY), "begins at 2026-11-24 00:00:00Z: not usable yet"),
    "of other addresses": (lambda: crl(CA, number=6, addresses=[B]), "bound to other addresses"),
    "of another CA": (lambda: crl(new_ca("X"), number=6), ""),
    "a delta": (lambda: crl(CA, number=6, extensions=[(x509.DeltaCRLIndicator(1), True)]), "delta"),
}


@pytest.mark.parametrize(("make", "why"), BAD.values(), ids=BAD.keys())
def test_a_bad_answer_keeps_what_is_known_and_is_told(make: Callable[[], bytes | None], why: str) -> None:
    worker = bench(a=crl(CA, [CLIENT], number=5, begins=NOW - HOUR))
    other = CA.client(crl_url=A)
    worker.learn(CLIENT)
    worker.refresh()
    worker.host.lists[A] = make()
    worker.refresh(force=True)
    assert worker.verdict(CLIENT) is REVOKED
    assert worker.verdict(other) is GOOD
    if why:
        (problem,) = worker.revocations.problems
        assert problem.startswith(f"CRL {A}: ")
        assert why in problem
        assert problem.endswith("; number 5, until 2026-11-29 23:00:00Z, stays")


def test_an_answer_of_another_ca_hides_nothing() -> None:
    other = new_ca("X")
    worker = Bench(genesys(CA, other), Host({A: crl(CA, [CLIENT])}))
    worker.learn(CLIENT)
    worker.refresh()
    worker.host.lists[A] = crl(other, number=9)
    worker.refresh(force=True)
    assert worker.verdict(CLIENT) is REVOKED


def test_what_is_listed_stays_revoked_when_the_host_is_down_for_long() -> None:
    worker = bench(a=crl(CA, [CLIENT]))
    worker.learn(CLIENT)
    worker.refresh()
    worker.host.lists[A] = None
    for _ in range(60):
        worker.later(days=1)
        worker.refresh()
    assert worker.verdict(CLIENT) is REVOKED


def test_a_stale_list_counts_and_is_told() -> None:
    worker = bench(a=crl(CA, [CLIENT], ends=NOW - SECOND))
    worker.learn(CLIENT)
    worker.refresh()
    assert worker.verdict(CLIENT) is REVOKED
    assert "expired at 2026-11-22 23:59:59Z" in worker.revocations.problems[0]
    assert worker.due == FIRST_RETRY


def test_a_first_failure_says_that_nothing_is_known() -> None:
    worker = bench()
    worker.learn(CLIENT)
    worker.refresh()
    (problem,) = worker.revocations.problems
    assert problem == f"CRL {A}: cannot be fetched: no connection; none is known from there"


def test_a_newer_list_takes_effect_with_one_refresh() -> None:
    worker = bench(a=crl(CA))
    worker.learn(CLIENT)
    worker.refresh()
    assert worker.verdict(CLIENT) is GOOD
    worker.host.lists[A] = crl(CA, [CLIENT], number=2)
    worker.refresh(force=True)
    assert worker.verdict(CLIENT) is REVOKED


def test_a_number_that_is_no_longer_listed_is_good_again() -> None:
    worker = bench(a=crl(CA, [CLIENT]))
    worker.learn(CLIENT)
    worker.refresh()
    worker.host.lists[A] = crl(CA, number=2)
    worker.refresh(force=True)
    assert worker.verdict(CLIENT) is GOOD


def test_a_renewed_root_has_its_own_numbers() -> None:
    renewed = CA.renewed()
    worker = Bench(genesys(CA, renewed), Host({A: crl(CA, [CLIENT], number=99)}))
    new = renewed.client(crl_url=A)
    worker.learn(CLIENT)
    worker.learn(new)
    worker.refresh()
    worker.host.lists[A] = crl(renewed, number=1)
    worker.refresh(force=True)
    assert (worker.verdict(CLIENT), worker.verdict(new)) == (REVOKED, GOOD)


def test_parts_do_not_replace_each_other() -> None:
    one, two = CA.client(crl_url=A), CA.client(crl_url=B)
    worker = bench(a=crl(CA, [one], addresses=[A]), b=crl(CA, number=2, addresses=[B]))
    worker.learn(one)
    worker.learn(two)
    worker.refresh()
    assert (worker.verdict(one), worker.verdict(two)) == (REVOKED, GOOD)


def test_swapped_parts_are_problems_and_what_they_say_is_of_their_own_addresses() -> None:
    one, two = CA.client(crl_url=A), CA.client(crl_url=B)
    worker = bench(a=crl(CA, addresses=[B]), b=crl(CA, [one], addresses=[A]))
    worker.learn(one)
    worker.learn(two)
    worker.refresh()
    assert (worker.verdict(one), worker.verdict(two)) == (REVOKED, GOOD)  # each names its certificate's address
    assert len(worker.revocations.problems) == 2


# --- the operator's own places ------------------------------------------------------------------------------------


def test_an_address_of_the_operator_is_asked_without_any_call() -> None:
    worker = bench(A, a=crl(CA))
    worker.refresh()
    assert worker.verdict(CLIENT) is GOOD


def test_a_mirror_of_the_operator_may_serve_lists_for_other_addresses() -> None:
    worker = bench(B, b=crl(CA, [CLIENT], addresses=[A]))
    worker.refresh()
    assert worker.verdict(CLIENT) is REVOKED


def test_an_address_that_the_operator_named_is_not_asked_twice() -> None:
    worker = bench(A, a=crl(CA))
    worker.learn(CLIENT)
    worker.refresh()
    assert worker.host.asked == [A]
    assert worker.due == timedelta(seconds=INTERVAL)


def test_files_need_no_network(tmp_path: Path) -> None:
    file = tmp_path / "region.crl"
    file.write_bytes(crl(CA, [CLIENT]))
    worker = bench(str(file))
    worker.learn(CLIENT)
    worker.recall()
    assert worker.verdict(CLIENT) is REVOKED
    worker.refresh()
    assert worker.host.asked == []
    assert worker.revocations.problems == ()
    assert worker.due == timedelta(seconds=INTERVAL)


def test_a_stale_file_asks_no_network_either(tmp_path: Path) -> None:
    file = tmp_path / "region.crl"
    file.write_bytes(crl(CA, ends=NOW - DAY))
    worker = bench(str(file))
    worker.learn(CLIENT)
    worker.refresh()
    assert worker.host.asked == []
    assert "expired at" in worker.revocations.problems[0]


def test_a_part_in_a_file_leaves_the_other_parts_to_the_network(tmp_path: Path) -> None:
    file = tmp_path / "region.crl"
    file.write_bytes(crl(CA, addresses=[A]))
    worker = bench(str(file), b=crl(CA, addresses=[B]))
    worker.learn(CLIENT)
    worker.learn(CA.client(crl_url=B))
    worker.refresh()
    assert worker.host.asked == [B]


def test_a_file_that_changed_is_read_before_it_is_due(tmp_path: Path) -> None:
    file = tmp_path / "region.crl"
    file.write_bytes(crl(CA))
    worker = bench(str(file))
    worker.recall()
    before = worker.revocations.files_changed
    file.write_bytes(crl(CA, [CLIENT], number=2))
    assert (before, worker.revocations.files_changed) == (False, True)
    worker.refresh()
    assert worker.verdict(CLIENT) is REVOKED


def test_a_file_that_is_gone_or_spoiled_keeps_its_list(tmp_path: Path) -> None:
    file = tmp_path / "region.crl"
    file.write_bytes(crl(CA, [CLIENT]))
    worker = bench(str(file))
    worker.recall()
    file.write_bytes(b"spoiled")
    worker.refresh()
    file.unlink()
    worker.refresh()
    assert worker.verdict(CLIENT) is REVOKED
    assert "does not exist" in worker.revocations.problems[0]


@pytest.mark.parametrize("spoiled", [b"spoiled", crl(CA, number=0), None], ids=["no CRL", "an older one", "gone"])
def test_a_file_that_cannot_be_used_is_told_until_it_can_be(tmp_path: Path, spoiled: bytes | None) -> None:
    file = tmp_path / "region.crl"
    file.write_bytes(crl(CA))
    worker = bench(str(file))
    worker.recall()
    file.unlink() if spoiled is None else file.write_bytes(spoiled)
    for _ in range(3):
        worker.recall()
        worker.refresh()
        assert len(worker.revocations.problems) == 1
    file.write_bytes(crl(CA, number=2))
    worker.recall()
    assert worker.revocations.problems == ()


def test_each_file_of_a_folder_is_a_list_of_its_own(tmp_path: Path) -> None:
    lower = CA.intermediate()
    (tmp_path / "a.crl").write_bytes(crl(CA))
    (tmp_path / "b.crl").write_bytes(crl(lower))
    (tmp_path / "notes.txt").write_bytes(b"notes")
    worker = Bench(custom(CA), origins=(str(tmp_path),))
    worker.recall()
    assert worker.verdict(lower.client()) is GOOD
    assert len(worker.revocations.problems) == 1
    assert "notes.txt: is not a CRL" in worker.revocations.problems[0]


def test_a_folder_without_files_is_told(tmp_path: Path) -> None:
    worker = bench(str(tmp_path))
    worker.recall()
    assert "is a folder without files" in worker.revocations.problems[0]


def test_a_list_larger_than_other_files_is_read(tmp_path: Path) -> None:
    file = tmp_path / "large.crl"
    file.write_bytes(crl(CA, range(2**150, 2**150 + 30_000)))
    assert file.stat().st_size > 1_048_576
    worker = bench(str(file))
    worker.recall()
    assert worker.verdict(CLIENT) is GOOD


def test_a_list_of_a_callers_own_ca_waits_for_the_caller() -> None:
    lower = CA.intermediate()
    client = lower.client()
    worker = Bench(custom(CA), Host({A: crl(lower, [client]), B: crl(CA)}), origins=(A, B))
    worker.refresh()
    assert worker.verdict(client) is REVOKED


def test_a_forged_list_that_waited_is_dropped_when_its_ca_is_known() -> None:
    lower = CA.intermediate()
    client = lower.client(crl_url=B)
    forged = crl(lower, [client], number=9, key=new_ca().private_key)
    worker = Bench(custom(CA), Host({A: forged, B: crl(lower)}), origins=(A,))
    worker.refresh()
    assert len(worker.revocations.crls([worker.trust])) == 1
    worker.learn(client)
    worker.refresh()
    (left,) = worker.revocations.crls([worker.trust]).crls
    assert left.origin == B


# --- what outlives the process ------------------------------------------------------------------------------------


def test_a_new_process_knows_what_the_last_one_knew_without_network() -> None:
    worker = bench(a=crl(CA, [CLIENT]))
    worker.learn(CLIENT)
    worker.refresh()
    later = Bench(worker.trust, Host(), worker.memory)
    later.recall()
    assert later.verdict(CLIENT) is REVOKED
    assert later.host.asked == []
    assert later.due == timedelta(seconds=INTERVAL)


def test_a_new_process_knows_which_addresses_to_ask() -> None:
    worker = bench()
    worker.learn(CLIENT)
    worker.refresh()
    later = Bench(worker.trust, Host({A: crl(CA)}), worker.memory)
    later.recall()
    later.now += AFTER_ANOTHER
    later.refresh()
    assert later.verdict(CLIENT) is GOOD


def test_workers_share_what_one_of_them_fetched() -> None:
    one = bench(a=crl(CA))
    two = Bench(one.trust, one.host, one.memory)
    for worker in (one, two):
        worker.learn(CLIENT)
        worker.refresh()
    assert one.host.asked == [A]
    assert two.verdict(CLIENT) is GOOD
    one.later(seconds=INTERVAL)
    one.host.lists[A] = crl(CA, [CLIENT], number=2)
    one.refresh()
    two.later(seconds=INTERVAL)
    two.refresh()
    assert one.host.asked == [A, A]
    assert two.verdict(CLIENT) is REVOKED


def test_workers_that_find_nothing_new_in_the_store_read_it_once() -> None:
    worker = bench(a=crl(CA))
    worker.learn(CLIENT)
    worker.refresh()
    before = worker.revocations.crls([worker.trust])
    worker.refresh()
    assert worker.revocations.crls([worker.trust]) is before


def test_a_kept_certificate_is_verified_before_it_is_believed() -> None:
    expired, foreign = CA.client(crl_url=A, expired=True), new_ca().client(crl_url=B)
    memory = Memory()
    for index, content in enumerate([expired.chain_pem, foreign.chain_pem, "junk"]):
        memory.put(Kind.CERTIFICATE, str(index), content.encode(), NOW)
    worker = Bench(genesys(CA), memory=memory)
    worker.refresh()
    assert worker.host.asked == []


TAMPERED = {
    "junk": lambda: b"junk",
    "forged": lambda: crl(CA, number=99, key=new_ca().private_key),
    "older": lambda: crl(CA, number=0),
    "of tomorrow": lambda: crl(CA, number=99, begins=NOW + DAY),
}


@pytest.mark.parametrize("make", TAMPERED.values(), ids=TAMPERED.keys())
def test_a_tampered_store_un_revokes_nothing(make: Callable[[], bytes]) -> None:
    worker = bench(a=crl(CA, [CLIENT]))
    worker.learn(CLIENT)
    worker.refresh()
    worker.memory.put(Kind.CRL, A, make(), NOW + 99 * DAY)
    worker.refresh()
    assert worker.verdict(CLIENT) is REVOKED
    assert worker.due <= timedelta(seconds=INTERVAL)


def test_a_list_that_was_kept_in_the_future_is_asked_for_as_usual() -> None:
    worker = bench(a=crl(CA))
    worker.memory.put(Kind.CRL, A, crl(CA), NOW + 99 * DAY)
    worker.learn(CLIENT)
    worker.refresh()
    assert worker.due == timedelta(seconds=INTERVAL)


def test_no_anchor_is_ever_kept() -> None:
    lower = CA.intermediate()
    worker = Bench(custom(CA))
    worker.learn(lower.client(crl_url=A))
    worker.refresh()
    (kept,) = worker.memory.entries(Kind.CERTIFICATE)
    assert [one.subject for one in x509.load_pem_x509_certificates(kept.read())][1:] == [lower.certificate.subject]


def test_a_list_in_the_store_from_a_place_that_nobody_asks_any_more_still_counts() -> None:
    memory = Memory()
    memory.put(Kind.CRL, "http://gone.example/", crl(CA, [CLIENT]), NOW)
    worker = Bench(genesys(CA), memory=memory)
    worker.recall()
    assert worker.verdict(CLIENT) is REVOKED


def test_no_store_is_needed() -> None:
    host = Host({A: crl(CA)})
    revocations = Revocations(origins=[A], fetch=host)
    refresh(revocations, genesys(CA), NOW)
    assert len(revocations.crls([genesys(CA)])) == 1


# --- what is handed over ------------------------------------------------------------------------------------------


def test_the_lists_are_the_same_object_for_as_long_as_nothing_changes() -> None:
    worker = bench(a=crl(CA))
    worker.learn(CLIENT)
    worker.refresh()
    first = worker.revocations.crls([worker.trust])
    worker.refresh(force=True)
    assert worker.revocations.crls([worker.trust]) is first
    worker.host.lists[A] = crl(CA, number=2)
    worker.refresh(force=True)
    assert worker.revocations.crls([worker.trust]) is not first


def test_new_anchors_make_new_lists() -> None:
    worker = bench(A, a=crl(CA))
    worker.refresh()
    first = worker.revocations.crls([worker.trust])
    assert worker.revocations.crls([genesys(CA, new_ca())]) is not first


def test_configured_intermediates_are_known_cas() -> None:
    lower = CA.intermediate()
    client = lower.client()
    trust = digicert(CA, pins=[pin(client)], intermediates=client.chain)
    worker = Bench(trust, Host({A: crl(lower)}), origins=(A,))
    worker.refresh()
    assert lower.certificate in worker.revocations.crls([trust]).issuers


def test_each_place_that_is_asked_is_described() -> None:
    worker = bench(A, a=crl(CA, [7]))
    worker.learn(CA.client(crl_url=B))
    worker.refresh()
    told, asked = worker.revocations.views[0], worker.revocations.views[1:]
    assert asked == ()  # the operator's list is complete, so it tells of that client too
    assert (told.origin, told.last_success, told.error, told.is_learned) == (A, NOW, "", False)
    assert told.held is not None
    assert (told.held.number, len(told.held.serial_numbers)) == (1, 1)


def test_a_learned_place_is_described_as_such() -> None:
    worker = bench()
    worker.learn(CLIENT)
    worker.refresh()
    (told,) = worker.revocations.views
    assert (told.origin, told.held, told.last_success, told.is_learned) == (A, None, None, True)
    assert "no connection" in told.error


# --- bounds -------------------------------------------------------------------------------------------------------


def test_no_more_lists_are_held_than_there_is_room_for() -> None:
    known = KnownCRLs()
    for index in range(LISTS + 1):
        ends = NOW + timedelta(seconds=LISTS + 1 - index)
        known.offer(parsed(crl(CA, addresses=[f"http://crl.example/{index}"], ends=ends)), [CA.certificate])
    assert len(known.all) == LISTS
    assert min(one.next_update for one in known.all if one.next_update) == NOW + timedelta(seconds=2)


def test_of_two_with_the_same_number_the_later_time_counts() -> None:
    known = KnownCRLs()
    known.offer(parsed(crl(CA, begins=NOW - HOUR)), [CA.certificate])
    known.offer(parsed(crl(CA, [7], begins=NOW)), [CA.certificate])
    with pytest.raises(InputError):
        known.offer(parsed(crl(CA, begins=NOW - HOUR)), [CA.certificate])
    assert 7 in known.all[0].serial_numbers
