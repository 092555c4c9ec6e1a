"""The threat model: each threat has a defence, and names a test that there is."""

import re

import pytest

from tests.documentation.pages import DOCS, page

TEXT = page("docs/threat-model.md").text
THREATS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in TEXT.partition("\n## Threats")[2].partition("\n## ")[0].splitlines()
    if line.startswith("| ") and "---" not in line
][1:]


def test_there_are_threats() -> None:
    assert len(THREATS) > 20


@pytest.mark.parametrize(("threat", "defence", "shown"), THREATS)
def test_each_threat_names_a_defence_and_a_test_that_there_is(threat: str, defence: str, shown: str) -> None:
    evidence = re.findall(r"\[test_\w+\]\((\.\./tests/[\w/]+\.py)\)(?: `(test_\w+)`)?", shown)

    assert threat
    assert defence
    assert evidence
    for path, test in evidence:
        assert f"def {test or 'test_'}" in (DOCS / path).read_text(encoding="utf-8")


@pytest.mark.parametrize("said", ["**the region**", "which organisation", "**your organisation**"])
def test_it_is_said_plainly_what_is_proved_and_what_is_not(said: str) -> None:
    assert said in TEXT
