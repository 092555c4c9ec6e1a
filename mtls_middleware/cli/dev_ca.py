"""The command ``dev-ca``: a regional root of your own, and callers good and bad, to try a service."""

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote

from mtls_middleware.display import displayed
from mtls_middleware.errors import MTLSError
from mtls_middleware.regions import find, nearest
from mtls_middleware.testing import ClientCertificate, RegionalCA

_OWNER_ONLY = 0o700
_PATH_CHARACTERS = 4_096
"""PATH_MAX of Linux."""


ROOT = "root.pem"
SERVER = "server"
REVOKED = "revoked.crl"
ENVIRONMENT = "dev.env"
EXPORTS = "dev.sh"
README = "README.md"
IGNORED = ".gitignore"
STATE = "state"
"""The folder in which the running application tells `status` what it does."""

WARNING = "FOR DEVELOPMENT ONLY: whoever reads a key in this folder can pretend to be Genesys Cloud."

EVERYBODY = 0o644
OWNER = 0o600

PATH = "/actions/lookup"
"""Of the action in what is printed, as in README.md."""

GOOD = "good"
NONE = "none"
"""What `call --as` takes for no certificate at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One file.

    Attributes:
        name: in the folder.
        content: whole.
        mode: permissions.
    """

    name: str
    content: bytes = field(repr=False)
    mode: int = EVERYBODY


def run_dev_ca(folder: Path, *, region: str, force: bool) -> int:
    """Write a folder, print what to do with it, and return the exit status.

    Raises:
        MTLSError: nothing was written; or, where the system refused, not all.
    """
    known = find(region)
    if known is None:
        close = nearest(region)
        raise MTLSError(
            f"--region {displayed(region)!r} is not a region of Genesys Cloud"
            + (f": did you mean {close}?" if close else "")
        )
    if "," in str(folder) or displayed(str(folder), _PATH_CHARACTERS) != str(folder):
        raise MTLSError(f"{displayed(str(folder))}: settings cannot name a folder with a comma or a control character")
    items = contents(folder, known.aws_region)
    try:
        write(folder, items, force=force)
    except OSError as error:
        raise MTLSError(f"{displayed(error.filename or str(folder))}: {error.strerror or error}") from error
    sys.stdout.write(_next_steps(folder, known.aws_region, len(items)))
    sys.stderr.write(f"{WARNING}\n")
    return 0


def write(folder: Path, items: tuple[Item, ...], *, force: bool) -> None:
    """Write files, each new: what is there is never written into, so that no link leads elsewhere.

    Raises:
        MTLSError: something is there already, and nothing was written.
        OSError: the system refused.
    """
    there = [item.name for item in items if os.path.lexists(folder / item.name)]
    if there and not force:
        raise MTLSError(
            f"{displayed(str(folder))} holds {', '.join(there)} already: choose another folder, or give --force"
        )
    folder.mkdir(mode=_OWNER_ONLY, parents=True, exist_ok=True)
    for item in items:
        path = folder / item.name
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, item.mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(item.content)


def _next_steps(folder: Path, region: str, count: int) -> str:
    """Return what to do next. Commands name the folder as it was given."""
    return f"""\
Wrote {count} files to {folder}: a root that plays {region}, and callers good and bad.

Beside your application, which has {PATH}:

  {_export_command(folder)}
  {serve_command(folder)}

In another terminal:

  {call_command(folder)}

{folder / README} tells the rest.
"""


def _export_command(folder: Path) -> str:
    """Return how a shell reads the settings; it looks for a bare name elsewhere."""
    exports = str(folder / EXPORTS)
    return f". {quote(exports if os.sep in exports else f'./{exports}')}"


def contents(folder: Path, region: str) -> tuple[Item, ...]:
    """Make new certificates, and return every file of a folder."""
    root = RegionalCA(region)
    callers = {caller.name: caller.make(root) for caller in CALLERS}
    names = ("localhost", "127.0.0.1", "::1")
    settings = {
        "MTLS_REGIONS": root.region,
        "MTLS_CERT_NAMES": f"{root.region}={root.cert_name}",  # also where the regional table knows none
        "MTLS_TRUST": f"{root.region}={folder / ROOT}",
        "MTLS_CRL_URLS": str(folder / REVOKED),
        "MTLS_EXEMPT": "/health",
        "MTLS_STATE": str(folder / STATE),
    }
    return (
        Item(name=ROOT, content=root.pem.encode()),
        *_files(SERVER, root.server(names)),
        *(item for name, client in callers.items() for item in _files(name, client)),
        Item(name=REVOKED, content=root.crl([callers["revoked"]])),
        Item(name=ENVIRONMENT, content=_environment(settings)),
        Item(name=EXPORTS, content=_exports(settings)),
        Item(name=README, content=_readme(folder, root.region).encode()),
        Item(name=IGNORED, content=b"*\n"),
    )


def _files(name: str, client: ClientCertificate) -> Iterator[Item]:
    yield Item(name=f"{name}.pem", content=client.chain_pem.encode())
    yield Item(name=f"{name}.key", content=client.key_pem.encode(), mode=OWNER)


def _environment(settings: dict[str, str]) -> bytes:
    """Return the form that `docker run --env-file` and editors read: nothing is quoted there."""
    lines = (f"# {WARNING}", *(f"{name}={value}" for name, value in settings.items()))
    return "".join(f"{line}\n" for line in lines).encode()


def _exports(settings: dict[str, str]) -> bytes:
    """Return what a shell reads."""
    lines = (f"# {WARNING}", *(f"export {name}={quote(value)}" for name, value in settings.items()))
    return "".join(f"{line}\n" for line in lines).encode()


def serve_command(folder: Path) -> str:
    """Return how to serve an application with the files of a folder."""
    certificate, key = quote(str(folder / f"{SERVER}.pem")), quote(str(folder / f"{SERVER}.key"))
    return f"mtls-middleware serve your_module:app --ssl-certfile {certificate} --ssl-keyfile {key}"


def call_command(folder: Path, caller: str = "") -> str:
    """Return how to call it."""
    chosen = f" --as {caller}" if caller else ""
    return f"mtls-middleware call https://localhost:8443{PATH} --dev-ca {quote(str(folder))}{chosen}"


def _readme(folder: Path, region: str) -> str:
    rows = "".join(f"{caller.row}\n" for caller in CALLERS)
    return f"""# A regional root for development

**{WARNING}**
Copy none of it to a server, and let no deployment trust `{ROOT}`. It plays the root of `{region}`; Genesys Cloud knows
nothing of it. `{IGNORED}` keeps git from committing it.

Paths are those from the folder in which `dev-ca` was run. In one terminal, there, beside your application:

    {_export_command(folder)}
    {serve_command(folder)}

In another:

    {call_command(folder)}
    {call_command(folder, "expired")}
    {call_command(folder, NONE)}

{TABLE_HEAD}
{rows}| `{NONE}` | none at all | `certificate_missing` | the same |

`{ENVIRONMENT}` holds the same settings for `docker run --env-file` and for editors. `{REVOKED}` ends a week after it
was made, and certificates after a year. Make everything anew with

    mtls-middleware dev-ca {quote(str(folder))} --region {region} --force
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DevCaller:
    """One caller.

    Attributes:
        name: of its files, and what `call --as` takes.
        title: what is wrong with it, in a person's words.
        ending: its result, where the middleware judges it: a reason, or ``let in``.
        make: signs its certificate.
        is_verified: a TLS server or proxy lets it through to the middleware.
    """

    name: str
    title: str
    ending: str
    make: Callable[[RegionalCA], ClientCertificate]
    is_verified: bool = True

    @property
    def row(self) -> str:
        """Return its row of the table."""
        result = f"{self.ending} | the same"
        if not self.is_verified:
            result = f"ends in the TLS handshake: {self.ending} | a page of nginx, status 400"
        return f"| `{self.name}` | {self.title} | {result} |"


TABLE_HEAD = """\
| `--as` | its certificate | with `serve` | behind nginx |
|---|---|---|---|"""


CALLERS = (
    DevCaller(name=GOOD, title="what the region's data actions show", ending="let in", make=lambda root: root.client()),
    DevCaller(
        name="expired",
        title="its life ended yesterday",
        ending="`certificate_expired`",
        make=lambda root: root.client(expired=True),
        is_verified=False,
    ),
    DevCaller(
        name="not-yet-valid",
        title="its life begins tomorrow",
        ending="`certificate_not_yet_valid`",
        make=lambda root: root.client(not_yet_valid=True),
        is_verified=False,
    ),
    DevCaller(
        name="other-region",
        title="signed by this root, with the name of another region",
        ending="`region_mismatch`",
        make=lambda root: root.client(names=RegionalCA(_other_than(root.region)).cert_name),
    ),
    DevCaller(
        name="revoked",
        title="named by the CRL",
        ending="`certificate_revoked`",
        make=lambda root: root.client(),
    ),
    DevCaller(
        name="server-only",
        title="made for servers, not for callers",
        ending="`purpose_mismatch`",
        make=lambda root: root.client(server_only=True),
        is_verified=False,
    ),
    DevCaller(
        name="stranger",
        title="the right name, signed by another root",
        ending="`issuer_untrusted`",
        make=lambda root: RegionalCA(root.region).client(),
        is_verified=False,
    ),
)


def _other_than(region: str) -> str:
    known = find("eu-west-1")
    return "us-east-1" if known is None or known.aws_region == region else known.aws_region
