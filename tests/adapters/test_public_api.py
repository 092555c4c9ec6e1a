"""Names, signatures and imports that users rely on."""

import copy
import inspect
import pickle
import subprocess
import sys
from dataclasses import FrozenInstanceError, fields
from datetime import UTC
from importlib import import_module
from typing import Any

import pytest

import mtls_middleware
from mtls_middleware import (
    Accepted,
    Authority,
    ClientIdentity,
    ConfigurationError,
    Connection,
    Guard,
    Mode,
    MTLSError,
    MTLSMiddleware,
    MTLSWSGIMiddleware,
    Reason,
    Rejected,
    Settings,
    TrustError,
)
from mtls_middleware._core.scope import connection_of
from tests.adapters.cases import call, http_scope
from tests.adapters.site import Site, good_client, over_tls, regional_ca

NAMES = [
    "MTLSMiddleware",
    "MTLSWSGIMiddleware",
    "Guard",
    "Settings",
    "ClientIdentity",
    "Connection",
    "Accepted",
    "Rejected",
    "Reason",
    "Status",
    "MTLSError",
    "ConfigurationError",
    "TrustError",
    "Mode",
    "Authority",
    "Interface",
]

FUNCTIONS = ["caller", "optional_caller"]


@pytest.mark.parametrize("name", NAMES)
def test_every_name_of_the_contract_is_there(name: str) -> None:
    assert inspect.isclass(getattr(mtls_middleware, name))
    assert name in mtls_middleware.__all__


def test_there_is_nothing_else() -> None:
    assert sorted(mtls_middleware.__all__) == sorted(NAMES + FUNCTIONS)
    with pytest.raises(AttributeError, match="Middlewear"):
        mtls_middleware.Middlewear  # noqa: B018 - asking is the test


def _in_a_new_process(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], check=True, capture_output=True, text=True, timeout=60
    ).stdout.strip()


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        (
            "from mtls_middleware import caller, optional_caller",
            "mtls_middleware.asgi mtls_middleware.wsgi mtls_middleware.guard starlette cryptography",
        ),
        (
            "import mtls_middleware",
            "mtls_middleware.asgi mtls_middleware.wsgi starlette uvicorn mtls_middleware.testing",
        ),
        ("from mtls_middleware import Guard, Settings", "mtls_middleware.asgi mtls_middleware.wsgi starlette"),
        ("from mtls_middleware import MTLSWSGIMiddleware", "mtls_middleware.asgi starlette"),
        ("from mtls_middleware import MTLSMiddleware", "mtls_middleware.wsgi uvicorn mtls_middleware.testing"),
    ],
)
def test_an_adapter_is_loaded_when_its_name_is_asked_for(statement: str, absent: str) -> None:
    loaded = _in_a_new_process(f"{statement}; import sys; print([n for n in {absent.split()!r} if n in sys.modules])")
    assert loaded == "[]"


def test_a_star_import_gives_everything() -> None:
    assert _in_a_new_process("from mtls_middleware import *; print(MTLSMiddleware.__name__)") == "MTLSMiddleware"


@pytest.mark.parametrize("name", NAMES + FUNCTIONS)
def test_a_name_belongs_to_the_package_and_is_pickled_so(name: str) -> None:
    found = getattr(mtls_middleware, name)

    assert found.__module__ == "mtls_middleware"
    assert pickle.loads(pickle.dumps(found)) is found


@pytest.mark.parametrize("module", ["mtls_middleware.fastapi", "mtls_middleware.testing"])
def test_no_public_name_lives_in_a_private_module(module: str) -> None:
    public = import_module(module)
    homes = {name: getattr(getattr(public, name), "__module__", "") for name in public.__all__}

    assert {name: home for name, home in homes.items() if "._" in home} == {}


@pytest.mark.parametrize("value", [Reason.CERTIFICATE_MISSING, Mode.REPORT, Authority.CUSTOM])
def test_a_member_is_pickled(value: object) -> None:
    assert pickle.loads(pickle.dumps(value)) is value


@pytest.mark.parametrize("error", [ConfigurationError(["a: b", "c: d"]), TrustError(["e: f"]), MTLSError("g")])
def test_an_error_arrives_whole_from_another_process(error: MTLSError) -> None:
    for other in (pickle.loads(pickle.dumps(error)), copy.deepcopy(error)):
        assert type(other) is type(error)
        assert str(other) == str(error)
        assert vars(other) == vars(error)


def test_a_decision_is_pickled_with_its_chain(site: Site) -> None:
    guard = site.guard()
    cases = (over_tls(good_client()), over_tls(good_client()), over_tls(None))
    accepted, again, rejected = (guard.decide(connection_of(http_scope(case))) for case in cases)

    assert isinstance(accepted, Accepted)
    assert accepted.chain
    assert isinstance(rejected, Rejected)
    for decision in (accepted, again, rejected):
        assert pickle.loads(pickle.dumps(decision)) == decision
        assert copy.deepcopy(decision) == decision


def test_a_status_is_pickled(site: Site) -> None:
    status = site.guard().status()

    assert status.regions
    assert pickle.loads(pickle.dumps(status)) == status


def _parameters(function: Any) -> dict[str, tuple[Any, Any]]:
    return {
        name: (parameter.kind.name, parameter.default)
        for name, parameter in inspect.signature(function).parameters.items()
        if name not in {"self", "cls"}
    }


@pytest.mark.parametrize("adapter", [MTLSMiddleware, MTLSWSGIMiddleware])
def test_an_adapter_takes_an_application_and_settings_or_a_guard(adapter: type) -> None:
    (_, application), *others = _parameters(adapter).items()
    assert application[0] == "POSITIONAL_OR_KEYWORD"
    assert dict(others) == {"settings": ("KEYWORD_ONLY", None), "guard": ("KEYWORD_ONLY", None)}


@pytest.mark.parametrize("adapter", [MTLSMiddleware, MTLSWSGIMiddleware])
def test_an_adapter_refuses_settings_beside_a_guard(adapter: type, site: Site) -> None:
    with pytest.raises(TypeError, match=f"{adapter.__name__} takes settings or a guard, not both"):
        adapter(lambda: None, settings=site.settings(), guard=site.new_guard())


def test_with_starts_a_guard_and_closes_it(site: Site) -> None:
    with site.new_guard() as guard:
        assert call(guard, over_tls(good_client())).identity is not None
        assert guard._trust._refresher.is_running
    assert not guard._trust._refresher.is_running


def test_with_closes_a_guard_that_cannot_start(site: Site) -> None:
    guard = site.new_guard()
    site.root.write_text("no certificate")

    with pytest.raises(TrustError), guard:
        pytest.fail("it must not start")
    assert not guard._trust._refresher.is_running


def test_starlette_adds_the_middleware_by_its_name() -> None:
    assert next(iter(_parameters(MTLSMiddleware))) == "app"


def test_settings_from_env() -> None:
    assert _parameters(Settings.from_env) == {
        "environ": ("POSITIONAL_OR_KEYWORD", None),
        "prefix": ("KEYWORD_ONLY", "MTLS_"),
    }


def test_guard_from_settings() -> None:
    parameters = _parameters(Guard.from_settings)
    assert parameters["settings"][0] == "POSITIONAL_OR_KEYWORD"
    assert parameters["clock"][0] == "KEYWORD_ONLY"
    assert parameters["clock"][1]().tzinfo is UTC
    assert len(parameters) == 2


@pytest.mark.parametrize("name", ["start", "refresh", "close", "status"])
def test_the_guard_s_verbs_take_nothing(name: str) -> None:
    assert _parameters(getattr(Guard, name)) == {}
    assert not inspect.iscoroutinefunction(getattr(Guard, name))


def test_errors_are_one_family() -> None:
    assert issubclass(mtls_middleware.TrustError, mtls_middleware.ConfigurationError)
    assert issubclass(mtls_middleware.ConfigurationError, MTLSError)


class TestClientIdentity:
    def test_it_has_the_fields_of_the_contract(self) -> None:
        assert [field.name for field in fields(ClientIdentity)] == [
            "region",
            "authority",
            "dns_names",
            "subject",
            "issuer",
            "serial_number",
            "fingerprint_sha256",
            "not_before",
            "not_after",
            "organization_id",
            "source",
            "uris",
        ]

    def test_they_tell_who_called(self, site: Site) -> None:
        certificate = good_client().certificate
        identity = call(site.guard(), over_tls(good_client())).identity
        assert identity == ClientIdentity(
            region="us-east-1",
            authority=Authority.GENESYS,
            dns_names=(regional_ca().cert_name,),
            subject=certificate.subject.rfc4514_string(),
            issuer=certificate.issuer.rfc4514_string(),
            serial_number=certificate.serial_number,
            fingerprint_sha256=good_client().fingerprint_sha256,
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
            organization_id=None,
            source="tls",
        )
        assert identity.authority == "genesys"
        assert identity.not_after.tzinfo is UTC

    def test_it_is_frozen(self, site: Site) -> None:
        identity = call(site.guard(), over_tls(good_client())).identity
        with pytest.raises(FrozenInstanceError):
            identity.region = "eu-west-1"  # type: ignore[misc, union-attr]  # that it cannot be done is the test


def test_a_connection_is_frozen() -> None:
    with pytest.raises(TypeError):
        Connection()  # type: ignore[call-arg]  # nothing of a request has a default that would let it pass
    assert Connection.__dataclass_params__.frozen  # type: ignore[attr-defined]  # added by the decorator


def test_settings_are_frozen(site: Site) -> None:
    settings = site.settings()
    with pytest.raises(FrozenInstanceError):
        settings.mode = "report"  # type: ignore[misc, assignment]  # that it cannot be done is the test
