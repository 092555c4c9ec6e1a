"""Programs that run WSGI applications: where they are, what the documentation starts them with, how they are set up."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e import matrix
from tests.e2e.callers import CUSTOM_NAME, PKI
from tests.e2e.conftest import Start
from tests.e2e.processes import HOST, ROOT, free_port
from tests.e2e.proxies import PROXIES, nginx_with

FOLDER = Path(__file__).parent
PAGE = ROOT / "docs" / "servers-wsgi.md"
SITE = "wsgi_site:application"
ENVIRONMENT = {"PYTHONPATH": f"{ROOT}:{FOLDER}"}

_BESIDE = Path(sys.executable).parent
_PATH = os.pathsep.join((str(_BESIDE), os.environ["PATH"], "/usr/sbin"))
_MOD_WSGI = Path("/usr/lib/apache2/modules/mod_wsgi.so-{}.{}".format(*sys.version_info))
_PYTHON_PLUGIN = Path("/usr/lib/uwsgi/plugins/python{}{}_plugin.so".format(*sys.version_info))

APACHE = (Path("/usr/sbin/apache2"), _MOD_WSGI)
NGINX = (Path("/usr/sbin/nginx"),)
UWSGI = () if (_BESIDE / "uwsgi").exists() else (Path("/usr/bin/uwsgi"), _PYTHON_PLUGIN)
"""The files that must be there; of uWSGI one built for this Python goes before Debian's."""


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


def uwsgi(site: Site, command: str) -> list[str | Path]:
    """Return the command with the uWSGI that is installed; that of Debian has plugins."""
    program = shutil.which("uwsgi", path=_PATH)
    assert program is not None
    own = Path(program).parent == _BESIDE
    plugins = [] if own else ["--plugins", f"http,{_PYTHON_PLUGIN.name.removesuffix('_plugin.so')}"]
    python = [f"--pythonpath={path}" for path in (ROOT, FOLDER, sysconfig.get_path("purelib"))]
    _, *arguments = shlex.split(command)
    return [program, *plugins, *site.options, *arguments, *python, "--die-on-term", "--disable-logging"]


def nginx(site: Site, location: str) -> int:
    """Start an nginx that asks for certificates, and return its port."""
    port = free_port()
    server = f"""
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
    """
    site.start([PROXIES["nginx"].installed(), *nginx_with(site.folder, server)], port=port)
    return port


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
