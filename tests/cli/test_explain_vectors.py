"""The command ``explain`` on certificates that real callers showed, and on headers that real proxies wrote."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mtls_middleware.cli.app import app
from tests.cli.trusting import only

VECTORS = Path(__file__).parents[1] / "vectors"
ROOT = VECTORS / "pki" / "region-root.pem"
LIST = VECTORS / "crls" / "region.crl.pem"
DAY = "2026-11-23"
ARGUMENTS = ("--region", "us-east-1", "--trust", str(ROOT), "--at", DAY)

VERDICTS = {
    "rsa": None,
    "ec": None,
    "nosan": None,
    "noeku": None,
    "expired": "certificate_expired",
    "notyet": "certificate_not_yet_valid",
    "wrongeku": "purpose_mismatch",
    "othername": "region_mismatch",
    "revoked": "certificate_revoked",
    "unknown": "issuer_untrusted",
    "unknown-expired": "issuer_untrusted",
    "selfsigned": "issuer_untrusted",
    "inter": "issuer_untrusted",
    "huge40": "certificate_too_large",
}

PROXIES = ("apache", "caddy", "envoy", "haproxy", "nginx")
ENCODINGS = {
    "pem-url": "url-pem",
    "pem-ws": "pem-spaces",
    "pem-b64": "b64-pem",
    "der-b64": "b64-der",
    "rfc9440": "rfc9440",
    "xfcc": "xfcc",
}


def explain(*arguments: str, given: bytes | None = None) -> Any:
    with only({"MTLS_STATE": "off", "MTLS_CRL_URLS": str(LIST)}):
        ended = CliRunner().invoke(app, ["explain", *arguments, *ARGUMENTS, "--json"], input=given)
    return json.loads(ended.stdout)


@pytest.mark.parametrize(("name", "reason"), VERDICTS.items(), ids=VERDICTS)
def test_each_caller_gets_the_verdict_that_it_had(name: str, reason: str | None) -> None:
    assert explain(str(VECTORS / "pki" / f"client-{name}.pem"))["reason"] == reason


def recorded(proxy: str) -> Iterator[tuple[str, bytes]]:
    """Return encoding and value of each header that holds the caller's certificate ``rsa``, of honest calls."""
    for line in (VECTORS / "proxies" / f"{proxy}.jsonl").read_text(encoding="utf-8").splitlines():
        call = json.loads(line)
        headers = {name.lower(): value for name, value in call["upstream_headers_raw"]}
        name, kind = call.get("format", {}).get("cert", "").lower(), call.get("format", {}).get("kind")
        is_honest = (call["client_case"], call["family"], call["expect"]) == ("rsa", "client", "certificate")
        if is_honest and kind in ENCODINGS and name in headers:
            yield ENCODINGS[kind], headers[name].encode()


@pytest.mark.parametrize("proxy", PROXIES)
def test_what_a_proxy_wrote_is_read_as_it_was_written(proxy: str) -> None:
    values = list(recorded(proxy))

    assert values
    for encoding, value in values:
        assert explain("-", "--header", encoding, given=value)["accepted"], encoding
