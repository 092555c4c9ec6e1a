"""Data actions wait for up to 60 s: each configuration and each server line lasts as long, as docs/timeouts.md says."""

import re
from pathlib import Path

import hypercorn.config
import pytest
import uvicorn
from gunicorn.config import Keepalive  # type: ignore[import-untyped]  # gunicorn ships no types

from mtls_middleware.cli.serve import PROXY_KEEP_ALIVE
from mtls_middleware.proxy_config import TABLE, Parameters, render

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "timeouts.md").read_text(encoding="utf-8")
SECONDS = 60

BOUNDS = {
    "nginx": r"proxy_read_timeout (\d+)s;",
    "apache": r"ProxyTimeout +(\d+)",
    "haproxy": r"timeout (?:server|client) (\d+)s",
    "envoy": r"route: \{ cluster: application, timeout: (\d+)s \}",
    "kubernetes-envoy-gateway": r"timeouts:\n +request: (\d+)s",
    "kubernetes-nginx": r"read-timeout: (\d+)s",
    "ingress-nginx": r'proxy-read-timeout: "(\d+)"',
    "kong": r"read_timeout: (\d+)000",
    "aws-alb": r"idle_timeout = (\d+)",
    "aws-alb-passthrough": r"idle_timeout = (\d+)",
    "cloudfront": r"origin_read_timeout = (\d+)",
    "gcp": r"timeout_sec = (\d+)",
    "azure-application-gateway": r"requestTimeout: (\d+)",
}
"""Where each configuration says how long it waits for an answer."""

UNBOUNDED = {
    "caddy",
    "traefik",
    "traefik-static",
    "kubernetes-traefik",
    "kubernetes-istio",
    "kubernetes-gateway",
    "cloudflare",
    "azure-app-service",
    "azure-container-apps",
}
"""They wait longer by themselves, and their configuration says nothing about it."""

TOO_SHORT = {"aws-api-gateway"}
"""It cannot wait for so long, and the page says so."""


def test_each_configuration_is_judged() -> None:
    assert {*BOUNDS, *UNBOUNDED, *TOO_SHORT} == set(TABLE)


@pytest.mark.parametrize("name", BOUNDS)
def test_a_configuration_waits_long_enough(name: str) -> None:
    found = re.findall(BOUNDS[name], render(name, Parameters()))

    assert found
    assert min(map(int, found)) >= SECONDS


@pytest.mark.parametrize("name", UNBOUNDED)
def test_where_none_is_needed_there_is_none(name: str) -> None:
    assert "timeout" not in render(name, Parameters()).lower()


@pytest.mark.parametrize("name", TABLE)
def test_the_page_has_a_row_for_each_configuration(name: str) -> None:
    (row,) = [line for line in PAGE.splitlines() if line.startswith("|") and f"`{name}`" in line.split("|")[1]]
    setting = row.split("|")[2].strip()

    assert bool(setting) == (name not in UNBOUNDED)
    assert ("maximum" in row) == (name in {*TOO_SHORT, "cloudfront"})


LINES = [
    line
    for page in ("servers.md", "servers-wsgi.md")
    for line in (DOCS / page).read_text(encoding="utf-8").splitlines()
    if line.startswith(("gunicorn ", "uwsgi "))
]


@pytest.mark.parametrize("line", LINES)
def test_a_server_line_waits_long_enough(line: str) -> None:
    if line.startswith("uwsgi") and "--http" not in line:
        return  # the proxy in front waits for it
    (seconds,) = re.findall(r"--(?:http-)?timeout (\d+)", line)

    assert int(seconds) >= SECONDS


@pytest.mark.parametrize("text", ["uwsgi_read_timeout 65s;", "Timeout               65"])
def test_what_is_in_front_of_a_wsgi_server_waits_long_enough(text: str) -> None:
    assert text in (DOCS / "servers-wsgi.md").read_text(encoding="utf-8")


def test_the_readme_s_nginx_waits_long_enough() -> None:
    (seconds,) = re.findall(BOUNDS["nginx"], (DOCS.parent / "README.md").read_text(encoding="utf-8"))

    assert int(seconds) >= SECONDS


def test_idle_connections_are_kept_as_the_page_says() -> None:
    section = PAGE.partition("## Idle connections")[2]
    rows = re.findall(r"^\| (.+?) \| (?:`[^`]*?(\d+)`)? ?\| (\d+) s \|$", section, re.MULTILINE)
    defaults = {
        "`mtls-middleware serve` behind a proxy": PROXY_KEEP_ALIVE,
        "uvicorn": uvicorn.Config("a:b").timeout_keep_alive,
        "hypercorn": hypercorn.config.Config.keep_alive_timeout,
        "gunicorn, `gthread` and our `ASGIWorker`": Keepalive.default,
    }

    assert {name: int(default) for name, _, default in rows} == defaults
    assert {int(setting) for _, setting, _ in rows if setting} == {PROXY_KEEP_ALIVE}
