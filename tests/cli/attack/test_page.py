"""The report on a terminal, in a pipe, and for a script."""

import json
from io import StringIO

import pytest
from rich.console import Console

from mtls_middleware import Guard
from mtls_middleware.cli.attack.findings import Report
from mtls_middleware.cli.attack.page import conclusion, facts, show
from mtls_middleware.cli.attack.verdict import hear
from mtls_middleware.cli.wire.answer import Failure, NoAnswer
from mtls_middleware.cli.wire.message import Message
from mtls_middleware.testing import RegionalCA
from tests.cli.attack.deployments import OWN, Deployed, Visited, attack, passing
from tests.cli.attack.test_campaign import MISTAKES

URL = "https://actions.example.com/actions/lookup"


def printed(report: Report, *, url: str = URL, terminal: bool = False, width: int = 100) -> str:
    output = StringIO()
    show(report, url, Console(file=output, force_terminal=terminal, width=width, color_system="standard"))
    return output.getvalue()


def test_a_clean_deployment_ends_with_one_good_line(guard: Guard, region: RegionalCA) -> None:
    report = attack(Visited(guard=guard, client=region.client()), own=OWN)

    good = f"Each of {len(report.attacks)} attacks was refused as it must be, and an honest call was accepted."
    assert " ".join(printed(report).split()).endswith(good)
    rows = [[cell.strip() for cell in line.split("|")[1:4]] for line in printed(report).splitlines()]
    assert ["your certificate, nothing forged", "200", "accepted"] in rows
    assert ["with your certificate: with underscores", "200", "no effect"] in rows
    assert ["with underscores", "403 certificate_missing", "refused"] in rows


def test_what_was_not_tried_is_in_the_last_line(guard: Guard) -> None:
    told = " ".join(printed(attack(Deployed(guard=guard))).split())

    assert told.endswith("lets nobody in refuses everything: give --client-certificate and --client-key.")


@pytest.mark.parametrize(
    ("asked", "told"),
    [(True, "asks for a client"), (False, "asks for no client"), (None, "was not seen")],
)
def test_it_says_whether_a_certificate_was_asked_for(guard: Guard, asked: bool | None, told: str) -> None:
    report = attack(Deployed(guard=guard, asked=asked))

    assert told in printed(report)
    assert facts(report, URL)["asked_for_certificate"] is asked


def test_a_finding_names_what_was_sent_and_the_line_to_write(guard: Guard) -> None:
    told = printed(attack(Deployed(guard=guard, proxy=passing)))

    assert "1. The proxy passes on a caller's own copies of its headers." in told
    assert "   BELIEVED: the forged headers, once; in mixed case;" in told
    assert "\n     proxy_set_header X-SSL-Client-Cert $ssl_client_escaped_cert;\n" in told


def test_a_line_to_write_is_never_wrapped(guard: Guard) -> None:
    told = printed(attack(Deployed(guard=guard, proxy=passing)), terminal=True, width=40)

    assert "proxy_set_header X-SSL-Client-Cert $ssl_client_escaped_cert;" in told


def test_nothing_of_a_terminal_is_in_a_pipe(guard: Guard) -> None:
    told = printed(attack(Deployed(guard=guard, proxy=passing)))

    assert "\x1b" not in told
    assert told.isascii()
    assert [line for line in told.splitlines() if line.endswith(" ")] == []


CONCLUSIONS: dict[str, tuple[str, str]] = {
    "adds its own beside": ("Nothing was believed, but", "attacks got past the proxy."),
    "upgrades everybody": ("2 of", "attacks were believed, 0 more got past the proxy."),
    "refuses chunks": ("Nothing was believed, but ordinary callers are refused: see above.", ""),
}


@pytest.mark.parametrize("mistake", CONCLUSIONS)
def test_the_last_line_says_how_bad_it_is(mistake: str, guard: Guard) -> None:
    begins, ends = CONCLUSIONS[mistake]

    told = conclusion(attack(Deployed(guard=guard, proxy=MISTAKES[mistake][0])))

    assert told.startswith(begins)
    assert told.endswith(ends)


def test_text_of_a_server_is_data_and_no_markup(guard: Guard) -> None:
    hostile = NoAnswer(failure=Failure.HANDSHAKE, detail="[green]ok[/x]\x1b[2J\u202e")

    report = attack(Deployed(guard=guard, proxy=lambda _: hostile))

    assert r"[green]ok[/x]\x1b[2J\u202e" in printed(report, width=200).replace("\n", "")
    assert hear(hostile).words != facts(report, URL)["requests"][0]["failure"]


def test_a_url_is_data_and_no_markup(guard: Guard) -> None:
    report = attack(Deployed(guard=guard))

    assert "https://a.example/[/x]" in printed(report, url="https://a.example/[/x]")


def test_an_interrupt_is_told(guard: Guard) -> None:
    def interrupted(message: Message) -> NoAnswer:
        if message.headers:
            raise KeyboardInterrupt
        return NoAnswer(failure=Failure.DEMANDED)

    assert conclusion(attack(Deployed(guard=guard, proxy=interrupted))) == "Interrupted after 0 attacks."


def test_what_could_not_be_told_is_named(guard: Guard) -> None:
    def silent_once(message: Message) -> NoAnswer:
        return NoAnswer(failure=Failure.TIMEOUT if message.websocket else Failure.DEMANDED)

    told = printed(attack(Deployed(guard=guard, proxy=silent_once)))

    assert "unclear: with an upgrade to WebSocket: no answer in time" in told
    assert told.rstrip().endswith("attacks nothing can be told. The others were refused.")


def test_findings_and_what_remains_untold_are_both_in_the_last_line(guard: Guard) -> None:
    def naive_then_silent(message: Message) -> "NoAnswer | list[tuple[str, str]]":
        if message.version == "1.0" or any("_" in name for name, _ in message.headers):
            return NoAnswer(failure=Failure.TIMEOUT)
        return list(passing(message))

    told = conclusion(attack(Deployed(guard=guard, proxy=naive_then_silent)))

    assert "attacks were believed" in told
    assert told.endswith("Nothing more can be told: there are no responses any more, so the rest was not tried.")


def test_the_facts_for_a_script_are_the_same(guard: Guard) -> None:
    report = attack(Deployed(guard=guard, proxy=passing))

    told = json.loads(json.dumps(facts(report, URL)))

    assert (told["status"], told["sources"], told["conclusion"]) == (1, ["nginx"], conclusion(report))
    assert told["requests"][0] == {
        "name": "bare",
        "title": "no certificate, nothing forged",
        "forged": False,
        "status": 403,
        "reason": "certificate_missing",
        "failure": None,
        "verdict": None,
        "meaning": "the baseline for the comparison",
    }
    assert told["findings"][0]["weakness"] == "copy"
    assert told["findings"][0]["verdict"] == "believed"
    assert "once" in told["findings"][0]["attacks"]
