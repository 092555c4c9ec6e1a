"""An anchor vouches only for what it is named for: files, folders, zips and subjects of another region."""

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mtls_middleware._io.files import Problems
from mtls_middleware._trust.files.anchors import read_anchors
from mtls_middleware._trust.files.loading import TrustSources
from mtls_middleware.composition import trust_sources
from mtls_middleware.settings import Settings

Zipped = Callable[..., bytes]
Roots = dict[str, bytes]

US, EU, TWO = "us-east-1", "eu-west-1", "us-east-1,eu-west-1"
STOPS = "is the root of eu-west-1, and MTLS_REGIONS is us-east-1"
LEFT_OUT = f"{STOPS}; it is ignored"


class Result(NamedTuple):
    bound: set[tuple[str, str]]
    """The CN of each root, and what it vouches for."""
    problems: str
    warnings: str


class Case(NamedTuple):
    """Files below the current folder (content ``us`` and ``eu`` is that region's root), settings, and what is right."""

    files: Mapping[str, object]
    trust: str
    bound: set[tuple[str, str]]
    problem: str = ""
    warning: str = ""
    regions: str = US
    more: dict[str, str] = {}  # noqa: RUF012 - a tuple's default


BOTH_ROOTS = {"US-East-1.pem": "us", "EU-West-1.pem": "eu"}
ALL = {"US-East-1/root.pem": "us", "EU-West-1/root.pem": "eu"}

CASES = {
    "label-of-another": Case({"EU-West-1.zip": {"root.pem": "eu"}}, "EU-West-1.zip", set(), f"EU-West-1.zip {STOPS}"),
    "aws-name-of-another": Case({"eu-west-1.pem": "eu"}, "eu-west-1.pem", set(), STOPS),
    "domain-of-another": Case({"mypurecloud.ie.pem": "eu"}, "mypurecloud.ie.pem", set(), STOPS),
    "downloaded-twice": Case({"EU-West-1 (1).zip": {"root.pem": "eu"}}, "EU-West-1 (1).zip", set(), STOPS),
    "beside-the-right-one": Case(BOTH_ROOTS, "US-East-1.pem,EU-West-1.pem", {("us", US)}, warning=LEFT_OUT),
    "beside-one-without-a-region": Case(
        {"root.pem": "us", "EU-West-1.pem": "eu"}, "EU-West-1.pem,root.pem", {("us", US)}, warning=LEFT_OUT
    ),
    "folder-of-all": Case({f"all/{name}": root for name, root in BOTH_ROOTS.items()}, "all", {("us", US)},
                          warning=LEFT_OUT),
    "folder-of-another": Case({"EU-West-1/root.pem": "eu"}, "EU-West-1", set(), f"EU-West-1 {STOPS}"),
    "folder-named-by-domain": Case({"mypurecloud.ie/root.pem": "eu"}, "mypurecloud.ie", set(), STOPS),
    "file-in-a-folder-of-another": Case({"EU-West-1/root.pem": "eu"}, "EU-West-1/root.pem", set(), STOPS),
    "own-name-in-a-folder-of-another": Case({"eu-west-1/US-East-1.pem": "us"}, "eu-west-1/US-East-1.pem", {("us", US)}),
    "zip-of-all": Case({"roots.zip": BOTH_ROOTS}, "roots.zip", {("us", US)}, warning=LEFT_OUT),
    "zip-of-folders": Case({"roots.zip": ALL}, "roots.zip", {("us", US)}, warning=LEFT_OUT),
    "zip-of-folders-two-regions": Case({"roots.zip": ALL}, "roots.zip", {("us", US), ("eu", EU)}, regions=TWO),
    "zip-with-only-another": Case({"roots.zip": {"EU-West-1.pem": "eu"}}, "roots.zip", set(), STOPS),
    "contradiction": Case({"US-East-1.zip": {"EU-West-1.pem": "eu"}}, "US-East-1.zip", set(), STOPS),
    "contradiction-of-configured": Case(
        {"US-East-1.zip": {"EU-West-1.pem": "eu"}}, "US-East-1.zip", set(), "contradict each other", regions=TWO
    ),
    "prefix-insists": Case({"EU-West-1.pem": "eu"}, "us-east-1=EU-West-1.pem", {("eu", US)},
                           warning="EU-West-1.pem: its name says eu-west-1, and it vouches for us-east-1"),
    "prefix-insists-on-a-folder": Case(
        {f"all/{name}": root for name, root in BOTH_ROOTS.items()}, "us-east-1=all", {("us", US), ("eu", US)},
        warning="EU-West-1.pem: its name says eu-west-1, and it vouches for us-east-1",
    ),
    "prefix-insists-on-members": Case({"a.zip": ALL}, "us-east-1=a.zip", {("us", US), ("eu", US)},
                                      warning="entry 'EU-West-1/root.pem': its name says eu-west-1"),
    "name-that-only-mentions-it": Case({"genesys-eu-west-1-root.pem": "eu"}, "genesys-eu-west-1-root.pem", {("eu", US)},
                                       warning="its name says eu-west-1, and it vouches for us-east-1"),
    "two-regions-bind-by-name": Case(BOTH_ROOTS, "US-East-1.pem,EU-West-1.pem", {("us", US), ("eu", EU)}, regions=TWO),
    "two-folders-bind-by-name": Case(ALL, "US-East-1,EU-West-1", {("us", US), ("eu", EU)}, regions=TWO),
    "without-a-name-two-regions": Case({"root.pem": "us"}, "root.pem", set(), "does not say by its name", regions=TWO),
    "one-region": Case({"root.pem": "us"}, "root.pem", {("us", US)}),
    "custom-knows-no-regions": Case(
        {"eu-west-1.pem": "eu"}, "eu-west-1.pem", {("eu", "custom")}, regions="",
        more={"MTLS_AUTHORITIES": "custom", "MTLS_CERT_NAMES": "a.example"},
    ),
    "beside-custom": Case(
        {"eu-west-1.pem": "eu", "us.pem": "us"}, "eu-west-1.pem,us-east-1=us.pem,custom=us.pem",
        {("us", US), ("us", "custom")}, warning=LEFT_OUT,
        more={"MTLS_AUTHORITIES": "genesys,custom", "MTLS_CERT_NAMES": "custom=a.example"},
    ),
    "digicert-wants-none-of-another": Case(
        {"EU-West-1.pem": "eu"}, "EU-West-1.pem", set(), warning=LEFT_OUT,
        more={"MTLS_AUTHORITIES": "digicert", "MTLS_PINS": "0f" * 32},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_bindings(case: Case, read: Callable[[Case], Result]) -> None:
    found = read(case)

    assert found.bound == case.bound
    assert case.problem in found.problems
    assert bool(found.problems) == bool(case.problem), found.problems
    assert case.warning in found.warnings
    assert ("eu-west-1" in found.warnings) == ("eu-west-1" in case.warning), found.warnings


@pytest.mark.parametrize("name", ["EU-West-1", "CN of eu-west-1 Root CA", "mypurecloud.ie", "prod-euw1 root"])
def test_a_subject_of_another_region_is_kept_and_warned_of(
    name: str, read: Callable[..., Result], certify: Callable[..., x509.Certificate]
) -> None:
    root = certify(name)
    found = read(Case({"US-East-1.pem": root.public_bytes(Encoding.PEM)}, "US-East-1.pem", set()))

    assert found.bound == {(name, US)}
    assert found.problems == ""
    assert f"the subject of CN={name} says eu-west-1, and it vouches for us-east-1" in found.warnings


@pytest.mark.parametrize(
    "name",
    ["us-east-1", "Genesys Root", "US-East-1 and EU-West-1", "dataactions.prod.us-east-1.mypurecloud.com"],
)
def test_a_subject_that_names_its_own_region_or_none_is_no_matter(
    name: str, read: Callable[..., Result], certify: Callable[..., x509.Certificate]
) -> None:
    root = certify(name)
    assert read(Case({"root.pem": root.public_bytes(Encoding.PEM)}, "root.pem", set())).warnings == ""


@pytest.fixture
def read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, certify: Callable[..., x509.Certificate], zipped: Zipped,
    now: datetime,
) -> Callable[[Case], Result]:  # fmt: skip
    """Write the files of a case, and read them as a guard would."""
    monkeypatch.chdir(tmp_path)
    roots = {name: certify(name).public_bytes(Encoding.PEM) for name in ("us", "eu")}

    def content(of: object) -> bytes:
        match of:
            case str():
                return roots[of]
            case dict():
                return zipped({name: content(member) for name, member in of.items()})
            case bytes():
                return of
        raise TypeError(of)

    def read(case: Case) -> Result:
        for name, of in case.files.items():
            Path(name).parent.mkdir(exist_ok=True)
            Path(name).write_bytes(content(of))
        given = {"MTLS_TRUST": case.trust, **({"MTLS_REGIONS": case.regions} if case.regions else {}), **case.more}
        sources: TrustSources = trust_sources(Settings.from_env(given))
        report = Problems()
        anchors = read_anchors(sources.files, sources.authorities, sources.regions, sources.names, now, report)
        bound = {
            (anchor.certificate.subject.rfc4514_string().removeprefix("CN="), str(anchor.binding))
            for anchor in anchors.found.values()
            if anchor.origin != "mtls-middleware"
        }
        return Result(bound, "\n".join(report.problems), "\n".join(report.warnings))

    return read
