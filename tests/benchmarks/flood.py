"""Bad certificates without end: what they cost in time and memory, and what the good callers notice of them."""

import base64
import gc
import logging
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote_from_bytes

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from mtls_middleware import Accepted, Guard
from mtls_middleware._core.connection import Connection
from mtls_middleware._core.scope import connection_of
from mtls_middleware.observing.logging import LOGGER
from mtls_middleware.testing import ClientCertificate, KeyKind, RegionalCA
from tests.benchmarks.calls import COMMON, PROXY, SECRET, Call, Site, clients
from tests.benchmarks.table import Table

MANY = 1_000_000
WARM = 1_000
"""Calls before memory is looked at: what is allocated once is no growth."""

_draw = random.Random(5)


def table(many: int = MANY) -> Table:
    """Measure, and describe."""
    LOGGER.addHandler(logging.NullHandler())
    LOGGER.propagate = False  # what a log costs depends on where it is written to
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder), RegionalCA("us-east-1", key=KeyKind.RSA4096))
        rows = [
            _row(site, "a stranger's certificates", _varied(RegionalCA("stranger").client(key=KeyKind.RSA2048)), many),
            _row(site, "forged: the right issuer's name", _varied(site.client), many // 10),
            _row(site, "garbage", _garbage(1_600), many // 10),
            _row(site, "headers of 32 kB", _garbage(32_000), many // 50),
            _row(site, "a key that is slow to use", _slow(site.client), many // 50),
        ]
    LOGGER.propagate = True
    return Table(
        title="A flood of bad certificates",
        text=(
            "Each call brings another one, behind a root with an RSA-4096 key. *Time*: the mean of a refusal, as a "
            "multiple of an acceptance by a certificate that is new. *Memory*: what the process holds more at the end "
            "than at the beginning. *Verdict kept*: after the flood a good certificate need not be verified again. "
            "What is written to a log is not in these figures."
        ),
        head=("what", "calls", "time", "memory", "verdict kept"),
        rows=rows,
    )


def _row(site: Site, name: str, flood: Iterator[Connection], calls: int) -> tuple[str, ...]:
    with site.guard(PROXY) as guard:
        news = [_through_proxy(client) for client in clients(site.ca, 60)]
        new = statistics.median(_seconds(guard, connection) for connection in news)
        good = _through_proxy(site.client)
        guard.decide(good)
        for _ in range(WARM):
            guard.decide(next(flood))
        gc.collect()
        spent, before = 0.0, _resident()
        for _ in range(calls):
            connection = next(flood)
            spent += _seconds(guard, connection)
        gc.collect()
        grown = max(0, _resident() - before)
        decided = guard.decide(good)
    return (
        name,
        f"{calls:,}",
        f"{spent / calls / new:.2f}",
        f"{grown / 2**20:.1f} MB",
        "yes" if isinstance(decided, Accepted) and decided.cached else "no",
    )


def _seconds(guard: Guard, connection: Connection) -> float:
    begin = time.perf_counter()
    guard.decide(connection)
    return time.perf_counter() - begin


def _resident() -> int:
    """Return the bytes of memory that this process holds."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


def _varied(client: ClientCertificate) -> Iterator[Connection]:
    """Return certificates that differ from one another in the last bytes of their signature."""
    der = client.der
    while True:
        yield _with_value(_url_pem(der[:-16] + _draw.randbytes(16)))


def _garbage(size: int) -> Iterator[Connection]:
    while True:
        yield _with_value(_draw.randbytes(size // 2).hex().encode())


def _slow(client: ClientCertificate) -> Iterator[Connection]:
    """Return certificates whose RSA key has an exponent as long as the key."""
    old = client.certificate
    key = rsa.RSAPublicNumbers((1 << 2047) - 1, (1 << 2048) - 1).public_key()
    signer = RegionalCA("us-east-1").private_key
    builder = x509.CertificateBuilder(
        issuer_name=old.issuer,
        subject_name=old.subject,
        public_key=key,
        serial_number=old.serial_number,
        not_valid_before=old.not_valid_before_utc.replace(tzinfo=None),
        not_valid_after=old.not_valid_after_utc.replace(tzinfo=None),
        extensions=list(old.extensions),
    )
    der = builder.sign(signer, old.signature_hash_algorithm).public_bytes(Encoding.DER)  # type: ignore[arg-type]
    while True:
        yield _with_value(_url_pem(der[:-16] + _draw.randbytes(16)))


def _url_pem(der: bytes) -> bytes:
    lines = base64.encodebytes(der).replace(b"\n", b"")
    pem = b"-----BEGIN CERTIFICATE-----\n" + lines + b"\n-----END CERTIFICATE-----\n"
    return quote_from_bytes(pem, safe="").encode()


def _through_proxy(client: ClientCertificate) -> Connection:
    return _connection(COMMON + Site.through_proxy(client))


def _with_value(value: bytes) -> Connection:
    proxy = {b"x-ssl-client-cert": value, b"x-ssl-client-verify": b"SUCCESS", b"x-mtls-proxy-secret": SECRET.encode()}
    return _connection((*COMMON, *proxy.items()))


def _connection(headers: tuple[tuple[bytes, bytes], ...]) -> Connection:
    return connection_of(Call(environ={}, headers=headers).scope())
