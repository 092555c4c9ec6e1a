"""A process whose last pin has expired still reports: that is when `status` is read."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from mtls_middleware import Guard, Settings
from mtls_middleware.observing.history import History
from mtls_middleware.observing.report import read_report, report_of
from mtls_middleware.observing.worker import Worker
from mtls_middleware.testing import RegionalCA


def test_an_expiry_in_the_past_damages_no_report(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    ending = now + timedelta(days=1)
    ca = RegionalCA("us-east-1")
    (tmp_path / "pin.pem").write_text(ca.client(not_after=ending).chain_pem, encoding="ascii")
    settings = Settings(
        regions="us-east-1",
        authorities="digicert",
        trust=f"digicert={ca.write(tmp_path / 'root.pem')}",
        pins=f"us-east-1={tmp_path / 'pin.pem'}",
        revocation="off",
        state="off",
    )
    with Guard.silent(settings, clock=lambda: now) as guard:
        now = ending + timedelta(days=3)
        worker = Worker.of(guard.status(), ("a pin",))

    assert min(one.days for one in worker.coming) < 0
    assert read_report(report_of(History(), worker))[1] == worker
