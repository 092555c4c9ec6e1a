"""``doctor --url`` against real proxies: what we print passes; each captured mistake is found, and its cure named."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

from mtls_middleware.proxy_config import TABLE
from tests.e2e.boundaries import LOCKED, MISTAKES, OUR_HTTPTOOLS, changed, locked
from tests.e2e.callers import PKI
from tests.e2e.conftest import Start
from tests.e2e.processes import HOST, ROOT, free_port, version_of
from tests.e2e.proxies import NAME, PROXIES, run_application, run_proxy
from tests.e2e.test_nginx import of_the_readme as nginx_of_the_readme
from tests.slow import mostly_slow

pytestmark = pytest.mark.e2e

APACHE_TWINS = 'SetEnvIfNoCase "^(?=[^_]*_)(X[-_]SSL[-_]Client[-_].*|x[-_]mtls[-_]proxy[-_]secret)$" "." mtls-twin'
PATH = "/actions/lookup?x=1"
DOCTOR_SECONDS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundary:
    """Hold a running proxy and the application behind it."""

    source: str
    port: int
    behind: int
    pki: PKI

    def examine(self, *options: str, url: str | None = None, **environment: str) -> tuple[int, dict[str, Any]]:
        """Run the command, and return its exit status and what it printed for scripts."""
        url = url or f"https://{NAME}:{self.port}{PATH}"
        server_ca = self.pki.folder / "server-ca.pem"
        server_ca.write_text(self.pki.server_ca.pem, encoding="ascii")
        command = ["doctor", "--url", url, "--server-ca", str(server_ca), "--json", *options]
        if not {"--source", "--all-sources"} & set(options):
            environment.setdefault("MTLS_SOURCE", self.source)
        ended = subprocess.run(
            [sys.executable, "-m", "mtls_middleware", *command],
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            capture_output=True,
            text=True,
            timeout=DOCTOR_SECONDS,
            check=False,
        )
        assert ended.stdout, ended.stderr
        told = json.loads(ended.stdout)
        assert isinstance(told, dict)
        assert told["status"] == ended.returncode
        return ended.returncode, told

    def own(self) -> list[str]:
        """Return the options of an honest caller."""
        certificate, key = self.pki.region.client().write(self.pki.folder, "doctor")
        return ["--client-certificate", str(certificate), "--client-key", str(key)]


Deploy = Callable[..., Boundary]


@pytest.fixture(scope="module")
def deploy(start_for_module: Start, pki: PKI, tmp_path_factory: pytest.TempPathFactory) -> Deploy:
    """Return what starts a proxy and the application behind it; each pair once for all tests."""

    @cache
    def application(name: str, http: str) -> int:
        return run_application(name, start_for_module, pki, http_class=http, MTLS_EXEMPT="/health")[0]

    @cache
    def deployed(
        name: str,
        change: tuple[tuple[str, str], ...] = (),
        http: str = OUR_HTTPTOOLS,
        readme: str | None = None,
        locks: str | None = None,
    ) -> Boundary:
        def written(text: str) -> str:
            return changed(text, change) if locks is None else locked(text, LOCKED[locks].change, wrong)

        wrong = pki.stranger.write(tmp_path_factory.mktemp("wrong"))
        folder, behind = tmp_path_factory.mktemp(name), application(name, http)
        if readme is None:
            port, _ = run_proxy(name, start_for_module, pki, folder, behind, change=written)
        else:
            port = free_port()
            command = [PROXIES[name].installed(), *nginx_of_the_readme(folder, pki, port, behind, readme)]
            start_for_module(command, port=port)
        return Boundary(source=TABLE[name].source, port=port, behind=behind, pki=pki)

    return deployed


each_proxy = pytest.mark.parametrize("name", PROXIES)


def _verdicts(told: dict[str, Any]) -> set[str]:
    return {row["verdict"] for row in told["requests"] if row["forged"]}


@each_proxy
def test_what_we_print_for_a_proxy_passes(name: str, deploy: Deploy) -> None:
    boundary = deploy(name)

    status, told = boundary.examine(*boundary.own(), "--direct", f"http://{HOST}:{boundary.behind}")

    assert (status, told["findings"], _verdicts(told)) == (0, [], {"refused"}), told
    assert (told["asked_for_certificate"], told["honest_call_accepted"]) == (True, True)
    # Past the proxy the same headers are refused by name, so they are the ones that the application reads.
    assert [row["reason"] for row in told["requests"] if row["name"] == "direct"] == ["source_untrusted"]


def test_without_an_honest_call_it_is_not_content(deploy: Deploy) -> None:
    status, told = deploy("nginx").examine()

    assert (status, told["findings"], _verdicts(told)) == (2, [], {"refused"}), told
    assert "no honest call was made" in told["conclusion"]


@mostly_slow(
    "mistake", LOCKED, kept=["nginx sends the subject", "haproxy without the verify line", "envoy asks for none"]
)
def test_a_boundary_that_lets_nobody_in_is_found_and_its_line_named(mistake: str, deploy: Deploy) -> None:
    wrong = LOCKED[mistake]
    boundary = deploy(wrong.proxy, locks=mistake)

    status, told = boundary.examine(*(() if wrong.bare else boundary.own()))

    cures = {finding["weakness"]: finding["cure"] for finding in told["findings"]}
    assert status == 1, told
    assert any(wrong.cure in line for line in cures[wrong.weakness]), told
    assert told["asked_for_certificate"] is not wrong.bare


@mostly_slow("name", PROXIES, kept=["envoy"])
def test_it_passes_with_a_genuine_certificate_forged(name: str, deploy: Deploy, pki: PKI) -> None:
    genuine, _ = pki.region.client().write(pki.folder, "genuine")

    boundary = deploy(name)
    status, told = boundary.examine(*boundary.own(), "--certificate", str(genuine))

    assert (status, _verdicts(told)) == (0, {"refused"}), told


def test_the_nginx_of_the_readme_passes(deploy: Deploy) -> None:
    boundary = deploy("nginx", readme="optional")
    status, told = boundary.examine(*boundary.own())

    assert (status, told["findings"], _verdicts(told)) == (0, [], {"refused"}), told


def test_where_nginx_demands_a_certificate_it_says_what_was_not_tried(deploy: Deploy) -> None:
    boundary = deploy("nginx", readme="on")
    status, told = boundary.examine()

    assert (status, _verdicts(told)) == (2, {"refused"})
    assert told["asked_for_certificate"] is True
    assert boundary.examine(*boundary.own())[0] == 0
    assert any("--client-certificate" in note for note in told["notes"])


@mostly_slow("mistake", MISTAKES, kept={one.proxy: name for name, one in MISTAKES.items()}.values())
def test_each_captured_mistake_is_found_and_its_line_named(mistake: str, deploy: Deploy) -> None:
    wrong = MISTAKES[mistake]
    boundary = deploy(wrong.proxy, wrong.change, wrong.http)

    status, told = boundary.examine(*(boundary.own() if wrong.own else []))

    if wrong.closed and tuple(map(int, version_of(PROXIES[wrong.proxy].installed()).split("."))) >= wrong.closed:
        assert (status, told["findings"]) == (0 if wrong.own else 2, []), told  # 2: no honest call was made
        return
    assert status == 1, told
    assert (told["findings"][0]["weakness"], told["findings"][0]["verdict"]) == (wrong.weakness, wrong.verdict), told
    assert any(wrong.cure in line for line in told["findings"][0]["cure"])


def test_the_lines_that_it_names_for_haproxy_are_the_cure(deploy: Deploy) -> None:
    wrong = MISTAKES["haproxy removes hyphens only"]
    _, told = deploy(wrong.proxy, wrong.change).examine()
    *lines, _ = told["findings"][0]["cure"]
    ((right, _),) = wrong.change

    boundary = deploy(wrong.proxy, ((right, "\n    ".join(lines)),))
    status, told = boundary.examine(*boundary.own())

    assert (status, _verdicts(told)) == (0, {"refused"})


@pytest.mark.parametrize("mistake", ["apache drops what callers name in Connection", "apache passes underscores on"])
def test_the_line_that_it_names_for_apache_is_the_cure(mistake: str, deploy: Deploy) -> None:
    wrong = MISTAKES[mistake]
    _, told = deploy(wrong.proxy, wrong.change).examine()
    line = told["findings"][0]["cure"][0]
    right = wrong.change[0][0] if "Connection" in mistake else APACHE_TWINS

    boundary = deploy(wrong.proxy, ((right, line),))
    status, told = boundary.examine(*boundary.own())

    assert (status, _verdicts(told)) == (0, {"refused"})


def test_a_genuine_certificate_that_is_believed_is_let_in(deploy: Deploy, pki: PKI) -> None:
    genuine, _ = pki.region.client().write(pki.folder, "genuine")
    wrong = MISTAKES["nginx location with its own headers, secret among them"]

    status, told = deploy(wrong.proxy, wrong.change).examine("--certificate", str(genuine))

    once = next(row for row in told["requests"] if row["name"] == "once")
    assert (status, once["status"], once["verdict"]) == (1, 200, "believed")


def test_every_source_at_once_finds_the_one_that_is_read(deploy: Deploy) -> None:
    wrong = MISTAKES["nginx location with its own headers, secret among them"]

    status, told = deploy(wrong.proxy, wrong.change).examine("--all-sources")

    assert status == 1
    assert ["nginx"] in [finding["sources"] for finding in told["findings"] if finding["verdict"] == "believed"]


H2 = (("alpn http/1.1", "alpn h2,http/1.1"),)


def test_a_proxy_that_speaks_http2_is_attacked_over_it_too(deploy: Deploy) -> None:
    boundary = deploy("haproxy", H2)
    status, told = boundary.examine(*boundary.own())

    over_http2 = {row["name"]: row for row in told["requests"] if "http-2" in row["name"]}
    own = {name for name in over_http2 if name.startswith("own-")}
    assert (status, {over_http2[name]["reason"] for name in over_http2.keys() - own}) == (0, {"certificate_missing"})
    assert (len(own), len(over_http2)) == (3, 7)


def test_a_mistake_is_found_over_http2_too(deploy: Deploy) -> None:
    wrong = MISTAKES["haproxy sets headers only where there is a certificate"]

    _, told = deploy("haproxy", (*wrong.change, *H2)).examine()

    verdicts = {row["name"]: row["verdict"] for row in told["requests"]}
    assert verdicts["http-2"] == "believed"


def test_past_the_proxy_nobody_is_believed_without_the_secret(deploy: Deploy) -> None:
    boundary = deploy("nginx")

    status, told = boundary.examine(*boundary.own(), "--direct", f"http://{HOST}:{boundary.behind}")

    direct = {row["name"]: row["reason"] for row in told["requests"] if row["name"].startswith("direct")}
    assert status == 0
    assert set(direct.values()) == {"source_untrusted"}


def test_a_source_that_the_application_does_not_read_is_noticed_past_the_proxy(deploy: Deploy) -> None:
    boundary = deploy("nginx")

    status, told = boundary.examine("--source", "traefik", "--direct", f"http://{HOST}:{boundary.behind}")

    assert status == 2
    assert any("compare --source" in row["meaning"] for row in told["requests"])


def test_of_a_path_that_is_not_protected_nothing_can_be_told(deploy: Deploy) -> None:
    boundary = deploy("nginx")

    status, told = boundary.examine(url=f"https://{NAME}:{boundary.port}/health")

    assert status == 2
    assert told["conclusion"].startswith("Nothing can be told: a request without a certificate is not refused")


def test_of_a_server_that_is_down_nothing_can_be_told(deploy: Deploy) -> None:
    status, told = deploy("nginx").examine(url=f"https://{NAME}:{free_port()}/actions")

    assert status == 2
    assert "there is no answer: cannot be reached" in told["conclusion"]


def test_an_application_that_does_not_believe_its_proxy_is_told_so(deploy: Deploy) -> None:
    boundary = deploy("haproxy", (("set-header X-MTLS-Proxy-Secret    ", "set-header X-MTLS-Proxy-Secret wrong-"),))

    status, told = boundary.examine()

    assert status == 2
    assert "does not believe the proxy itself" in told["conclusion"]
