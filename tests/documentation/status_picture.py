"""docs/status-page.svg: the status page, painted by Chromium from a real page, in light and dark.

`python -m tests.documentation.status_picture` writes it. The SVG only chooses between two pictures: wherever it is
shown, it follows the reader's colour scheme. Nothing compares it, because fonts differ between machines.
"""

import base64
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from mtls_middleware.observing.events import Decided
from mtls_middleware.observing.history import Minute
from mtls_middleware.status_page.view import View
from tests.documentation.pages import DOCS
from tests.status_page.scenes import NOW, ca, counted, loaded, rendered, view, worker

PICTURE = DOCS / "status-page.svg"
WIDTH, HEIGHT = 1000, 870
SCHEMES = {"light": 1, "dark": 0}
"""As Chromium numbers them."""


def seen(folder: Path) -> View:
    """Return what the page knows of a service whose root will expire soon."""
    guard = loaded(folder, root=ca(not_after=NOW + timedelta(days=75)))
    numbers = {
        Decided("accepted", "us-east-1", "genesys", "enforce", cached=False): 41_280,
        Decided("certificate_missing", "none", "none", "enforce", cached=False): 311,
    }
    newest = int(NOW.timestamp()) // 60
    lasts = {"accepted": timedelta(seconds=4), "certificate_missing": timedelta(minutes=6)}
    status, now = guard.status(), NOW + timedelta(seconds=25)
    workers = [worker(status, host="web-1", pid=number, application="gunicorn main:app") for number in (812, 813)]
    return view(
        guard,
        counted(
            numbers,
            *workers,
            since=NOW - timedelta(days=9),
            last_by_reason={name: NOW - ago for name, ago in lasts.items()},
            trend=tuple(
                Minute(start=newest - ago, accepted=230 + ago * 37 % 90, refused=2 * (ago % 7 == 0), handshakes=0)
                for ago in range(60)
            ),
        ),
        now,
    )


def painted(page: Path, scheme: int, folder: Path) -> bytes:
    """Return what Chromium paints of a page."""
    program = shutil.which("chromium")
    if program is None:
        sys.exit("chromium is not installed: docs/status-page.svg stays as it is")
    picture = folder / "page.webp"
    options = (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--no-first-run",
    )
    choice = (f"--blink-settings=preferredColorScheme={scheme}", f"--window-size={WIDTH},{HEIGHT}")
    own = (f"--user-data-dir={folder}/profile", f"--screenshot={picture}")
    subprocess.run([program, *options, *choice, *own, page.as_uri()], check=True, capture_output=True, timeout=120)
    return picture.read_bytes()


def text() -> str:
    """Return the picture."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        page = folder / "page.html"
        page.write_text(rendered(seen(folder)), encoding="utf-8")
        images = "".join(
            f'<image class="{scheme}" width="{WIDTH}" height="{HEIGHT}" '
            f'href="data:image/webp;base64,{base64.b64encode(painted(page, number, folder)).decode()}"/>\n'
            for scheme, number in SCHEMES.items()
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">\n'
        "<style>.dark { display: none }\n"
        "@media (prefers-color-scheme: dark) { .dark { display: inline } .light { display: none } }</style>\n"
        f"{images}</svg>\n"
    )


if __name__ == "__main__":
    PICTURE.write_text(text(), encoding="utf-8")
