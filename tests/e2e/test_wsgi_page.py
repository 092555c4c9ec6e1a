"""The tables of docs/servers-wsgi.md, held against what the end-to-end tests of WSGI servers run."""

import re

import pytest

from mtls_middleware._core.sources.presets import PRESETS
from tests.e2e.test_wsgi_sizes import HEADER_OPTIONS
from tests.e2e.test_wsgi_twins import PLAIN
from tests.e2e.wsgi_programs import PAGE
from tests.e2e.wsgi_servers import OVER_TLS

TEXT = PAGE.read_text(encoding="utf-8")


def rows(first_cell_of_heading: str, *second_cells: str) -> list[list[str]]:
    """Return the rows of the table with this heading."""
    heading = rf"^\| {re.escape(first_cell_of_heading)} \| {'.*'.join(map(re.escape, second_cells))}.*\|\n\|[-|]+\|\n"
    found = re.search(heading + r"((?:\|.*\|\n)+)", TEXT, re.MULTILINE)
    assert found is not None
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in found[1].splitlines()]


TLS_ROWS = {
    "`mtls-middleware serve`": ["serve"],
    "gunicorn: `sync`, `gthread`": ["gunicorn, sync", "gunicorn, gthread"],
    "gunicorn: `gevent`": ["gunicorn, gevent"],
    "werkzeug": ["werkzeug"],
    "cheroot (CherryPy) with our adapter": ["cheroot"],
    "cheroot with its own adapter": ["cheroot, its own adapter"],
    "Apache with mod_wsgi": ["mod_wsgi"],
    "uWSGI, `--https`": ["uWSGI, https"],
    "nginx, in front of uWSGI": ["nginx, uWSGI"],
    "uvicorn, with a2wsgi": ["a2wsgi on uvicorn"],
}
"""The servers of each row of the first table."""


def test_the_page_names_every_server_that_is_run() -> None:
    assert {row[0] for row in rows("server", "where")} == set(TLS_ROWS)
    assert {name for names in TLS_ROWS.values() for name in names} == set(OVER_TLS)


@pytest.mark.parametrize("row", rows("server", "where"), ids=lambda row: row[0])
def test_the_page_says_what_each_server_was_seen_to_do(row: list[str]) -> None:
    words: dict[object, str] = {True: "yes", False: "no", ("TLS 1.2", "TLS 1.3"): "yes", (): "no"}
    for name in TLS_ROWS[row[0]]:
        resumes = OVER_TLS[name].resumes
        assert row[2:] == [words[OVER_TLS[name].intermediates], words.get(resumes, f"{' '.join(resumes)} only")]


@pytest.mark.parametrize("name", PLAIN)
def test_the_page_says_which_server_is_believed(name: str) -> None:
    words = {True: "believed", False: "refused"}
    mine = re.split(r"[, ]", name.removesuffix(" on uvicorn"))[0]

    found = [row[1:] for row in rows("server", "without a marker", "with a marker") if mine.lower() in row[0].lower()]

    assert found == [[words[PLAIN[name].without_marker], words[PLAIN[name].with_marker]]]


def test_the_page_names_the_sources_with_a_marker() -> None:
    (named,) = re.findall(r"the sources (`.*?) have one", TEXT, re.DOTALL)

    assert set(re.findall(r"`(.*?)`", named)) == {name for name, names in PRESETS.items() if names.has_marker}


def test_the_page_says_what_long_chains_need() -> None:
    documented = dict(rows("server", "set"))

    for name, options in HEADER_OPTIONS.items():
        server, _, kind = name.partition(", ")
        row = f"uWSGI, `--{kind}`" if server == "uWSGI" else server
        assert documented[row] == f"`{' '.join(options)}`"
