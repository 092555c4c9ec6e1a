"""The mark ``slow``: what the test command leaves out, and `.ci/run` runs.

It is for long simulations, and for the rest of a table of servers, proxies or cases of which some rows always run.
"""

from collections.abc import Iterable

import pytest


def mostly_slow(
    name: str, values: Iterable[str], *, kept: Iterable[str], indirect: bool = False
) -> pytest.MarkDecorator:
    """Parametrize a test by texts, and mark it as slow for all but the `kept` ones."""
    values, kept = tuple(values), frozenset(kept)
    assert kept
    assert kept <= set(values), f"{sorted(kept - set(values))} are no values of {name}"
    marks = [pytest.param(one, marks=() if one in kept else pytest.mark.slow) for one in values]
    return pytest.mark.parametrize(name, marks, indirect=indirect)
