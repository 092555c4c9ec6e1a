"""Where state is kept: a folder, or Valkey or Redis with a folder beside it; and the secrets of the latter."""

import os
from pathlib import Path
from re import compile as regex
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from platformdirs import user_cache_path

from mtls_middleware.display import displayed
from mtls_middleware.engine import Engine
from mtls_middleware.settings.reader import Reader
from mtls_middleware.settings.secrets import password_setting, read_secret

OFF = "off"

PORT, SENTINEL_PORT = 6379, 26379

_URL = regex(r"(?P<engine>redis|valkey)(?P<tls>s?)(?P<form>\+sentinel|\+cluster)?://(?P<rest>.*)|unix://(?P<socket>.*)")
_NAME = regex(r"[A-Za-z0-9._-]{1,64}")
_MISSPELT = regex(r"(?i)(redis|valkey|unix)[+a-z]*:")
_CREDENTIALS = regex(r"(?s):/+.*@")
_COLONS = regex(r"://?[^/]*:\D")
_QUERY = regex(r"(?s)\?.*")
_DIGITS = 4
"""Of the number of a database."""

_FILES = ("ca", "cert", "key")
"""Query parameters; a client library would take others, which switch checks off."""


def read_state(reader: Reader) -> dict[str, Any]:
    """Return the fields of `Settings` that say where state is kept."""
    state = _read_place(reader)
    secret = read_secret(reader, "STATE_SECRET", header="")
    password = password_setting(reader, "STATE_PASSWORD")
    name = reader.one("STATE_NAME", _name)
    if isinstance(state, Engine):
        if secret is None and not reader.is_bad("STATE_SECRET"):
            reader.report(
                "STATE_SECRET",
                f"is required, because others may write to {state.shown}: make one with openssl rand -base64 32",
            )
        if state.password and password is not None:
            reader.report("STATE_PASSWORD", f"{reader.prefix}STATE has a password too: keep one of them")
    elif not reader.is_bad("STATE"):
        for one in ("STATE_PASSWORD", "STATE_PASSWORD_FILE", "STATE_NAME"):
            if reader.is_set(one):
                reader.report(one, f"has a meaning only where {reader.prefix}STATE names Valkey or Redis")
    return {"state": state, "state_secret": secret, "state_password": password, "state_name": name}


def _read_place(reader: Reader) -> Path | Engine | None:
    text = reader.text("STATE")
    if not reader.is_set("STATE"):
        return _default_folder()
    if "://" not in text and not _MISSPELT.match(text):
        return None if text.lower() == OFF else Path(text)
    address, comma, last = text.rpartition(",")
    beside = bool(comma) and (last.lower() == OFF or Path(last).is_absolute())
    folder = _default_folder() if not beside else None if last.lower() == OFF else Path(last)
    try:
        return _engine(address if beside else text, folder)
    except ValueError as error:
        reader.report("STATE", f"'{displayed(_masked(text))}' {error}")
        return None


def _default_folder() -> Path | None:
    if not has_owners():
        return None
    try:
        path = user_cache_path("mtls-middleware")
    except RuntimeError:  # no HOME, and no account of this user: a container that runs as any number
        return None
    return path if path.is_absolute() else None  # an older platformdirs leaves the `~` as it is


def has_owners() -> bool:
    """Return whether files have owners, by which the state folder is protected: not on Windows."""
    return hasattr(os, "geteuid")


def _engine(text: str, folder: Path | None) -> Engine:
    """Read the address of an engine, or raise ValueError with what would be right."""
    found = _URL.fullmatch(text)
    if found is None:
        raise ValueError(
            "must be a folder, off, or an address such as rediss://USER@HOST:6379 (redis://, valkey://, valkeys://, "
            "unix://PATH, with +sentinel or +cluster)"
        )
    if "#" in text:
        raise ValueError("has a '#': write %23")
    if found["socket"] is not None:
        credentials, _, path = found["socket"].rpartition("@")
        if "?" in path:
            raise ValueError("may have nothing after its path: a password belongs into MTLS_STATE_PASSWORD_FILE")
        return Engine(socket=path, folder=folder, shown=f"unix://{displayed(path)}", **_credentials(credentials))
    rest, _, query = found["rest"].partition("?")
    authority, _, path = rest.partition("/")
    credentials, _, hosts = authority.rpartition("@")
    if "@" in path:
        raise ValueError("has an '@' behind a '/': write %2F and %3A in the password, or MTLS_STATE_PASSWORD_FILE")
    form, tls = found["form"] or "", bool(found["tls"])
    service, _, database = path.partition("/") if form == "+sentinel" else ("", "", path)
    if form == "+sentinel" and not service:
        raise ValueError("must name the primary: redis+sentinel://HOST:26379/NAME")
    if "," in hosts and not form:
        raise ValueError("must have one host (several need +sentinel or +cluster); a folder after a comma is absolute")
    return Engine(
        hosts=tuple(_host(host, SENTINEL_PORT if service else PORT) for host in hosts.split(",")),
        service=unquote(service),
        is_cluster=form == "+cluster",
        tls=tls,
        database=_database(database, form),
        folder=folder,
        shown=displayed(f"{text.partition('://')[0]}://{hosts}/{path}".rstrip("/")),
        **_credentials(credentials),
        **_files(query, tls=tls),
    )


def _credentials(text: str) -> dict[str, Any]:
    user, _, password = text.partition(":")
    return {"user": unquote(user), "password": unquote(password)}


def _host(text: str, default: int) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or port == 0 or text.endswith(":"):
        raise ValueError("must name a host, with a port from 1 to 65535 or none")
    return host, port or default


def _database(text: str, form: str) -> int:
    if not (text.isascii() and (text or "0").isdecimal() and len(text) <= _DIGITS):
        raise ValueError("must end with the number of a database, or without")
    if form == "+cluster" and int(text or "0"):
        raise ValueError("must name no database: a cluster has only 0")
    return int(text or "0")


def _files(query: str, *, tls: bool) -> dict[str, Any]:
    given = parse_qsl(query, keep_blank_values=True)
    files = dict(given)
    if not set(_FILES).issuperset(files) or len(files) != len(given) or not all(files.values()):
        raise ValueError("may have ca=PATH, cert=PATH and key=PATH after the '?', each once, and nothing else")
    if files and not tls:
        raise ValueError("names files for TLS, but uses none: write rediss://")
    if "key" in files and "cert" not in files:
        raise ValueError("names a key without cert=PATH")
    return files


def _masked(text: str) -> str:
    """Return an address without what may be a password in it; without an '@' that may be anything."""
    if "@" in text or not _COLONS.search(text):
        return _QUERY.sub("?…", _CREDENTIALS.sub("://…@", text))
    return f"{text.partition(':')[0]}:…"


def _name(text: str) -> str:
    if _NAME.fullmatch(text) is None:
        raise ValueError("must have 1 to 64 letters, digits, '.', '_' and '-'")
    return text
