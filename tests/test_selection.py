"""What the test command leaves out: never all tests of a module, of a server or of a proxy."""

from collections.abc import Sequence

import pytest

from tests.e2e.matrix import cells_of


def modules_and_rows(items: Sequence[pytest.Item]) -> set[tuple[str, ...]]:
    """Return the modules of tests, and the rows of docs/matrix.md that they speak for."""
    rows = {(cell["table"], cell["row"]) for item in items for cell in cells_of(item)}
    return {(item.location[0],) for item in items} | rows


LEFT_OUT = {
    "tests/containers/test_runs.py": "an image is built, and its containers run; test_files.py reads their files",
    "tests/e2e/test_failures.py": "more of them break in turn, for minutes; tests/status_page reads the same states",
    "tests/e2e/test_fleet.py": "twenty processes share an engine; tests/io has each of its promises with few",
    "tests/e2e/test_logging_docs.py": "gunicorn runs with the file of docs/logging.md",
    "tests/e2e/test_patience.py": "an answer after 32 s, longer than the proxies' own limits",
    "tests/e2e/test_prometheus.py": "a real Prometheus scrapes several workers; tests/observing reads the same text",
    "tests/e2e/test_serve_options.py": "servers start again while their code changes; tests/cli has each option",
    "tests/e2e/test_status_failures.py": "several servers with several workers break in turn, for a minute",
    "tests/io/test_board_processes.py": "twenty processes publish; test_engine_board.py draws the same in one process",
    "tests/io/test_engine_topologies.py": "several engines fail over; the client does not know how many there are",
}
"""Modules that only CI runs, and why."""

REPEATED = "chunked "
"""How the tables begin that list the same servers once more."""


@pytest.mark.slow
def test_no_module_server_or_proxy_is_left_out_as_a_whole(request: pytest.FixtureRequest) -> None:
    if request.config.option.markexpr or request.config.option.keyword:
        pytest.skip('it looks at all tests: -m ""')
    everything = request.session.items
    usual = [item for item in everything if item.get_closest_marker("slow") is None]
    alone = [item for item in everything if item.location[0] == request.node.location[0]]

    missing = modules_and_rows(everything) - modules_and_rows(usual) - modules_and_rows(alone)

    assert {one for one in missing if not one[0].startswith(REPEATED)} == {(name,) for name in LEFT_OUT}
    assert [row for row in modules_and_rows(usual) if row[0].startswith(REPEATED)]
