"""DigiCert mode in the next years: rotations, new chains, an API that lists nothing, and what an operator is told."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from mtls_middleware import Guard
from mtls_middleware import composition as composed
from mtls_middleware._io.http import FailureKind, HTTPFailure
from mtls_middleware._trust import refresher
from mtls_middleware._trust.gathering import WITHOUT_PIN
from mtls_middleware.observing.events import CallRejected, Notice, Severity, TrustReplaced
from mtls_middleware.observing.status import TrustState
from mtls_middleware.status_page.steps import NextStep, Urgency
from mtls_middleware.status_page.view import view_of
from mtls_middleware.testing import APIAnswer, ClientCertificate, GenesysAPI, KeyKind, RegionalCA
from tests.adapters.cases import call
from tests.adapters.site import DAY, NOW, Site, over_tls
from tests.trust.sessions import api_client

SECOND = timedelta(seconds=1)
ROOT = RegionalCA("DigiCert root", now=NOW)
INTERMEDIATE = ROOT.intermediate("DigiCert intermediate")
NEW_ROOT = RegionalCA("DigiCert next root", now=NOW)
ENDS = NOW + 80 * DAY
"""Of the current certificate: the next one is listed, and a warning is due."""


def client(ca: RegionalCA = INTERMEDIATE, *, begins: datetime = NOW - DAY, ends: datetime = ENDS) -> ClientCertificate:
    return ca.client(not_before=begins, not_after=ends)


def upcoming(ca: RegionalCA = INTERMEDIATE) -> ClientCertificate:
    return client(ca, begins=NOW + 10 * DAY, ends=NOW + 400 * DAY)


@dataclass
class Deployment:
    """A guard in DigiCert mode, with or without credentials, its API, and what it says."""

    site: Site
    api: GenesysAPI
    pins: list[ClientCertificate] = field(default_factory=list)

    def start(self, *, credentials: bool = True, **more: str) -> Guard:
        ROOT.write(self.site.folder / "digicert.pem")
        environ = {"MTLS_AUTHORITIES": "digicert", "MTLS_TRUST": f"digicert={self.site.folder / 'digicert.pem'}"}
        if credentials:
            environ["MTLS_GENESYS_CLIENT_ID"] = self.api.client_id
            environ["MTLS_GENESYS_CLIENT_SECRET"] = self.api.client_secret
        if self.pins:
            (self.site.folder / "pins").mkdir(exist_ok=True)
            for number, one in enumerate(self.pins):
                (self.site.folder / "pins" / f"{number}.pem").write_text(one.chain_pem, encoding="ascii")
            environ["MTLS_PINS"] = str(self.site.folder / "pins")
        guard = self.site.guard(environ, **more)
        guard._view.reporting._clock = self.site.clock
        guard.report_itself()
        if credentials:
            guard.refresh()
        return guard

    def listed(self, current: ClientCertificate | None, *others: ClientCertificate) -> None:
        self.api.clear()
        if current is not None:
            self.api.add(current)
        for other in others:
            self.api.add(other, status="Upcoming")

    def go_down(self) -> None:
        self.api.answer_next(*[HTTPFailure(FailureKind.UNREACHABLE, "down")] * 50)

    @property
    def notices(self) -> list[str]:
        return [event.text for event in self.site.hearing.events if isinstance(event, Notice)]

    @property
    def warnings(self) -> list[str]:
        replaced = [event for event in self.site.hearing.events if isinstance(event, TrustReplaced)]
        return [warning for event in replaced for warning in event.warnings]

    def steps(self, guard: Guard) -> tuple[NextStep, ...]:
        return view_of(guard.status(), guard.fleet(), self.site.clock.now).steps


@pytest.fixture
def deployment(site: Site, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    api = GenesysAPI(clock=site.clock)
    monkeypatch.setattr(composed, "CertificatesAPI", api_client(api))
    monkeypatch.setattr(refresher, "_run", lambda _, stop, wait: wait(stop, 600))
    return Deployment(site, api)


def verdict(guard: Guard, client: ClientCertificate) -> str:
    return call(guard, over_tls(client)).verdict


def pin_expiry(guard: Guard) -> str:
    return next((one.text for one in guard.status().coming if one.kind == "pin"), "")


# --- pins that can never pass --------------------------------------------------------------------------------------

EXPIRED_ISSUER = ROOT.intermediate("Old intermediate", not_after=NOW + 5 * DAY)
BEGINS, LATER = NOW + 10 * DAY, NOW + 400 * DAY
FLAWED: Mapping[str, tuple[Callable[[], ClientCertificate], str]] = {
    "of another root": (lambda: upcoming(NEW_ROOT.intermediate("Next intermediate")), "which is not trusted"),
    "for servers": (
        lambda: INTERMEDIATE.client(server_only=True, not_before=BEGINS, not_after=LATER),
        "its extended key usage lacks clientAuth",
    ),
    "of an issuer that expires before": (lambda: upcoming(EXPIRED_ISSUER), "its issuer CN=Old intermediate"),
    "of a weak key": (
        lambda: INTERMEDIATE.client(key=KeyKind.RSA1024, not_before=BEGINS, not_after=LATER),
        "it has a weak or unusual key",
    ),
}


@pytest.mark.parametrize("by_api", [True, False], ids=["API", "files"])
@pytest.mark.parametrize(("make", "why"), FLAWED.values(), ids=FLAWED)
def test_a_pin_that_can_never_pass_is_reported_and_makes_nothing_last_longer(
    deployment: Deployment, make: Callable[[], ClientCertificate], why: str, by_api: bool
) -> None:
    current, flawed = client(), make()
    if by_api:
        deployment.listed(current, flawed)
    else:
        deployment.pins = [current, flawed]
    guard = deployment.start(credentials=by_api)

    (warning,) = [text for text in deployment.warnings if "can pass with this pin" in text]
    assert why in warning
    assert warning in guard.status().warnings
    assert any("can pass with this pin" in step.matter for step in deployment.steps(guard))
    assert "pin of us-east-1 expires in 80 days" in pin_expiry(guard)
    assert any("expires in 80 days" in text for text in deployment.notices)
    assert verdict(guard, current) == "accepted"


def test_of_a_leaf_whose_issuer_is_not_known_nothing_is_said(deployment: Deployment) -> None:
    """The caller brings its intermediates."""
    alone = NEW_ROOT.client(not_before=NOW - DAY, not_after=NOW + 400 * DAY)
    deployment.listed(alone)
    guard = deployment.start()

    assert not [text for text in deployment.warnings if "can pass with this pin" in text]
    assert guard.status().life is TrustState.FRESH


def test_where_no_pin_can_pass_the_status_says_so_and_the_gate_still_judges(deployment: Deployment) -> None:
    """What is known of a chain may be less than what the caller brings: a status may be wrong, a refusal may not."""
    leaf = RegionalCA.client(EXPIRED_ISSUER, not_before=NOW - DAY, not_after=NOW + 400 * DAY)
    deployment.listed(leaf)
    guard = deployment.start()
    assert (guard.status().life, verdict(guard, leaf)) == (TrustState.FRESH, "accepted")
    deployment.site.clock.now = NOW + 6 * DAY
    guard.refresh()
    new_issuer = EXPIRED_ISSUER.renewed(same_key=True, not_before=NOW + 5 * DAY, not_after=NOW + 400 * DAY)
    brings_it = ClientCertificate(
        certificate=leaf.certificate, private_key=leaf.private_key, chain=(new_issuer.certificate,)
    )

    assert guard.status().life is TrustState.EXPIRED
    assert (verdict(guard, leaf), verdict(guard, brings_it)) == ("issuer_untrusted", "accepted")


def test_a_pin_ends_with_the_first_certificate_of_its_chain(deployment: Deployment) -> None:
    issuer = ROOT.intermediate("Short intermediate", not_after=NOW + 60 * DAY)
    deployment.listed(client(issuer, ends=NOW + 300 * DAY))
    guard = deployment.start()

    assert "expires in 60 days" in pin_expiry(guard)


def test_a_bare_fingerprint_has_the_life_that_the_api_knows(deployment: Deployment) -> None:
    current = client()
    deployment.listed(current)
    guard = deployment.start(pins=current.fingerprint_sha256)

    assert "expires in 80 days" in pin_expiry(guard)
    assert guard.status().regions[0].pins[0].origin == f"MTLS_PINS {current.fingerprint_sha256}"


# --- the API lists nothing that could be pinned --------------------------------------------------------------------


@pytest.mark.parametrize("before", [True, False], ids=["any more", "at all"])
def test_an_api_that_lists_no_digicert_certificate_is_reported_until_it_does(
    deployment: Deployment, before: bool
) -> None:
    current = client()
    deployment.listed(current if before else None)
    guard = deployment.start()
    deployment.api.clear()
    deployment.api.add(RegionalCA("us-east-1", now=NOW).client(), authority="Genesys")
    guard.refresh()
    deployment.site.clock.now += 2 * DAY
    guard.refresh()
    (warning,) = [text for text in guard.status().warnings if "lists no DigiCert certificate" in text]

    assert "of us-east-1 lists no DigiCert certificate since 2026-11-23" in warning
    assert "MTLS_AUTHORITIES=genesys,digicert with US-East-1.zip" in warning
    assert warning in deployment.warnings
    assert any(
        step.urgency is Urgency.WARNING and "lists no DigiCert" in step.matter for step in deployment.steps(guard)
    )
    assert verdict(guard, current) == ("accepted" if before else "trust_unavailable")
    deployment.listed(current)
    guard.refresh()
    assert not [text for text in guard.status().warnings if "lists no DigiCert" in text]


@pytest.mark.parametrize("spoiled", [APIAnswer.json({}, status=503), HTTPFailure(FailureKind.TIMEOUT, "late")])
def test_an_answer_that_is_not_complete_tells_nothing_of_that(
    deployment: Deployment, spoiled: APIAnswer | Exception
) -> None:
    deployment.listed(client())
    guard = deployment.start()
    deployment.api.clear()
    deployment.api.answer_next(None, spoiled)
    guard.refresh()

    assert not [text for text in guard.status().warnings if "lists no DigiCert" in text]


def test_it_survives_a_restart_and_reaches_other_workers(deployment: Deployment) -> None:
    state = str(deployment.site.folder / "state")
    deployment.listed(None)
    deployment.start(state=state)
    deployment.go_down()
    again = deployment.start(state=state)

    assert [text for text in again.status().warnings if "lists no DigiCert" in text]


def test_without_digicert_mode_nobody_misses_its_certificates(deployment: Deployment) -> None:
    guard = deployment.site.guard(
        {"MTLS_GENESYS_CLIENT_ID": deployment.api.client_id, "MTLS_GENESYS_CLIENT_SECRET": deployment.api.client_secret}
    )
    guard.refresh()

    assert guard.status().warnings == ()


# --- while nothing is pinned ---------------------------------------------------------------------------------------


def asked(deployment: Deployment) -> int:
    return sum("certificates" in one.path for one in deployment.api.calls)


@pytest.mark.parametrize("fails", [False, True], ids=["lists nothing", "fails"])
def test_while_no_pin_is_valid_the_api_is_asked_every_minute(deployment: Deployment, fails: bool) -> None:
    guard = deployment.start()
    if fails:
        for _ in range(12):  # by now it would be asked once an hour
            deployment.go_down()
            guard.refresh()
            deployment.api.answer_next()
        deployment.api._next.clear()
    clock = deployment.site.clock
    assert not guard._trust.has_changed()
    clock.now += WITHOUT_PIN - SECOND
    early = guard._trust.has_changed()
    clock.now += SECOND
    current = client()
    deployment.listed(current)
    due = guard._trust.has_changed()
    guard._trust._refresher.refresh_now()

    assert (WITHOUT_PIN, early, due) == (timedelta(minutes=1), False, True)
    assert verdict(guard, current) == "accepted"
    clock.now += 10 * WITHOUT_PIN
    assert not guard._trust.has_changed()


def test_so_it_is_when_the_last_pin_ends(deployment: Deployment) -> None:
    deployment.listed(client(ends=NOW + timedelta(minutes=10)))
    guard = deployment.start()
    deployment.site.clock.now += timedelta(minutes=9)
    before = guard._trust.has_changed()
    deployment.site.clock.now += timedelta(minutes=2)

    assert (before, guard._trust.has_changed()) == (False, True)


def test_an_api_that_wants_to_be_left_alone_is(deployment: Deployment) -> None:
    deployment.api.answer_next(None, APIAnswer.json({}, status=429, retry_after="600"))
    guard = deployment.start()
    before = asked(deployment)
    deployment.site.clock.now += timedelta(minutes=9)
    assert not guard._trust.has_changed()
    deployment.site.clock.now += timedelta(minutes=2)

    assert guard._trust.has_changed()
    assert asked(deployment) == before


# --- what an operator reads ----------------------------------------------------------------------------------------


def refusal(deployment: Deployment) -> str:
    found = [event.rejected.detail for event in deployment.site.hearing.events if isinstance(event, CallRejected)]
    return found[-1]


def test_where_nothing_is_valid_the_refusal_names_what_there_was(deployment: Deployment) -> None:
    guard = deployment.start()
    current = client()
    verdict(guard, current)
    before = refusal(deployment)
    deployment.listed(current)
    guard.refresh()
    deployment.site.clock.now = ENDS + DAY
    verdict(guard, current)

    assert before == "nothing of what is trusted is valid now: no client certificate is pinned yet"
    assert "the pin from certificates API of us-east-1, current: " in refusal(deployment)
    assert f"to {ENDS} only" in refusal(deployment)


@pytest.mark.parametrize(
    ("credentials", "said", "unsaid"),
    [(True, "the next one is pinned by itself", "MTLS_PINS"), (False, "to MTLS_PINS", "by itself")],
)
def test_a_warning_of_an_expiry_knows_whether_there_are_credentials(
    deployment: Deployment, credentials: bool, said: str, unsaid: str
) -> None:
    current = client()
    deployment.pins = [] if credentials else [current]
    deployment.listed(current)
    guard = deployment.start(credentials=credentials)

    assert said in pin_expiry(guard)
    assert unsaid not in pin_expiry(guard)
    verdict(guard, client())
    (step,) = [step for step in deployment.steps(guard) if step.urgency is Urgency.REFUSALS]
    assert ("what the API lists" in step.cure or "what it lists" in step.cure) is credentials
    assert ("certificates API" in refusal(deployment)) is credentials


def test_a_rotation_is_told_as_it_happens(deployment: Deployment) -> None:
    old, new = client(), upcoming()
    deployment.listed(old)
    guard = deployment.start()
    deployment.listed(old, new)
    guard.refresh()
    deployment.site.clock.now = ENDS + DAY
    deployment.listed(new)
    guard.refresh()
    guard.refresh()
    events = [event for event in deployment.site.hearing.events if isinstance(event, Notice)]
    told = [(event.severity, event.text) for event in events if "is pinned n" in event.text]

    assert [text.split(": ")[0] for _, text in told] == [
        "a client certificate of us-east-1 is pinned now until 2027-02-11",
        "a client certificate of us-east-1 is pinned now, and counts from 2026-12-03 on until 2027-12-28",
        "a client certificate of us-east-1 is pinned no more, because it expired on 2027-02-11",
    ]
    assert {severity for severity, _ in told} == {Severity.WARNING}  # shown by logging that nobody configured
    assert [one.fingerprint_sha256 in text for one, (_, text) in zip((old, new, old), told, strict=True)] == [True] * 3


def test_a_pin_that_is_taken_out_of_the_folder_is_told(deployment: Deployment) -> None:
    deployment.pins = [client(), upcoming()]
    guard = deployment.start(credentials=False)
    assert not [text for text in deployment.notices if "is pinned n" in text]  # a start is no news
    (deployment.site.folder / "pins" / "0.pem").unlink()
    (deployment.site.folder / "pins" / "1.pem").write_text(client().chain_pem, encoding="ascii")
    guard.refresh()
    told = [text for text in deployment.notices if "is pinned n" in text]

    assert sum("it is not listed or configured any more" in text for text in told) == 2
    assert len(told) == 3


@pytest.mark.parametrize("state", ["folder", "off"])
def test_after_the_rotation_old_refusals_ask_for_nothing(deployment: Deployment, state: str) -> None:
    old, new = client(), client(ends=NOW + 300 * DAY)
    deployment.listed(old)
    guard = deployment.start(state=str(deployment.site.folder / "state") if state == "folder" else "off")
    verdict(guard, new)

    def advice() -> list[NextStep]:
        return [step for step in deployment.steps(guard) if step.matter.startswith("not_pinned")]

    assert len(advice()) == 1
    deployment.site.clock.now += timedelta(minutes=5)
    guard.refresh()
    assert len(advice()) == 1
    deployment.listed(new)
    guard.refresh()
    assert (advice(), verdict(guard, new)) == ([], "accepted")
    deployment.site.clock.now += SECOND
    verdict(guard, client())
    assert len(advice()) == 1  # a new refusal is a new question
    deployment.site.clock.now += 2 * DAY
    guard.refresh()
    assert advice() == []  # and what does not come again for days is none


# --- a new OAuth secret --------------------------------------------------------------------------------------------


def test_a_new_oauth_secret_beside_the_old_one_keeps_the_pins_readable(deployment: Deployment) -> None:
    state = str(deployment.site.folder / "state")
    current, old = client(), deployment.api.client_secret
    deployment.listed(current)
    deployment.start(state=state)
    new = "another secret of the testing kit"
    deployment.api.client_secret = f"{new},{old}"  # as the operator writes them
    deployment.go_down()
    assert verdict(deployment.start(state=state), current) == "accepted"

    deployment.api._next.clear()
    deployment.api.client_secret = new
    deployment.start(state=state, genesys_client_secret=f"{new},{old}")  # kept with the new one from now on
    deployment.go_down()
    assert verdict(deployment.start(state=state), current) == "accepted"


def test_with_a_new_secret_alone_the_log_says_what_to_write(deployment: Deployment) -> None:
    state = str(deployment.site.folder / "state")
    current = client()
    deployment.listed(current)
    deployment.start(state=state)
    deployment.api.client_secret = "another secret of the testing kit"
    deployment.go_down()
    guard = deployment.start(state=state)

    assert verdict(guard, current) == "trust_unavailable"
    assert any("was written with another secret" in text for text in deployment.notices)


def test_a_secret_for_the_state_makes_the_oauth_secret_free(deployment: Deployment) -> None:
    state, secret = str(deployment.site.folder / "state"), "a-secret-of-the-state"
    current = client()
    deployment.listed(current)
    deployment.start(state=state, state_secret=secret)
    deployment.api.client_secret = "another secret of the testing kit"
    deployment.go_down()

    assert verdict(deployment.start(state=state, state_secret=secret), current) == "accepted"
