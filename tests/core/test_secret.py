"""A secret is compared whole, and never shown."""

import pytest

from mtls_middleware._core.boundary import Secret

SECRET = Secret(header="X-Secret", values=(b"a" * 16, b"b" * 16))


@pytest.mark.parametrize("presented", [b"a" * 16, b"b" * 16])
def test_each_value_is_right(presented: bytes) -> None:
    assert SECRET.matches(presented)


@pytest.mark.parametrize(
    "presented", [None, b"", b"a", b"a" * 15, b"a" * 17, b"c" * 16, b"a" * 16 + b"b" * 16, b"\xff"]
)
def test_anything_else_is_wrong(presented: bytes | None) -> None:
    assert not SECRET.matches(presented)


def test_no_value_means_that_nothing_is_right() -> None:
    assert not Secret(header="X-Secret", values=()).matches(b"")


def test_a_secret_is_not_shown() -> None:
    assert repr(SECRET) == "Secret(header='X-Secret')"
