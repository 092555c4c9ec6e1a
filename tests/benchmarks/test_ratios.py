"""A coarse check that nothing became slow by accident: ratios of one run, with room for a busy machine.

The goals, and what a quiet machine gives, stand in docs/performance.md. Here a limit is what only a mistake can reach,
such as a fast path that never finds anything (5 to 8 times), or a verdict that is not kept (100 times).
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import unquote_to_bytes

import pytest
from cryptography import x509

from mtls_middleware.testing import KeyKind, RegionalCA
from tests.benchmarks import cold, growth, hot, light, strangers
from tests.benchmarks.__main__ import put
from tests.benchmarks.client import DRAWN

ATTEMPTS = 3


@pytest.fixture(autouse=True)
def untraced() -> Iterator[None]:
    """Stop coverage meanwhile: it would slow down our code, and not that of others beside it."""
    trace = sys.gettrace()
    sys.settrace(None)
    yield
    sys.settrace(trace)


def test_a_repeated_call_costs_what_trusted_host_costs() -> None:
    def measured() -> dict[str, float]:
        return {name: before for name, (before, _) in hot.ratios(rounds=60).items()}

    _within(measured, {"TLS, default settings": 1.5, "header, default settings": 2.0, "header, everything on": 2.5})


def test_a_first_call_costs_a_few_signatures() -> None:
    _within(lambda: {"p384": cold.ratio(KeyKind.P384, certificates=20)}, {"p384": 3.0})


def test_more_anchors_and_longer_lists_cost_nothing() -> None:
    _within(lambda: growth.ratios(rounds=30), {"anchors": 1.5, "entries": 1.5})


def test_importing_the_adapter_is_cheap() -> None:
    _within(lambda: dict(zip(("time", "memory"), light.ratios(rounds=3), strict=True)), {"time": 1.8, "memory": 1.5})


def _within(measure: Callable[[], Mapping[str, float]], limits: Mapping[str, float]) -> None:
    """Measure again where something was over its limit: a busy machine is no mistake of ours."""
    for _ in range(ATTEMPTS):
        found = measure()
        over = {name: found[name] for name, limit in limits.items() if found[name] > limit}
        if not over:
            return
    raise AssertionError(f"{over} where at most {limits} is expected")


def test_a_flood_of_strangers_is_one_of_readable_certificates() -> None:
    headers = strangers.headers_of(RegionalCA("stranger", key=KeyKind.RSA2048).client(key=KeyKind.RSA2048))
    name, value = next(iter(strangers.drawn(headers).items()))
    first, second = (unquote_to_bytes(value.replace(DRAWN, digit * 64)) for digit in "1f")

    assert name in headers
    assert x509.load_pem_x509_certificate(first) != x509.load_pem_x509_certificate(second)


def test_a_section_is_replaced_where_it_stands() -> None:
    page = "# Head\n\n## One\n\n1\n\n## Two\n\n2\n"

    assert put([], page) == page
    assert (
        put(["## One\n\nnew\n", "## Three\n\n3\n"], page) == "# Head\n\n## One\n\nnew\n\n## Two\n\n2\n\n## Three\n\n3\n"
    )
