"""Parsers of what trust is made of: files, CRLs, answers of the API and of other hosts, and what is kept on disk."""

import atexit
import gzip
import hashlib
import http.client
import io
import json
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from mtls_middleware._io.board import Posted
from mtls_middleware._io.files import InputError, parse_object
from mtls_middleware._io.folder import FolderStore
from mtls_middleware._io.http import HTTPFailure, Response
from mtls_middleware._io.redis_entries import Header, entry_of
from mtls_middleware._io.sealing import Seal
from mtls_middleware._io.store import Entry, Kind
from mtls_middleware._trust import attempts
from mtls_middleware._trust.crl.known import CRLStore
from mtls_middleware._trust.files import archive
from mtls_middleware._trust.files.content import parse_content
from mtls_middleware._trust.genesys import known
from mtls_middleware._trust.genesys.client import APIResponse
from mtls_middleware._trust.genesys.failure import GenesysFailure
from mtls_middleware._trust.genesys.listing import CertificateStatus, ListedCertificate, by_fingerprint, parse_page
from mtls_middleware._trust.genesys.token import Tokens
from mtls_middleware._trust.schedule import Attempt
from mtls_middleware.cli.explain.evaluate import UnreadableError, certificates
from mtls_middleware.cli.wire.answer import NoAnswerError, read_answer
from mtls_middleware.cli.wire.tls import described
from mtls_middleware.identity import Authority
from mtls_middleware.observing.fleet import read_fleet
from mtls_middleware.observing.history import History
from mtls_middleware.observing.report import report_of
from tests.core.captures import VECTORS
from tests.core.certs import NOW, good_client, regional_ca
from tests.core.crls import crl, entry, parsed
from tests.fuzz.parser import Parser
from tests.io.test_http import Stream, session
from tests.trust.genesys.region import REGION

# ------------------------------------------------------------------------------------------------------------- files


def read_file(data: bytes) -> None:
    """Read a file of MTLS_TRUST or MTLS_PINS, zip or not, as `explain` does, too."""
    with suppress(InputError):
        parse_content(data)
    if archive.is_zip(data):
        with suppress(InputError):
            for member in archive.unpack(data):
                with suppress(InputError):
                    parse_content(member.data)
    with suppress(UnreadableError):
        certificates(data)
    described(data)


def file_seeds() -> Sequence[bytes]:
    ca, client = regional_ca(), good_client()
    return [
        ca.pem.encode(),
        ca.der,
        client.chain_pem.encode(),
        ca.pem.replace("\n", "\r\n").encode(),
        b"\xef\xbb\xbf" + ca.pem.encode(),
    ]


def zip_seeds() -> Sequence[bytes]:
    found = [regional_ca().zip_bytes()]
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", method) as file:
            for name in ("a/US-East-1.pem", "__MACOSX/._a", "b\\c.crt"):
                file.writestr(zipfile.ZipInfo(name), regional_ca().pem)
        found.append(packed.getvalue())
    return found


def read_crl(data: bytes) -> None:
    """Read a CRL, and ask it about a certificate."""
    with suppress(InputError):
        found = parsed(data)
        found.is_signed_by(regional_ca().certificate)
        found.covers(good_client().certificate, is_ca=False)
        if found.is_signed_by(regional_ca().certificate) and data[:1] == b"\x30" and data not in crl_seeds():
            raise AssertionError("it was changed, and is believed")


@cache
def crl_seeds() -> Sequence[bytes]:
    ca = regional_ca()
    made = [
        crl(ca),
        crl(ca, [7, 2**64]),
        crl(ca, [entry(9)], addresses=["http://crl.example/a"]),
        crl(ca, point={"indirect_crl": True}),
    ]
    captured = [path.read_bytes() for path in sorted(VECTORS.glob("crls/*.crl.pem"))]
    return [*made, *(one for one in captured if len(one) < 5000)]


# ------------------------------------------------------------------------------------------------------------- answers


def read_listing(data: bytes) -> None:
    with suppress(InputError):
        page = parse_page(parse_object(data), CertificateStatus.CURRENT)
        by_fingerprint(page.certificates)


def listing_seeds() -> Sequence[bytes]:
    one = {
        "type": "Client",
        "status": "Current",
        "signingAuthority": "DigiCert",
        "certificate": good_client().chain_pem,
    }
    return [
        json.dumps({"entities": entities, "nextUri": "/x?pageNumber=2"}).encode() for entities in ([], [one], [one, {}])
    ]


def read_token(data: bytes) -> None:
    """Read an answer of the login host: a status, and a body."""
    status, _, body = data.partition(b" ")
    answered = Response(
        status=int(status) if status.isdigit() and len(status) == 3 else 200,
        headers={"content-type": "application/json"},
        body=body,
    )
    with suppress(GenesysFailure):
        Tokens(REGION, "client", ("secret",), lambda: NOW).current(lambda *_, **__: answered)


def token_seeds() -> Sequence[bytes]:
    return [
        b'200 {"access_token": "abc", "token_type": "bearer", "expires_in": 86399}',
        b'400 {"error": "invalid_client"}',
        b"503 ",
    ]


def read_http(data: bytes) -> None:
    """Read what is on the wire of an HTTP client: that of the package, and that of `call` and `doctor`."""
    with suppress(HTTPFailure):
        session(Stream([data[:50], data[50:]])).request("GET", "http://host.example/path")
    with suppress(OSError, ValueError, http.client.HTTPException, NoAnswerError):
        answered = read_answer(io.BytesIO(data))
        str(answered.reason)


def http_seeds() -> Sequence[bytes]:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/problem+json\r\n"
    body = b'{"reason": "issuer_untrusted"}'
    packed = gzip.compress(body, mtime=0)
    return [
        head + b"Content-Length: %d\r\n\r\n" % len(body) + body,
        head + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed,
        head + b"Transfer-Encoding: chunked\r\n\r\n1e\r\n" + body + b"\r\n0\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 301 Moved\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n",
    ]


# ------------------------------------------------------------------------------------------------- what is kept on disk


@cache
def _folder() -> Path:
    folder = Path(mkdtemp(prefix="fuzz-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _store() -> FolderStore:
    return FolderStore(_folder() / "state", purpose="fuzz", keys=[b"secret"])


@cache
def state_seeds() -> Sequence[bytes]:
    """Return entries of the state folder as they are written, one of each kind."""
    ca, client = regional_ca(), good_client()
    contents = {
        Kind.CRL: crl(ca, [7]),
        Kind.CERTIFICATE: client.chain_pem.encode(),
        Kind.API: known_seeds()[0],
        Kind.TALLY: b"{}",
    }
    for kind, content in contents.items():
        _store().put(kind, KEY, content, NOW)
    return [_entry_of(kind).read_bytes() for kind in contents]


KEY = "http://crl.example/a.crl"


def _entry_of(kind: Kind) -> Path:
    (found,) = _folder().glob(f"state/*/{kind}/*.entry")
    return found


def read_state(data: bytes) -> None:
    """Let somebody write into the state folder; an entry of the API is believed only as it was written."""
    state_seeds()
    for kind in (Kind.CRL, Kind.CERTIFICATE, Kind.API, Kind.TALLY):
        _entry_of(kind).write_bytes(data)
        for found in _store().entries(kind):
            content = b""
            with suppress(InputError):
                content = found.read()
            if kind is Kind.API and content and (found.key, content, found.at) != (KEY, known_seeds()[0], NOW):
                raise AssertionError("it was tampered with, and is believed")
    list(CRLStore(_store()).crls())
    list(CRLStore(_store()).chains())


def read_known(data: bytes) -> None:
    with suppress(InputError):
        found = known.from_bytes(data, "us-east-1")
        if known.from_bytes(known.to_bytes(found), "us-east-1") != found:
            raise AssertionError("written and read, it is another")


@cache
def known_seeds() -> Sequence[bytes]:
    client = regional_ca().intermediate().client()
    one = ListedCertificate(
        authority=Authority.DIGICERT,
        status=CertificateStatus.CURRENT,
        leaf=client.certificate,
        intermediates=client.chain,
    )
    answer = APIResponse(region="us-east-1", certificates=(one,))
    return [known.to_bytes(known.KnownCertificates(region="us-east-1").merge(answer, NOW))]


SEAL = Seal(b"a-secret-of-the-state", name="fuzz", purpose="fuzz")
ENGINE_HEADER, ENGINE_PARTS = entry_of(Kind.CRL, KEY, b"a" * 70_000, NOW)


def read_engine(data: bytes) -> None:
    """Read an entry of an engine, as it comes, and as somebody who knows the secret may have written it."""
    head, _, stored = data.partition(b"\n")
    for whole in (head, SEAL.sealed(ENGINE_HEADER.name, head)):
        with suppress(InputError):
            Header.read(SEAL, ENGINE_HEADER.name, whole).content_of(stored)


def engine_seeds() -> Sequence[bytes]:
    written = ENGINE_HEADER.write(SEAL)
    return [
        written + b"\n" + b"".join(ENGINE_PARTS),
        SEAL.opened(ENGINE_HEADER.name, written) + b"\n" + b"".join(ENGINE_PARTS),
    ]


def read_attempt(data: bytes) -> None:
    """Read the last failed attempt that another process wrote."""
    digest = hashlib.sha256(data).digest()
    with suppress(InputError):
        attempts._read(Entry(key="crl", digest=digest, at=NOW, read=lambda: data), NOW)


def attempt_seeds() -> Sequence[bytes]:
    return [
        attempts._to_bytes(Attempt(at=NOW, text="is out of order", failures=2, wait=None, pause=timedelta(seconds=9)))
    ]


class _Board:
    """A board with one report."""

    problems = ()

    def __init__(self, content: bytes) -> None:
        self._content = content

    def join(self) -> bytes:
        return self._content

    def publish(self, content: bytes, at: datetime) -> bool:  # noqa: ARG002 - protocol
        return True

    def folded(self) -> None:
        """Fold nothing."""

    def leave(self) -> None:
        """Stay."""

    def reports(self) -> Iterator[Posted]:
        yield Posted(content=self._content, at=NOW, is_running=True, running_since=NOW)


def read_report(data: bytes) -> None:
    """Read what a worker published, and show it as the status page does."""
    found = read_fleet(_Board(data), NOW + timedelta(seconds=1))
    found.history.within(60, NOW)


def report_seeds() -> Sequence[bytes]:
    return [
        report_of(History(), None),
        report_of(History(since=NOW, last_by_reason={"issuer_untrusted": NOW}), None),
    ]


PARSERS = {
    "file": Parser(
        modules=("_trust/files/content.py", "cli/explain/evaluate.py", "cli/wire/tls.py"),
        seeds=file_seeds,
        read=read_file,
    ),
    "zip": Parser(modules=("_trust/files/archive.py",), seeds=zip_seeds, read=read_file),
    "crl": Parser(
        modules=("_trust/crl/der.py", "_trust/crl/entries.py", "_trust/crl/parsing.py", "_core/serials.py"),
        seeds=crl_seeds,
        read=read_crl,
    ),
    "listing": Parser(modules=("_trust/genesys/listing.py", "_io/files.py"), seeds=listing_seeds, read=read_listing),
    "token": Parser(
        modules=("_trust/genesys/token.py", "_trust/genesys/failure.py"), seeds=token_seeds, read=read_token
    ),
    "http": Parser(modules=("_io/http_client.py", "cli/wire/answer.py"), seeds=http_seeds, read=read_http),
    "state": Parser(
        modules=("_io/folder.py", "_io/entry_lines.py", "_trust/crl/known.py"), seeds=state_seeds, read=read_state
    ),
    "engine": Parser(modules=("_io/redis_entries.py",), seeds=engine_seeds, read=read_engine),
    "attempt": Parser(modules=("_trust/attempts.py",), seeds=attempt_seeds, read=read_attempt),
    "known": Parser(modules=("_trust/genesys/known.py",), seeds=known_seeds, read=read_known),
    "report": Parser(modules=("observing/report.py", "observing/records.py"), seeds=report_seeds, read=read_report),
}
