"""What was found, how bad it is, and what to do about it."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """Say how bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"
    NOT_CHECKED = "not checked"

    @property
    def gravity(self) -> int:
        """Return a number that grows with what has to be done."""
        return (Severity.OK, Severity.NOT_CHECKED, Severity.WARNING, Severity.ERROR).index(self)


class Topic(StrEnum):
    """Name what is looked at, in the order in which it is told."""

    SETTINGS = "settings"
    FILES = "files"
    REGIONS = "regions"
    ROOTS = "roots"
    CLOCK = "clock"
    REVOCATION = "revocation"
    API = "certificates API"
    STATE = "state"
    SERVERS = "servers"
    PROXY = "proxy"


class Check(StrEnum):
    """Name what is checked. The names are stable: scripts look for them."""

    SETTINGS_VALID = "settings-valid"
    SETTINGS_SECRET = "settings-secret"  # noqa: S105 - a name
    SETTINGS_USER = "settings-user"
    SETTINGS_MODE = "settings-mode"
    SETTINGS_LIMITS = "settings-limits"
    SETTINGS_CALLER = "settings-caller"
    SETTINGS_PATHS = "settings-paths"
    SETTINGS_RECORDED = "settings-recorded"
    FILES_USABLE = "files-usable"
    FILES_WRITABLE = "files-writable"
    FILES_LEFT_OUT = "files-left-out"
    REGION_NAME = "region-name"
    ROOT_LIFE = "root-life"
    ROOT_RENEWED = "root-renewed"
    CLOCK_RIGHT = "clock-right"
    CLOCK_FUTURE = "clock-future"
    REVOCATION_ON = "revocation-on"
    REVOCATION_LIST = "revocation-list"
    API_ANSWERS = "api-answers"
    API_UNDERSTOOD = "api-understood"
    STATE_FOLDER = "state-folder"
    STATE_SPACE = "state-space"
    STATE_ENTRIES = "state-entries"
    SERVER_LINE = "server-line"
    SERVER_TRAILERS = "server-trailers"
    SERVER_SPELLING = "server-spelling"
    SERVER_LONG_HEADERS = "server-long-headers"
    PROXY_NETWORKS = "proxy-networks"
    PROXY_SECRET = "proxy-secret"  # noqa: S105 - a name
    PROXY_FORWARDED = "proxy-forwarded"
    PROXY_MARKER = "proxy-marker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Tell what one check showed.

    Attributes:
        topic: what was looked at.
        check: its name.
        severity: how bad it is.
        seen: one sentence, safe to show.
        cure: what to do; empty where nothing has to be done.
    """

    topic: Topic
    check: Check
    severity: Severity
    seen: str
    cure: str = ""


@dataclass(frozen=True, slots=True)
class About:
    """Make findings about one topic.

    Attributes:
        topic: of them.
    """

    topic: Topic

    def ok(self, check: Check, seen: str) -> Finding:
        """Tell that nothing has to be done."""
        return Finding(topic=self.topic, check=check, severity=Severity.OK, seen=seen)

    def not_checked(self, check: Check, seen: str, cure: str = "") -> Finding:
        """Tell what could not be looked at, and why."""
        return Finding(topic=self.topic, check=check, severity=Severity.NOT_CHECKED, seen=seen, cure=cure)

    def warning(self, check: Check, seen: str, cure: str) -> Finding:
        """Tell what should be mended."""
        return Finding(topic=self.topic, check=check, severity=Severity.WARNING, seen=seen, cure=cure)

    def error(self, check: Check, seen: str, cure: str = "") -> Finding:
        """Tell what must be mended."""
        return Finding(topic=self.topic, check=check, severity=Severity.ERROR, seen=seen, cure=cure)
