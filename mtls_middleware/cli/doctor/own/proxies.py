"""What stands in front: whether it can be told from a caller."""

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network, ip_network

from mtls_middleware.cli.doctor.own.finding import About, Check, Finding, Topic
from mtls_middleware.display import displayed
from mtls_middleware.settings import Settings

WIDEST = {4: 16, 6: 48}
"""Prefix lengths by version of IP: a shorter one holds more than proxies."""

_ABOUT = About(Topic.PROXY)
_LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


def tell_proxy(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Tell whether the boundary that is configured can hold."""
    if settings.shape is None:
        yield from _without_headers(settings)
        return
    yield from _networks(settings)
    yield from _secret(settings)
    yield from _forwarded(settings, environ)
    if settings.shape.has_marker:
        markers = ", ".join(marker.header for marker in settings.shape.markers if marker.always_set)
        yield _ABOUT.ok(Check.PROXY_MARKER, f"{settings.source} must set {displayed(markers)} on every request")
    else:
        yield _ABOUT.ok(
            Check.PROXY_MARKER,
            f"{settings.source} has no marker: that it removes callers' copies shows `mtls-middleware doctor --url`",
        )


def _without_headers(settings: Settings) -> Iterator[Finding]:
    unused = [
        name
        for name, is_set in (
            ("MTLS_TRUSTED_PROXIES", bool(settings.trusted_proxies) or settings.trusts_unix_socket),
            ("MTLS_PROXY_SECRET", settings.proxy_secret is not None),
        )
        if is_set
    ]
    if unused:
        yield _ABOUT.warning(
            Check.PROXY_SECRET,
            f"{' and '.join(unused)} have no effect, because MTLS_SOURCE={settings.source} reads no header",
            "if a proxy ends TLS, set MTLS_SOURCE to its name; else remove them",
        )
    else:
        yield _ABOUT.ok(Check.PROXY_SECRET, f"MTLS_SOURCE={settings.source} reads no header, so none is believed")


def _networks(settings: Settings) -> Iterator[Finding]:
    wide = [network for network in settings.trusted_proxies if network.prefixlen < WIDEST[network.version]]
    for network in wide:
        yield _ABOUT.warning(
            Check.PROXY_NETWORKS,
            f"MTLS_TRUSTED_PROXIES {network} holds {network.num_addresses:,} addresses: each may speak for any caller"
            if isinstance(network, IPv4Network)
            else f"MTLS_TRUSTED_PROXIES {network} is wider than /{WIDEST[6]}: each address may speak for any caller",
            "name the proxies themselves, or add MTLS_PROXY_SECRET",
        )
    if settings.trusted_proxies and not wide:
        yield _ABOUT.ok(Check.PROXY_NETWORKS, f"trusted: {', '.join(map(str, settings.trusted_proxies))}")


def _secret(settings: Settings) -> Iterator[Finding]:
    if settings.proxy_secret is not None:
        yield _ABOUT.ok(Check.PROXY_SECRET, f"the proxy must add {displayed(settings.proxy_secret.header)}")
        return
    is_local = settings.trusts_unix_socket or any(
        network.version == local.version and network.overlaps(local)
        for network in settings.trusted_proxies
        for local in _LOOPBACK
    )
    if is_local:
        yield _ABOUT.warning(
            Check.PROXY_SECRET,
            "peers on this machine are trusted without a secret: every process here may speak for any caller, and "
            "uvicorn rewrites their address",
            "let the proxy add MTLS_PROXY_SECRET; mtls-middleware proxy-config prints both sides",
        )
    else:
        yield _ABOUT.ok(
            Check.PROXY_SECRET,
            "no secret: the peer's address alone is believed, so only proxies may reach the application's port",
        )


def _forwarded(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    everybody = "*" in environ.get("FORWARDED_ALLOW_IPS", "") or (
        "--forwarded-allow-ips=*" in environ.get("GUNICORN_CMD_ARGS", "").replace('"', "").replace("'", "")
    )
    if everybody and settings.proxy_secret is None:
        yield _ABOUT.warning(
            Check.PROXY_FORWARDED,
            "the server believes X-Forwarded-For of everybody (FORWARDED_ALLOW_IPS), so the peer it tells is the "
            "caller's choice; such calls are refused (source_untrusted)",
            "use our server adapter or MTLS_PROXY_SECRET, and name the proxies there",
        )
    else:
        yield _ABOUT.ok(Check.PROXY_FORWARDED, "no variable lets the server believe X-Forwarded-For of everybody")
