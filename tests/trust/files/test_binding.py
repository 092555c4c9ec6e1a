"""A file without a prefix is bound to the only possible thing, or to what its name says; it is never guessed."""

from pathlib import Path

import pytest

from mtls_middleware._core.trust import Binding
from mtls_middleware._io.files import InputError
from mtls_middleware._trust.files.binding import OtherRegionError, bind, possible_bindings, require_possible
from mtls_middleware.identity import Authority
from mtls_middleware.regions import Region, named_in, table

US = Binding(Authority.GENESYS, "us-east-1")
MUMBAI = Binding(Authority.GENESYS, "ap-south-1")
EU = Binding(Authority.GENESYS, "eu-west-1")
DIGICERT = Binding(Authority.DIGICERT)
CUSTOM = Binding(Authority.CUSTOM)


def test_genesys_binds_by_region_and_the_others_as_a_whole() -> None:
    authorities = (Authority.GENESYS, Authority.DIGICERT, Authority.CUSTOM)
    assert possible_bindings(authorities, ("us-east-1", "ap-south-1")) == (US, MUMBAI, DIGICERT, CUSTOM)


@pytest.mark.parametrize(
    ("name", "possible", "expected"),
    [
        pytest.param("root.pem", (US,), US, id="one-region"),
        pytest.param("root.pem", (CUSTOM,), CUSTOM, id="only-custom"),
        pytest.param("eu-west-1.pem", (CUSTOM,), CUSTOM, id="only-custom-named-after-a-region"),
        pytest.param("root.pem", (DIGICERT,), DIGICERT, id="only-digicert"),
        pytest.param("US-East-1.zip", (US, MUMBAI), US, id="zip-label"),
        pytest.param("APS-1.zip", (US, MUMBAI), MUMBAI, id="zip-label-unlike-the-region"),
        pytest.param("aps-1", (US, MUMBAI), MUMBAI, id="zip-label-without-case-and-suffix"),
        pytest.param("AP-SOUTH-1.crt", (US, MUMBAI, CUSTOM), MUMBAI, id="aws-name"),
        pytest.param("us-east-1.pem", (US, DIGICERT), US, id="one-region-and-digicert"),
    ],
)
def test_a_file_is_bound(name: str, possible: tuple[Binding, ...], expected: Binding) -> None:
    assert bound(name, possible) == expected


@pytest.mark.parametrize(
    ("name", "possible", "prefixes"),
    [
        pytest.param("root.pem", (US, MUMBAI), "us-east-1= or ap-south-1=", id="two-regions"),
        pytest.param("root.pem", (US, MUMBAI, CUSTOM), "us-east-1=, ap-south-1= or custom=", id="and-custom"),
        pytest.param("root.pem", (US, DIGICERT), "us-east-1= or digicert=", id="region-and-digicert"),
        pytest.param("US-East-1(1).zip", (US, MUMBAI), "us-east-1= or ap-south-1=", id="downloaded-twice"),
        pytest.param("mypurecloud.com.pem", (US, MUMBAI), "us-east-1= or ap-south-1=", id="login-domain"),
        pytest.param("root.pem", (DIGICERT, CUSTOM), "digicert= or custom=", id="no-regional-roots"),
    ],
)
def test_a_file_that_does_not_say_is_refused_with_the_prefixes(
    name: str, possible: tuple[Binding, ...], prefixes: str
) -> None:
    with pytest.raises(InputError, match=prefixes) as raised:
        bound(name, possible)
    assert not isinstance(raised.value, OtherRegionError)


@pytest.mark.parametrize("possible", [(US,), (US, MUMBAI), (US, CUSTOM)])
def test_a_file_named_after_another_region_is_refused(possible: tuple[Binding, ...]) -> None:
    with pytest.raises(OtherRegionError, match="is the root of eu-west-1, and MTLS_REGIONS is us-east-1"):
        bound("EU-West-1.zip", possible)


@pytest.mark.parametrize(
    ("binding", "setting"), [(MUMBAI, "MTLS_REGIONS"), (CUSTOM, "MTLS_AUTHORITIES"), (DIGICERT, "MTLS_AUTHORITIES")]
)
def test_a_prefix_that_nothing_is_configured_for_is_refused(binding: Binding, setting: str) -> None:
    with pytest.raises(InputError, match=setting):
        require_possible(binding, (US,))


@pytest.mark.parametrize(
    ("names", "possible", "expected"),
    [
        pytest.param(("roots.zip", "US-East-1", "root.pem"), (US, EU), US, id="folder-in-a-zip"),
        pytest.param(("roots.zip", "eu-west-1.crt"), (US, EU), EU, id="member"),
        pytest.param(("EU-West-1", "root.pem"), (US, EU), EU, id="folder"),
        pytest.param(("US-East-1", "us-east-1.zip", "US-East-1.pem"), (US, EU), US, id="all-the-same"),
        pytest.param(("us-east-1.old.pem",), (US, EU), None, id="not-its-stem"),
        pytest.param(("mypurecloud.com", "root.pem"), (US,), US, id="login-domain-of-the-only-region"),
        pytest.param(("US-East-1.zip", "EU-West-1.pem"), (US, EU), OtherRegionError, id="contradiction"),
        pytest.param(("US-East-1.zip", "EU-West-1.pem"), (US,), OtherRegionError, id="member-of-another"),
        pytest.param(("us-east-1.pem",), (DIGICERT,), DIGICERT, id="own-region-for-digicert"),
    ],
)
def test_names_from_outside_to_inside(
    names: tuple[str, ...], possible: tuple[Binding, ...], expected: Binding | type[InputError] | None
) -> None:
    if isinstance(expected, Binding):
        assert bind(names, possible, regions_of(possible)) == expected
        return
    with pytest.raises(expected or InputError):
        bind(names, possible, regions_of(possible))


@pytest.mark.parametrize(
    "name",
    ["EU-West-1.zip", "eu-west-1", "mypurecloud.ie", "mypurecloud.ie.pem", "EU-West-1 (1).zip", "EU-WEST-1(2).pem",
     "eu-west-1.pem.old"],
)  # fmt: skip
@pytest.mark.parametrize("possible", [(US,), (DIGICERT,), (US, CUSTOM)], ids=["genesys", "digicert", "custom-too"])
def test_every_spelling_of_another_region_is_that_region(name: str, possible: tuple[Binding, ...]) -> None:
    with pytest.raises(OtherRegionError, match="the root of eu-west-1"):
        bind((name,), possible, ("us-east-1",))


@pytest.mark.parametrize("region", table(), ids=lambda region: region.aws_region)
def test_each_region_is_found_in_a_subject_and_no_other(region: Region) -> None:
    for name in (region.aws_region, region.zip_label, region.domain, region.cert_name):
        if name is not None:
            for text in (name, f"CN=Root of {name.upper()},O=Genesys", f"roots-{name.replace('-', '_')}.pem"):
                assert named_in(text) == (region,), text


@pytest.mark.parametrize(
    "text",
    ["root.pem", "CN=us-east-11", "CN=aus-east-1", "maps-1.pem", "api.mypurecloud.com", "mypurecloud.com-x", ""],
)
def test_what_only_resembles_a_region_names_none(text: str) -> None:
    assert named_in(text) == ()


@pytest.mark.parametrize(
    ("text", "region"),
    [("CN=EU West 1 Root CA", "eu-west-1"), ("CN=prod-euw1", "eu-west-1"), ("prod_euc1.pem", "eu-central-1")],
)
def test_regions_as_people_write_them(text: str, region: str) -> None:
    assert [found.aws_region for found in named_in(text)] == [region]


def bound(name: str, possible: tuple[Binding, ...]) -> Binding:
    return bind((Path(name).name,), possible, regions_of(possible))


def regions_of(possible: tuple[Binding, ...]) -> tuple[str, ...]:
    return tuple(binding.region for binding in possible if binding.region) or ("us-east-1",)
