"""All parsers of bytes from outside, and the modules that look like one and are none."""

from collections.abc import Mapping
from types import MappingProxyType

from tests.fuzz import requests, trust
from tests.fuzz.parser import Parser

PARSERS: Mapping[str, Parser] = MappingProxyType({**requests.PARSERS, **trust.PARSERS})

ELSEWHERE: Mapping[str, str] = MappingProxyType(
    {
        "_core/decision.py": "unpickles what it pickled",
        "_core/trust.py": "the same",
        "_io/fetch.py": "addresses, of our own resolver and of CRLs that were read; tests/io tries any text",
        "_io/http_network.py": "the operator's proxy",
        "_trust/files/digicert_root.py": "a constant",
        "_trust/files/rehearsal.py": "certificates of its own making",
        "cli/attack/forgery.py": "the operator's file",
        "cli/call/call.py": "shows an answer that `http` reads",
        "cli/call/conclusions.py": "the operator's URL",
        "cli/call/request.py": "the operator's file",
        "cli/options.py": "an option",
        "cli/status_server.py": "an option",
        "cli/trust/export.py": "CRLs that `crl` read",
        "composition.py": "constants",
        "identity.py": "its own fingerprint",
        "installation.py": "what pip recorded of its own work",
        "regions.py": "a table of the package",
        "servers/pyopenssl.py": "the operator's key",
        "settings/state.py": "a setting; tests/settings tries any text",
        "settings/values.py": "settings; tests/settings tries any text",
    }
)
"""Why a module that decodes is no parser of bytes from outside."""
