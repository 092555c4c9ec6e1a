"""What a caller would rather have (RFC 9110 §12.5.1)."""

from collections.abc import Iterable

HTML = ("text", "html")
JSON = ("application", "json")

Kind = tuple[str, str]


def prefers_json(accept: Iterable[str]) -> bool:
    """Return whether the Accept fields ask for JSON more than for HTML; nothing asked for is HTML."""
    ranges = [_range(part) for field in accept for part in field.split(",") if part.strip()]
    return _quality(JSON, ranges) > _quality(HTML, ranges)


def _quality(kind: Kind, ranges: list[tuple[Kind, float]]) -> float:
    """Return what the most specific range says that covers a media type."""
    for pattern in (kind, (kind[0], "*"), ("*", "*")):
        found = [quality for one, quality in ranges if one == pattern]
        if found:
            return max(found)
    return 0.0


def _range(text: str) -> tuple[Kind, float]:
    media, *parameters = (part.strip().lower() for part in text.split(";"))
    first, _, second = media.partition("/")
    weights = [value for name, _, value in (parameter.partition("=") for parameter in parameters) if name == "q"]
    return (first, second), _weight(weights[0]) if weights else 1.0


def _weight(text: str) -> float:
    """Return a qvalue; what is none counts as nothing."""
    digits = text.strip()
    if len(digits) > len("0.000") or not digits.replace(".", "", 1).isdecimal():
        return 0.0
    return min(float(digits), 1.0)
