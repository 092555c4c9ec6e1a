"""The files of example_app for containers: what their engines can read, and what belongs together in them."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mtls_middleware import Guard, Settings
from mtls_middleware.testing import RegionalCA
from tests.claims import runs_through
from tests.containers.images import instructions, is_left_out
from tests.containers.manifests import (
    COMPOSE,
    COMPOSE_FLEET,
    DOCKERFILE,
    IGNORED,
    KUBERNETES,
    PORT,
    compose,
    documents,
    kind,
)
from tests.e2e.processes import ROOT

DATA_ACTIONS_WAIT = 60
"""Seconds."""

STANDARD = ("application.yaml", "fleet.yaml", "ingress-alb.yaml")
"""Of kinds that Kubernetes itself knows."""


def settings_of_the_pod() -> dict[str, str]:
    data = kind("application.yaml", "ConfigMap")["data"]
    assert isinstance(data, dict)
    return data


def pod() -> dict[str, Any]:
    spec = kind("application.yaml", "Deployment")["spec"]["template"]["spec"]
    assert isinstance(spec, dict)
    return spec


def container() -> dict[str, Any]:
    (found,) = pod()["containers"]
    assert isinstance(found, dict)
    return found


def annotations() -> dict[str, str]:
    found = kind("ingress-alb.yaml", "Ingress")["metadata"]["annotations"]
    return {name.removeprefix("alb.ingress.kubernetes.io/"): value for name, value in found.items()}


@pytest.mark.parametrize("version", ["1.30", "newest"])
@pytest.mark.parametrize("name", STANDARD)
def test_kubernetes_can_read_every_object(name: str, version: str) -> None:
    validate = pytest.importorskip("kubernetes_validate")
    release = validate.latest_version() if version == "newest" else version

    for one in documents(name):
        runs_through(validate.validate, one, release, strict=True)


def test_an_object_with_a_wrong_field_would_be_found() -> None:
    validate = pytest.importorskip("kubernetes_validate")
    deployment = kind("application.yaml", "Deployment")
    deployment["spec"]["template"]["spec"]["terminationGracePeriod"] = 80

    with pytest.raises(validate.ValidationError, match="terminationGracePeriod"):
        validate.validate(deployment, "1.30", strict=True)


def test_every_file_for_kubernetes_is_checked() -> None:
    assert {path.name for path in KUBERNETES.iterdir()} == {*STANDARD, "trust-bundle.yaml"}


def test_compose_can_read_its_files() -> None:
    pytest.importorskip("check_jsonschema")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]

    done = subprocess.run([*command, COMPOSE, COMPOSE_FLEET], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


def test_the_bundle_is_one_of_trust_manager() -> None:
    """Its schema, trust.cert-manager.io/v1alpha1, is in no package: this holds the part of it that is used here."""
    (bundle,) = documents("trust-bundle.yaml")
    (mounted,) = (one["configMap"]["name"] for one in pod()["volumes"] if "configMap" in one)

    assert (bundle["apiVersion"], bundle["kind"]) == ("trust.cert-manager.io/v1alpha1", "Bundle")
    assert [set(one) for one in bundle["spec"]["sources"]] == [{"configMap"}]
    assert [set(one["configMap"]) for one in bundle["spec"]["sources"]] == [{"name", "key"}]
    assert set(bundle["spec"]["target"]) == {"configMap", "namespaceSelector"}
    assert bundle["metadata"]["name"] == mounted, "the ConfigMap that it writes has its name"


# --- what belongs together -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "environ", [settings_of_the_pod(), compose()["services"]["application"]["environment"]], ids=["pod", "compose"]
)
def test_the_settings_are_accepted(environ: dict[str, str]) -> None:
    runs_through(Settings.from_env, environ)


def test_the_probes_ask_paths_that_are_exempt_and_exist() -> None:
    probed = {container()[name]["httpGet"]["path"] for name in ("readinessProbe", "livenessProbe")}
    main = (ROOT / "example_app" / "main.py").read_text(encoding="utf-8")

    assert probed == set(settings_of_the_pod()["MTLS_EXEMPT"].split(",")) == set(re.findall(r'"(/[a-z]+)"\)', main))
    assert annotations()["healthcheck-path"] == container()["readinessProbe"]["httpGet"]["path"]


def test_a_call_of_sixty_seconds_ends_before_the_pod_does() -> None:
    waits = container()["lifecycle"]["preStop"]["sleep"]["seconds"]
    attributes = dict(pair.split("=") for pair in annotations()["load-balancer-attributes"].split(","))

    assert pod()["terminationGracePeriodSeconds"] >= waits + DATA_ACTIONS_WAIT
    assert int(attributes["idle_timeout.timeout_seconds"]) > DATA_ACTIONS_WAIT
    assert int(annotations()["target-group-attributes"].partition("=")[2]) > DATA_ACTIONS_WAIT


@pytest.mark.parametrize("name", ["application", "nginx"])
def test_a_call_of_sixty_seconds_ends_before_a_service_of_compose_does(name: str) -> None:
    assert int(compose()["services"][name]["stop_grace_period"].removesuffix("s")) > DATA_ACTIONS_WAIT


def test_only_the_networks_that_may_speak_for_a_caller_reach_the_pods() -> None:
    (rule,) = kind("application.yaml", "NetworkPolicy")["spec"]["ingress"]

    assert [one["ipBlock"]["cidr"] for one in rule["from"]] == settings_of_the_pod()["MTLS_TRUSTED_PROXIES"].split(",")


def test_the_load_balancer_has_no_listener_without_mutual_tls() -> None:
    listeners = json.loads(annotations()["listen-ports"])
    verified = {one["port"] for one in json.loads(annotations()["mutual-authentication"]) if one["mode"] == "verify"}

    assert {kind for one in listeners for kind in one} == {"HTTPS"}
    assert {port for one in listeners for port in one.values()} == verified
    assert "routing.http.drop_invalid_header_fields.enabled=true" in annotations()["load-balancer-attributes"]


def test_the_pod_runs_with_no_rights_and_on_a_read_only_root() -> None:
    own, shared = container()["securityContext"], pod()["securityContext"]

    assert (shared["runAsNonRoot"], shared["runAsUser"] > 0) == (True, True)
    assert (own["readOnlyRootFilesystem"], own["allowPrivilegeEscalation"]) == (True, False)
    assert own["capabilities"] == {"drop": ["ALL"]}
    assert {"subPath"} & {key for mount in container()["volumeMounts"] for key in mount} == set()


def test_every_file_that_the_settings_name_is_mounted() -> None:
    mounted = [mount["mountPath"] for mount in container()["volumeMounts"]]
    settings = [*settings_of_the_pod().values(), *kind("fleet.yaml", "ConfigMap")["data"].values()]
    named = [value for value in settings if value.startswith("/") and "," not in value]

    assert [path for path in mounted if not any(value.startswith(path) for value in named)] == []
    assert [path for path in named if not path.startswith(tuple(mounted))] == []


def test_a_rolling_restart_never_has_fewer_pods_than_wanted() -> None:
    spec = kind("application.yaml", "Deployment")["spec"]

    assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert kind("application.yaml", "PodDisruptionBudget")["spec"]["maxUnavailable"] < spec["replicas"]


def test_one_port_is_named_everywhere() -> None:
    lines = dict(instructions(DOCKERFILE.read_text(encoding="utf-8")))
    (port,) = container()["ports"]
    prepare = " ".join(compose()["services"]["prepare"]["command"])

    assert (lines["EXPOSE"], json.loads(lines["CMD"])[-1], str(port["containerPort"])) == (PORT, PORT, PORT)
    assert f"--application application:{PORT}" in prepare
    assert {kind("application.yaml", "Service")["spec"]["ports"][0]["targetPort"], port["name"]} == {"http"}


# --- the image -------------------------------------------------------------------------------------------------------


def test_the_server_is_process_1_and_runs_as_nobody_in_particular() -> None:
    lines = list(instructions(DOCKERFILE.read_text(encoding="utf-8")))
    (user,) = (rest for name, rest in lines if name == "USER")

    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user)
    assert lines[-1][0] == "CMD"
    assert json.loads(lines[-1][1])[:2] == ["mtls-middleware", "serve"]


@pytest.mark.parametrize(
    ("name", "left_out"),
    [
        ("pyproject.toml", False),
        ("mtls_middleware/asgi.py", False),
        ("mtls_middleware/proxy_config/templates/nginx.conf", False),
        ("example_app/main.py", False),
        ("example_app/test_main.py", True),
        ("mtls_middleware/__pycache__/asgi.cpython-311.pyc", True),
        ("dev/good.key", True),
        (".env", True),
        ("tests/conftest.py", True),
    ],
)
def test_the_builder_gets_what_it_needs_and_nothing_else(name: str, left_out: bool) -> None:
    patterns = [line for line in IGNORED.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]

    assert is_left_out(name, patterns) is left_out


def test_everything_that_is_copied_reaches_the_builder() -> None:
    patterns = [line for line in IGNORED.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    copied = [
        rest.split()[:-1] for name, rest in instructions(DOCKERFILE.read_text(encoding="utf-8")) if name == "COPY"
    ]
    sources = [source for line in copied if not line[0].startswith("--") for source in line]

    assert sources
    assert [source for source in sources if is_left_out(source, patterns) or not Path(ROOT, source).exists()] == []


# --- the page --------------------------------------------------------------------------------------------------------

PAGE = (ROOT / "docs" / "containers.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("pinned", [True, False], ids=["fallback pins", "none"])
def test_a_new_pod_is_ready_during_an_outage_of_the_api_if_it_has_fallback_pins(tmp_path: Path, pinned: bool) -> None:
    root = RegionalCA("DigiCert")
    intermediate = root.intermediate()
    pins, secret = tmp_path / "pins", tmp_path / "oauth-secret"
    pins.mkdir()
    (pins / "current.pem").write_text(intermediate.client().pem + intermediate.pem)
    secret.write_text("a-secret-of-the-oauth-client")
    (shown,) = re.findall(r"^```ini\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    environ = dict(line.split("=", 1) for line in shown.split())
    mounted = {"MTLS_PINS": str(pins), "MTLS_GENESYS_CLIENT_SECRET_FILE": str(secret), "MTLS_STATE": "off"}
    assert mounted.keys() - {"MTLS_STATE"} <= environ.keys()
    environ |= {**mounted, "MTLS_TRUST": f"digicert={root.write(tmp_path)}"}
    if not pinned:
        del environ["MTLS_PINS"]

    guard = Guard.silent(Settings.from_env(environ))
    guard.load()  # what was never asked is as one that does not answer

    assert guard.status().is_ready is pinned
