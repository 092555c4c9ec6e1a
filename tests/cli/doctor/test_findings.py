"""Each finding of ``doctor``: what provokes it, and that a sound deployment has it not."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mtls_middleware import Guard, Settings, regions
from mtls_middleware._io.private_folder import own_folder
from mtls_middleware.cli.doctor import servers, state
from mtls_middleware.cli.doctor.finding import Check, Grade, Topic, status_of
from mtls_middleware.testing import APIAnswer, ClientCertificate, KeyKind, RegionalCA
from mtls_middleware.testing.genesys_api import PERMISSION
from tests.cli.doctor.deployment import CRL_ADDRESS, SECRET, Deployment, those

OK, WARNING, ERROR, NOT_CHECKED = (
    Grade.OK,
    Grade.WARNING,
    Grade.ERROR,
    Grade.NOT_CHECKED,
)
DAY = timedelta(days=1)

Break = Callable[[Deployment], object]


def setting(**variables: str) -> Break:
    return lambda one: one.environ.update(variables)


CAPTURED = {"OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST": "Accept.*,X-.*,("}
SANITIZED = {"OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS": "secret"}


def packages(*names: str) -> Break:
    return lambda one: one.packages.update(dict.fromkeys(names, "1.2.3"))


def root(**keywords: object) -> Break:
    """Trust another root."""

    def change(one: Deployment) -> None:
        one.region = RegionalCA(**keywords)  # type: ignore[arg-type]  # those of RegionalCA
        one.trust(one.region)
        one.lists[CRL_ADDRESS] = one.region.crl()

    return change


def ending_in(days: float) -> Break:
    return root(not_after=datetime.now(UTC) + days * DAY)


def two_roots(one: Deployment) -> None:
    one.trust(one.region, RegionalCA(not_after=datetime.now(UTC) - DAY))


def future_root(one: Deployment) -> None:
    one.trust(one.region, RegionalCA(not_before=datetime.now(UTC) + DAY))


def listed_by_api(one: Deployment, root: RegionalCA) -> None:
    one.with_client()
    one.api.add(root.client(), authority="Genesys")


def digicert_listing(*clients: ClientCertificate) -> Break:
    """Take calls in DigiCert mode, with an API that lists these."""

    def change(one: Deployment) -> None:
        one.with_client()
        one.environ |= {"MTLS_AUTHORITIES": "genesys,digicert", "MTLS_TRUST": f"us-east-1={one.environ['MTLS_TRUST']}"}
        one.api.clear()
        for client in clients:
            one.api.add(client)

    return change


def unlisted(one: Deployment) -> None:
    del one.environ["MTLS_CRL_URLS"]


def list_that_is_over(one: Deployment) -> None:
    one.lists[CRL_ADDRESS] = one.region.crl(next_update=datetime.now(UTC) - DAY)


def both(*changes: Break) -> Break:
    def change(one: Deployment) -> None:
        for each in changes:
            each(one)

    return change


def offline(one: Deployment) -> None:
    one.offline = True


def unconfirmed(one: Deployment) -> None:
    name = next(
        region.aws_region
        for region in regions.table()
        if region.cert_name and region.certainty is not regions.Certainty.CONFIRMED
    )
    one.environ |= {"MTLS_REGIONS": name, "MTLS_TRUST": f"{name}={one.trust(one.region)}"}


def own_state_for_all(one: Deployment) -> None:
    state = Path(one.environ["MTLS_STATE"])
    (state / own_folder()).mkdir()
    for path in (state, state / own_folder()):
        path.chmod(0o777)


def state_is_file(one: Deployment) -> None:
    path = one.folder / "file"
    path.touch()
    one.environ["MTLS_STATE"] = str(path)


def state_below_file(one: Deployment) -> None:
    state_is_file(one)
    one.environ["MTLS_STATE"] += "/state"


def behind(source: str, packages: tuple[str, ...] = (), **more: str) -> Break:
    def change(one: Deployment) -> None:
        one.behind(source, **more)
        one.packages |= dict.fromkeys(packages, "1")

    return change


def without_secret(**more: str) -> Break:
    def change(one: Deployment) -> None:
        one.environ |= {"MTLS_SOURCE": "nginx", "MTLS_TRUSTED_PROXIES": "192.0.2.7", **more}

    return change


def answering(*answers: APIAnswer) -> Break:
    def change(one: Deployment) -> None:
        one.with_client()
        one.api.answer_next(*answers)

    return change


def damage(one: Deployment) -> None:
    """Let an entry of the state be none."""
    guard = Guard.silent(Settings.from_env({**one.environ, "MTLS_CRL_URLS": str(one.folder / "own.crl")}))
    (one.folder / "own.crl").write_bytes(one.region.crl())
    guard.refresh()
    guard.close()
    entry = next(Path(one.environ["MTLS_STATE"]).rglob("*.entry"))
    entry.write_bytes(b"garbage")


FINDINGS: list[tuple[str, Break, Check, Grade, str]] = [
    ("unknown name", setting(MTLS_REGION="x"), Check.SETTINGS_VALID, ERROR, "did you mean MTLS_REGIONS?"),
    ("wrong value", setting(MTLS_MODE="lax"), Check.SETTINGS_VALID, ERROR, "MTLS_MODE"),
    ("nothing here", lambda one: one.environ.clear(), Check.SETTINGS_USER, WARNING, "no variable of the application"),
    ("root looks", lambda one: setattr(one, "user", 0), Check.SETTINGS_USER, WARNING, "runs as root"),
    ("sentry", packages("sentry-sdk"), Check.SETTINGS_RECORDED, WARNING, "records x-caller-secret in clear text"),
    ("captured", setting(**CAPTURED), Check.SETTINGS_RECORDED, WARNING, "record x-caller-secret in clear text"),
    ("report mode", setting(MTLS_MODE="report"), Check.SETTINGS_MODE, WARNING, "refuses no calls"),
    *(
        (
            f"{name} before {exempt}",
            setting(MTLS_EXEMPT=exempt, **{name: prefix}),
            Check.SETTINGS_PATHS,
            WARNING,
            "only one of both",
        )
        for name, prefix, exempt in (
            ("UVICORN_ROOT_PATH", "/api", "/health"),
            ("SCRIPT_NAME", "/api/", "/api/health"),
            ("GRANIAN_URL_PATH_PREFIX", "/api", "/health,/live,/api/live"),
        )
    ),
    (
        "large limits",
        setting(MTLS_MAX_HEADER_BYTES="262144", MTLS_MAX_CHAIN="128"),
        Check.SETTINGS_LIMITS,
        WARNING,
        "MTLS_MAX_HEADER_BYTES is 262,144 (32768 is usual); MTLS_MAX_CHAIN is 128 (5 is usual)",
    ),
    (
        "any customer",
        lambda one: one.environ.pop("MTLS_CALLER_SECRET"),
        Check.SETTINGS_CALLER,
        WARNING,
        "every customer",
    ),
    (
        "secret missing",
        lambda one: one.environ.update(MTLS_STATE_SECRET_FILE=str(one.folder / "none")),
        Check.SETTINGS_SECRET,
        ERROR,
        "cannot be read",
    ),
    (
        "secret for all",
        lambda one: one.environ.update(MTLS_STATE_SECRET_FILE=str(one.secret(0o644))),
        Check.SETTINGS_SECRET,
        WARNING,
        "other users may read it",
    ),
    (
        "secret of all",
        lambda one: one.environ.update(MTLS_STATE_SECRET_FILE=str(one.secret(0o620))),
        Check.SETTINGS_SECRET,
        WARNING,
        "other users may write into it",
    ),
    (
        "client secret for all",
        lambda one: one.environ.update(
            MTLS_GENESYS_CLIENT_ID="id", MTLS_GENESYS_CLIENT_SECRET_FILE=str(one.secret(0o604))
        ),
        Check.SETTINGS_SECRET,
        WARNING,
        "MTLS_GENESYS_CLIENT_SECRET_FILE",
    ),
    ("no trust file", setting(MTLS_TRUST="/nowhere/us-east-1.pem"), Check.FILES_USABLE, ERROR, "/nowhere"),
    (
        "writable trust",
        lambda one: (one.folder / "us-east-1.pem").chmod(0o666),
        Check.FILES_WRITABLE,
        WARNING,
        "written by other users",
    ),
    ("weak root", root(key=KeyKind.RSA1024), Check.FILES_LEFT_OUT, WARNING, "weak or unusual key"),
    ("old root left out", two_roots, Check.FILES_LEFT_OUT, WARNING, "when it expired"),
    ("only an old root", ending_in(-1), Check.FILES_USABLE, ERROR, "no anchor that is valid now"),
    ("unconfirmed name", unconfirmed, Check.REGION_NAME, WARNING, "nobody has confirmed"),
    ("root ends in 179 days", ending_in(179.5), Check.ROOT_LIFE, WARNING, "179 days"),
    ("root ends in 89 days", ending_in(89.5), Check.ROOT_LIFE, WARNING, "89 days"),
    ("root ends in 29 days", ending_in(29.5), Check.ROOT_LIFE, ERROR, "29 days"),
    (
        "root renewed",
        lambda one: listed_by_api(one, RegionalCA()),
        Check.ROOT_RENEWED,
        ERROR,
        "no root in MTLS_TRUST signed",
    ),
    ("clock fast", lambda one: setattr(one, "fast", timedelta(hours=1)), Check.CLOCK_RIGHT, ERROR, "seconds fast"),
    ("clock slow", lambda one: setattr(one, "fast", -timedelta(hours=1)), Check.CLOCK_RIGHT, ERROR, "seconds slow"),
    (
        "no time told",
        lambda one: setattr(one, "fast", None),
        Check.CLOCK_RIGHT,
        NOT_CHECKED,
        "no host returned",
    ),
    ("nobody asked", lambda one: setattr(one, "offline", True), Check.CLOCK_RIGHT, NOT_CHECKED, "no host was asked"),
    ("future root", future_root, Check.CLOCK_FUTURE, WARNING, "begins at"),
    ("revocation off", setting(MTLS_REVOCATION="off"), Check.REVOCATION_ON, WARNING, "MTLS_REVOCATION=off"),
    ("list gone", lambda one: one.lists.clear(), Check.REVOCATION_LIST, WARNING, "status 404"),
    (
        "list gone and required",
        both(lambda one: one.lists.clear(), setting(MTLS_REVOCATION="require")),
        Check.REVOCATION_LIST,
        ERROR,
        "status 404",
    ),
    (
        "list over",
        list_that_is_over,
        Check.REVOCATION_LIST,
        WARNING,
        "which is over",
    ),
    (
        "list of a stranger",
        lambda one: one.lists.update({CRL_ADDRESS: RegionalCA().crl()}),
        Check.REVOCATION_LIST,
        WARNING,
        CRL_ADDRESS,
    ),
    ("list file gone", setting(MTLS_CRL_URLS="/nowhere/a.crl"), Check.REVOCATION_LIST, WARNING, "/nowhere/a.crl"),
    ("no list", unlisted, Check.REVOCATION_LIST, NOT_CHECKED, "the first caller has"),
    (
        "no list and required",
        both(unlisted, setting(MTLS_REVOCATION="require")),
        Check.REVOCATION_LIST,
        WARNING,
        "the first caller is refused",
    ),
    ("list not asked", lambda one: setattr(one, "offline", True), Check.REVOCATION_LIST, NOT_CHECKED, "not asked"),
    (
        "api not asked",
        both(Deployment.with_client, offline),
        Check.API_ANSWERS,
        NOT_CHECKED,
        "not",
    ),
    ("api without digicert", digicert_listing(), Check.API_LISTS, WARNING, "lists no DigiCert certificate since"),
    ("pins kept with the OAuth secret", digicert_listing(), Check.STATE_KEYED, WARNING, "by the OAuth secret"),
    (
        "pin of another root",
        digicert_listing(RegionalCA("other").intermediate().client()),
        Check.PIN_USABLE,
        ERROR,
        "which is not trusted",
    ),
    ("wrong secret", lambda one: one.with_client(SECRET), Check.API_ANSWERS, ERROR, "credentials"),
    ("api out of order", answering(*[APIAnswer(status=503)] * 6), Check.API_ANSWERS, ERROR, "out of order"),
    ("state off", setting(MTLS_STATE="off"), Check.STATE_FOLDER, WARNING, "MTLS_STATE=off"),
    ("own state for all", own_state_for_all, Check.STATE_FOLDER, ERROR, "written by everybody"),
    ("state is a file", state_is_file, Check.STATE_FOLDER, ERROR, "is not a folder"),
    ("state below a file", state_below_file, Check.STATE_FOLDER, ERROR, "Not a directory"),
    (
        "damaged entry",
        damage,
        Check.STATE_ENTRIES,
        WARNING,
        "cannot be read",
    ),
    ("no server", lambda one: one.packages.clear(), Check.SERVER_LINE, NOT_CHECKED, "no server that is known"),
    ("granian", lambda one: one.packages.update(granian="2"), Check.SERVER_LINE, WARNING, "granian 2 passes on no"),
    (
        "trailers",
        behind("nginx", ("httptools",)),
        Check.SERVER_TRAILERS,
        WARNING,
        "takes trailers for headers",
    ),
    ("spelling without marker", behind("envoy"), Check.SERVER_SPELLING, WARNING, "WSGI: uvicorn take"),
    ("spelling on granian", behind("nginx", ("granian",)), Check.SERVER_SPELLING, WARNING, "WSGI: granian take"),
    ("long headers", behind("envoy", ("gunicorn",)), Check.SERVER_LONG_HEADERS, WARNING, "8,190 bytes"),
    (
        "wide IPv4",
        behind("nginx", MTLS_TRUSTED_PROXIES="10.0.0.0/15"),
        Check.PROXY_NETWORKS,
        WARNING,
        "131,072 addresses",
    ),
    (
        "wide IPv6",
        behind("nginx", MTLS_TRUSTED_PROXIES="2001:db8::/47"),
        Check.PROXY_NETWORKS,
        WARNING,
        "wider than /48",
    ),
    (
        "loopback without secret",
        without_secret(MTLS_TRUSTED_PROXIES="127.0.0.1"),
        Check.PROXY_SECRET,
        WARNING,
        "trusted without a secret",
    ),
    (
        "unix without secret",
        without_secret(MTLS_TRUSTED_PROXIES="unix"),
        Check.PROXY_SECRET,
        WARNING,
        "trusted without a secret",
    ),
    (
        "secret unused",
        setting(MTLS_PROXY_SECRET=SECRET),
        Check.PROXY_SECRET,
        WARNING,
        "MTLS_PROXY_SECRET have no effect",
    ),
    (
        "proxies unused",
        setting(MTLS_TRUSTED_PROXIES="192.0.2.1"),
        Check.PROXY_SECRET,
        WARNING,
        "MTLS_TRUSTED_PROXIES have no effect",
    ),
    (
        "forwarded by all",
        without_secret(FORWARDED_ALLOW_IPS="*"),
        Check.PROXY_FORWARDED,
        WARNING,
        "believes X-Forwarded-For",
    ),
    (
        "forwarded by all, in gunicorn",
        without_secret(GUNICORN_CMD_ARGS="--forwarded-allow-ips='*'"),
        Check.PROXY_FORWARDED,
        WARNING,
        "believes X-Forwarded-For",
    ),
]


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    return Deployment(folder=tmp_path)


@pytest.mark.parametrize(
    ("change", "check", "severity", "words"),
    [pytest.param(*case[1:], id=case[0]) for case in FINDINGS],
)
def test_a_fault_is_found(deployment: Deployment, change: Break, check: Check, severity: Grade, words: str) -> None:
    assert not those(deployment.examine(), check, severity), "a sound deployment has it too"
    change(deployment)

    findings = deployment.examine()

    assert any(words in finding.seen for finding in those(findings, check, severity)), findings
    assert status_of(findings) == any(finding.severity is ERROR for finding in findings)


def test_a_sound_deployment_has_nothing_but_good_findings(deployment: Deployment) -> None:
    findings = deployment.examine()

    assert {finding.severity for finding in findings} == {OK}, findings
    assert {finding.topic for finding in findings} == set(Topic)
    assert status_of(findings) == 0


def test_what_must_be_mended_says_how(deployment: Deployment) -> None:
    deployment.behind("envoy", MTLS_TRUSTED_PROXIES="10.0.0.0/8", MTLS_STATE="off", MTLS_MODE="report")

    assert [finding for finding in deployment.examine() if finding.severity is WARNING and not finding.cure] == []


def test_a_missing_permission_is_told_with_its_name(deployment: Deployment) -> None:
    answer = APIAnswer.json({"code": "missing.permissions"}, 403)
    deployment.with_client()
    token = None
    deployment.api.answer_next(token, answer, answer, answer)

    (found,) = those(deployment.examine(), Check.API_ANSWERS, ERROR)

    assert PERMISSION in found.cure


@pytest.mark.parametrize(
    ("pins", "words"),
    [
        pytest.param([], ". No pin is in force, so callers with a certificate of DigiCert are refused", id="none"),
        pytest.param(["ab" * 32], ". The pin that is known stays in force; the next", id="fingerprint"),
        pytest.param([-1], ". No pin is in force", id="expired"),
        pytest.param([-1, 40], ". The pin that is known stays in force until {last}; the next", id="one"),
        pytest.param([9, 40], ". The 2 pins that are known stay in force until {last}; the next", id="two"),
    ],
)
def test_an_api_that_fails_tells_whether_calls_go_on(
    deployment: Deployment, pins: list[str | float], words: str
) -> None:
    now, named = datetime.now(UTC), []
    digicert_listing()(deployment)
    answering(*[APIAnswer(status=503)] * 6)(deployment)
    for pin in pins:
        if isinstance(pin, str):
            named.append(pin)
            continue
        client = deployment.region.client(not_before=now - 100 * DAY, not_after=now + pin * DAY)
        named.append(str(client.write(deployment.folder, f"pin-{pin}")[0]))
    deployment.environ |= {"MTLS_PINS": ",".join(named)} if named else {}

    (found,) = those(deployment.examine(), Check.API_ANSWERS, ERROR)

    assert words.format(last=f"{now + 40 * DAY:%Y-%m-%d}") in found.seen


def test_an_api_that_answers_is_told(deployment: Deployment) -> None:
    listed_by_api(deployment, deployment.region)

    (found,) = those(deployment.examine(), Check.API_ANSWERS, OK)

    assert "us-east-1: genesys current until" in found.seen.lower()


@pytest.mark.parametrize(
    ("change", "check", "words"),
    [
        (
            setting(MTLS_ORGANIZATION_IDS="0b0e4a5c-1f7d-4c2e-9a55-2f3f7c1d8e90"),
            Check.SETTINGS_CALLER,
            "would prove more",
        ),
        (
            setting(MTLS_EXEMPT="/health,/api/health", UVICORN_ROOT_PATH="/api"),
            Check.SETTINGS_PATHS,
            "with and without it",
        ),
        (
            lambda one: one.environ.update(MTLS_STATE_SECRET_FILE=str(one.secret(0o640))),
            Check.SETTINGS_SECRET,
            "has mode 0640",
        ),
        (setting(MTLS_CERT_NAMES="us-east-1=own.example"), Check.REGION_NAME, "own.example, by MTLS_CERT_NAMES"),
        (behind("nginx", ("gunicorn",)), Check.SERVER_LONG_HEADERS, "sends the leaf alone"),
        (behind("caddy", MTLS_PROXY_DROPS_UNDERSCORES="yes"), Check.SERVER_SPELLING, "believed on uvicorn"),
        (behind("caddy"), Check.PROXY_MARKER, "has no marker"),
        (without_secret(), Check.PROXY_SECRET, "the peer's address alone"),
    ],
    ids=lambda value: str(value) if isinstance(value, Check) else "",
)
def test_what_is_good_is_told_too(deployment: Deployment, change: Break, check: Check, words: str) -> None:
    if check is Check.SETTINGS_CALLER:
        del deployment.environ["MTLS_CALLER_SECRET"]
    change(deployment)

    assert any(words in finding.seen for finding in those(deployment.examine(), check, OK))


def test_the_api_is_asked_although_a_file_of_trust_cannot_be_used(deployment: Deployment) -> None:
    listed_by_api(deployment, deployment.region)
    (deployment.folder / "us-east-1.pem").write_bytes(b"junk")
    findings = deployment.examine()

    assert those(findings, Check.FILES_USABLE, ERROR)
    assert those(findings, Check.API_ANSWERS, OK)


def test_pins_without_an_api_are_replaced_by_hand(deployment: Deployment) -> None:
    deployment.environ |= {"MTLS_AUTHORITIES": "genesys,digicert", "MTLS_PINS": "ab" * 32}
    deployment.environ["MTLS_TRUST"] = f"us-east-1={deployment.environ['MTLS_TRUST']}"

    (found,) = those(deployment.examine(), Check.API_ANSWERS, WARNING)

    assert "by hand" in found.seen


def test_an_entry_that_is_not_understood_is_told(deployment: Deployment) -> None:
    deployment.with_client()
    deployment.api.add("garbage")

    assert those(deployment.examine(), Check.API_UNDERSTOOD, WARNING)


def test_no_secret_is_ever_told(deployment: Deployment) -> None:
    deployment.with_client()
    deployment.behind("nginx")

    told = repr(deployment.examine())

    assert SECRET not in told
    assert deployment.api.client_secret not in told


def test_offline_asks_nobody(deployment: Deployment) -> None:
    deployment.with_client()
    deployment.offline = True

    deployment.examine()

    assert deployment.asked == []


def test_it_changes_nothing(deployment: Deployment) -> None:
    deployment.with_client()
    before = sorted(deployment.folder.rglob("*"))

    deployment.examine()

    assert sorted(deployment.folder.rglob("*")) == before


def test_a_folder_of_somebody_else_is_not_used(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{state.__name__}.os.geteuid", lambda: 4711)

    (found,) = those(deployment.examine(), Check.STATE_FOLDER, ERROR)

    assert "not to 4711" in found.seen


def test_root_is_not_told_to_take_the_folder_from_the_application(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.lstat

    def of_the_application(path: Path) -> os.stat_result:
        mode, inode, device, links, _, *rest = real(path)
        return os.stat_result((mode, inode, device, links, 65534, *rest))

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(Path, "lstat", of_the_application)
    findings = deployment.examine()

    (found,) = those(findings, Check.STATE_FOLDER, NOT_CHECKED)
    assert found.seen.endswith(" belongs to user 65534: right, if that is the application's user")
    assert [one for one in findings if "chown" in one.cure] == []


def test_a_folder_that_may_not_be_written_is_told(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{state.__name__}.os.access", lambda *_: False)

    (found,) = those(deployment.examine(), Check.STATE_FOLDER, ERROR)

    assert "may not be written" in found.seen


@pytest.mark.parametrize(("writable", "severity"), [(True, OK), (False, ERROR)], ids=["can", "cannot"])
def test_a_folder_that_is_not_there_yet(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, writable: bool, severity: Grade
) -> None:
    deployment.environ["MTLS_STATE"] = str(deployment.folder / "a" / "b")
    monkeypatch.setattr(f"{state.__name__}.os.access", lambda *_: writable)

    (found,) = those(deployment.examine(), Check.STATE_FOLDER, severity)

    assert "made" in found.seen


def test_little_room_is_told(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "LEAST_BYTES", 2**80)

    assert those(deployment.examine(), Check.STATE_SPACE, WARNING)


def test_each_server_with_an_adapter_tells_its_line(deployment: Deployment) -> None:
    deployment.packages = {server.package: "1" for server in servers.SERVERS}

    told = " ".join(finding.seen for finding in those(deployment.examine(), Check.SERVER_LINE, OK))

    assert [server for server in servers.SERVERS if server.line not in told] == []


def test_an_installed_package_has_a_version() -> None:
    assert servers.installed_version("cryptography")
    assert servers.installed_version("no-such-package-of-anybody") is None


def test_the_names_of_own_headers_are_told_to_be_scrubbed(deployment: Deployment) -> None:
    deployment.behind("nginx")
    own = {"MTLS_PROXY_SECRET_HEADER": "X-Own-Proxy", "MTLS_CALLER_SECRET_HEADER": "X-Own-Caller"}
    deployment.environ |= {**own, **CAPTURED}
    deployment.packages["sentry-sdk"] = "2.0"

    sentry, otel = those(deployment.examine(), Check.SETTINGS_RECORDED, WARNING)

    assert "denylist=[*DEFAULT_DENYLIST, 'x-own-proxy', 'x-own-caller']" in sentry.cure
    assert otel.cure == "set OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS=x-own-proxy,x-own-caller"


def test_headers_that_are_sanitized_are_good(deployment: Deployment) -> None:
    deployment.environ |= {**CAPTURED, **SANITIZED}

    assert those(deployment.examine(), Check.SETTINGS_RECORDED, OK)


def test_without_a_secret_there_is_nothing_to_record(deployment: Deployment) -> None:
    del deployment.environ["MTLS_CALLER_SECRET"]

    assert not [finding for finding in deployment.examine() if finding.check is Check.SETTINGS_RECORDED]


def test_what_is_done_is_told(deployment: Deployment) -> None:
    told: list[str] = []

    deployment.examine(told.append)

    assert told[0] == "looking at settings …"
    assert "asking the network: 1 to go …" in told


@pytest.mark.parametrize(
    ("prefix", "exempt", "right"),
    [
        ("/api", "/health", "/health,/api/health"),
        ("/api/", "/api/health", "/api/health,/health"),
        ("/api", "/health,/api/live", "/health,/api/live,/api/health,/live"),
    ],
)
def test_the_right_exemption_behind_a_prefix_is_named(
    deployment: Deployment, prefix: str, exempt: str, right: str
) -> None:
    setting(MTLS_EXEMPT=exempt, UVICORN_ROOT_PATH=prefix)(deployment)

    (finding,) = those(deployment.examine(), Check.SETTINGS_PATHS, WARNING)
    assert finding.cure == f"set MTLS_EXEMPT={right}"

    setting(MTLS_EXEMPT=right)(deployment)
    assert not those(deployment.examine(), Check.SETTINGS_PATHS, WARNING)
