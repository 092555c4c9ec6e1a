"""The fingerprint of trust: equal in two processes that trust the same, wherever they have it from."""

from pathlib import Path
from typing import Any

from mtls_middleware import Guard, Settings
from mtls_middleware.observing.worker import fingerprint_of, lines_of
from mtls_middleware.testing import RegionalCA

CA = RegionalCA("us-east-1")


def fingerprint(folder: Path, root: RegionalCA = CA, *crls: bytes, **more: str) -> str:
    """Return that of a process which has these, each from a folder of its own."""
    folder.mkdir()
    (folder / "crls").mkdir()
    for number, crl in enumerate(crls):
        (folder / "crls" / f"{number}.crl").write_bytes(crl)
    given: dict[str, Any] = {"regions": "us-east-1", "trust": root.write(folder), "state": "off", **more}
    if crls:
        given["crl_urls"] = str(folder / "crls")
    guard = Guard.silent(Settings(**given))
    guard.load()
    return fingerprint_of(lines_of(guard.snapshot))


def test_it_is_the_same_for_the_same_anchors_and_crls_from_other_places(tmp_path: Path) -> None:
    crl = CA.crl(number=3)

    assert fingerprint(tmp_path / "a", CA, crl) == fingerprint(tmp_path / "b", CA, crl) != ""


def test_it_differs_where_anything_that_is_trusted_does(tmp_path: Path) -> None:
    client, other = CA.client(), RegionalCA("us-east-1")
    found = [
        fingerprint(tmp_path / "a"),
        fingerprint(tmp_path / "b", other),
        fingerprint(tmp_path / "c", CA, CA.crl(number=3)),
        fingerprint(tmp_path / "d", CA, CA.crl(number=4)),
        fingerprint(tmp_path / "e", CA, CA.crl([client], number=3)),
        fingerprint(tmp_path / "f", cert_names="us-east-1=other.example"),
    ]

    assert len(set(found)) == len(found)


def test_without_trust_it_is_empty() -> None:
    assert fingerprint_of(lines_of(None)) == ""
