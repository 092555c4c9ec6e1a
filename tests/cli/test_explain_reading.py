"""What an operator holds in hand may be anything."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtls_middleware._core.decision import Accepted
from mtls_middleware.cli.explain.evaluate import (
    MAX_INPUT_BYTES,
    NAMES,
    Given,
    UnreadableError,
    certificates,
    evaluate,
    header,
    settings_of,
)
from mtls_middleware.cli.explain.steps import StepResult, steps_of
from mtls_middleware.testing import RegionalCA

PEM = RegionalCA("us-east-1").client().pem.encode()
HOSTILE = st.one_of(
    st.binary(max_size=200),
    st.binary(max_size=80).map(lambda data: b"\x30" + data),
    st.tuples(st.integers(0, len(PEM)), st.binary(max_size=9)).map(lambda cut: PEM[: cut[0]] + cut[1] + PEM[cut[0] :]),
)


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    root = RegionalCA("us-east-1").write(tmp_path_factory.mktemp("trust") / "US-East-1.pem")
    return {"MTLS_REGIONS": "us-east-1", "MTLS_TRUST": str(root), "MTLS_STATE": "off"}


@given(HOSTILE)
def test_whatever_a_file_holds_it_is_certificates_or_unreadable(data: bytes) -> None:
    with suppress(UnreadableError):
        assert certificates(data).ders


def test_what_is_too_long_is_not_looked_at() -> None:
    with pytest.raises(UnreadableError, match="longer"):
        certificates(PEM + b" " * MAX_INPUT_BYTES)


@given(data=HOSTILE, name=st.sampled_from(NAMES))
def test_whatever_a_header_holds_there_is_a_verdict(environ: dict[str, str], data: bytes, name: str) -> None:
    _require_one_end(header(data, settings_of(name, {})), environ)


@given(ders=st.lists(st.binary(max_size=60), min_size=1, max_size=7))
def test_whatever_a_certificate_holds_there_is_a_verdict(environ: dict[str, str], ders: list[bytes]) -> None:
    _require_one_end(Given(ders=tuple(ders)), environ)


def _require_one_end(shown: Given, environ: dict[str, str]) -> None:
    evaluation = evaluate(shown, environ, None, refresh=False)
    outcomes = [step.outcome for step in steps_of(evaluation)]

    assert not isinstance(evaluation.decision, Accepted)
    assert outcomes.count(StepResult.FAILED) == 1
