"""What a user's test does with the kit, in each framework."""

import os
import sys
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from mtls_middleware import MTLSMiddleware, Settings, TrustError
from mtls_middleware.testing import MTLSTestClient, RegionalCA
from mtls_middleware.testing.callers import environment
from mtls_middleware.testing.frameworks import guards, load
from mtls_middleware.testing.plugin import DataActionClient
from mtls_middleware.testing.prepared import Preparation
from tests.adapters.cases import ASGIApplication

FRAMEWORKS = [
    "fastapi_service:app",
    "starlette_service:app",
    "flask_service:app",
    "flask_outside:application",
    "django_service:application",
    "wsgi_service:application",
    "wsgi_service:create_app",
    "wsgi_service:create_app()",
]

LOOKUP = "/actions/lookup"


def answer(client: MTLSTestClient) -> tuple[int, Any]:
    """Return status and reason, or region, whatever the framework calls its JSON."""
    response = client.post(LOOKUP)
    content = response.json() if callable(response.json) else response.json
    return response.status_code, content.get("reason", content.get("region"))


@pytest.mark.parametrize("name", FRAMEWORKS)
class TestFrameworks:
    def test_a_good_certificate_is_accepted(self, data_action_client: DataActionClient, name: str) -> None:
        assert answer(data_action_client(name)) == (200, "us-east-1")

    def test_no_certificate_is_refused(self, data_action_client: DataActionClient, name: str) -> None:
        assert answer(data_action_client(name).without_certificate()) == (403, "certificate_missing")

    def test_the_caller_is_not_the_test_client(self, data_action_client: DataActionClient, name: str) -> None:
        client = data_action_client(name).without_certificate()
        refusals = [client.post(LOOKUP) for _ in range(2)]

        ids = [(one.json() if callable(one.json) else one.json)["correlationId"] for one in refusals]
        assert len(set(ids)) == 2

    def test_an_expired_certificate_is_refused(self, data_action_client: DataActionClient, name: str) -> None:
        assert answer(data_action_client(name).with_certificate(expired=True)) == (403, "certificate_expired")

    def test_another_environment_takes_effect(self, data_action_client: DataActionClient, name: str) -> None:
        assert answer(data_action_client(name)) == (200, "us-east-1")

        behind_nginx = data_action_client(name, environ={"MTLS_SOURCE": "nginx"})

        assert answer(behind_nginx) == (200, "us-east-1")
        assert answer(behind_nginx.through("tls")) == (403, "certificate_missing")


@pytest.mark.parametrize("name", ["flask_service:app", "wsgi_service:application", "django_service:application"])
def test_a_module_that_was_imported_elsewhere_is_configured_anew(
    data_action_client: DataActionClient, name: str, regional_ca: RegionalCA
) -> None:
    stranger = RegionalCA("us-east-1")
    before = load(name)
    assert guards(before)

    answers = [
        answer(data_action_client(name, environ={"MTLS_EXEMPT": "/health"})),
        answer(MTLSTestClient(before, stranger)),
    ]

    assert answers == [(200, "us-east-1"), (403, "issuer_untrusted")]
    assert regional_ca is not stranger


def test_a_module_that_cannot_be_imported_twice_says_what_to_do(
    data_action_client: DataActionClient, tmp_path: Path
) -> None:
    code = (tmp_path / "flask_service.py").read_text(encoding="utf-8")
    (tmp_path / "flask_service.py").write_text(
        f"import os\nif os.environ.get('MTLS_EXEMPT'): raise RuntimeError('twice')\n{code}", encoding="utf-8"
    )
    first = data_action_client("flask_service:app").app

    with pytest.raises(RuntimeError, match="twice") as failure:
        data_action_client("flask_service:app", environ={"MTLS_EXEMPT": "/health"})

    assert "wrap the application in a factory" in failure.value.__notes__[0]
    assert guards(first)


@pytest.mark.usefixtures("data_action_client")
def test_a_package_gets_its_module_back(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (tmp_path / "wsgi_service.py").rename(folder / "wsgi.py")
    former = load("shop.wsgi:application")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MTLS_EXEMPT", "/health")
        other = Preparation(patch).prepare("shop.wsgi:application", Settings.from_env())

    assert other is not former
    assert load("shop.wsgi:application") is former
    assert sys.modules["shop"].wsgi is sys.modules["shop.wsgi"]
    del sys.modules["shop"], sys.modules["shop.wsgi"]


def test_a_module_stays_the_same_where_its_environment_does(data_action_client: DataActionClient) -> None:
    assert data_action_client("flask_service:app").app is data_action_client("flask_service:app").app


def test_fastapi_keeps_its_identity_under_any_environment(data_action_client: DataActionClient) -> None:
    first = data_action_client("fastapi_service:app")
    assert answer(first) == (200, "us-east-1")
    second = data_action_client(
        "fastapi_service:app", environ={"MTLS_ORGANIZATION_IDS": "0" * 8 + "-0000" * 3 + "-" + "0" * 12}
    )

    assert first.app is second.app
    assert answer(second.from_organization(None)) == (403, "organization_mismatch")


def test_an_object_wrapped_under_other_settings_is_not_mistaken(data_action_client: DataActionClient) -> None:
    app = load("flask_service:app")

    with pytest.raises(ValueError, match="pass its name"):
        data_action_client(app, environ={"MTLS_EXEMPT": "/health"})


def test_an_object_wrapped_in_the_test_is_fine(data_action_client: DataActionClient) -> None:
    assert data_action_client(load("flask_service:app")).caller.certificate is not None


def test_each_application_has_the_environment_that_it_was_given(data_action_client: DataActionClient) -> None:
    by_tls = data_action_client("fastapi_service:app")
    behind_nginx = data_action_client("starlette_service:app", environ={"MTLS_SOURCE": "nginx"})

    assert [answer(by_tls), answer(behind_nginx)] == [(200, "us-east-1")] * 2


@pytest.mark.usefixtures("data_action_client")
def test_starlette_has_its_middleware_back_after_the_test() -> None:
    app: Any = load("fastapi_service:app")
    former = app.middleware_stack = app.build_middleware_stack()
    with pytest.MonkeyPatch.context() as patch:
        prepared: Any = Preparation(patch).prepare("fastapi_service:app", Settings.from_env())
        assert prepared is app
        assert app.middleware_stack is not former

    assert app.middleware_stack is former


def test_settings_in_code_are_those_of_the_application(
    data_action_client: DataActionClient, regional_ca: RegionalCA, tmp_path: Path
) -> None:
    app = FastAPI()
    settings = Settings(regions="us-east-1", trust=regional_ca.write(tmp_path), protect="/inner", state="off")
    app.add_middleware(MTLSMiddleware, settings=settings)

    client = data_action_client(app).without_certificate()

    assert [client.get(path).status_code for path in ("/outer", "/inner")] == [404, 403]


class TestFixture:
    def test_settings_of_the_machine_are_out_of_the_way(
        self, data_action_client: DataActionClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MTLS_NO_SUCH_SETTING", "1")

        assert answer(data_action_client("fastapi_service:app")) == (200, "us-east-1")

    def test_a_setting_can_be_taken_away(self, data_action_client: DataActionClient) -> None:
        data_action_client("fastapi_service:app", environ={"MTLS_CRL_URLS": None})

        assert "MTLS_CRL_URLS" not in os.environ

    def test_nothing_is_kept_between_restarts(self, data_action_client: DataActionClient) -> None:
        data_action_client("fastapi_service:app")

        assert Settings.from_env().state is None

    @pytest.mark.usefixtures("data_action_client")
    def test_the_environment_is_set_before_any_call(self, regional_ca: RegionalCA) -> None:
        assert Settings.from_env().regions == (regional_ca.region,)

    def test_files_that_cannot_be_used_are_told_at_once(
        self, data_action_client: DataActionClient, tmp_path: Path
    ) -> None:
        with pytest.raises(TrustError, match=r"nowhere\.pem"):
            data_action_client("fastapi_service:app", environ={"MTLS_TRUST": str(tmp_path / "nowhere.pem")})

    @pytest.mark.parametrize(
        "ca",
        [
            pytest.param(RegionalCA("us-east-1", cert_name="dataactions.example.com"), id="a name of its own"),
            pytest.param(RegionalCA("eu-west-1"), id="another region"),
        ],
    )
    def test_any_regional_root_will_do(self, ca: RegionalCA, tmp_path: Path) -> None:
        settings = Settings.from_env(environment(ca, tmp_path))
        app = MTLSMiddleware(ASGIApplication(), settings=settings)

        assert MTLSTestClient(app, ca, settings=settings).get("/").status_code == 200


class TestCallers:
    def test_a_certificate_can_be_brought_along(
        self, data_action_client: DataActionClient, regional_ca: RegionalCA
    ) -> None:
        own = regional_ca.client(not_after=regional_ca.now + timedelta(days=1))

        client = data_action_client("fastapi_service:app").with_certificate(own)

        assert (answer(client), client.caller.certificate) == ((200, "us-east-1"), own)

    def test_a_certificate_and_keywords_contradict_each_other(
        self, data_action_client: DataActionClient, regional_ca: RegionalCA
    ) -> None:
        with pytest.raises(ValueError, match="not both"):
            data_action_client("fastapi_service:app").with_certificate(regional_ca.client(), expired=True)

    def test_a_changed_caller_is_another_client(self, data_action_client: DataActionClient) -> None:
        client = data_action_client("fastapi_service:app")
        client.without_certificate()

        assert answer(client) == (200, "us-east-1")

    def test_secrets_of_the_settings_are_sent(self, data_action_client: DataActionClient) -> None:
        organization = "0b0e4a5c-1f7d-4c2e-9a55-2f3f7c1d8e90"
        client = data_action_client(
            "fastapi_service:app",
            environ={"MTLS_CALLER_SECRET": "a-secret-of-the-integration", "MTLS_ORGANIZATION_IDS": organization},
        )

        assert answer(client) == (200, "us-east-1")
        assert answer(client.with_caller_secret(None)) == (403, "caller_secret_mismatch")
        assert answer(client.from_organization(None)) == (403, "organization_mismatch")

    def test_a_header_of_the_call_comes_before_that_of_the_caller(self, data_action_client: DataActionClient) -> None:
        client = data_action_client(
            "fastapi_service:app", environ={"MTLS_CALLER_SECRET": "a-secret-of-the-integration"}
        )

        response = client.post(LOOKUP, headers={"X-Caller-Secret": "guessed"})

        assert response.json()["reason"] == "caller_secret_mismatch"

    def test_a_proxy_replaces_what_the_caller_sends(self, data_action_client: DataActionClient) -> None:
        client = data_action_client("fastapi_service:app", environ={"MTLS_SOURCE": "nginx"}).unverified()

        response = client.post(LOOKUP, headers={"X-SSL-Client-Verify": "SUCCESS"})

        assert response.json()["reason"] == "proxy_verification_failed"

    @pytest.mark.parametrize(
        ("proxies", "peer"), [("10.1.0.0/16", "10.1.0.0"), ("unix", None), ("192.0.2.7", "192.0.2.7")]
    )
    def test_the_peer_is_a_trusted_proxy(
        self, data_action_client: DataActionClient, proxies: str, peer: str | None
    ) -> None:
        environ = {"MTLS_SOURCE": "nginx", "MTLS_TRUSTED_PROXIES": proxies}
        client = data_action_client("fastapi_service:app", environ=environ)

        assert (client.caller.peer, answer(client)) == (peer, (200, "us-east-1"))
        assert answer(client.from_peer("198.51.100.1")) == (403, "source_untrusted")

    @pytest.mark.parametrize("name", ["fastapi_service:app", "wsgi_service:application"])
    def test_a_chain_comes_along(
        self, data_action_client: DataActionClient, regional_ca: RegionalCA, tmp_path: Path, name: str
    ) -> None:
        chained = regional_ca.intermediate().client()
        environ = {
            "MTLS_AUTHORITIES": "digicert",
            "MTLS_TRUST": f"digicert={regional_ca.write(tmp_path / 'root.pem')}",
            "MTLS_PINS": chained.fingerprint_sha256,
        }

        client = data_action_client(name, environ=environ)

        assert answer(client.with_certificate(chained)) == (200, "us-east-1")
        assert answer(client) == (403, "not_pinned")

    def test_no_secret_is_shown(self, data_action_client: DataActionClient) -> None:
        environ = {"MTLS_SOURCE": "nginx", "MTLS_CALLER_SECRET": "a-secret-of-the-integration"}

        shown = repr(data_action_client("fastapi_service:app", environ=environ))

        assert "nginx" in shown
        assert "a-secret-of-the-integration" not in shown
        assert "a secret of the testing kit" not in shown


class TestStarlette:
    def test_a_websocket_comes_with_the_certificate(self, data_action_client: DataActionClient) -> None:
        with data_action_client("fastapi_service:app").websocket_connect("/live") as socket:
            assert socket.receive_json() == {"region": "us-east-1"}

    def test_clients_made_within_the_lifespan_share_it(self, data_action_client: DataActionClient) -> None:
        with data_action_client("starlette_service:app") as client:
            other = client.with_certificate()
            assert other.post(LOOKUP).json() == {"region": "us-east-1", "opened": "once"}

    def test_calls_come_by_https(self, data_action_client: DataActionClient) -> None:
        client = data_action_client("fastapi_service:app")
        assert str(client.base_url) == "https://testserver"

    def test_options_are_for_the_client_of_the_framework(self, data_action_client: DataActionClient) -> None:
        client = data_action_client("fastapi_service:app", base_url="https://api.example.com")
        assert str(client.without_certificate().base_url) == "https://api.example.com"


class TestDjango:
    def test_cookies_are_kept(self, data_action_client: DataActionClient) -> None:
        client = data_action_client("django_service:application")
        client.post(LOOKUP)

        assert client.cookies["seen"].value == "yes"

    def test_an_unknown_path_is_not_found(self, data_action_client: DataActionClient) -> None:
        assert data_action_client("django_service:application").get("/nowhere").status_code == 404


class TestWithoutFixture:
    def test_an_application_with_settings_of_its_own_is_called(self, tmp_path: Path) -> None:
        ca = RegionalCA("eu-west-1")
        settings = Settings(regions="eu-west-1", trust=ca.write(tmp_path), revocation="off", state="off")
        app = MTLSMiddleware(ASGIApplication(), settings=settings)

        with_it, without = MTLSTestClient(app, ca, settings=settings), MTLSTestClient(app)

        assert (with_it.get("/").status_code, without.get("/").status_code) == (200, 403)

    def test_an_unknown_method_is_an_attribute_error(self) -> None:
        with pytest.raises(AttributeError, match="poost"):
            MTLSTestClient(ASGIApplication()).poost("/")


@pytest.mark.parametrize("name", ["factory_service:create_app", "fastapi_service:app"])
def test_no_thread_outlives_the_test(
    data_action_client: DataActionClient, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    del data_action_client  # it sets the environment
    before = set(threading.enumerate())
    preparation = Preparation(monkeypatch)
    app = preparation.prepare(name, Settings.from_env())
    assert answer(MTLSTestClient(app))[0] == 403
    started = set(threading.enumerate()) - before
    assert started

    preparation.close()
    for thread in started:
        thread.join(timeout=10)

    assert not [thread for thread in started if thread.is_alive()]
