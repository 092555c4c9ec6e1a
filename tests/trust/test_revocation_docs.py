"""What docs/revocation.md promises, held against the code; other tests show that the code does so."""

import re
from pathlib import Path

import pytest

from mtls_middleware._core.decision import Accepted, Reason
from mtls_middleware._core.revocation import RevocationMode
from mtls_middleware._io import fetch
from mtls_middleware._io.fetch import CRL_BYTES
from mtls_middleware._trust import schedule
from mtls_middleware._trust.crl import entries, parsing, sources
from tests.core.certs import good_client, regional_ca
from tests.core.crls import crl as make
from tests.core.test_revocation_gate import decide, snapshot

ROOT = Path(__file__).parents[2]
TEXT = " ".join((ROOT / "docs" / "revocation.md").read_text(encoding="utf-8").split())
MODES = re.findall(r"\| `(require|check|off)`[^|]*\| ([^|]*) \| ([^|]*) \| ([^|]*) \|", TEXT)


def test_each_mode_is_documented() -> None:
    assert {mode for mode, *_ in MODES} == set(map(str, RevocationMode))


@pytest.mark.parametrize(("mode", "named", "fresh", "unknown"), MODES)
def test_each_mode_does_as_documented(mode: str, named: str, fresh: str, unknown: str) -> None:
    for signed, text in (
        ([make(regional_ca(), [good_client()])], named),
        ([make(regional_ca())], fresh),
        ([], unknown),
    ):
        decision = decide(RevocationMode(mode), snapshot(*signed))
        told = "accepted" if isinstance(decision, Accepted) else f"`{decision.reason}`"
        assert text.startswith(told)


@pytest.mark.parametrize(
    "promise",
    [
        f"{CRL_BYTES:,} bytes a CRL, and {parsing.HEAD_BYTES:,} beside",
        f"{entries.EXTENSIONS} extensions an entry, of {entries.EXTENSIONS_BYTES:,} bytes together",
        f"at most {fetch.REDIRECTS}, never",
        f"{fetch.CRL_SECONDS:.0f} seconds a CRL",
        f"{sources.ADDRESSES_AN_ANCHOR} addresses an anchor",
        f"again after {schedule.FIRST_RETRY.seconds} seconds",
    ],
)
def test_each_limit_is_documented(promise: str) -> None:
    assert promise in TEXT


def test_every_reason_that_is_named_exists() -> None:
    named = set(re.findall(r"`((?:certificate|revocation)_\w+)`", TEXT))
    assert named == {Reason.CERTIFICATE_REVOKED, Reason.REVOCATION_UNKNOWN}


def test_the_benchmark_that_is_named_exists() -> None:
    (named,) = re.findall(r"`(tests/\S+\.py)`", TEXT)
    assert (ROOT / named).is_file()
