"""The places where a preset, its capture, a setting and a reason must be written: CONTRIBUTING.md has the steps.

Run this module first when you add one. It takes a second, and lists every place that is still missing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from mtls_middleware import Reason
from mtls_middleware._core.sources.presets import PRESETS
from mtls_middleware.proxy_config import TABLE
from mtls_middleware.settings.keywords import VARIABLES
from tests.documentation.settings_page import MEANINGS

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A file, or a folder, that must name a new thing.

    Attributes:
        file: its path; the name may stand in any Python file of a folder.
        form: how it is written there: ``{name}`` as the code has it, ``{lower}`` and ``{upper}``.
        add: what belongs there.
    """

    file: str
    form: str
    add: str

    def names(self, name: str) -> bool:
        path = ROOT / self.file
        files = path.rglob("*.py") if path.is_dir() else (path,)
        form = self.form.format(name=name, lower=name.lower(), upper=name.upper())
        return any(form in file.read_text(encoding="utf-8") for file in files)


PRESET = (
    Place(file="mtls_middleware/_core/sources/presets.py", form='"{name}": ', add="its headers, in PRESETS"),
    Place(file="tests/core/sources/test_presets.py", form='"{name}": (', add="its headers once more, in CONTRACT"),
    Place(file="docs/settings.md", form="`{name}`", add="its name, in the row MTLS_SOURCE"),
)

CONFIGURATION = (
    Place(file="mtls_middleware/proxy_config/table.py", form='"{name}": ', add="its template, in TABLE"),
    Place(file="docs/platforms.md", form="`{name}`", add="a row: what the configuration does"),
)

RUN_CONFIGURATION = (
    CONFIGURATION[0],
    Place(file="docs/proxies.md", form="| `{name}`", add="a row: what the configuration does"),
    Place(file="tests/e2e/proxies.py", form='"{name}": Proxy(', add="how it is started, in PROXIES"),
)

SETTING = (
    Place(file="mtls_middleware/settings/keywords.py", form="    {lower}: ", add="the keyword, type and default"),
    Place(file="tests/settings", form="{upper}", add="good values in test_good.py, bad ones in test_bad.py"),
    Place(file="docs/settings.md", form="`MTLS_{upper}`", add="a row: default and meaning"),
)

ATTRIBUTE = Place(
    file="mtls_middleware/settings/model.py",
    form="        {lower}: ",
    add="its attribute, and what it means",
)
"""Of a setting that has no entry in `MEANINGS` of tests/documentation/settings_page.py."""

REASON = (
    Place(file="mtls_middleware/_core/decision.py", form='"{lower}"', add="its name, at its place in the order"),
    Place(file="mtls_middleware/_core", form="Reason.{upper}", add="the step that raises it"),
    Place(file="mtls_middleware/advice.py", form="Reason.{upper}", add="what happened, and what to do"),
    Place(file="mtls_middleware/testing/callers.py", form="Reason.{upper}", add="a caller who gets it, in RECIPES"),
    Place(file="tests/core/test_response.py", form='"{lower}": (', add="its status, in STATUS"),
    Place(file="tests/documentation/steps.py", form="Reason.{upper}", add="the step of the picture that it belongs to"),
    Place(file="docs/architecture.md", form="`{lower}`", add="its name, in the table of the gate's steps"),
    Place(file="docs/operations.md", form="\n### {lower}\n", add="an entry for whoever is paged"),
    Place(file="docs/testing.md", form="\n| `{lower}` |", add="a row: a caller that gets it"),
)

CERTIFICATE_REASON = (
    *REASON,
    Place(
        file="mtls_middleware/cli/explain/steps.py",
        form="Reason.{upper}",
        add="the question of explain that it answers, in QUESTIONS",
    ),
)

OTHER_REASONS = frozenset(
    {
        Reason.SOURCE_UNTRUSTED,
        Reason.PROXY_VERIFICATION_FAILED,
        Reason.ORGANIZATION_MISMATCH,
        Reason.CALLER_SECRET_MISMATCH,
        Reason.INTERNAL_ERROR,
    }
)
"""Reasons that no certificate can have, so that ``explain`` has no question for them."""

CAPTURE = (Place(file="tests/vectors/README.md", form="`{name}.jsonl`", add="a row: the version, or what it imitates"),)


def holds_everywhere(places: Sequence[Place], name: str) -> None:
    found = missing(places, name)
    assert not found, "\n".join([f"{name} is not yet written in", *found])


def missing(places: Sequence[Place], name: str) -> list[str]:
    return [f"{place.file}: {place.add}" for place in places if not place.names(name)]


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_everywhere(name: str) -> None:
    holds_everywhere(PRESET, name)


@pytest.mark.parametrize("name", [name for name, template in TABLE.items() if template.part_of is None])
def test_a_configuration_is_everywhere(name: str) -> None:
    holds_everywhere(RUN_CONFIGURATION if TABLE[name].run else CONFIGURATION, name)


@pytest.mark.parametrize("name", [name for name in VARIABLES if not name.endswith("_FILE")])
def test_a_setting_is_everywhere(name: str) -> None:
    holds_everywhere(SETTING if name in MEANINGS else (*SETTING, ATTRIBUTE), name)


@pytest.mark.parametrize("reason", Reason)
def test_a_reason_is_everywhere(reason: Reason) -> None:
    places = REASON if reason in OTHER_REASONS else CERTIFICATE_REASON
    without_caller = [place for place in places if place.file != "docs/testing.md"]
    holds_everywhere(without_caller if reason is Reason.INTERNAL_ERROR else places, reason)


@pytest.mark.parametrize("path", sorted((ROOT / "tests/vectors/proxies").glob("*.jsonl")), ids=lambda path: path.stem)
def test_a_capture_is_listed(path: Path) -> None:
    holds_everywhere(CAPTURE, path.stem)


ALL: dict[str, Sequence[Place]] = {
    "preset": PRESET,
    "configuration": CONFIGURATION,
    "configuration that is run": RUN_CONFIGURATION,
    "setting": (*SETTING, ATTRIBUTE),
    "reason": CERTIFICATE_REASON,
    "capture": CAPTURE,
}


@pytest.mark.parametrize("places", ALL.values(), ids=ALL)
def test_each_place_notices_that_it_is_missing(places: Sequence[Place]) -> None:
    assert len(missing(places, "made-up")) == len(places)


def test_contributors_are_told_of_each_place() -> None:
    told = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    files = sorted({place.file for places in ALL.values() for place in places})

    assert [file for file in files if not any(f"{file}{end}" in told for end in ("`", "/`", ")"))] == []
