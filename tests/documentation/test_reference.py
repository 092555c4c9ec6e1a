"""Pages that are made from the code: up to date, whole, and a check that finds when they are not."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from mtls_middleware import Reason
from mtls_middleware._core.response import refusal
from mtls_middleware.regions import table
from mtls_middleware.settings.keywords import VARIABLES
from tests.documentation import api_page, commands_page, demo_picture, settings_page
from tests.documentation.docstrings import parsed
from tests.documentation.pages import DOCS, page
from tests.documentation.reference import GENERATED, main, stale
from tests.documentation.steps import STEPS
from tests.documentation.tables import table as make_table

SETTINGS = page("docs/reference/settings.md").text

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("name", GENERATED)
def test_what_is_made_from_the_code_is_up_to_date(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == GENERATED[name](), "run python -m tests.documentation.reference"


def test_the_command_writes_what_it_then_finds_up_to_date(tmp_path: Path) -> None:
    assert main(["--folder", str(tmp_path)]) == 0
    assert main(["--folder", str(tmp_path), "--check"]) == 0
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")} == set(GENERATED)


@pytest.mark.parametrize("name", GENERATED)
def test_the_check_finds_a_page_that_was_changed(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--folder", str(tmp_path)])
    (tmp_path / name).write_text("by hand", encoding="utf-8")

    assert main(["--folder", str(tmp_path), "--check"]) == 1
    assert name in capsys.readouterr().out


def test_the_check_finds_a_page_that_is_missing(tmp_path: Path) -> None:
    assert stale(tmp_path) == list(GENERATED)


@pytest.mark.parametrize("name", [name for name in VARIABLES if not name.endswith("_FILE")])
def test_every_variable_has_a_row_that_says_what_it_is(name: str) -> None:
    row, *_ = re.findall(rf"^\| `MTLS_{name}` \| `{name.lower()}` (.*)\|$", SETTINGS, re.MULTILINE)

    assert row.split(" | ")[-1].strip()


def test_no_meaning_is_told_of_a_variable_that_does_not_exist() -> None:
    assert settings_page.MEANINGS.keys() <= VARIABLES.keys()


def test_every_region_has_a_row() -> None:
    assert [
        region for region in table() if f"| `{region.aws_region}` | `{region.domain}` |" not in settings_page.text()
    ] == []


@pytest.mark.parametrize(
    ("name", "demanded"),
    [("MODE", "one of enforce, report"), ("MAX_CHAIN", "a whole number from 1 to 128"), ("TRUST", "")],
)
def test_the_values_are_those_that_a_wrong_one_is_told_of(name: str, demanded: str) -> None:
    assert settings_page.demand(name) == demanded


def test_every_verb_has_a_section_with_its_options() -> None:
    text = commands_page.text()

    for verb in commands_page.verbs():
        section = text.partition(f"\n## {verb.name}\n")[2].partition("\n## ")[0]
        assert [one for one in verb.parameters if one.is_option if one.written.split(" ")[0] not in section] == []
        assert verb.help


@pytest.mark.parametrize("name", [found for verb in commands_page.verbs() for found in verb.parameters])
def test_every_argument_and_option_says_what_it_means(name: commands_page.Parameter) -> None:
    assert name.info.help


def test_every_public_name_is_described() -> None:
    sections = re.split(r"^### ", api_page.text(), flags=re.MULTILINE)[1:]

    assert [section.split("\n")[0] for section in sections if len(section.strip().split("\n")) < 2] == []


def test_what_is_left_out_of_a_class_is_there() -> None:
    from mtls_middleware import Guard  # noqa: PLC0415 - beside its only user

    assert [name for name in api_page.INTERNAL["Guard"] if not hasattr(Guard, name)] == []


def test_the_steps_hold_every_reason_in_the_order_in_which_reasons_are_told() -> None:
    assert [reason for step in STEPS for reason in step.reasons] == list(Reason)


def test_the_steps_are_those_of_the_architecture() -> None:
    section = page("docs/architecture.md").text.partition("\n## The steps of the gate\n")[2].partition("\n## ")[0]
    named = [name for name in re.findall(r"`(\w+)`", section) if name in set(Reason)]

    assert sorted(named, key=lambda name: Reason(name).order) == list(map(str, Reason))


def test_the_picture_can_be_drawn_and_read_aloud() -> None:
    picture = ET.fromstring((DOCS / "decision.svg").read_text(encoding="utf-8"))

    assert picture.get("role") == "img"
    assert picture.find(f"{SVG}title") is not None
    described = picture.find(f"{SVG}desc")
    assert described is not None
    assert [reason for reason in Reason if reason not in (described.text or "")] == []


@pytest.mark.parametrize("reason", Reason)
def test_the_picture_shows_the_status_beside_each_reason(reason: Reason) -> None:
    picture = ET.fromstring((DOCS / "decision.svg").read_text(encoding="utf-8"))
    texts = list(picture.iter(f"{SVG}text"))
    (place,) = [place for place, one in enumerate(texts) if one.text == reason]

    assert texts[place - 1].text == str(refusal(reason, None).status.value)
    assert texts[place - 1].get("y") == texts[place].get("y")


def test_nothing_in_the_picture_is_outside_of_it() -> None:
    picture = ET.fromstring((DOCS / "decision.svg").read_text(encoding="utf-8"))
    width, height = (int(picture.get(side, "0")) for side in ("width", "height"))

    for box in picture.iter(f"{SVG}rect"):
        assert int(box.get("x", "0")) + int(box.get("width", "0")) <= width
        assert int(box.get("y", "0")) + int(box.get("height", "0")) <= height


def test_a_docstring_is_taken_apart() -> None:
    found = parsed(
        """Do ``this``.

        More of it.

        Args:
            one: first,
                and more.
            two: second.

        Raises:
            ValueError: never.
        """
    )

    assert found.summary == "Do `this`.\n\nMore of it."
    assert found.entries("Args") == {"one": "first, and more.", "two": "second."}
    assert found.entries("Raises") == {"ValueError": "never."}


def test_a_bar_in_a_cell_does_not_end_it() -> None:
    assert make_table(("a",), [("x|y",)]).splitlines()[-1] == r"| x\|y |"


def test_the_picture_of_the_demo_shows_what_the_demo_prints() -> None:
    shown = demo_picture.words(demo_picture.PICTURE.read_text(encoding="utf-8"))

    assert shown == demo_picture.words(demo_picture.text()), "run nox -s reference"
    assert "17 of 17 calls ended exactly as they must." in shown
    assert "http://" not in demo_picture.PICTURE.read_text(encoding="utf-8").replace("http://www.w3.org", "")


def test_the_picture_of_the_status_page_follows_the_colour_scheme_and_loads_nothing() -> None:
    picture = ET.fromstring((DOCS / "status-page.svg").read_text(encoding="utf-8"))
    images = picture.findall(f"{SVG}image")

    assert [image.get("class") for image in images] == ["light", "dark"]
    assert {(image.get("href") or "").partition(",")[0] for image in images} == {"data:image/webp;base64"}
