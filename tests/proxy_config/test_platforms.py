"""Configurations of proxies and platforms that are not run: what can be held without them."""

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtls_middleware import ConfigurationError, Settings
from mtls_middleware._core.sources.presets import AWS_API_GATEWAY
from mtls_middleware.proxy_config import TABLE, Parameters, render

yaml = pytest.importorskip("yaml")
hcl2 = pytest.importorskip("hcl2")

SECRET = "a-secret-of-the-proxy"
GIVEN = Parameters(
    server_name="calls.example.org",
    port=8443,
    certificate="/srv/tls/server.pem",
    private_key="/srv/tls/server.key",
    trust="/srv/roots/us-east-1.pem",
    application="backend:9000",
    secret=SECRET,
)
WITH_CRL = Parameters(application="backend:9000", secret=SECRET, crl="/srv/roots/us-east-1.crl.pem")

NAMES = [name for name, template in TABLE.items() if not template.run]
YAML = [name for name in TABLE if TABLE[name].file.endswith(".yaml")]
TERRAFORM = [name for name in NAMES if TABLE[name].file.endswith(".tf")]
BICEP = [name for name in NAMES if TABLE[name].file.endswith(".bicep")]
CLUSTER = [name for name in NAMES if name.startswith("kubernetes-") or name == "ingress-nginx"]
RENDERED = [(name, GIVEN) for name in NAMES] + [(name, WITH_CRL) for name in NAMES if TABLE[name].takes_crl]
RENDERED_IDS = [name if parameters is GIVEN else f"{name} with a list" for name, parameters in RENDERED]

WITHOUT_SECRET = {
    "kubernetes-gateway",
    "aws-alb",
    "aws-alb-passthrough",
    AWS_API_GATEWAY,
    "azure-app-service",
    "azure-container-apps",
}
"""Platforms that can add none."""

SETS = {
    "kong": ["X-Client-Cert"],
    "kubernetes-nginx": ["X-SSL-Client-Cert", "X-SSL-Client-Verify"],
    "gcp": [
        "X-Client-Cert-Leaf",
        "X-Client-Cert-Chain",
        "X-Client-Cert-Present",
        "X-Client-Cert-Chain-Verified",
        "X-Client-Cert-Error",
    ],
    "cloudflare": ["Client-Cert", "Client-Cert-Chain", "X-Client-Cert-Verified"],
    "cloudfront": ["CloudFront-Viewer-Cert-Pem", "CloudFront-Viewer-Cert-Present"],
    "azure-application-gateway": ["X-Client-Cert", "X-Client-Cert-Verification"],
}
"""Headers that are ours to set; elsewhere the platform gives them their names."""


def settings_in(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in re.findall(r"^(?:#|//) +(MTLS_[A-Z_]+=\S+)$", text, re.MULTILINE))


def comments(text: str) -> str:
    """Return the comment on top as running text."""
    lines = []
    for line in text.splitlines():
        if not line.startswith(("#", "//")):
            break
        lines.append(line.lstrip("#/").strip())
    return " ".join(lines)


def code(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith(("#", "//")))


def documents(name: str, parameters: Parameters = GIVEN) -> dict[str, Any]:
    """Return the documents of a cluster's configuration by kind and name."""
    return {
        f"{document['kind']}/{document['metadata']['name']}": document
        for document in yaml.safe_load_all(render(name, parameters))
    }


def resources(name: str, parameters: Parameters = GIVEN) -> dict[str, Any]:
    """Return the resources of a Terraform configuration by type and name."""
    return {
        f"{kind.strip(QUOTE)}.{label.strip(QUOTE)}": body
        for block in hcl2.loads(render(name, parameters))["resource"]
        for kind, labels in block.items()
        for label, body in labels.items()
    }


QUOTE = '"'


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner)
    else:
        yield value


def test_every_platform_of_the_issue_has_one() -> None:
    assert {
        "kubernetes-envoy-gateway",
        "kubernetes-nginx",
        "kubernetes-gateway",
        "kubernetes-istio",
        "kubernetes-traefik",
        "ingress-nginx",
        "aws-alb",
        "aws-api-gateway",
        "gcp",
        "cloudflare",
        "azure-app-service",
        "azure-application-gateway",
    } <= set(NAMES)


def test_there_is_none_for_an_unknown_name() -> None:
    with pytest.raises(ConfigurationError, match="no configuration for 'httpd'"):
        render("httpd", GIVEN)


@pytest.mark.parametrize("name", NAMES)
def test_the_first_comment_says_that_it_was_not_run_and_how_to_check_it(name: str) -> None:
    first = re.split(r"(?<=\.) ", comments(render(name, GIVEN)), maxsplit=1)[0]

    assert first.startswith("From ")
    assert "documentation" in first
    assert 'not run: check with "mtls-middleware doctor --url".' in first


@pytest.mark.parametrize(("name", "parameters"), RENDERED, ids=RENDERED_IDS)
def test_no_placeholder_is_left(name: str, parameters: Parameters) -> None:
    assert not re.search(r"{{|}}", render(name, parameters))


@pytest.mark.parametrize("name", NAMES)
def test_the_settings_in_its_comments_start_an_application(name: str) -> None:
    told = settings_in(render(name, GIVEN))

    settings = Settings.from_env(told)

    assert settings.source == TABLE[name].source
    assert [str(bound.value) for bound in settings.trust] == [GIVEN.trust]


@pytest.mark.parametrize("name", NAMES)
def test_the_secret_is_added_or_the_text_says_what_the_boundary_rests_on(name: str) -> None:
    text = render(name, GIVEN)
    told = settings_in(text)

    if name in WITHOUT_SECRET:
        assert SECRET not in text
        assert "boundary rests on" in comments(text)
        assert "MTLS_TRUSTED_PROXIES" in told or TABLE[name].source in {AWS_API_GATEWAY, "tls"}
    else:
        assert told["MTLS_PROXY_SECRET"] == SECRET
        assert SECRET in code(text)


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_to_do_when_the_root_is_renewed_and_who_checks_revocation(name: str) -> None:
    told = comments(render(name, GIVEN))

    assert "Root renewed" in told
    if not TABLE[name].takes_crl:
        assert re.search(r"CRL|revocation_check_mode", told)
        assert re.search(r"[Tt]he application (does|checks revocation)", told)


@pytest.mark.parametrize("name", NAMES)
def test_a_revocation_list_stands_there_only_where_it_was_asked_for(name: str) -> None:
    assert ".crl" not in render(name, GIVEN).lower()

    if TABLE[name].takes_crl:
        assert str(WITH_CRL.crl) in render(name, WITH_CRL)
        assert "job of yours" in comments(render(name, WITH_CRL))
        assert "every caller" in comments(render(name, WITH_CRL))
    else:
        with pytest.raises(ConfigurationError, match="CRL"):
            render(name, WITH_CRL)


@pytest.mark.parametrize(("name", "headers"), SETS.items(), ids=SETS)
def test_the_headers_that_are_set_are_those_that_are_read(name: str, headers: list[str]) -> None:
    header_names = Settings.from_env(settings_in(render(name, GIVEN))).header_names

    assert header_names is not None
    assert header_names.headers == set(headers)
    assert [header for header in headers if not re.search(rf"[\"' ]{header}[\"':\n]", code(render(name, GIVEN)))] == []


@pytest.mark.parametrize("name", [name for name in NAMES if TABLE[name].checks_health])
@pytest.mark.parametrize("exempt", [None, "/health", "/live,/ready"])
def test_the_health_check_asks_for_what_is_exempt(name: str, exempt: str | None) -> None:
    text = render(name, replace(GIVEN, exempt=exempt))

    assert settings_in(text)["MTLS_EXEMPT"] == (exempt or "/health")
    assert re.search(rf"path\W+{(exempt or '/health').partition(',')[0]}\b", code(text))


def test_without_a_health_check_nothing_is_exempt_that_was_not() -> None:
    others = [name for name in NAMES if not TABLE[name].checks_health]

    assert [name for name in others if "MTLS_EXEMPT" in settings_in(render(name, GIVEN))] == []
    assert [
        name
        for name in others
        if settings_in(render(name, replace(GIVEN, exempt="/live"))).get("MTLS_EXEMPT") != "/live"
    ] == []


@pytest.mark.parametrize("name", CLUSTER)
def test_what_goes_to_a_cluster_has_the_fields_that_every_object_needs(name: str) -> None:
    parameters = WITH_CRL if TABLE[name].takes_crl else GIVEN

    for document in documents(name, parameters).values():
        assert set(document) in ({"apiVersion", "kind", "metadata", "spec"}, {"apiVersion", "kind", "metadata", "data"})
        assert re.fullmatch(r"(v1|[a-z0-9.]+/v1(alpha[13])?)", document["apiVersion"])
        assert re.fullmatch(r"[a-z][a-z0-9-]*", document["metadata"]["name"])


def test_the_controller_of_f5_sets_each_header_with_every_request() -> None:
    there = documents("kubernetes-nginx")
    spec = there["VirtualServer/data-actions"]["spec"]
    (route,) = spec["routes"]

    assert {header["name"]: header["value"] for header in route["action"]["proxy"]["requestHeaders"]["set"]} == {
        "X-SSL-Client-Cert": "${ssl_client_escaped_cert}",
        "X-SSL-Client-Verify": "${ssl_client_verify}",
        "X-MTLS-Proxy-Secret": SECRET,
        "X-Forwarded-For": "${remote_addr}",
        "Forwarded": "",
    }
    assert spec["policies"] == [{"name": "data-actions-client-certificate"}]
    policy = there["Policy/data-actions-client-certificate"]["spec"]["ingressMTLS"]
    assert policy == {"clientCertSecret": "genesys-root", "verifyClient": "optional", "verifyDepth": 1}


def test_plain_gateway_api_passes_tls_through_to_serve() -> None:
    there = documents("kubernetes-gateway")
    (listener,) = there["Gateway/data-actions"]["spec"]["listeners"]
    (rule,) = there["TLSRoute/data-actions"]["spec"]["rules"]

    assert (listener["protocol"], listener["tls"]) == ("TLS", {"mode": "Passthrough"})
    assert rule["backendRefs"] == [{"kind": "Service", "name": "backend", "port": 9000}]
    assert "mtls-middleware serve" in comments(render("kubernetes-gateway", GIVEN))


def test_traefik_removes_callers_copies_before_it_sets_its_own() -> None:
    http = yaml.safe_load(render("traefik", GIVEN))["http"]
    removed, passed, added = (http["middlewares"][name] for name in http["routers"]["data-actions"]["middlewares"])

    assert removed["headers"]["customRequestHeaders"] == {
        "X-Forwarded-Tls-Client-Cert": "",
        "X-Forwarded-Tls-Client-Cert-Info": "",
        "X-MTLS-Proxy-Secret": "",
        "Forwarded": "",
    }
    assert passed == {"passTLSClientCert": {"pem": True}}
    assert added["headers"]["customRequestHeaders"] == {"X-MTLS-Proxy-Secret": SECRET}


def test_traefik_verifies_what_it_is_shown_and_resumes_nothing() -> None:
    router = yaml.safe_load(render("traefik", GIVEN))["http"]["routers"]["data-actions"]
    options = yaml.safe_load(render("traefik", GIVEN))["tls"]["options"][router["tls"]["options"]]

    assert options["clientAuth"] == {"clientAuthType": "VerifyClientCertIfGiven", "caFiles": [GIVEN.trust]}
    assert options["disableSessionTickets"] is True


def test_the_two_files_of_traefik_name_the_same_entry_point() -> None:
    router = yaml.safe_load(render("traefik", GIVEN))["http"]["routers"]["data-actions"]
    entry_points = yaml.safe_load(render("traefik-static", GIVEN))["entryPoints"]

    assert router["entryPoints"] == list(entry_points)
    assert entry_points["data-actions"]["http"]["aliasHeadersStrategy"] == "delete"
    assert entry_points["data-actions"]["forwardedHeaders"] == {"insecure": False}


def test_traefik_in_a_cluster_does_as_traefik_does() -> None:
    there, here = documents("kubernetes-traefik"), yaml.safe_load(render("traefik", GIVEN))
    (route,) = there["IngressRoute/data-actions"]["spec"]["routes"]
    order = [middleware["name"] for middleware in route["middlewares"]]

    assert order == here["http"]["routers"]["data-actions"]["middlewares"]
    assert {name: there[f"Middleware/{name}"]["spec"] for name in order} == here["http"]["middlewares"]
    assert route["services"] == [{"kind": "Service", "name": "backend", "port": 9000}]
    options = there["TLSOption/data-actions"]["spec"]
    assert options["clientAuth"]["clientAuthType"] == "VerifyClientCertIfGiven"
    assert options["disableSessionTickets"] is True


def test_envoy_gateway_sanitizes_and_leaves_unquoted_names_out() -> None:
    spec = documents("kubernetes-envoy-gateway")["ClientTrafficPolicy/data-actions"]["spec"]

    assert spec["headers"] == {
        "xForwardedClientCert": {"mode": "SanitizeSet", "certDetailsToAdd": ["Cert", "Chain"]},
        "withUnderscoresAction": "DropHeader",
    }
    assert "session" not in spec["tls"]
    assert spec["tls"]["clientValidation"] == {
        "optional": True,
        "caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": "genesys-root"}],
    }


def test_envoy_gateway_checks_only_the_leaf_against_a_list_because_the_root_has_none() -> None:
    spec = documents("kubernetes-envoy-gateway", WITH_CRL)["ClientTrafficPolicy/data-actions"]["spec"]

    assert spec["tls"]["clientValidation"]["crl"]["onlyVerifyLeafCertificate"] is True


def test_envoy_gateway_overwrites_the_secret() -> None:
    (rule,) = documents("kubernetes-envoy-gateway")["HTTPRoute/data-actions"]["spec"]["rules"]

    assert rule["filters"] == [
        {
            "type": "RequestHeaderModifier",
            "requestHeaderModifier": {
                "set": [{"name": "X-MTLS-Proxy-Secret", "value": SECRET}],
                "remove": ["Forwarded"],
            },
        }
    ]
    assert rule["backendRefs"] == [{"kind": "Service", "name": "backend", "port": 9000}]


def test_istio_requests_certificates_and_drops_underscores() -> None:
    there = documents("kubernetes-istio")
    (server,) = there["Gateway/data-actions"]["spec"]["servers"]
    (patch,) = there["EnvoyFilter/data-actions-underscores"]["spec"]["configPatches"]
    (route,) = there["VirtualService/data-actions"]["spec"]["http"]

    assert server["tls"]["mode"] == "OPTIONAL_MUTUAL"
    assert patch["patch"]["value"]["typed_config"]["common_http_protocol_options"] == {
        "headers_with_underscores_action": "DROP_HEADER"
    }
    assert route["headers"]["request"] == {"set": {"X-MTLS-Proxy-Secret": SECRET}, "remove": ["Forwarded"]}
    assert Settings.from_env(settings_in(render("kubernetes-istio", GIVEN))).xfcc_elements == 2


def test_istio_resumes_no_session_of_this_server() -> None:
    (patch,) = documents("kubernetes-istio")["EnvoyFilter/data-actions-resumption"]["spec"]["configPatches"]

    assert patch["match"]["listener"]["filterChain"] == {"sni": GIVEN.server_name}
    tls = patch["patch"]["value"]["transport_socket"]["typed_config"]
    assert tls["disable_stateless_session_resumption"] is tls["disable_stateful_session_resumption"] is True


def test_ingress_nginx_is_called_legacy() -> None:
    there = documents("ingress-nginx")
    annotations = there["Ingress/data-actions"]["metadata"]["annotations"]

    assert "LEGACY" in comments(render("ingress-nginx", GIVEN))
    assert annotations["nginx.ingress.kubernetes.io/auth-tls-pass-certificate-to-upstream"] == "true"
    assert annotations["nginx.ingress.kubernetes.io/auth-tls-verify-client"] == "optional"
    assert there["ConfigMap/data-actions-headers"]["data"]["X-MTLS-Proxy-Secret"] == SECRET
    controller = there["ConfigMap/ingress-nginx-controller"]["data"]
    assert controller["enable-underscores-in-headers"] == controller["ssl-session-tickets"] == "false"


def test_kong_cleans_before_any_other_plugin_runs() -> None:
    (service,) = yaml.safe_load(render("kong", GIVEN))["services"]
    first, verify, passed = service["plugins"]

    assert [plugin["name"] for plugin in service["plugins"]] == ["pre-function", "mtls-auth", "tls-metadata-headers"]
    (program,) = first["config"]["access"]
    assert program.index("clear_header") < program.index(f'set_header("X-MTLS-Proxy-Secret", "{SECRET}")')
    assert passed["config"]["client_cert_header_name"] == "X-Client-Cert"
    (root,) = yaml.safe_load(render("kong", GIVEN))["ca_certificates"]
    assert verify["config"]["ca_certificates"] == [root["id"]]


def test_the_root_can_be_appended_for_kong() -> None:
    text = render("kong", GIVEN) + "      -----BEGIN CERTIFICATE-----\n      MII\n      -----END CERTIFICATE-----\n"

    (root,) = yaml.safe_load(text)["ca_certificates"]
    assert root["cert"] == "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(("name", "mode"), [("aws-alb", "verify"), ("aws-alb-passthrough", "passthrough")])
def test_the_load_balancer_of_aws_drops_underscores_and_alone_reaches_the_application(name: str, mode: str) -> None:
    there = resources(name)

    assert there["aws_lb_listener.data_actions"]["mutual_authentication"][0]["mode"] == f'"{mode}"'
    assert there["aws_lb.data_actions"]["drop_invalid_header_fields"] is True
    reached = there["aws_vpc_security_group_ingress_rule.application"]
    assert "aws_security_group.load_balancer.id" in reached["referenced_security_group_id"]
    assert reached["from_port"] == reached["to_port"] == 9000


def test_a_list_for_the_load_balancer_of_aws_is_a_revocation_of_its_trust_store() -> None:
    assert "aws_lb_trust_store_revocation.data_actions" in resources("aws-alb", WITH_CRL)
    assert "aws_lb_trust_store_revocation.data_actions" not in resources("aws-alb")


def test_the_api_of_aws_has_no_way_in_without_a_certificate() -> None:
    there = resources("aws-api-gateway")

    assert there["aws_apigatewayv2_api.data_actions"]["disable_execute_api_endpoint"] is True
    (asked,) = there["aws_apigatewayv2_domain_name.data_actions"]["mutual_tls_authentication"]
    assert asked["truststore_uri"].startswith('"s3://${aws_s3_object.root.bucket}/')
    assert Settings.from_env(settings_in(render("aws-api-gateway", GIVEN))).header_names is None


def test_cloudfront_requires_a_certificate_and_speaks_no_http3() -> None:
    distribution = resources("cloudfront")["aws_cloudfront_distribution.data_actions"]

    assert distribution["viewer_mtls_config"][0]["mode"] == '"required"'
    assert distribution["http_version"] == '"http2"'
    (header,) = distribution["origin"][0]["custom_header"]
    assert (header["name"], header["value"]) == ('"X-MTLS-Proxy-Secret"', f'"{SECRET}"')


def test_google_refuses_invalid_certificates_and_sets_every_header_with_every_request() -> None:
    there = resources("gcp")

    policy = there["google_network_security_server_tls_policy.data_actions"]["mtls_policy"][0]
    assert policy["client_validation_mode"] == '"REJECT_INVALID"'
    assert there["google_compute_target_https_proxy.data_actions"]["quic_override"] == '"DISABLE"'
    assert [
        header.strip(QUOTE) for header in there["google_compute_backend_service.application"]["custom_request_headers"]
    ] == [
        "X-Client-Cert-Leaf:{client_cert_leaf}",
        "X-Client-Cert-Chain:{client_cert_chain}",
        "X-Client-Cert-Present:{client_cert_present}",
        "X-Client-Cert-Chain-Verified:{client_cert_chain_verified}",
        "X-Client-Cert-Error:{client_cert_error}",
        f"X-MTLS-Proxy-Secret:{SECRET}",
    ]


def test_cloudflare_sets_its_headers_for_every_caller_whatever_was_shown() -> None:
    (rule,) = resources("cloudflare")["cloudflare_ruleset.headers"]["rules"]

    assert "tls_client_auth" not in rule["expression"]
    headers = {name.strip(QUOTE): header for name, header in rule["action_parameters"]["headers"].items()}
    assert {name: header["operation"].strip(QUOTE) for name, header in headers.items()} == {
        "Client-Cert": "set",
        "Client-Cert-Chain": "set",
        "X-Client-Cert-Verified": "set",
        "X-MTLS-Proxy-Secret": "set",
        "Forwarded": "remove",
    }


def test_cloudflare_refuses_the_unverified_the_revoked_and_names_with_an_underscore() -> None:
    rules = resources("cloudflare")["cloudflare_ruleset.refuse"]["rules"]

    assert [rule["action"] for rule in rules] == ['"block"', '"block"']
    assert "(not cf.tls_client_auth.cert_verified or cf.tls_client_auth.cert_revoked)" in rules[0]["expression"]
    assert 'any(http.request.headers.names[*] contains \\"_\\")' in rules[1]["expression"]


def test_behind_cloudflare_verified_is_not_enough() -> None:
    header_names = Settings.from_env(settings_in(render("cloudflare", GIVEN))).header_names

    assert header_names is not None
    assert [(marker.header, marker.value) for marker in header_names.markers] == [
        ("X-Client-Cert-Verified", "true-false")
    ]
    assert "cert_verified" in render("cloudflare", GIVEN)
    assert "cert_revoked" in render("cloudflare", GIVEN)


@pytest.mark.parametrize("name", BICEP)
def test_brackets_and_quotes_of_bicep_are_balanced(name: str) -> None:
    opened = []
    for token in re.findall(r"'(?:[^'\\\n]|\\.)*'|//[^\n]*|[{}()\[\]']", render(name, GIVEN)):
        if token in "{([":
            opened.append(token)
        elif token in "})]":
            assert opened.pop() + token in {"{}", "()", "[]"}
        else:
            assert token != "'", "an open quote"

    assert not opened


def test_app_service_requires_a_certificate_on_every_path() -> None:
    text = render("azure-app-service", GIVEN)

    assert "clientCertMode: 'Required'" in text
    assert "clientCertExclusionPaths: ''" in text
    assert "httpsOnly: true" in text


def test_container_apps_require_a_certificate_and_refuse_plain_http() -> None:
    text = code(render("azure-container-apps", GIVEN))

    assert "clientCertificateMode: 'require'" in text
    assert "allowInsecure: false" in text
    assert "targetPort: 9000" in text


@pytest.mark.parametrize("name", ["azure-app-service", "azure-container-apps"])
def test_settings_inside_of_the_deployment_are_those_of_its_comments(name: str) -> None:
    text = render(name, GIVEN)

    assert dict(re.findall(r"name: '(MTLS_\w+)', value: '([^']*)'", text)) == settings_in(text)


def test_the_application_gateway_verifies_and_overwrites() -> None:
    text = code(render("azure-application-gateway", GIVEN))

    assert "verifyClientAuthMode: 'Strict'" in text
    assert dict(re.findall(r"headerName: '([^']+)', headerValue: '([^']*)'", text)) == {
        "X-Client-Cert": "{var_client_certificate}",
        "X-Client-Cert-Verification": "{var_client_certificate_verification}",
        "X-MTLS-Proxy-Secret": SECRET,
        "Forwarded": "",
    }


# What the shapes of Parameters let through at its worst: numbers, words of YAML, operators at either end.
ODD = {
    "digits": Parameters(secret="0123456789012345", server_name="1.5", application="8:1", trust="/1"),
    "words": Parameters(secret="null-null-null-null", server_name="null", application="true:1", trust="/null"),
    "operators": Parameters(secret="~=-./+~=-./+~=-./+", server_name="a--b", application="no:1", trust="/~+@-."),
}


@pytest.mark.parametrize("name", YAML)
@pytest.mark.parametrize("parameters", ODD.values(), ids=ODD)
def test_odd_values_stay_texts_in_yaml(name: str, parameters: Parameters) -> None:
    texts = list(leaves(list(yaml.safe_load_all(render(name, parameters)))))

    shown = [text for text in texts if isinstance(text, str)]
    assert not TABLE[name].adds_secret or any(parameters.secret in text for text in shown)
    assert name in {"envoy", "traefik-static"} or any(parameters.server_name in text for text in shown)
    assert len(texts) == number_of_leaves(name, GIVEN)


@cache
def number_of_leaves(name: str, parameters: Parameters) -> int:
    """Count by the parser in C, where there is one, because there are many examples."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return len(list(leaves(list(yaml.load_all(render(name, parameters), Loader=loader)))))


@given(
    secret=st.from_regex(r"[A-Za-z0-9._~+/=-]{16,40}", fullmatch=True),
    trust=st.from_regex(r"/[A-Za-z0-9._/@+~-]{1,20}", fullmatch=True),
    server_name=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9.-]{0,20}[A-Za-z0-9]", fullmatch=True),
)
def test_no_accepted_value_becomes_syntax(secret: str, trust: str, server_name: str) -> None:
    parameters = Parameters(secret=secret, trust=trust, server_name=server_name, application="backend:9000")

    for name in YAML:
        assert number_of_leaves(name, parameters) == number_of_leaves(name, GIVEN)
    for name in (*TERRAFORM, *BICEP):
        text = render(name, parameters)
        assert len(text.splitlines()) == len(render(name, GIVEN).splitlines())
        assert re.sub(r"[^\"'{}$#\\]", "", text) == re.sub(r"[^\"'{}$#\\]", "", render(name, GIVEN))


@pytest.mark.parametrize(
    "hostile",
    ['"', "'", "\n", "`", "${", "$(", "{{ port }}", "#", ";", "\\", " ", "\u202e", "%{", "|", "&", "*", "\x00"],
)
@pytest.mark.parametrize(
    "attribute",
    [
        "server_name",
        "trust",
        "certificate",
        "private_key",
        "application",
        "secret",
        "secret_file",
        "secret_header",
        "regions",
        "trust_setting",
        "exempt",
        "trusted_proxies",
    ],
)
def test_a_value_with_syntax_is_refused(attribute: str, hostile: str) -> None:
    good = {
        "server_name": "ab",
        "application": "ab:1",
        "secret": SECRET,
        "secret_header": "X-A",
        "regions": "us-east-1",
        "trusted_proxies": "10.0.0.0/8",
    }.get(attribute, "/ab")

    for value in (f"{good}{hostile}", f"{hostile}{good}", f"{good[:2]}{hostile}{good[2:]}"):
        with pytest.raises(ConfigurationError) as failure:
            Parameters(**{attribute: value})  # type: ignore[arg-type]  # every attribute here is a text
        assert attribute != "secret" or value not in str(failure.value)
