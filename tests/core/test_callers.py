"""Whose call it is: the organisation and its secret, which a certificate cannot prove."""

from collections.abc import Iterable

import pytest

from mtls_middleware._core import chain, policy
from mtls_middleware._core.boundary import Secret
from mtls_middleware._core.connection import collect
from mtls_middleware._core.decision import Reason, RejectionError
from mtls_middleware._core.policy import CallerPolicy
from mtls_middleware.identity import ClientIdentity
from tests.core.certs import NOW, REGION, genesys, good_client, presented, regional_ca
from tests.core.requests import request

ORGANIZATION = "0b0e4a5c-1f7d-4c2e-9a55-2f3f7c1d8e90"
BY_ORGANIZATION = CallerPolicy(organization_ids=frozenset({ORGANIZATION}))
BY_SECRET = CallerPolicy(secret=Secret(header="X-Caller-Secret", values=(b"a" * 16, b"b" * 16)))

Headers = Iterable[tuple[bytes, bytes]]


def _admit(callers: CallerPolicy, headers: Headers) -> ClientIdentity:
    trust = genesys(regional_ca())
    identity = policy.identify(chain.verify(presented(good_client()), trust, NOW), trust, "tls")
    return callers.admit(identity, collect(request(*headers), callers.headers))


def test_no_policy_admits_any_organisation() -> None:
    assert _admit(CallerPolicy(), [(b"inin-organization-id", b"x")]).organization_id is None


@pytest.mark.parametrize(
    "sent", [ORGANIZATION.encode(), ORGANIZATION.upper().encode(), f" {ORGANIZATION} ".encode()], ids=repr
)
def test_an_allowed_organisation_stands_in_the_identity(sent: bytes) -> None:
    assert _admit(BY_ORGANIZATION, [(b"ININ-Organization-Id", sent)]).organization_id == ORGANIZATION


ORGANIZATION_BYTES = ORGANIZATION.encode()

BAD_ORGANIZATIONS: dict[str, Headers] = {
    "missing": [],
    "empty": [(b"inin-organization-id", b"")],
    "another": [(b"inin-organization-id", b"1" + ORGANIZATION_BYTES[1:])],
    "without hyphens": [(b"inin-organization-id", ORGANIZATION_BYTES.replace(b"-", b""))],
    "twice": [(b"inin-organization-id", ORGANIZATION_BYTES)] * 2,
    "a list": [(b"inin-organization-id", ORGANIZATION_BYTES + b"," + ORGANIZATION_BYTES)],
    "a twin alone": [(b"inin_organization_id", ORGANIZATION_BYTES)],
    "a twin beside it": [(b"inin-organization-id", ORGANIZATION_BYTES), (b"inin_organization-id", b"x")],
    "beyond ASCII": [(b"inin-organization-id", b"\xff\xfe")],
}


@pytest.mark.parametrize("headers", BAD_ORGANIZATIONS.values(), ids=BAD_ORGANIZATIONS.keys())
def test_any_other_organisation_is_refused(headers: Headers) -> None:
    with pytest.raises(RejectionError) as refused:
        _admit(BY_ORGANIZATION, headers)
    assert refused.value.reason is Reason.ORGANIZATION_MISMATCH


@pytest.mark.parametrize("secret", [b"a" * 16, b"b" * 16, b" " + b"a" * 16])
def test_each_of_two_secrets_is_right(secret: bytes) -> None:
    assert _admit(BY_SECRET, [(b"x-caller-secret", secret)]).region == REGION


BAD_SECRETS: dict[str, tuple[Headers, str]] = {
    "missing": ([], "missing"),
    "wrong": ([(b"x-caller-secret", b"c" * 16)], "wrong"),
    "a prefix": ([(b"x-caller-secret", b"a" * 15)], "wrong"),
    "both": ([(b"x-caller-secret", b"a" * 16), (b"x-caller-secret", b"b" * 16)], "wrong"),
    "a list": ([(b"x-caller-secret", b"a" * 16 + b"," + b"a" * 16)], "wrong"),
    "a twin beside it": ([(b"x-caller-secret", b"a" * 16), (b"X_Caller_Secret", b"x")], "wrong"),
    "a twin alone": ([(b"x_caller_secret", b"a" * 16)], "wrong"),
}


@pytest.mark.parametrize(("headers", "said"), BAD_SECRETS.values(), ids=BAD_SECRETS.keys())
def test_any_other_secret_is_refused_and_not_shown(headers: Headers, said: str) -> None:
    with pytest.raises(RejectionError) as refused:
        _admit(BY_SECRET, headers)
    assert refused.value.reason is Reason.CALLER_SECRET_MISMATCH
    assert refused.value.detail == f"X-Caller-Secret is {said}"


def test_the_organisation_is_told_before_the_secret() -> None:
    both = CallerPolicy(organization_ids=BY_ORGANIZATION.organization_ids, secret=BY_SECRET.secret)
    with pytest.raises(RejectionError) as refused:
        _admit(both, [])
    assert refused.value.reason is Reason.ORGANIZATION_MISMATCH


def test_only_the_secret_is_hidden_from_the_application() -> None:
    both = CallerPolicy(organization_ids=BY_ORGANIZATION.organization_ids, secret=BY_SECRET.secret)
    assert both.headers == {"ININ-Organization-Id", "X-Caller-Secret"}
    assert both.hidden == {"X-Caller-Secret"}


def test_nothing_is_read_where_nothing_is_asked_for() -> None:
    assert CallerPolicy().headers == frozenset()
