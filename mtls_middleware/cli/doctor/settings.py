"""Settings, files of secrets, and the proxy in front: what a start would complain of, and what it would not."""

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from mtls_middleware._core.gate import Mode
from mtls_middleware.cli.doctor.finding import About, Check, Finding, Topic
from mtls_middleware.cli.environment import ELSEWHERE, WHERE, is_elsewhere
from mtls_middleware.composition import Secrets, boundary_risk
from mtls_middleware.display import displayed
from mtls_middleware.errors import ConfigurationError
from mtls_middleware.identity import Authority
from mtls_middleware.settings import Settings
from mtls_middleware.settings.keywords import VARIABLES
from mtls_middleware.settings.reader import DEFAULT_PREFIX

ROOT = 0

MUCH = 4
"""Times a default, from which on raising it deserves a word."""

_ABOUT_SETTINGS = About(Topic.SETTINGS)

_OTHERS = stat.S_IROTH | stat.S_IWOTH | stat.S_IWGRP

WIDEST = {4: 16, 6: 48}
"""Prefix lengths by version of IP: a shorter one holds more than proxies."""

_ABOUT_PROXY = About(Topic.PROXY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """The readable part of the configuration.

    Attributes:
        settings: None where they are wrong.
        secrets: None where they, or their files, are.
    """

    settings: Settings | None
    secrets: Secrets | None


def read_settings(environ: Mapping[str, str]) -> tuple[Configured, list[Finding]]:
    """Read settings and secrets, and return them with what was found."""
    try:
        settings = Settings.from_env(environ)
    except ConfigurationError as error:
        found = [_ABOUT_SETTINGS.error(Check.SETTINGS_VALID, problem) for problem in error.problems]
        if is_elsewhere(environ):
            found.append(_ABOUT_SETTINGS.warning(Check.SETTINGS_USER, ELSEWHERE, WHERE))
        return Configured(settings=None, secrets=None), found
    names = sorted(name for name in environ if name.startswith(DEFAULT_PREFIX))
    found = [_ABOUT_SETTINGS.ok(Check.SETTINGS_VALID, f"{len(names)} variables: {displayed(', '.join(names))}")]
    problems: list[str] = []
    secrets = Secrets.read(settings, problems)
    found += [
        _ABOUT_SETTINGS.error(
            Check.SETTINGS_SECRET, problem, "name a file with one secret a line, that the application may read"
        )
        for problem in problems
    ]
    found += _permissions(settings)
    found += _advice(settings)
    return Configured(settings=settings, secrets=None if problems else secrets), found


def check_user(user: int) -> Finding:
    """Check as whom doctor runs: root may read what the application may not."""
    if user == ROOT:
        return _ABOUT_SETTINGS.warning(
            Check.SETTINGS_USER,
            "doctor runs as root, who may read and write everything",
            "run it as the application's user, otherwise its findings about permissions are not reliable",
        )
    return _ABOUT_SETTINGS.ok(Check.SETTINGS_USER, f"looked at as user {user}; the application must run as the same")


def _permissions(settings: Settings) -> Iterator[Finding]:
    clients = settings.genesys_client_secret
    files = {
        setting.variable: setting.file
        for setting in (settings.proxy_secret, settings.caller_secret, settings.state_secret)
        if setting is not None and setting.file is not None
    }
    if clients is not None and clients.file is not None:
        files[clients.variable] = clients.file
    for variable, path in files.items():
        mode = _mode(path)
        if mode is None:
            continue  # reading it told why
        shown = f"{variable} {displayed(str(path))} has mode {mode:04o}"
        if mode & _OTHERS:
            who = "write into" if mode & (stat.S_IWOTH | stat.S_IWGRP) else "read"
            yield _ABOUT_SETTINGS.warning(
                Check.SETTINGS_SECRET,
                f"{shown}: other users may {who} it",
                "chmod 640, or `defaultMode: 0440` for a Secret of Kubernetes",
            )
        else:
            yield _ABOUT_SETTINGS.ok(Check.SETTINGS_SECRET, shown)


def _advice(settings: Settings) -> Iterator[Finding]:
    if settings.mode is Mode.REPORT:
        yield _ABOUT_SETTINGS.warning(
            Check.SETTINGS_MODE,
            "MTLS_MODE=report refuses no calls",
            "set MTLS_MODE=enforce when only strangers are left in the log",
        )
    else:
        yield _ABOUT_SETTINGS.ok(Check.SETTINGS_MODE, "refusals are enforced")
    yield _limits(settings)
    shared = [authority for authority in settings.authorities if authority is not Authority.CUSTOM]
    if not shared:
        return
    if settings.caller_secret is None and not settings.organization_ids:
        yield _ABOUT_SETTINGS.warning(
            Check.SETTINGS_CALLER,
            "the certificate proves the region, and every customer of that region calls with it",
            "let the integration's credentials add a secret, and set MTLS_CALLER_SECRET to it",
        )
    elif settings.caller_secret is None:
        yield _ABOUT_SETTINGS.ok(
            Check.SETTINGS_CALLER, "an organization id is required; a caller secret would prove more"
        )
    else:
        yield _ABOUT_SETTINGS.ok(Check.SETTINGS_CALLER, "a caller secret is required")


def _limits(settings: Settings) -> Finding:
    raised = [
        f"{DEFAULT_PREFIX}{name} is {value:,} ({VARIABLES[name].default} is usual)"
        for name, value in (
            ("MAX_HEADER_BYTES", settings.max_header_bytes),
            ("MAX_CHAIN", settings.max_chain),
        )
        if value > MUCH * int(VARIABLES[name].default)
    ]
    if not raised:
        return _ABOUT_SETTINGS.ok(
            Check.SETTINGS_LIMITS, "a certificate's bytes and chain are bounded near the usual values"
        )
    return _ABOUT_SETTINGS.warning(
        Check.SETTINGS_LIMITS,
        f"{'; '.join(raised)}: a stranger's refusal may take the event loop that many times longer",
        "set them to what your callers present; a chain of four RSA-4096 certificates has 9,000 bytes in PEM",
    )


def _mode(path: Path) -> int | None:
    try:
        return stat.S_IMODE(os.stat(path).st_mode)  # noqa: PTH116 - as the application opens it
    except OSError:
        return None


def check_proxy(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Check whether the configured boundary can hold."""
    if settings.header_names is None:
        yield from _without_headers(settings)
        return
    yield from _networks(settings)
    yield from _secret(settings)
    yield from _forwarded(settings, environ)
    if settings.header_names.has_marker:
        markers = ", ".join(marker.header for marker in settings.header_names.markers if marker.always_set)
        yield _ABOUT_PROXY.ok(Check.PROXY_MARKER, f"{settings.source} must set {displayed(markers)} on every request")
    else:
        yield _ABOUT_PROXY.ok(
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
        yield _ABOUT_PROXY.warning(
            Check.PROXY_SECRET,
            f"{' and '.join(unused)} have no effect, because MTLS_SOURCE={settings.source} reads no header",
            "if a proxy ends TLS, set MTLS_SOURCE to its name; else remove them",
        )
    else:
        yield _ABOUT_PROXY.ok(Check.PROXY_SECRET, f"MTLS_SOURCE={settings.source} reads no header, so none is believed")


def _networks(settings: Settings) -> Iterator[Finding]:
    wide = [network for network in settings.trusted_proxies if network.prefixlen < WIDEST[network.version]]
    for network in wide:
        yield _ABOUT_PROXY.warning(
            Check.PROXY_NETWORKS,
            f"MTLS_TRUSTED_PROXIES {network} holds {network.num_addresses:,} addresses: each may speak for any caller"
            if isinstance(network, IPv4Network)
            else f"MTLS_TRUSTED_PROXIES {network} is wider than /{WIDEST[6]}: each address may speak for any caller",
            "name the proxies themselves, or add MTLS_PROXY_SECRET",
        )
    if settings.trusted_proxies and not wide:
        yield _ABOUT_PROXY.ok(Check.PROXY_NETWORKS, f"trusted: {', '.join(map(str, settings.trusted_proxies))}")


def _secret(settings: Settings) -> Iterator[Finding]:
    if settings.proxy_secret is not None:
        yield _ABOUT_PROXY.ok(Check.PROXY_SECRET, f"the proxy must add {displayed(settings.proxy_secret.header)}")
        return
    if risk := boundary_risk(settings):
        yield _ABOUT_PROXY.warning(
            Check.PROXY_SECRET,
            risk,
            "let the proxy add MTLS_PROXY_SECRET; mtls-middleware proxy-config prints both sides",
        )
    else:
        yield _ABOUT_PROXY.ok(
            Check.PROXY_SECRET,
            "no secret: the peer's address alone is believed, so only proxies may reach the application's port",
        )


def _forwarded(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    everybody = "*" in environ.get("FORWARDED_ALLOW_IPS", "") or (
        "--forwarded-allow-ips=*" in environ.get("GUNICORN_CMD_ARGS", "").replace('"', "").replace("'", "")
    )
    if everybody and settings.proxy_secret is None:
        yield _ABOUT_PROXY.warning(
            Check.PROXY_FORWARDED,
            "the server believes X-Forwarded-For of everybody (FORWARDED_ALLOW_IPS), so the peer it tells is the "
            "caller's choice; such calls are refused (source_untrusted)",
            "use our server adapter or MTLS_PROXY_SECRET, and name the proxies there",
        )
    else:
        yield _ABOUT_PROXY.ok(Check.PROXY_FORWARDED, "no variable lets the server believe X-Forwarded-For of everybody")
