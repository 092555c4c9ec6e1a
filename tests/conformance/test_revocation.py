"""Each CRL of the table ends as RFC 5280 says, or in another way on purpose."""

import pytest

from tests.conformance.revocation import Case
from tests.conformance.revocation_cases import CASES, ON_PURPOSE

NAMED = {f"{kind}: {case.name}": case for kind, cases in CASES.items() for case in cases}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "case"), NAMED.items(), ids=NAMED)
def test_the_verdict_is_that_of_rfc_5280_or_another_on_purpose(name: str, case: Case) -> None:
    assert (case.judge() == case.verdict) == (name not in ON_PURPOSE)


def test_no_two_cases_have_one_name() -> None:
    assert len(NAMED) == sum(map(len, CASES.values()))
    assert ON_PURPOSE.keys() <= NAMED.keys()
