"""The table of WSGI servers that end TLS, or stand behind an nginx that hands over environ keys."""

import re
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.processes import accepts_unix, free_port
from tests.e2e.wsgi_programs import (
    APACHE,
    NGINX,
    UWSGI,
    Site,
    apache,
    documented,
    nginx,
    skip_without,
    uwsgi,
)


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
    files: tuple[str | Path, ...] = (
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


def _serve(site: Site) -> int:
    port = free_port()
    _, *arguments = shlex.split(documented("serve", site, port))
    site.start([sys.executable, "-m", "mtls_middleware", *arguments], env=site.env, port=port)
    return port


def uwsgi_https(site: Site, change: tuple[str, str] = ("", "")) -> int:
    """Start uWSGI's https router as documented, but for a change."""
    port = free_port()
    site.start(uwsgi(site, documented("uWSGI", site, port).replace(*change)), env=site.env, port=port)
    return port


def _nginx_uwsgi(site: Site) -> int:
    heading, ready = "nginx in front of uWSGI", accepts_unix(site.folder / "uwsgi")
    site.start(uwsgi(site, documented(heading, site, 0, 1)), env=site.env, ready=ready)
    return nginx(site, documented(heading, site, 0))


def _mod_wsgi(site: Site) -> int:
    directives = documented("Apache with mod_wsgi", site, 0)
    return apache(site, re.sub(r"optional$", site.verify, directives, flags=re.MULTILINE))


@dataclass(frozen=True, slots=True, kw_only=True)
class OverTLS:
    """Describe a server with client certificates.

    Attributes:
        run: starts it and returns its port.
        needs: what must be installed beside the packages of the test group.
        resumes: the versions of TLS of which it resumes sessions.
        intermediates: whether it hands over what came beside the leaf.
        turned_away: what a caller gets to hear whose certificate the server does not believe.
        lax: has a mode that lets every certificate through.
    """

    run: Callable[[Site], int]
    needs: tuple[Path, ...] = ()
    resumes: tuple[str, ...] = ("TLS 1.2", "TLS 1.3")
    intermediates: bool = True
    turned_away: object = "the connection was ended"
    lax: bool = False

    def start(self, site: Site) -> int:
        """Start the server and return its port, or skip the test."""
        skip_without(self.needs)
        return self.run(site)


OVER_TLS: dict[str, OverTLS] = {
    "gunicorn, sync": OverTLS(run=lambda site: _gunicorn(site, "-k", "sync"), resumes=()),
    "gunicorn, gthread": OverTLS(run=lambda site: _gunicorn(site, "-k", "gthread", "--threads", "4"), resumes=()),
    "gunicorn, gevent": OverTLS(run=lambda site: _gunicorn(site, "-k", "gevent")),
    "werkzeug": OverTLS(run=lambda site: _script(site, "werkzeug")),
    "cheroot": OverTLS(run=lambda site: _script(site, "cheroot")),
    "cheroot, its own adapter": OverTLS(
        run=lambda site: _script(site, "cheroot", ("mtls_middleware.servers.cheroot", "cheroot.ssl.builtin")),
        intermediates=False,
    ),
    "serve": OverTLS(run=_serve, resumes=("TLS 1.2",)),
    "a2wsgi on uvicorn": OverTLS(run=_a2wsgi),
    "mod_wsgi": OverTLS(run=_mod_wsgi, needs=APACHE, lax=True),
    "uWSGI, https": OverTLS(run=uwsgi_https, needs=UWSGI, intermediates=False),
    "nginx, uWSGI": OverTLS(run=_nginx_uwsgi, needs=(*UWSGI, *NGINX), intermediates=False, turned_away=400, lax=True),
}
