"""Where a client certificate can come from: headers, TLS, an event; and a table of the proxies that use them."""

from mtls_middleware._core.sources.headers import HeaderSource
from mtls_middleware._core.sources.presented import Source
from mtls_middleware._core.sources.presets import AWS_API_GATEWAY, HeaderNames
from mtls_middleware._core.sources.tls import AWSEventSource, TLSSource


def source_of(name: str, header_names: HeaderNames | None, xfcc_elements: int) -> Source:
    """Return the one source that is configured."""
    if header_names is not None:
        return HeaderSource(name=name, header_names=header_names, xfcc_elements=xfcc_elements)
    return AWSEventSource() if name == AWS_API_GATEWAY else TLSSource()
