"""WSGI servers that end TLS themselves, or behind an nginx that hands over environ keys; each as operators run it."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.e2e import matrix
from tests.e2e.callers import PKI
from tests.e2e.conftest import Start
from tests.e2e.processes import HOST, ROOT, accepts_unix, free_port

FOLDER = Path(__file__).parent
PAGE = ROOT / "docs" / "servers-wsgi.md"
SITE = "wsgi_site:application"
ENVIRONMENT = {"PYTHONPATH": f"{ROOT}:{FOLDER}"}

CUSTOM_NAME = "caller.example.com"
"""Of callers of the authority ``custom``, who come through intermediates."""

_BESIDE = Path(sys.executable).parent
_PATH = os.pathsep.join((str(_BESIDE), os.environ["PATH"], "/usr/sbin"))
_MOD_WSGI = Path("/usr/lib/apache2/modules/mod_wsgi.so-{}.{}".format(*sys.version_info))
_PYTHON_PLUGIN = Path("/usr/lib/uwsgi/plugins/python{}{}_plugin.so".format(*sys.version_info))


Files = tuple[str | Path, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Say what a server is started with.

    Attributes:
        start: starts processes.
        pki: the authorities.
        folder: for configuration files.
        verify: what is asked of callers: ``optional``, or ``optional_no_ca`` where a server has it.
        options: of the command line; for Apache, directives.
        environment: variables beside those of `settings`.
    """

    start: Start
    pki: PKI
    folder: Path
    verify: str = "optional"
    options: tuple[str, ...] = ()
    environment: Mapping[str, str] | None = None

    @property
    def env(self) -> dict[str, str]:
        """Return the variables of the process."""
        return {**ENVIRONMENT, **settings(self.pki), **(self.environment or {})}


def settings(pki: PKI) -> dict[str, str]:
    """Return settings for callers of data actions, signed by the root, and for others, signed by intermediates."""
    return {
        "MTLS_REGIONS": "us-east-1",
        "MTLS_AUTHORITIES": "genesys,custom",
        "MTLS_TRUST": f"us-east-1={pki.trust},custom={pki.trust}",
        "MTLS_CERT_NAMES": f"custom={CUSTOM_NAME}",
        "MTLS_STATE": "off",
    }


def documented(heading: str, site: Site, port: int, number: int = 0) -> str:
    """Return a command or configuration of the documentation, with the names of this test."""
    text = (
        PAGE.read_text(encoding="utf-8").partition(f"### {heading}\n")[2].partition("\n## ")[0].partition("\n### ")[0]
    )
    snippet: str = re.findall(r"^```\w+\n(.*?)^```", text, re.DOTALL | re.MULTILINE)[number]
    for written, ours in {
        "server.pem": site.pki.certificate,
        "server.key": site.pki.key,
        "US-East-1.pem": site.pki.trust,
        "0.0.0.0": HOST,
        "8443": port,
        "/run/app/uwsgi.sock": site.folder / "uwsgi",
        "app:application": SITE,
        "from app import": f"from {SITE.partition(':')[0]} import",
    }.items():
        snippet = snippet.replace(written, str(ours))
    return snippet


def _gunicorn(site: Site, *options: str) -> int:
    port = free_port()
    argv = [sys.executable, "-m", *shlex.split(documented("gunicorn", site, port))]
    site.start([*argv, "--graceful-timeout", "1", *options, *site.options], env=site.env, port=port)
    return port


def _script(site: Site, heading: str, change: tuple[str, str] = ("", "")) -> int:
    port, path = free_port(), site.folder / "serve.py"
    path.write_text(documented(heading, site, port).replace(*change), encoding="ascii")
    site.start([sys.executable, path], env=site.env, port=port)
    return port


def _a2wsgi(site: Site) -> int:
    port = free_port()
    files: Files = (
        "--ssl-certfile",
        site.pki.certificate,
        "--ssl-keyfile",
        site.pki.key,
        "--ssl-ca-certs",
        site.pki.trust,
    )
    ours = ("--http", "mtls_middleware.servers.uvicorn:HttpToolsProtocol", "--ssl-cert-reqs", "1")
    argv: list[str | Path] = [
        sys.executable,
        "-m",
        "uvicorn",
        "wsgi_bridged:application",
        "--port",
        str(port),
        *ours,
        *files,
    ]
    site.start([*argv, "--no-proxy-headers"], env=site.env, port=port)
    return port


def uwsgi(site: Site, command: str) -> list[str | Path]:
    """Return the command with the uWSGI that is installed; that of Debian has plugins."""
    program = shutil.which("uwsgi", path=_PATH)
    assert program is not None
    own = Path(program).parent == _BESIDE
    plugins = [] if own else ["--plugins", f"http,{_PYTHON_PLUGIN.name.removesuffix('_plugin.so')}"]
    python = [f"--pythonpath={path}" for path in (ROOT, FOLDER, sysconfig.get_path("purelib"))]
    _, *arguments = shlex.split(command)
    return [program, *plugins, *site.options, *arguments, *python, "--die-on-term", "--disable-logging"]


def uwsgi_https(site: Site, change: tuple[str, str] = ("", "")) -> int:
    """Start uWSGI's https router as documented, but for a change."""
    port = free_port()
    site.start(uwsgi(site, documented("uWSGI", site, port).replace(*change)), env=site.env, port=port)
    return port


def _nginx_uwsgi(site: Site) -> int:
    heading, ready = "nginx in front of uWSGI", accepts_unix(site.folder / "uwsgi")
    site.start(uwsgi(site, documented(heading, site, 0, 1)), env=site.env, ready=ready)
    return nginx(site, documented(heading, site, 0))


def nginx(site: Site, location: str) -> int:
    """Start an nginx that asks for certificates, and return its port."""
    port, kinds = free_port(), ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {site.folder}/{kind};\n" for kind in kinds)
    path = site.folder / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""  # the folders of this run are for nobody else
    path.write_text(
        f"""
        {user} daemon off; worker_processes 1; pid {site.folder}/nginx.pid;
        events {{ worker_connections 64; }}
        http {{
            access_log off;
            {temporary}
            server {{
                listen {HOST}:{port} ssl;
                ssl_certificate        {site.pki.certificate};
                ssl_certificate_key    {site.pki.key};
                ssl_client_certificate {site.pki.trust};
                ssl_verify_client      {site.verify};
                ssl_verify_depth       5;
                ssl_protocols          TLSv1.2 TLSv1.3;
                large_client_header_buffers 4 64k;
                location / {{ {location} }}
            }}
        }}
        """,
        encoding="ascii",
    )
    program = shutil.which("nginx", path=_PATH)
    assert program is not None
    site.start([program, "-c", path, "-p", site.folder, "-e", "stderr"], port=port)
    return port


def _mod_wsgi(site: Site) -> int:
    directives = documented("Apache with mod_wsgi", site, 0)
    return apache(site, re.sub(r"optional$", site.verify, directives, flags=re.MULTILINE))


def apache(site: Site, directives: str, script: str = "wsgi_site.py") -> int:
    """Start an Apache with mod_wsgi in daemon mode, and return its port."""
    port = free_port()
    modules = {"mpm_event": "mod_mpm_event.so", "authz_core": "mod_authz_core.so", "ssl": "mod_ssl.so"}
    modules |= {"socache_shmcb": "mod_socache_shmcb.so", "wsgi": _MOD_WSGI.name}
    load = "\n".join(f"LoadModule {name}_module {_MOD_WSGI.parent}/{file}" for name, file in modules.items())
    path, options = site.folder / "apache.conf", "\n".join(site.options)
    python = ":".join(map(str, (ROOT, FOLDER, sysconfig.get_path("purelib"))))
    path.write_text(
        f"""
{load}
ServerRoot {site.folder}
DefaultRuntimeDir {site.folder}
PidFile {site.folder}/apache.pid
ErrorLog /dev/stderr
ServerName localhost
Listen {HOST}:{port}
SSLSessionCache shmcb:{site.folder}/sessions
WSGISocketPrefix {site.folder}/wsgi
WSGIDaemonProcess site processes=1 threads=2 python-path={python} graceful-timeout=1
WSGIProcessGroup site
WSGIApplicationGroup %{{GLOBAL}}
WSGIScriptAlias / {FOLDER}/{script}
<Directory {FOLDER}>
Require all granted
</Directory>
<VirtualHost {HOST}:{port}>
{directives}
{options}
</VirtualHost>
""",
        encoding="ascii",
    )
    program = shutil.which("apache2", path=_PATH)
    assert program is not None
    site.start([*_ORDINARY_USER, program, "-D", "FOREGROUND", "-f", path], env=site.env, port=port)
    return port


# mod_wsgi runs nothing as root, and in root's folders nobody else may read: it runs as another who may read them.
_READING = ("--inh-caps=+dac_override", "--ambient-caps=+dac_override")
_ORDINARY_USER = (
    ("setpriv", "--reuid=www-data", "--regid=www-data", "--clear-groups", *_READING) if os.geteuid() == 0 else ()
)


def skip_without(needs: tuple[Path, ...]) -> None:
    """Skip the test where something is not installed."""
    if missing := [str(path) for path in needs if not path.exists()]:
        pytest.skip(f"not installed: {', '.join(missing)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class OverTLS:
    """Describe a server with client certificates.

    Attributes:
        run: starts it and returns its port.
        needs: what must be installed beside the packages of the test group.
        resumes: whether it resumes TLS sessions.
        intermediates: whether it hands over what came beside the leaf.
        turned_away: what a caller gets to hear whose certificate the server does not believe.
        lax: has a mode that lets every certificate through.
    """

    run: Callable[[Site], int]
    needs: tuple[Path, ...] = ()
    resumes: bool = True
    intermediates: bool = True
    turned_away: object = "the connection was ended"
    lax: bool = False

    def start(self, site: Site) -> int:
        """Start the server and return its port, or skip the test."""
        skip_without(self.needs)
        return self.run(site)


_APACHE = (Path("/usr/sbin/apache2"), _MOD_WSGI)
_NGINX = Path("/usr/sbin/nginx")


@cache
def _uwsgi_needs() -> tuple[Path, ...]:
    return () if (_BESIDE / "uwsgi").exists() else (Path("/usr/bin/uwsgi"), _PYTHON_PLUGIN)


OVER_TLS: dict[str, OverTLS] = {
    "gunicorn, sync": OverTLS(run=lambda site: _gunicorn(site, "-k", "sync"), resumes=False),
    "gunicorn, gthread": OverTLS(run=lambda site: _gunicorn(site, "-k", "gthread", "--threads", "4"), resumes=False),
    "gunicorn, gevent": OverTLS(run=lambda site: _gunicorn(site, "-k", "gevent")),
    "werkzeug": OverTLS(run=lambda site: _script(site, "werkzeug")),
    "cheroot": OverTLS(run=lambda site: _script(site, "cheroot")),
    "cheroot, its own adapter": OverTLS(
        run=lambda site: _script(site, "cheroot", ("mtls_middleware.servers.cheroot", "cheroot.ssl.builtin")),
        intermediates=False,
    ),
    "a2wsgi on uvicorn": OverTLS(run=_a2wsgi),
    "mod_wsgi": OverTLS(run=_mod_wsgi, needs=_APACHE, lax=True),
    "uWSGI, https": OverTLS(run=uwsgi_https, needs=_uwsgi_needs(), intermediates=False),
    "nginx, uWSGI": OverTLS(
        run=_nginx_uwsgi, needs=(*_uwsgi_needs(), _NGINX), intermediates=False, turned_away=400, lax=True
    ),
}


def record_versions() -> None:
    """Tell the versions of what is no Python package."""
    for name, argv in {
        "Apache": ["apache2", "-v"],
        "nginx": ["nginx", "-v"],
        "uWSGI": ["uwsgi", "--version"],
    }.items():
        if program := shutil.which(argv[0], path=_PATH):
            said = subprocess.run([program, *argv[1:]], capture_output=True, text=True, check=True, timeout=10)
            words = (said.stdout + said.stderr).split()
            number = next(word.rpartition("/")[2] for word in words if word.rpartition("/")[2][:1].isdigit())
            matrix.record_version(name, number)
