"""A complete configuration for each proxy and platform that hands over a client certificate in headers.

What `TABLE` calls *run* is run by the end-to-end tests, file by file as `render` returns it. The rest comes from the
vendors' documentation.
"""

import re
from collections.abc import Mapping
from importlib.resources import files

from mtls_middleware.errors import ConfigurationError
from mtls_middleware.proxy_config.parameters import SECRET_HEADER, Parameters
from mtls_middleware.proxy_config.table import TABLE, Template

__all__ = ["TABLE", "Parameters", "Template", "render", "settings_behind"]

_PLACEHOLDER = re.compile(r"\{\{ (\w+) \}\}")
_SETTING_LINE = re.compile(r"^.*\{\{ (?:setting|setting_name|setting_value) \}\}.*\n", re.MULTILINE)
"""Such a line is written once for each setting of the application."""
_WITH_CRL, _WITHOUT_CRL = (
    re.compile(rf"^ *\{{\{{{mark} crl \}}\}}\n(.*?)^ *\{{\{{/ crl \}}\}}\n", re.DOTALL | re.MULTILINE)
    for mark in ("#", r"\^")
)


def render(name: str, parameters: Parameters) -> str:
    """Return the text of a configuration.

    Args:
        name: a key of `TABLE`.
        parameters: what differs from one deployment to the next.

    Raises:
        ConfigurationError: there is none of this name, or it takes no CRL.
    """
    template = TABLE.get(name)
    if template is None:
        raise ConfigurationError([f"there is no configuration for {name!r}; known are: {', '.join(TABLE)}"])
    if parameters.crl is not None and not template.takes_crl:
        raise ConfigurationError([f"the configuration for {name} takes no CRL"])
    text = (files(__name__) / "templates" / template.file).read_text(encoding="utf-8")
    kept, left_out = (_WITHOUT_CRL, _WITH_CRL) if parameters.crl is None else (_WITH_CRL, _WITHOUT_CRL)
    text = kept.sub(r"\1", left_out.sub("", text))
    settings = settings_behind(name, parameters)
    text = _SETTING_LINE.sub(lambda line: _repeated(line[0], settings), text)
    values = parameters.values()
    return _PLACEHOLDER.sub(lambda found: values[found[1]], text)


def settings_behind(name: str, parameters: Parameters) -> Mapping[str, str]:
    """Return the settings of the application behind a proxy or platform."""
    template = TABLE[name]
    settings = {
        "MTLS_REGIONS": parameters.regions,
        "MTLS_TRUST": parameters.trust_setting or parameters.trust,
        "MTLS_SOURCE": template.source,
        **template.settings,
    }
    if parameters.trusted_proxies is not None:
        settings["MTLS_TRUSTED_PROXIES"] = parameters.trusted_proxies
    if template.adds_secret and parameters.secret_file is not None:
        settings["MTLS_PROXY_SECRET_FILE"] = parameters.secret_file
    elif template.adds_secret:
        settings["MTLS_PROXY_SECRET"] = parameters.secret
    if template.adds_secret and parameters.secret_header != SECRET_HEADER:
        settings["MTLS_PROXY_SECRET_HEADER"] = parameters.secret_header
    if template.checks_health or parameters.exempt is not None:
        settings["MTLS_EXEMPT"] = parameters.exempt or parameters.health
    return settings


def _repeated(line: str, settings: Mapping[str, str]) -> str:
    return "".join(
        line.replace("{{ setting }}", f"{name}={value}")
        .replace("{{ setting_name }}", name)
        .replace("{{ setting_value }}", value)
        for name, value in settings.items()
    )
