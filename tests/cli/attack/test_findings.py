"""What doctor says of a caller's own certificate that does not arrive."""

import pytest

from mtls_middleware.cli.attack.findings import TOO_LONG, why_own_is_unheard
from mtls_middleware.cli.attack.verdict import Heard


@pytest.mark.parametrize(("status", "is_told"), [(431, True), (400, True), (502, True), (503, True), (404, False)])
def test_a_server_that_takes_no_long_headers_is_told_what_to_set(status: int, is_told: bool) -> None:
    told = why_own_is_unheard(Heard(status=status)) or ""

    assert (TOO_LONG in told) is is_told


def test_the_settings_of_each_server_are_named() -> None:
    assert [
        option
        for option in ("--limit-request-field_size 65535", "--buffer-size 65535", "daphne")
        if option not in TOO_LONG
    ] == []
