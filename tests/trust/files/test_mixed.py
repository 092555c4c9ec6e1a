"""Files, folders and zips as people have them: what is no CA beside the roots is passed over, and named."""

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs7,
    pkcs12,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from mtls_middleware._trust.files.loading import TrustSources
from mtls_middleware.errors import TrustError
from tests.trust.files.loaded import load_trust

PEM, DER, PKCS8 = Encoding.PEM, Encoding.DER, PrivateFormat.PKCS8

Certify = Callable[..., x509.Certificate]
Sources = Callable[..., TrustSources]
Zipped = Callable[..., bytes]
Contents = dict[str, bytes]

OTHERS = {
    "client.pem": "holds CN=caller, which is not a CA",
    "client.der": "holds CN=caller, which is not a CA",
    "client-and-key.pem": "PEM block 2 is a private key",
    "roots.p7b": "is a PKCS#7 bundle",
    "roots-pem.p7b": "PEM block 1 is PKCS7, not CERTIFICATE: openssl pkcs7",
    "ca.crl": "is a CRL: CRLs belong to MTLS_CRL_URLS",
    "crl.pem": "PEM block 1 is X509 CRL, not CERTIFICATE: CRLs belong to MTLS_CRL_URLS",
    "crl.crt": "is a CRL: CRLs belong to MTLS_CRL_URLS",
    "request.pem": "PEM block 1 is CERTIFICATE REQUEST",
    "request.cer": "is a certificate request: a CA has to sign it first",
    "key.pem": "PEM block 1 is a private key",
    "key.der": "is PKCS#12 or a private key",
    "locked.der": "is PKCS#12 or a private key",
    "store.p12": "is PKCS#12 or a private key",
    "README.txt": "neither PEM nor DER nor a zip",
    "guide.pdf": "neither PEM nor DER nor a zip",
    "index.html": "is a web page",
    "0123.sha1": "neither PEM nor DER nor a zip",
    "0.txt": "neither PEM nor DER nor a zip",
    "ca.srl": "neither PEM nor DER nor a zip",
    "root.crt.md5": "neither PEM nor DER nor a zip",
    "empty": "is empty",
    "root.pem~": "is a backup or an unfinished download",
    "#root.pem#": "is a backup or an unfinished download",
    "root.pem.bak": "is a backup or an unfinished download",
    "root.pem.part": "is a backup or an unfinished download",
    "US-East-1.zip.crdownload": "is a backup or an unfinished download",
    "inner.zip": "is a zip ",
}
"""By name: what is said of it."""

BROKEN = {
    "cut.pem": "has no END line",
    "garbage.crt": "neither PEM nor DER nor a zip",
    "empty.pem": "is empty",
    "US-East-1.html": "is a web page",
    "broken.der": "the DER certificate cannot be read",
    "broken": "the DER certificate cannot be read",
    "text.cer": "is base64 without its BEGIN and END lines",
}


@pytest.fixture(scope="session")
def root(certify: Certify) -> x509.Certificate:
    return certify("root")


@pytest.fixture(scope="session")
def contents(root: x509.Certificate, certify: Certify, zipped: Zipped, now: datetime) -> Contents:
    """Make one of everything that is no root, and what is broken."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = root.subject
    client = certify("caller", ca=False, key=key)
    crl = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(name)
        .last_update(now)
        .next_update(now + timedelta(days=7))
        .add_revoked_certificate(x509.RevokedCertificateBuilder().serial_number(5).revocation_date(now).build())
        .sign(key, hashes.SHA256())
    )
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    plain, locked = NoEncryption(), BestAvailableEncryption(b"secret")
    key_pem = key.private_bytes(PEM, PKCS8, plain)
    pem = root.public_bytes(PEM)
    return {
        "client.pem": client.public_bytes(PEM),
        "client.der": client.public_bytes(DER),
        "client-and-key.pem": client.public_bytes(PEM) + key_pem,
        "roots.p7b": pkcs7.serialize_certificates([root], DER),
        "roots-pem.p7b": pkcs7.serialize_certificates([root], PEM),
        "ca.crl": crl.public_bytes(DER),
        "crl.pem": crl.public_bytes(PEM),
        "crl.crt": crl.public_bytes(DER),
        "request.pem": request.public_bytes(PEM),
        "request.cer": request.public_bytes(DER),
        "key.pem": key_pem,
        "key.der": key.private_bytes(DER, PKCS8, plain),
        "locked.der": key.private_bytes(DER, PKCS8, locked),
        "store.p12": pkcs12.serialize_key_and_certificates(b"x", key, client, None, plain),
        "README.txt": b"Upload the root.",
        "guide.pdf": b"%PDF-1.7",
        "index.html": b"<html></html>",
        "0123.sha1": b"0" * 40 + b"  root.crt\n",
        "0.txt": "0º: Überblick".encode(),
        "ca.srl": b"0A1B2C\n",
        "root.crt.md5": b"d41d8cd98f00b204e9800998ecf8427e  root.crt\n",
        "empty": b"",
        "root.pem~": pem,
        "#root.pem#": pem,
        "root.pem.bak": pem,
        "root.pem.part": pem[:200],
        "US-East-1.zip.crdownload": b"PK\3\4",
        "inner.zip": zipped({"README": b"x"}),
        "cut.pem": pem[:200],
        "garbage.crt": b"garbage",
        "empty.pem": b"",
        "US-East-1.html": b"<html>Sign in</html>",
        "broken.der": root.public_bytes(DER)[:-1],
        "broken": root.public_bytes(DER) + b"x",
        "text.cer": base64.encodebytes(root.public_bytes(DER)),
    }


class Read:
    """What was read: the subjects of the roots, problems and warnings."""

    def __init__(self, sources: TrustSources, now: datetime) -> None:
        self.subjects: list[str] = []
        self.problems: tuple[str, ...] = ()
        self.warnings: tuple[str, ...] = ()
        try:
            loaded = load_trust(sources, now)
        except TrustError as error:
            self.problems = error.problems
            return
        self.warnings = loaded.warnings
        self.subjects = [one.certificate.subject.rfc4514_string() for one in loaded.trusts[0].anchors]


@contextmanager
def place(kind: str, members: Contents, zipped: Zipped) -> Iterator[Path]:
    """Write members into a zip or a folder."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "roots.zip"
        if kind == "zip":
            path.write_bytes(zipped(members))
        else:
            path = path.with_suffix("")
            path.mkdir()
            for name, content in members.items():
                (path / name).write_bytes(content)
        yield path


@pytest.mark.parametrize("kind", ["zip", "folder"])
@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_ca_beside_a_root_is_passed_over_and_named(
    name: str, kind: str, *, root: x509.Certificate, contents: Contents, zipped: Zipped, sources: Sources, now: datetime
) -> None:
    with place(kind, {name: contents[name], "root.crt": root.public_bytes(PEM)}, zipped) as path:
        read = Read(sources(path), now)

    assert (read.problems, read.subjects) == ((), ["CN=root"])
    assert any(name in one and OTHERS[name] in one and one.endswith("it is ignored") for one in read.warnings)


@pytest.mark.parametrize("kind", ["zip", "folder"])
@pytest.mark.parametrize("name", BROKEN)
def test_what_may_be_a_broken_root_is_a_problem(
    name: str, kind: str, *, root: x509.Certificate, contents: Contents, zipped: Zipped, sources: Sources, now: datetime
) -> None:
    with place(kind, {name: contents[name], "root.crt": root.public_bytes(PEM)}, zipped) as path:
        read = Read(sources(path), now)

    assert [name in one and BROKEN[name] in one for one in read.problems] == [True]


@pytest.mark.parametrize("name", [name for name in OTHERS if "backup" not in OTHERS[name]])
def test_a_file_that_the_operator_named_must_be_a_root(
    name: str, contents: Contents, sources: Sources, now: datetime, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(contents[name])
    assert OTHERS[name] in Read(sources(tmp_path / name), now).problems[0]


@pytest.mark.parametrize("kind", ["zip", "folder"])
@pytest.mark.parametrize("name", ["client.pem", "roots.p7b", "crl.pem"])
def test_without_any_root_the_start_says_what_there_was(
    name: str, kind: str, *, contents: Contents, zipped: Zipped, sources: Sources, now: datetime
) -> None:
    with place(kind, {name: contents[name]}, zipped) as path:
        told = "\n".join(Read(sources(path), now).problems)

    assert name in told
    assert OTHERS[name] in told


def test_a_large_document_in_a_zip_is_passed_over_and_a_large_root_is_not(
    root: x509.Certificate, sources: Sources, now: datetime, tmp_path: Path, zipped: Zipped
) -> None:
    document = b"%PDF-1.7" + bytes(range(256)) * 2_000
    for name, is_problem in (("guide.pdf", False), ("large.pem", True)):
        path = tmp_path / f"{name}.zip"
        path.write_bytes(zipped({name: document, "root.crt": root.public_bytes(PEM)}))
        read = Read(sources(path), now)
        told = read.problems if is_problem else read.warnings
        assert any(name in one and "is larger than 262,144 bytes" in one for one in told)
        assert read.subjects == ([] if is_problem else ["CN=root"])


_NAMES = st.sampled_from([*OTHERS, *BROKEN])


@pytest.mark.parametrize("kind", ["zip", "folder"])
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_mixture_gives_its_roots_or_a_problem_and_each_thing_is_named(
    data: st.DataObject, kind: str, *, contents: Contents, zipped: Zipped, sources: Sources,
    now: datetime, some_roots: dict[str, x509.Certificate],
) -> None:  # fmt: skip
    others = data.draw(st.sets(_NAMES, max_size=6))
    roots = data.draw(st.sets(st.sampled_from(sorted(some_roots))))
    folder = data.draw(st.sampled_from(["", "roots/", "a/b/", "a\\b\\", "./"])) if kind == "zip" else ""
    members = {name: contents[name] for name in others}
    members |= {f"{name}.pem": some_roots[name].public_bytes(data.draw(st.sampled_from([PEM, DER]))) for name in roots}
    names = data.draw(st.permutations(sorted(members)))
    with place(kind, {f"{folder}{name}": members[name] for name in names}, zipped) as path:
        read = Read(sources(path), now)

    if others & set(BROKEN) or not roots:
        assert read.problems
        return
    assert read.problems == ()
    assert sorted(read.subjects) == sorted(f"CN={name}" for name in roots)
    assert [name for name in others if not any(name in one for one in read.warnings)] == []
    assert [one for one in read.warnings if "it is ignored" not in one] == []


@pytest.fixture(scope="session")
def some_roots(certify: Certify) -> dict[str, x509.Certificate]:
    return {name: certify(name) for name in ("one", "two", "three")}
