"""WSGI servers without a command line, behind a proxy that ends TLS: ``python wsgi_run.py NAME PORT MODULE``."""

import argparse
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

HOST = "127.0.0.1"


def werkzeug(application: "WSGIApplication", port: int) -> None:
    """Run what ``flask run`` runs."""
    import_module("werkzeug.serving").run_simple(HOST, port, application, threaded=True)


def cheroot(application: "WSGIApplication", port: int) -> None:
    """Run what CherryPy runs."""
    import_module("cheroot.wsgi").Server((HOST, port), application).start()


def waitress(application: "WSGIApplication", port: int) -> None:
    """Run waitress."""
    import_module("waitress").serve(application, host=HOST, port=port)


def wsgiref(application: "WSGIApplication", port: int) -> None:
    """Run the server of the standard library."""
    import_module("wsgiref.simple_server").make_server(HOST, port, application).serve_forever()


SERVERS = {"werkzeug": werkzeug, "cheroot": cheroot, "waitress": waitress, "wsgiref": wsgiref}


def main() -> None:
    """Run one of the servers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("server", choices=SERVERS)
    parser.add_argument("port", type=int)
    parser.add_argument("module")
    options = parser.parse_args()
    SERVERS[options.server](import_module(options.module).application, options.port)


if __name__ == "__main__":
    main()
