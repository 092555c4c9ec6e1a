"""Pins are single client certificates, each in one region; what else their files hold only helps to build a path."""

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from mtls_middleware._core.pin import Pin
from mtls_middleware._trust.files.loading import LoadedTrust, TrustSources, fingerprint_of_files
from mtls_middleware.errors import TrustError
from tests.trust.files.loaded import load_trust

Certify = Callable[..., x509.Certificate]
Pem = Callable[..., bytes]
Sources = Callable[..., TrustSources]
Write = Callable[..., Path]

DIGEST = "0f" * 32
REGIONS = ("us-east-1", "eu-west-1")
DAY = timedelta(days=1)


@pytest.fixture
def write(tmp_path: Path, pem: Pem) -> Write:
    def write(name: str, *certificates: x509.Certificate) -> Path:
        (tmp_path / name).write_bytes(pem(*certificates))
        return tmp_path / name

    return write


def test_a_fingerprint_is_a_pin_without_a_life(sources: Sources, now: datetime) -> None:
    (pin,) = pins(load_trust(digicert(sources, DIGEST), now)).values()
    assert (pin.fingerprint_sha256, pin.region, pin.not_before, pin.not_after) == (DIGEST, "us-east-1", None, None)


def test_the_leaf_of_a_chain_is_the_pin_and_the_others_help(
    certify: Certify, write: Write, der: Pem, sources: Sources, now: datetime
) -> None:
    root = certify("root")
    intermediate = certify("intermediate", issuer=root)
    leaf = certify("leaf", issuer=intermediate, ca=False)
    loaded = load_trust(digicert(sources, write("pin.pem", leaf, intermediate, root)), now)
    assert list(pins(loaded)) == [hashlib.sha256(der(leaf)).hexdigest()]
    assert loaded.trusts[0].intermediates == (intermediate, root)


def test_a_root_in_a_pin_file_is_no_anchor(certify: Certify, write: Write, sources: Sources, now: datetime) -> None:
    root = certify("root")
    loaded = load_trust(digicert(sources, write("pin.pem", certify("leaf", issuer=root, ca=False), root)), now)
    assert root not in [anchor.certificate for anchor in loaded.trusts[0].anchors]


def test_every_leaf_of_a_file_is_a_pin(certify: Certify, write: Write, sources: Sources, now: datetime) -> None:
    path = write("pin.pem", certify("current", ca=False), certify("upcoming", ca=None))
    assert len(pins(load_trust(digicert(sources, path), now))) == 2


def test_a_prefix_chooses_the_region(sources: Sources, now: datetime) -> None:
    loaded = load_trust(digicert(sources, ("eu-west-1", DIGEST), regions=REGIONS), now)
    assert [pin.region for pin in pins(loaded).values()] == ["eu-west-1"]


def test_without_a_prefix_several_regions_are_a_problem(sources: Sources, now: datetime) -> None:
    problem = one_problem(digicert(sources, DIGEST, regions=REGIONS), now)
    assert problem == (
        f"MTLS_PINS {DIGEST}: does not say for which region it is: write one of us-east-1=, eu-west-1= in front of it"
    )


def test_a_region_that_is_not_configured_is_a_problem(sources: Sources, now: datetime) -> None:
    assert "not one of MTLS_REGIONS" in one_problem(digicert(sources, ("eu-west-1", DIGEST)), now)


def test_one_certificate_in_two_regions_is_a_problem(sources: Sources, now: datetime) -> None:
    entries = digicert(sources, ("us-east-1", DIGEST), ("eu-west-1", DIGEST), regions=REGIONS)
    assert "a pin stands for one region" in problems(entries, now)[0]


def test_a_pin_given_as_file_and_fingerprint_counts_once_and_has_a_life(
    certify: Certify, write: Write, der: Pem, sources: Sources, now: datetime
) -> None:
    leaf = certify("leaf", ca=False)
    digest = hashlib.sha256(der(leaf)).hexdigest()
    (pin,) = pins(load_trust(digicert(sources, digest, write("pin.pem", leaf), digest), now)).values()
    assert pin.not_after == leaf.not_valid_after_utc


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(b"garbage", "neither PEM nor DER", id="garbage"),
        pytest.param(b"-----BEGIN EC PRIVATE KEY-----\n", "private key", id="key"),
    ],
)
def test_a_bad_file_is_a_problem(content: bytes, reason: str, tmp_path: Path, sources: Sources, now: datetime) -> None:
    (tmp_path / "pin.pem").write_bytes(content)
    problem = one_problem(digicert(sources, tmp_path / "pin.pem"), now)
    assert problem.startswith(f"MTLS_PINS {tmp_path / 'pin.pem'}: ")
    assert reason in problem


def test_a_missing_file_is_a_problem(tmp_path: Path, sources: Sources, now: datetime) -> None:
    assert one_problem(digicert(sources, tmp_path / "a.pem"), now) == f"MTLS_PINS {tmp_path / 'a.pem'}: does not exist"


def test_every_leaf_in_a_folder_is_a_pin(
    tmp_path: Path, certify: Certify, write: Write, sources: Sources, now: datetime
) -> None:
    root = certify("root")
    write("1-current.pem", certify("current", issuer=root, ca=False))
    write("2-upcoming.cer", certify("upcoming", issuer=root, ca=False), root)
    write("chain.pem", certify("intermediate", issuer=root))
    (tmp_path / "readme.txt").write_text("of the integration", encoding="ascii")
    (tmp_path / ".hidden").write_bytes(b"junk")
    loaded = load_trust(digicert(sources, ("us-east-1", tmp_path)), now)

    found = [pin.origin for pin in pins(loaded).values()]
    assert found == [
        f"MTLS_PINS {tmp_path}/1-current.pem: CN=current",
        f"MTLS_PINS {tmp_path}/2-upcoming.cer: CN=upcoming",
    ]
    assert len(loaded.trusts[0].intermediates) == 2
    assert [warning.partition("readme.txt: ")[2] for warning in loaded.warnings if "readme" in warning] == [
        "holds no certificate: it is neither PEM nor DER nor a zip; it is ignored"
    ]


def test_files_that_come_into_a_folder_or_leave_it_are_noticed(
    tmp_path: Path, certify: Certify, write: Write, sources: Sources, now: datetime
) -> None:
    entries = digicert(sources, tmp_path)
    views = []
    for step in (
        lambda: write("1.pem", certify(ca=False)),
        lambda: write("2.pem", certify(ca=False)),
        (tmp_path / "1.pem").unlink,
    ):
        step()
        views.append((fingerprint_of_files(entries), len(pins(load_trust(entries, now)))))
    assert [number for _, number in views] == [1, 2, 1]
    assert len({view for view, _ in views}) == 3


FOLDERS: Mapping[str, tuple[Mapping[str, bytes], str]] = {
    "empty": ({}, "is a folder without files"),
    "without certificates": ({"readme.txt": b"hello"}, "holds no certificate: put the client certificate"),
    "with a certificate that is broken": ({"pin.pem": b"-----BEGIN CERTIFICATE-----"}, "has no END line"),
    "with a key": ({"key.pem": b"-----BEGIN PRIVATE KEY-----"}, "is a private key"),
}


@pytest.mark.parametrize(("content", "reason"), FOLDERS.values(), ids=FOLDERS)
def test_a_bad_folder_is_a_problem(
    content: Mapping[str, bytes], reason: str, tmp_path: Path, sources: Sources, now: datetime
) -> None:
    for name, data in content.items():
        (tmp_path / name).write_bytes(data)
    assert reason in one_problem(digicert(sources, tmp_path), now)


def test_a_folder_of_cas_only_is_a_problem(
    tmp_path: Path, certify: Certify, write: Write, sources: Sources, now: datetime
) -> None:
    write("root.pem", certify())
    assert "holds only CA certificates" in one_problem(digicert(sources, tmp_path), now)


def test_a_file_of_cas_only_is_a_problem(certify: Certify, write: Write, sources: Sources, now: datetime) -> None:
    assert "holds only CA certificates" in one_problem(digicert(sources, write("pin.pem", certify())), now)


def test_an_expired_pin_beside_a_valid_one_is_left_out_with_a_warning(
    certify: Certify, write: Write, sources: Sources, now: datetime
) -> None:
    old = certify("old", ca=False, ends=now - DAY)
    loaded = load_trust(digicert(sources, write("pin.pem", old), DIGEST), now)
    assert list(pins(loaded)) == [DIGEST]
    assert "CN=old: the pin for us-east-1 is left out since 2026-11-22 00:00:00Z" in loaded.warnings[0]


def test_an_upcoming_pin_stays_and_is_told_of(certify: Certify, write: Write, sources: Sources, now: datetime) -> None:
    upcoming = certify("upcoming", ca=False, begins=now + DAY)
    loaded = load_trust(digicert(sources, write("pin.pem", upcoming), DIGEST), now)
    assert len(pins(loaded)) == 2
    assert "left out until 2026-11-24 00:00:00Z" in loaded.warnings[0]


def test_a_region_whose_pins_are_all_expired_stops_the_start(
    certify: Certify, write: Write, sources: Sources, now: datetime
) -> None:
    old = write("pin.pem", certify("old", ca=False, ends=now - DAY))
    assert "us-east-1 has no pin that is valid now" in one_problem(digicert(sources, old), now)


def test_expired_pins_stop_nothing_where_others_come_from_the_api(
    certify: Certify, write: Write, sources: Sources, now: datetime
) -> None:
    old = write("pin.pem", certify("old", ca=False, ends=now - DAY))
    loaded = load_trust(digicert(sources, old, regions_with_api_pins=frozenset({"us-east-1"})), now)
    assert pins(loaded) == {}


def test_pins_belong_to_digicert_alone(
    tmp_path: Path, certify: Certify, pem: Pem, sources: Sources, now: datetime
) -> None:
    (tmp_path / "root.pem").write_bytes(pem(certify()))
    loaded = load_trust(sources(("us-east-1", tmp_path / "root.pem"), pins=(DIGEST,)), now)
    assert loaded.trusts[0].pins == {}


def digicert(sources: Sources, *pins: Path | str | tuple[str, Path | str], **more: object) -> TrustSources:
    return sources(pins=pins, authorities=("digicert",), **more)


def pins(loaded: LoadedTrust) -> dict[str, Pin]:
    (trust,) = loaded.trusts
    return dict(trust.pins)


def problems(entries: TrustSources, now: datetime) -> tuple[str, ...]:
    with pytest.raises(TrustError) as raised:
        load_trust(entries, now)
    return raised.value.problems


def one_problem(entries: TrustSources, now: datetime) -> str:
    (problem,) = problems(entries, now)
    return problem
