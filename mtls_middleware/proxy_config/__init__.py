"""A complete configuration for each proxy and platform that hands over a client certificate in headers.

What `TABLE` calls *run* is run by the end-to-end tests, file by file as `render` returns it. The rest comes from the
vendors' documentation.
"""

import re
from importlib.resources import files

from mtls_middleware.errors import ConfigurationError
from mtls_middleware.proxy_config.catalogue import TABLE, Template
from mtls_middleware.proxy_config.parameters import Parameters

__all__ = ["TABLE", "Parameters", "Template", "render"]

_PLACEHOLDER = re.compile(r"\{\{ (\w+) \}\}")
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
    values = parameters.values()
    return _PLACEHOLDER.sub(lambda found: values[found[1]], text)
