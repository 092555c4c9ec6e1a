"""The command ``trust export``: anchors and CRLs in the forms that proxies read."""

import os
import re
import stat
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mtls_middleware._core.certificate import fingerprint
from mtls_middleware._core.trust import Anchor, TrustSnapshot
from mtls_middleware._io.files import InputError
from mtls_middleware._io.store import Kind
from mtls_middleware._trust.crl.der import content_of
from mtls_middleware.cli.ending import WRONG
from mtls_middleware.cli.environment import settings_here
from mtls_middleware.cli.trust.show import FAILED
from mtls_middleware.composition import Secrets, store_of
from mtls_middleware.display import displayed
from mtls_middleware.guard import Guard, utc_now
from mtls_middleware.settings import Settings

EVERYBODY = 0o644
"""Permissions of a new file: certificates are public, and proxies run as somebody else."""

MAX_OUTPUT_BYTES = 64 * 1_048_576
"""Looked at of a file that is there already; a CRL may be long."""

_LABELS = re.compile(rb"-----BEGIN ([^-]*)-----")
_OURS = {b"CERTIFICATE", b"TRUSTED CERTIFICATE", b"X509 CRL"}


class Format(StrEnum):
    """The format of an export."""

    PEM = "pem"
    """Whoever reads PEM: each certificate has a comment, which TLS libraries pass over."""
    NGINX = "nginx"
    """``ssl_client_certificate``, and the files of Apache, HAProxy and Envoy, which look the same."""
    AWS_ALB = "aws-alb"
    """A trust store of an ALB, which takes no comments."""


_HEADS = {
    Format.NGINX: "# From mtls-middleware trust export. In nginx: ssl_client_certificate THIS_FILE;\n",
}


def run_export(form: Format, output: Path | None, crl: Path | None, *, force: bool) -> int:
    """Write anchors, and CRLs if they are wanted, and return the exit status.

    Args:
        form: who is to read it.
        output: a file for the anchors; None for standard output.
        crl: a file for the CRLs; None for none.
        force: also replace a file that holds something else.
    """
    settings = settings_here()
    guard = Guard.silent(settings)
    guard.load()
    snapshot, now = guard.snapshot, utc_now()
    text = bundle(snapshot, form, now) if snapshot is not None else ""
    if not text:
        sys.stderr.write("There is no anchor to export: all have expired.\n")
        return FAILED
    lists = ""
    if crl is not None and snapshot is not None:
        lists = crls_of(settings, snapshot)
        if not lists:
            sys.stderr.write("No CRL is known yet: run mtls-middleware trust refresh.\n")
            return FAILED
    try:
        _write_all({output: text, crl: lists} if output is not None else {crl: lists}, force=force)
    except (OSError, NotOursError) as error:
        sys.stderr.write(f"cannot be written: {displayed(str(error), 1_024)}\n")
        return WRONG
    if output is None:
        sys.stdout.write(text)
    return 0


def _write_all(contents: Mapping[Path | None, str], *, force: bool) -> None:
    """Replace files, after a look at each of them."""
    wanted = {path: text for path, text in contents.items() if path is not None}
    if not force:
        for path in wanted:
            require_ours(path)
    for path, text in wanted.items():
        write(text, path)


def bundle(snapshot: TrustSnapshot, form: Format, now: datetime) -> str:
    """Return the anchors that are valid now, or will be, and configured intermediates."""
    anchors = [anchor for anchor in snapshot.anchors if anchor.not_after >= now]
    helpers = [one for trust in snapshot.trusts for one in trust.intermediates if one.not_valid_after_utc >= now]
    blocks = [_HEADS.get(form, "")] if anchors else []
    blocks += [_block(anchor.certificate, _comment(anchor), form) for anchor in anchors]
    blocks += [
        _block(one, f"intermediate {_subject(one)}, until {one.not_valid_after_utc:%Y-%m-%d}", form) for one in helpers
    ]
    return "".join(dict.fromkeys(blocks))


def crls_of(settings: Settings, snapshot: TrustSnapshot) -> str:
    """Return the revocation crls in force as PEM, one behind the other.

    Their bytes are where they were read from: files of the operator, and the state.
    """
    store = store_of(settings, Secrets.read(settings, []))
    store.view()  # an engine is only compared with what lies here
    kept = store.entries(Kind.CRL)
    files = (Path(origin) for origin in settings.crl_urls if "://" not in origin)
    in_force = {one.fingerprint_sha256 for one in snapshot.crls.crls}
    ders = {}
    for read in (*(entry.read for entry in kept), *(file.read_bytes for file in files)):
        with suppress(InputError):  # not what is in force, then
            der = content_of(read(), lambda: None)
            ders[fingerprint(der)] = der
    crls = (x509.load_der_x509_crl(der) for digest, der in ders.items() if digest in in_force)
    return "".join(one.public_bytes(Encoding.PEM).decode("ascii") for one in crls)


def _block(certificate: x509.Certificate, comment: str, form: Format) -> str:
    pem = certificate.public_bytes(Encoding.PEM).decode("ascii")
    return pem if form is Format.AWS_ALB else f"# {comment}\n{pem}"


def _comment(anchor: Anchor) -> str:
    subject, origin = _subject(anchor.certificate), displayed(anchor.origin)
    return f"{anchor.binding}: {subject}, until {anchor.not_after:%Y-%m-%d}, from {origin}"


def _subject(certificate: x509.Certificate) -> str:
    return displayed(certificate.subject.rfc4514_string()).encode("ascii", "backslashreplace").decode("ascii")


class NotOursError(Exception):
    """A file that holds something else than an export."""


def require_ours(path: Path) -> None:
    """Check what would be replaced: nothing, an empty file, or certificates and CRLs only.

    Raises:
        NotOursError: it holds something else, a private key perhaps.
        OSError: it cannot be read.
    """
    if not path.is_file():
        return
    with path.open("rb") as file:
        content = file.read(MAX_OUTPUT_BYTES)
    labels = set(_LABELS.findall(content))
    if content.strip() and (not labels or not labels <= _OURS):
        raise NotOursError(f"{path} contains something other than certificates: use another name, or --force")


def write(text: str, path: Path) -> None:
    """Replace a file in one step, so that a proxy that reloads meanwhile reads the old one or the new one.

    A link stays, and what it leads to is replaced; a pipe or a device is written to. The permissions of a file that was
    there stay.

    Raises:
        OSError: it cannot be written; a file that was there is as it was.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        mode = stat.S_IFREG | EVERYBODY
    if not stat.S_ISREG(mode):
        path.write_text(text, encoding="ascii")
        return
    path = path.resolve()
    file = tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="ascii")  # noqa: SIM115 - just below
    temporary = Path(file.name)
    try:
        with file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(stat.S_IMODE(mode))
        temporary.replace(path)
    except OSError:
        temporary.unlink()
        raise
