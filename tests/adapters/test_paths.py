"""Paths, as servers hand them over and as the log tells of them."""

import logging

import pytest

from tests.adapters.cases import Case, http, wsgi
from tests.adapters.site import Site

MOUNTED = Case(
    path="/api/health",
    scope={"root_path": "/api"},
    environ={"SCRIPT_NAME": "/api", "PATH_INFO": "/health", "RAW_URI": "/api/health"},
)


@pytest.mark.parametrize("adapter", [http, wsgi])
@pytest.mark.parametrize(
    ("exempt", "value"), [("/health", "/health,/api/health"), ("/api/health", "/api/health,/health")]
)
def test_the_log_names_the_value_that_exempts_a_path_behind_a_prefix(
    adapter: object, exempt: str, value: str, site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    call = wsgi if adapter is wsgi else http
    with caplog.at_level(logging.WARNING):
        assert call(site.guard(exempt=exempt), MOUNTED).reason == "certificate_missing"

    assert f'detail="MTLS_EXEMPT={value} would exempt this path; ' in caplog.text
    assert call(site.guard(exempt=value), MOUNTED).verdict == "passed"


def test_the_log_names_no_value_for_a_path_that_is_not_exempt(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    assert http(site.guard(exempt="/health"), Case(path="/actions")).reason == "certificate_missing"
    assert "would exempt" not in caplog.text


@pytest.mark.parametrize(
    "environ",
    [
        {"PATH_INFO": "/open\u0131"},
        {"PATH_INFO": "/open\udcff"},
        {"PATH_INFO": "/open\xff"},
        {"PATH_INFO": "/open", "RAW_URI": "/open\u0131"},
        {"PATH_INFO": "/open", "RAW_URI": "/open\xff"},
        {"PATH_INFO": "/open", "SCRIPT_NAME": "/\u0131"},
        {"PATH_INFO": "/open", "SCRIPT_NAME": "/\xff"},
    ],
)
def test_an_environ_whose_path_stands_for_no_bytes_is_protected(environ: dict[str, str], site: Site) -> None:
    """A letter beyond latin-1 became a question mark, which ended the path."""
    guard = site.guard(protect="/actions")

    assert wsgi(guard, Case(path="/open")).verdict == "passed"
    assert wsgi(guard, Case(path="/open", environ=environ)).reason == "certificate_missing"
