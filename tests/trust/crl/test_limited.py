"""CRLs that can only revoke, over time; numbers that go back; and certificates whose CRL nobody finds."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from mtls_middleware._core.decision import Reason, RevocationState
from mtls_middleware._trust.crl.known import CRLStore
from mtls_middleware.testing import ClientCertificate
from tests.core.certs import NOW, genesys, new_ca, regional_ca
from tests.core.crls import HOUR, Revoked, crl, edited
from tests.trust.crl.doubles import A, B, Bench, Host

GOOD, UNKNOWN, REVOKED = RevocationState.GOOD, RevocationState.UNKNOWN, Reason.CERTIFICATE_REVOKED
CA = regional_ca()
CLIENT = CA.client(crl_url=A)
DELTA = [(x509.DeltaCRLIndicator(1), True)]

Make = Callable[[list[Revoked]], bytes]
LIMITED: Mapping[str, Make] = {
    "delta": lambda names: crl(CA, names, number=9, begins=NOW, extensions=DELTA),
    "indirect": lambda names: crl(CA, names, number=9, begins=NOW, point={"indirect_crl": True}),
    "some reasons": lambda names: crl(
        CA, names, number=9, begins=NOW, point={"only_some_reasons": frozenset([x509.ReasonFlags.superseded])}
    ),
    "another address": lambda names: crl(CA, names, number=9, begins=NOW, addresses=[B]),
}


@pytest.mark.parametrize("make", LIMITED.values(), ids=LIMITED.keys())
def test_what_comes_from_a_learned_address_revokes_and_replaces_nothing(make: Make) -> None:
    other = CA.client(crl_url=A)
    worker = Bench(genesys(CA), Host({A: crl(CA, [other])}))
    worker.learn(CLIENT)
    worker.refresh()
    before = worker.revocations.crls([worker.trust])
    assert (worker.verdict(CLIENT), worker.verdict(other)) == (GOOD, REVOKED)

    worker.host.lists[A] = make([CLIENT])
    worker.refresh(force=True)
    assert (worker.verdict(CLIENT), worker.verdict(other)) == (REVOKED, REVOKED)
    assert not worker.revocations.crls([worker.trust]).is_same(before)  # so cached verdicts end
    (problem,) = worker.revocations.problems
    assert "it can revoke, but cannot confirm that a certificate is good; number 1" in problem

    restarted = Bench(genesys(CA), memory=worker.memory)
    restarted.recall()
    assert (restarted.verdict(CLIENT), restarted.verdict(other)) == (REVOKED, REVOKED)


@pytest.mark.parametrize("make", LIMITED.values(), ids=LIMITED.keys())
def test_what_comes_from_the_operator_revokes_too(make: Make, tmp_path: Path) -> None:
    file = tmp_path / "region.crl"
    file.write_bytes(make([CLIENT]))
    worker = Bench(genesys(CA), origins=(str(file),))
    worker.recall()
    assert worker.verdict(CLIENT) is REVOKED
    assert worker.verdict(CA.client(crl_url=A)) is UNKNOWN
    assert worker.revocations.problems == ()


def test_a_crl_of_the_operators_that_can_only_revoke_is_a_warning(tmp_path: Path) -> None:
    file = tmp_path / "region.crl"
    worker = Bench(genesys(CA), origins=(str(file),))
    for content, why in (
        (crl(CA, extensions=DELTA), "is a delta CRL"),
        (edited(CA, crl(CA), lambda fields: [*fields[:4], *fields[5:]]), "has no nextUpdate"),
    ):
        file.write_bytes(content)
        worker.refresh()
        expected = f"CRL {file}: {why}: it can revoke, but cannot confirm that a certificate is good"
        assert worker.revocations.warnings == (expected,)
    file.write_bytes(crl(CA, number=2))
    worker.refresh()
    assert worker.revocations.warnings == ()


def test_a_crl_of_the_operators_that_can_only_revoke_leaves_the_rest_to_the_network(tmp_path: Path) -> None:
    file = tmp_path / "region.crl"
    file.write_bytes(crl(CA, extensions=DELTA))
    worker = Bench(genesys(CA), Host({A: crl(CA)}), origins=(str(file),))
    worker.learn(CLIENT)
    worker.refresh()
    assert worker.host.asked == [A]
    assert worker.verdict(CLIENT) is GOOD


def test_a_complete_crl_makes_room() -> None:
    worker = Bench(genesys(CA), Host({A: crl(CA, [CLIENT], number=2, extensions=DELTA)}))
    worker.learn(CLIENT)
    worker.refresh()
    assert worker.verdict(CLIENT) is REVOKED
    worker.host.lists[A] = crl(CA, number=2)
    worker.refresh(force=True)
    assert worker.verdict(CLIENT) is GOOD
    assert len(worker.revocations.crls([worker.trust])) == 1


def test_without_numbers_the_date_orders() -> None:
    worker = Bench(genesys(CA), Host({A: crl(CA, [CLIENT], number=None)}))
    worker.learn(CLIENT)
    worker.refresh()
    assert worker.verdict(CLIENT) is REVOKED
    worker.host.lists[A] = crl(CA, number=None, begins=NOW - 2 * HOUR)
    worker.refresh(force=True)
    assert "is older than what is known" in worker.revocations.problems[0]
    assert worker.revocations.problems[0].endswith("; the last, until 2026-11-29 23:00:00Z, stays")
    assert worker.verdict(CLIENT) is REVOKED
    worker.host.lists[A] = crl(CA, number=None, begins=NOW)
    worker.refresh(force=True)
    assert worker.verdict(CLIENT) is GOOD


# --- a number that goes back --------------------------------------------------------------------------------------


def _restored() -> Bench:
    """Return a worker whose CA was restored from a backup."""
    worker = Bench(genesys(CA), Host({A: crl(CA, [CLIENT], number=7)}))
    worker.learn(CLIENT)
    worker.refresh()
    worker.host.lists[A] = crl(CA, number=3, begins=NOW)
    worker.refresh(force=True)
    assert worker.verdict(CLIENT) is REVOKED
    return worker


def test_a_number_that_goes_back_is_a_problem_with_what_to_do() -> None:
    (problem,) = _restored().revocations.problems
    assert (
        "is newer, but has a lower number than what is known: number 3 of 2026-11-23 00:00:00Z, not number 7" in problem
    )
    assert f"run: mtls-middleware trust forget-crl {A}" in problem


def test_a_running_worker_accepts_the_lower_number_once_it_is_forgotten() -> None:
    worker = _restored()
    assert CRLStore(worker.memory).forget_crls(A, NOW) == (A,)
    worker.host.lists[A] = None
    worker.refresh()
    assert worker.verdict(CLIENT) is REVOKED  # until the new one comes
    worker.host.lists[A] = crl(CA, number=3, begins=NOW)
    worker.refresh(force=True)
    assert (worker.verdict(CLIENT), worker.revocations.problems) == (GOOD, ())
    restarted = Bench(genesys(CA), memory=worker.memory)
    restarted.recall()
    assert restarted.verdict(CLIENT) is GOOD


def test_what_is_forgotten_is_asked_for_at_once_and_an_older_one_stays_refused() -> None:
    worker = _restored()
    worker.host.asked.clear()
    CRLStore(worker.memory).forget_crls(A, NOW)
    worker.host.lists[A] = crl(CA, number=3, begins=NOW - 2 * HOUR)
    worker.refresh()
    assert worker.host.asked == [A]
    assert "is older than what is known" in worker.revocations.problems[0]
    assert worker.verdict(CLIENT) is REVOKED


def test_the_same_crl_from_another_place_is_forgotten_too() -> None:
    worker = _restored()
    store = CRLStore(worker.memory)
    store.keep_crl(B, crl(CA, [CLIENT], number=7), NOW)
    store.keep_crl("other", crl(CA, addresses=["http://x.example/"]), NOW)
    assert set(store.forget_crls(A, NOW)) == {A, B}
    assert store.origins() == ("other",)
    assert store.forget_crls(A, NOW) == ()


# --- certificates without a usable address ------------------------------------------------------------------------


def _client(*names: x509.GeneralName, **more: object) -> ClientCertificate:
    point = {"full_name": list(names) or None, "relative_name": None, "reasons": None, "crl_issuer": None, **more}
    made = x509.DistributionPoint(**point)  # type: ignore[arg-type] # keywords
    return CA.client(extra_extensions=[x509.CRLDistributionPoints([made])])


def _uri(address: str) -> x509.GeneralName:
    return x509.UniformResourceIdentifier(address)


NAME = x509.DirectoryName(CA.certificate.subject)
UNUSABLE: Mapping[str, tuple[Callable[[], ClientCertificate], str]] = {
    "ldap": (lambda: _client(_uri("ldap://crl.example/cn")), "ldap://crl.example/cn is neither http nor https"),
    "a blank": (lambda: _client(_uri("http://crl.example/a b.crl")), "http://crl.example/a b.crl is not"),
    "reasons": (
        lambda: _client(_uri(A), reasons=frozenset([x509.ReasonFlags.superseded])),
        "its CRL covers only some reasons",
    ),
    "another issuer": (lambda: _client(_uri(A), crl_issuer=[NAME]), "its CRL is signed by another CA (cRLIssuer)"),
    "a name": (lambda: _client(NAME), "its distribution point is a name that is not an address"),
    "a relative name": (
        lambda: _client(relative_name=x509.RelativeDistinguishedName(list(CA.certificate.subject)[:1])),
        "its distribution point is a relative name",
    ),
}


@pytest.mark.parametrize(("make", "why"), UNUSABLE.values(), ids=UNUSABLE.keys())
def test_an_address_that_cannot_be_used_is_reported_once(make: Callable[[], ClientCertificate], why: str) -> None:
    worker = Bench(genesys(CA))
    for _ in range(3):
        worker.learn(make())
    worker.refresh()
    (warning,) = worker.revocations.warnings
    assert warning.startswith("no CRL is fetched for a certificate of CN=Regional Root")
    assert why in warning
    assert warning.endswith("; name its CRL in MTLS_CRL_URLS")
    assert (worker.host.asked, worker.revocations.problems) == ([], ())

    doctor = Bench(genesys(CA), memory=worker.memory)
    doctor.recall()
    assert doctor.revocations.warnings == (warning,)


def test_distribution_points_that_cannot_be_read_are_reported_too() -> None:
    garbled = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.31"), b"\5\0")
    worker = Bench(genesys(CA))
    worker.revocations.learn((CA.client(extra_extensions=[garbled]).certificate, CA.certificate))
    worker.refresh()
    assert "its distribution points cannot be read" in worker.revocations.warnings[0]


def test_one_usable_address_is_enough() -> None:
    worker = Bench(genesys(CA), Host({A: crl(CA)}))
    worker.learn(_client(_uri("ldap://crl.example/cn"), _uri(A)))
    worker.refresh()
    assert worker.revocations.warnings == ()


def test_a_crl_of_the_operators_answers_for_it(tmp_path: Path) -> None:
    file = tmp_path / "region.crl"
    file.write_bytes(crl(CA))
    worker = Bench(genesys(CA), origins=(str(file),))
    worker.learn(_client(_uri("ldap://crl.example/cn")))
    worker.refresh()
    assert worker.revocations.warnings == ()


def test_the_warning_ends_with_the_certificate_and_with_its_anchor() -> None:
    for change in ("time", "anchor"):
        worker = Bench(genesys(CA))
        client = _client(_uri("ldap://crl.example/cn"))
        worker.learn(client)
        worker.refresh()
        assert worker.revocations.warnings
        if change == "time":
            worker.now = client.certificate.not_valid_after_utc + timedelta(seconds=1)
        else:
            worker.trust = genesys(new_ca())
        worker.refresh()
        assert not worker.revocations.warnings


def test_few_different_ones_are_remembered() -> None:
    worker = Bench(genesys(CA))
    for number in range(20):
        worker.learn(_client(_uri(f"ldap://crl.example/{number}")))
    worker.learn(_client(*(_uri(f"ldap://crl.example/{number}") for number in range(20))))
    worker.refresh()
    assert len(worker.revocations.warnings) == 8
    assert worker.revocations.warnings[-1].count("ldap:") == 3
