"""Names and regions, from the environment to the adapter: only the right dNSName under the right anchor gets in."""

from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID, ObjectIdentifier

from mtls_middleware import Guard
from mtls_middleware.testing import RegionalCA
from tests.adapters.cases import call
from tests.adapters.site import NOW, Site, over_tls, regional_ca, stranger_ca

NAME = regional_ca().cert_name
UPN = ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")


@pytest.mark.parametrize(
    ("options", "verdict"),
    [
        pytest.param({}, "accepted", id="as-usual"),
        pytest.param({"names": [NAME.upper()]}, "accepted", id="upper-case"),
        pytest.param({"names": ["other.example.com", NAME]}, "accepted", id="second-of-two"),
        pytest.param({"names": None}, "accepted", id="no-san-and-one-cn"),
        pytest.param({"names": None, "common_names": [NAME, "x"]}, "region_mismatch", id="lesson-16-two-cns"),
        pytest.param(
            {"names": None, "common_names": [NAME, NAME]}, "region_mismatch", id="lesson-16-the-same-cn-twice"
        ),
        pytest.param({"names": None, "common_names": []}, "region_mismatch", id="no-cn"),
        pytest.param({"names": ["other.example.com"]}, "region_mismatch", id="cn-right-san-wrong"),
        pytest.param({"names": [f"*{NAME[NAME.index('.') :]}"]}, "region_mismatch", id="lesson-12-wildcard"),
        pytest.param({"names": [f"{NAME}."]}, "region_mismatch", id="final-dot"),
        pytest.param({"names": [f"x.{NAME}"]}, "region_mismatch", id="name-below"),
        pytest.param({"names": [NAME.partition(".")[2]]}, "region_mismatch", id="name-above"),
        pytest.param({"names": [f"{NAME}.evil.example"]}, "region_mismatch", id="prefix"),
        pytest.param({"names": [f"{NAME},x"]}, "region_mismatch", id="list"),
        pytest.param(
            {"names": None, "other_sans": [x509.RFC822Name(f"x@{NAME}")]}, "region_mismatch", id="lesson-12-mail"
        ),
        pytest.param(
            {"names": None, "other_sans": [x509.UniformResourceIdentifier(f"https://{NAME}")]},
            "region_mismatch",
            id="lesson-12-uri",
        ),
        pytest.param(
            {"names": None, "other_sans": [x509.OtherName(UPN, b"\x0c" + bytes([len(NAME)]) + NAME.encode())]},
            "region_mismatch",
            id="lesson-12-other-name",
        ),
        pytest.param(
            {
                "names": None,
                "other_sans": [x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)]))],
            },
            "region_mismatch",
            id="lesson-12-directory-name",
        ),
    ],
)
def test_the_name_of_the_region(site: Site, options: dict[str, Any], verdict: str) -> None:
    assert call(site.guard(), over_tls(regional_ca().client(**options))).verdict == verdict


def test_lesson_15_the_ca_s_subject_is_not_its_signature(site: Site) -> None:
    forged = stranger_ca().client(issuer_name=regional_ca().certificate.subject)
    assert call(site.guard(), over_tls(forged)).verdict == "issuer_untrusted"


def test_lesson_15_nor_is_it_a_client(site: Site) -> None:
    subject = regional_ca().certificate.subject
    assert call(site.guard(), over_tls(stranger_ca().client(subject=subject))).verdict == "issuer_untrusted"


def test_a_regional_root_takes_no_intermediate(site: Site) -> None:
    assert call(site.guard(), over_tls(regional_ca().intermediate().client())).verdict == "issuer_untrusted"


class TestTwoRegions:
    @pytest.fixture
    def ireland(self) -> RegionalCA:
        return RegionalCA("eu-west-1", now=NOW)

    @pytest.fixture
    def guard(self, site: Site, ireland: RegionalCA) -> Guard:
        site.environ()
        other = site.folder / "irish.pem"
        ireland.write(other)
        return site.guard(regions="us-east-1,eu-west-1", trust=f"us-east-1={site.root},eu-west-1={other}")

    def test_each_caller_is_of_the_region_whose_anchor_vouched(self, guard: Guard, ireland: RegionalCA) -> None:
        regions = [call(guard, over_tls(ca.client())).identity for ca in (regional_ca(), ireland)]
        assert [identity and identity.region for identity in regions] == ["us-east-1", "eu-west-1"]

    def test_an_anchor_vouches_only_for_its_own_region(self, guard: Guard, ireland: RegionalCA) -> None:
        for ca, other in ((regional_ca(), ireland), (ireland, regional_ca())):
            client = ca.client(names=[other.cert_name])
            assert call(guard, over_tls(client)).verdict == "region_mismatch"

    def test_both_names_are_the_anchor_s_region_s(self, guard: Guard, ireland: RegionalCA) -> None:
        client = ireland.client(names=[regional_ca().cert_name, ireland.cert_name])
        identity = call(guard, over_tls(client)).identity
        assert identity is not None
        assert identity.region == "eu-west-1"


@pytest.mark.parametrize("authorities", ["genesys,custom", "custom,genesys"])
class TestTwoAuthorities:
    """Of two refusals the one that came furthest is told, whichever authority was asked first."""

    def _guard(self, site: Site, authorities: str, custom: RegionalCA) -> Guard:
        site.environ()
        other = site.folder / "custom.pem"
        custom.write(other)
        return site.guard(
            authorities=authorities,
            trust=f"us-east-1={site.root},custom={other}",
            cert_names="custom=caller.example.com",
        )

    def test_a_wrong_name_is_told_and_not_an_unknown_issuer(self, site: Site, authorities: str) -> None:
        custom = RegionalCA("custom", now=NOW)
        guard = self._guard(site, authorities, custom)
        for ca in (regional_ca(), custom):
            client = ca.client(names=["other.example.com"])
            assert call(guard, over_tls(client)).verdict == "region_mismatch"

    def test_names_of_one_authority_mean_nothing_under_the_other_s_anchor(self, site: Site, authorities: str) -> None:
        custom = RegionalCA("custom", now=NOW)
        guard = self._guard(site, authorities, custom)
        crossed = [regional_ca().client(names=["caller.example.com"]), custom.client(names=[NAME])]
        assert [call(guard, over_tls(client)).verdict for client in crossed] == ["region_mismatch"] * 2


class TestOwnNames:
    def test_a_name_of_ones_own_replaces_the_table_s(self, site: Site) -> None:
        guard = site.guard(cert_names="us-east-1=new.example.com")
        assert call(guard, over_tls(regional_ca().client(names=["new.example.com"]))).verdict == "accepted"
        assert call(guard, over_tls(regional_ca().client())).verdict == "region_mismatch"

    @pytest.mark.parametrize(
        ("options", "verdict"),
        [
            ({"names": ["caller.example.com"]}, "accepted"),
            ({"names": [NAME]}, "region_mismatch"),
            ({"names": None, "common_names": ["caller.example.com"]}, "region_mismatch"),
        ],
    )
    def test_custom_asks_for_a_dns_name(self, site: Site, options: dict[str, Any], verdict: str) -> None:
        site.environ()
        environ = {
            "MTLS_AUTHORITIES": "custom",
            "MTLS_TRUST": str(site.root),
            "MTLS_CERT_NAMES": "caller.example.com",
        }
        guard = site.guard(environ)
        assert call(guard, over_tls(regional_ca().client(**options))).verdict == verdict
