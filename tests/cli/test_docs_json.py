"""docs/reference/json.md, held against what the commands print: each field is there, documented, and of that type."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from mtls_middleware import Guard
from mtls_middleware.cli.attack.page import facts as attack_facts
from mtls_middleware.cli.call.call import facts as call_facts
from mtls_middleware.cli.call.conclusions import meaning_of
from mtls_middleware.cli.demo.demo import run_demo
from mtls_middleware.cli.page import print_json
from mtls_middleware.cli.wire.answer import Failure, NoAnswer
from mtls_middleware.cli.wire.exchange import Exchange
from mtls_middleware.status_page.document import as_json
from mtls_middleware.status_page.view import View, view_of
from mtls_middleware.testing import RegionalCA
from tests.cli.attack.deployments import Deployed, attack, passing
from tests.cli.test_call import answered, over_tls
from tests.cli.test_trust import DIGICERT
from tests.cli.trusting import Region
from tests.documentation.commands_page import verbs
from tests.status_page import scenes
from tests.status_page.scenes import ACCEPTED, STRANGER
from tests.status_page.test_document import REFUSAL

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "json.md").read_text(encoding="utf-8")

KINDS: Mapping[str, type | tuple[type, ...]] = {
    "text": str,
    "number": (int, float),
    "true": bool,
    "false": bool,
    "object": dict,
    "null": type(None),
}

EMPTY = object()
"""In place of what an empty list holds."""

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)")


def section(name: str) -> dict[str, tuple[str, ...]]:
    """Return each field that a section documents, with its types."""
    (text,) = re.findall(rf"^## {re.escape(name)}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    rows = re.findall(r"^\| `(.+?)` \| (.+?) \|", text, re.MULTILINE)
    return {field: tuple(types.split(" or ")) for field, types in rows}


def paths(value: Any, documented: Mapping[str, tuple[str, ...]], path: str = "") -> Iterator[tuple[str, Any]]:
    """Return each leaf with its path; a field that is documented as an object of its own is one, too."""
    if isinstance(value, list):
        if not value and f"{path}[]" in documented:
            yield f"{path}[]", EMPTY
        for one in value:
            yield from paths(one, documented, f"{path}[]")
        return
    if path in documented or not isinstance(value, dict):
        yield path, value
    if isinstance(value, dict) and (path not in documented or any(name.startswith(f"{path}.") for name in documented)):
        for name, one in value.items():
            yield from paths(one, documented, f"{path}.{name}" if path else name)


def is_of(value: Any, types: tuple[str, ...]) -> bool:
    if value is EMPTY:
        return True
    if "time" in types and isinstance(value, str):
        return TIME.fullmatch(value) is not None
    kinds = [KINDS[one] for one in types if one != "time"]
    return any(isinstance(value, kind) and (kind is bool or not isinstance(value, bool)) for kind in kinds)


def holds(name: str, *samples: Mapping[str, Any], documented: Mapping[str, tuple[str, ...]] | None = None) -> None:
    documented = documented or section(name)
    seen = [pair for sample in samples for pair in paths(sample, documented)]

    assert {path for path, _ in seen} == set(documented)
    assert [(path, value) for path, value in seen if not is_of(value, documented[path])] == []


@pytest.fixture
def here(tmp_path: Path) -> Region:
    return Region(tmp_path)


def printed(region: Region, *arguments: str, **more: str) -> Any:
    return json.loads(region.run(*arguments, "--json", **more).stdout)


def test_each_command_with_json_has_a_section() -> None:
    with_json = {verb.name for verb in verbs() if any(one.written == "--json" for one in verb.parameters)}

    assert {*re.findall(r"^## (.+)$", PAGE, re.MULTILINE)} == {*with_json, "doctor --url"}


def test_demo(capsys: pytest.CaptureFixture[str]) -> None:
    run_demo(as_json=True)

    holds("demo", json.loads(capsys.readouterr().out))


def test_doctor(here: Region) -> None:
    holds("doctor", printed(here, "doctor", "--offline"))


def through_print_json(value: Mapping[str, object], capsys: pytest.CaptureFixture[str]) -> Any:
    print_json(value)
    return json.loads(capsys.readouterr().out)


def test_doctor_url(guard: Guard, capsys: pytest.CaptureFixture[str]) -> None:
    believed = attack(Deployed(guard=guard, proxy=passing))
    silent = attack(Deployed(guard=guard, proxy=lambda _: NoAnswer(failure=Failure.TIMEOUT)))

    holds(
        "doctor --url",
        *(through_print_json(attack_facts(report, "https://x.example"), capsys) for report in (believed, silent)),
    )


def test_regions(here: Region) -> None:
    holds("regions", printed(here, "regions"))
    holds("regions", printed(here, "regions", "eu-west-1"))


def test_explain(here: Region, tmp_path: Path) -> None:
    garbage = tmp_path / "header"
    garbage.write_text("nonsense")
    custom = here.ca.client(names=["x.example", "spiffe://x.example/a"])

    holds(
        "explain",
        printed(here, "explain", here.pem(here.ca.client())),
        printed(here, "explain", here.pem(RegionalCA("eu-west-1").client())),
        printed(here, "explain", here.pem(custom)),
        printed(here, "explain", str(garbage), "--header", "nginx"),
    )


def test_call(capsys: pytest.CaptureFixture[str]) -> None:
    exchanges = [
        Exchange(),
        Exchange(tls=over_tls(alpn="http/1.1"), answer=answered(), address="192.0.2.1", seconds={"DNS": 0.1}),
        Exchange(tls=over_tls(server=None, asked=None), answer=answered(403, b"\xff")),
    ]

    holds(
        "call",
        *(
            through_print_json(call_facts("https://x.example", "none", "c-1", seen, meaning_of(seen), ["a"]), capsys)
            for seen in exchanges
        ),
    )


def test_trust(here: Region, tmp_path: Path) -> None:
    here.revoke(here.ca.client())
    pinned = Region(tmp_path)
    del pinned.environ["MTLS_TRUST"]
    shown, refreshed = section("trust show"), section("trust refresh")
    of_refresh = {name: types for name, types in shown.items() if not name.startswith("processes.")} | refreshed

    holds("trust show", printed(here, "trust", "show"), printed(pinned, "trust", "show", **DIGICERT))
    holds(
        "trust refresh",
        printed(here, "trust", "refresh"),
        printed(pinned, "trust", "refresh", **DIGICERT, MTLS_REVOCATION="off"),
        documented=of_refresh,
    )


def test_status(here: Region, tmp_path: Path) -> None:
    """Its fields are those of `View`, and what is in them may grow: the page names the most important."""
    documented = section("status")
    here.revoke(here.ca.client())
    pinned = Region(tmp_path)
    del pinned.environ["MTLS_TRUST"]
    status = scenes.loaded(tmp_path).status()
    fleet = scenes.counted(
        {ACCEPTED: 40, STRANGER: 2},
        scenes.worker(status),
        since=scenes.NOW,
        handshakes={"issuer_untrusted": 7},
        last_by_reason={"accepted": scenes.NOW},
        last_refused=REFUSAL,
    )
    samples = [
        json.loads(as_json(view_of(status, fleet, scenes.NOW))),
        printed(here, "status"),
        printed(pinned, "status", **DIGICERT),
    ]
    seen = [pair for sample in samples for pair in paths(sample, documented)]

    assert {re.split(r"[.\[]", name)[0] for name in documented} == {"version", *(one.name for one in fields(View))}
    assert set(documented) - {path for path, _ in seen} == set()
    assert [(path, value) for path, value in seen if path in documented and not is_of(value, documented[path])] == []
