"""A file without a prefix is bound to the only possible thing, or to what its name says; it is never guessed."""

from pathlib import Path

import pytest

from mtls_middleware._core.trust import Binding
from mtls_middleware._io.files import InputError
from mtls_middleware._trust.files.binding import OtherRegionError, bind, possible_bindings, require_possible
from mtls_middleware.identity import Authority

US = Binding(Authority.GENESYS, "us-east-1")
MUMBAI = Binding(Authority.GENESYS, "ap-south-1")
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
    assert bind(Path("/trust") / name, possible) == expected


@pytest.mark.parametrize(
    ("name", "possible", "prefixes"),
    [
        pytest.param("root.pem", (US, MUMBAI), "us-east-1= or ap-south-1=", id="two-regions"),
        pytest.param("root.pem", (US, MUMBAI, CUSTOM), "us-east-1=, ap-south-1= or custom=", id="and-custom"),
        pytest.param("root.pem", (US, DIGICERT), "us-east-1= or digicert=", id="region-and-digicert"),
        pytest.param("US-East-1(1).zip", (US, MUMBAI), "us-east-1= or ap-south-1=", id="downloaded-twice"),
        pytest.param("mypurecloud.com.pem", (US, MUMBAI), "us-east-1= or ap-south-1=", id="login-domain"),
        pytest.param("us-east-1.pem", (DIGICERT, CUSTOM), "digicert= or custom=", id="no-regional-roots"),
    ],
)
def test_a_file_that_does_not_say_is_refused_with_the_prefixes(
    name: str, possible: tuple[Binding, ...], prefixes: str
) -> None:
    with pytest.raises(InputError, match=prefixes) as raised:
        bind(Path(name), possible)
    assert not isinstance(raised.value, OtherRegionError)


@pytest.mark.parametrize("possible", [(US,), (US, MUMBAI), (US, CUSTOM)])
def test_a_file_named_after_another_region_is_refused(possible: tuple[Binding, ...]) -> None:
    with pytest.raises(OtherRegionError, match="named after eu-west-1"):
        bind(Path("EU-West-1.zip"), possible)


@pytest.mark.parametrize(
    ("binding", "setting"), [(MUMBAI, "MTLS_REGIONS"), (CUSTOM, "MTLS_AUTHORITIES"), (DIGICERT, "MTLS_AUTHORITIES")]
)
def test_a_prefix_that_nothing_is_configured_for_is_refused(binding: Binding, setting: str) -> None:
    with pytest.raises(InputError, match=setting):
        require_possible(binding, (US,))
