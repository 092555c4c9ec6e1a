"""The status page as operators see it: the example with two workers in report mode, and Chromium."""

import html
import http.client
import http.server
import json
import re
import shutil
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from mtls_middleware import Guard, Reason, Settings
from mtls_middleware._core.gate import Mode
from mtls_middleware.guard import utc_now
from mtls_middleware.observing.events import Decided
from mtls_middleware.status_page import document
from mtls_middleware.status_page.view import view_of
from mtls_middleware.testing import ClientCertificate, RegionalCA
from tests.e2e.callers import PKI, TIMEOUT
from tests.e2e.conftest import Start
from tests.e2e.processes import HOST, free_port
from tests.status_page.scenes import counted, worker

pytestmark = pytest.mark.e2e

CHROMIUM = shutil.which("chromium") or ""
needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed")

SOON = 30.0
"""Seconds in which workers have written what they counted."""

PHONE, DESK = 360, 1280
"""Pixels of a small phone, and of a screen."""

SCRIPTED = "<script>alert(1)</script>.example"
LOOKUP = '{"phone": "+13175550100"}'


@pytest.fixture
def environment(pki: PKI, tmp_path: Path) -> dict[str, str]:
    folder = tmp_path / "trust"
    folder.mkdir()
    pki.region.write(folder)
    (folder / "old").mkdir()
    return {
        "MTLS_REGIONS": "us-east-1,eu-west-1",
        "MTLS_TRUST": f"{folder},{RegionalCA('eu-west-1', valid=timedelta(days=50)).write(folder / 'old')}",
        "MTLS_STATE": str(tmp_path / "state"),
        "MTLS_REVOCATION": "off",
        "MTLS_EXEMPT": "/health",
        "MTLS_MODE": "report",
    }


def serving(pki: PKI, port: int) -> list[str]:
    files = ["--ssl-certfile", str(pki.certificate), "--ssl-keyfile", str(pki.key)]
    command = [sys.executable, "-m", "mtls_middleware", "serve", "example_app.main:app", "--port", str(port)]
    return [*command, *files, "--workers", "2"]


def call(port: int, pki: PKI, client: ClientCertificate | None = None) -> int:
    connection = http.client.HTTPSConnection(HOST, port, timeout=TIMEOUT, context=pki.caller(client))
    try:
        connection.request("POST", "/actions/customer-lookup", LOOKUP, {"content-type": "application/json"})
        return connection.getresponse().status
    finally:
        connection.close()


class Page:
    """Ask a status page that listens on a port."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://{HOST}:{port}/"

    def ask(self, path: str = "/", **headers: str) -> tuple[http.client.HTTPResponse, str]:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=TIMEOUT)
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer, answer.read().decode()
        finally:
            connection.close()

    def told(self) -> dict[str, Any]:
        told = json.loads(self.ask("/status.json")[1])
        assert isinstance(told, dict)
        return told

    def becomes(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return what is told once something holds, or what was told last."""
        deadline = time.monotonic() + SOON
        while not holds(told := self.told()) and time.monotonic() < deadline:
            time.sleep(0.2)
        return told


@pytest.fixture
def page(start: Start, environment: dict[str, str]) -> Page:
    port = free_port()
    command = [sys.executable, "-m", "mtls_middleware", "status", "--listen", f"{HOST}:{port}"]
    start(command, env=environment, port=port)
    return Page(port)


@pytest.fixture
def called(start: Start, pki: PKI, environment: dict[str, str]) -> None:
    """Run the example with two workers, and call it: two good calls, five without a certificate, a few bad ones."""
    port = free_port()
    start(serving(pki, port), env=environment, port=port)
    for client in (pki.region.client(), pki.region.client(), *[None] * 5, pki.region.client(names=SCRIPTED)):
        assert call(port, pki, client) == 200


@pytest.mark.usefixtures("called")
def test_what_all_workers_counted_is_on_the_page(page: Page) -> None:
    told = page.becomes(lambda told: told["decisions"]["accepted"] + told["decisions"]["would_be_refused"] == 8)

    assert (told["decisions"]["accepted"], told["decisions"]["refused"]) == (2, 0)
    assert {row["reason"]: row["would_be_refused"] for row in told["decisions"]["by_reason"]} == {
        "certificate_missing": 5,
        "region_mismatch": 1,
    }
    assert told["decisions"]["processes"] == 2


def test_counts_survive_a_restart_of_the_workers(
    start: Start, pki: PKI, environment: dict[str, str], page: Page, tmp_path: Path
) -> None:
    for _ in range(2):
        port = free_port()
        server = start(serving(pki, port), env=environment, port=port)
        for _ in range(3):
            call(port, pki)
        server.process.terminate()
        server.process.wait(timeout=20)

    assert page.told()["decisions"]["would_be_refused"] == 6
    assert len(list((tmp_path / "state").glob("*/tally/*"))) <= 2


@pytest.mark.usefixtures("called")
def test_it_notices_trust_that_breaks(page: Page, environment: dict[str, str]) -> None:
    folder = Path(environment["MTLS_TRUST"].partition(",")[0])
    (folder / "US-East-1.pem").write_text("broken")

    told = page.becomes(lambda told: bool(told["life"] == "stale"))

    assert told["life"] == "stale"
    assert "US-East-1.pem" in told["steps"][0]["matter"]


def test_another_site_in_the_same_browser_reads_nothing(page: Page) -> None:
    answer, _ = page.ask(host="attacker.example")

    assert answer.status == 403


# --- in Chromium


def chromium(profile: Path, *options: str, picture: Path | None = None) -> str:
    """Run Chromium without a window, and return what it prints; it may paint a picture.

    On a busy machine it sometimes ends without having done anything, so it has two attempts.
    """
    quiet = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage"]
    alone = ["--disable-background-networking", "--disable-component-update", "--no-first-run"]
    painting = [] if picture is None else [f"--screenshot={picture}"]
    for attempt in range(2):
        command = [CHROMIUM, *quiet, *alone, f"--user-data-dir={profile}-{attempt}", *painting, *options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        print(done.stderr)  # noqa: T201 - pytest shows it where the test failed
        if done.returncode == 0 and (done.stdout if picture is None else picture.exists()):
            return done.stdout
    raise AssertionError(f"Chromium did nothing, twice; its status was {done.returncode}")


@needs_chromium
@pytest.mark.usefixtures("called")
def test_chromium_shows_it_and_runs_nothing_of_it(page: Page, tmp_path: Path) -> None:
    page.becomes(lambda told: bool(told["decisions"]["would_be_refused"] == 6))

    shown = chromium(tmp_path / "profile", "--dump-dom", page.url)

    assert '<h2 id="next">What to do next</h2>' in shown
    assert "5 calls would have been refused" in shown
    assert "<script" not in shown


LIGHT, DARK = (0xFA, 0xFA, 0xF7), (0x12, 0x15, 0x18)
"""The ground of the page."""


def first_pixel(picture: bytes) -> tuple[int, int, int]:
    """Return the colour of the upper left corner of a PNG: nothing stands before it that it could be told by."""
    (width,) = struct.unpack(">I", picture[16:20])
    assert width in {PHONE, DESK}
    data, index = b"", 8
    while index < len(picture):
        length, kind = struct.unpack(">I4s", picture[index : index + 8])
        data += picture[index + 8 : index + 8 + length] if kind == b"IDAT" else b""
        index += length + 12
    red, green, blue = zlib.decompress(data)[1:4]
    return red, green, blue


@needs_chromium
@pytest.mark.parametrize(("scheme", "colour"), [(1, LIGHT), (0, DARK)], ids=["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_its_style_is_in_force_by_day_and_by_night(
    page: Page, tmp_path: Path, width: int, scheme: int, colour: tuple[int, int, int]
) -> None:
    picture = tmp_path / "page.png"

    chromium(
        tmp_path / "profile",
        f"--window-size={width},1200",
        f"--blink-settings=preferredColorScheme={scheme}",
        page.url,
        picture=picture,
    )

    assert first_pixel(picture.read_bytes()) == colour


MEASURE = """<!doctype html>
<iframe id="frame" srcdoc="{page}" style="width:{width}px;height:3000px;border:0"></iframe>
<script>
  document.getElementById("frame").onload = function () {{
    document.title = "needs " + this.contentDocument.documentElement.scrollWidth + " pixels";
  }};
</script>"""


def needed_width(text: str, width: int, folder: Path) -> int:
    """Return how wide a page becomes in a window of some pixels."""
    frame = folder / "frame.html"
    frame.write_text(MEASURE.format(page=html.escape(text), width=width), encoding="utf-8")
    shown = chromium(folder / "profile", "--virtual-time-budget=5000", "--dump-dom", frame.as_uri())
    (needed,) = re.findall("<title>needs ([0-9]+) pixels</title>", shown)
    return int(needed)


@needs_chromium
@pytest.mark.slow
@pytest.mark.parametrize("width", [320, PHONE, DESK])
@pytest.mark.usefixtures("called")
def test_nobody_has_to_scroll_sideways(page: Page, tmp_path: Path, width: int) -> None:
    page.becomes(lambda told: bool(told["decisions"]["would_be_refused"] == 6))

    assert needed_width(page.ask()[1], width, tmp_path) == width


@needs_chromium
def test_no_long_name_makes_it_wider(tmp_path: Path) -> None:
    parts = ((NameOID.COMMON_NAME, "W" * 64), (NameOID.LOCALITY_NAME, "M" * 128))
    name = x509.Name([x509.NameAttribute(oid, text) for oid, text in parts])
    folder = tmp_path / ("a" * 200)
    folder.mkdir()
    settings = Settings(
        regions="us-east-1",
        trust=RegionalCA("us-east-1", subject=name).write(folder),
        cert_names=f"us-east-1={'w' * 63}.{'w' * 63}.{'w' * 63}.example",
        crl_urls=f"http://{'w' * 63}.example/{'m' * 150}",
        state="off",
    )
    guard = Guard.silent(settings)
    guard.load()
    numbers = {Decided(reason, "none", "none", mode, cached=False): 10**9 for reason in Reason for mode in Mode}
    fleet = counted(numbers, worker(guard.status(), host="h" * 255, application="a" * 256), since=utc_now())
    view = view_of(guard.status(), fleet, utc_now())

    assert needed_width(document.html(view, reloads=False, here=""), PHONE, tmp_path) == PHONE


class Network:
    """Be the proxy through which Chromium reaches everything: serve one page, and remember what was asked for."""

    def __init__(self, text: str, policy: str | None) -> None:
        self.asked: list[str] = []
        network = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                network.asked.append(self.path)
                self.send_response(200)
                self.send_header("content-type", "text/html; charset=utf-8")
                if policy is not None:
                    self.send_header("content-security-policy", policy)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_arguments: object) -> None:
                """Say nothing."""

        self.server = http.server.ThreadingHTTPServer((HOST, 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def option(self) -> str:
        return f"--proxy-server=http://{HOST}:{self.server.server_address[1]}"


LEAKS = """<img src="http://elsewhere.example/picture"><link rel="stylesheet" href="http://elsewhere.example/style">
<script src="http://elsewhere.example/script"></script><iframe src="http://elsewhere.example/frame"></iframe>"""

ADDRESS = "http://status.example/"


@needs_chromium
@pytest.mark.parametrize(
    ("injected", "is_kept", "asked"),
    [
        ("", True, {ADDRESS}),
        (LEAKS, True, {ADDRESS}),
        (LEAKS, False, {ADDRESS, *re.findall('http://elsewhere[^"]*', LEAKS)}),
    ],
    ids=["as it is", "with something smuggled in", "without its policy"],
)
def test_nothing_is_asked_of_the_network(
    page: Page, tmp_path: Path, injected: str, is_kept: bool, asked: set[str]
) -> None:
    answer, text = page.ask()
    policy = answer.headers["content-security-policy"] if is_kept else None
    network = Network(text.replace("</main>", f"{injected}</main>"), policy)

    chromium(tmp_path / "profile", network.option, "--dump-dom", ADDRESS)
    network.server.shutdown()
    network.server.server_close()

    seen = {address for address in network.asked if ".example/" in address}  # it looks at Google's clock too
    assert seen - (set() if is_kept else {f"{ADDRESS}favicon.ico"}) == asked  # the icon is late, and may come too late
