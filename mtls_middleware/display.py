"""Text from callers, certificates and files, made safe to look at: it is data, wherever it is shown."""

import unicodedata

LIMIT = 256
"""Characters shown of one text."""

_HARMLESS = {"Zs"}
_DANGEROUS = ("C", "Z")
"""Unicode categories: control, format (bidirectional ones too), surrogates, unassigned; and line separators."""


def displayed(text: str, limit: int = LIMIT) -> str:
    """Escape whatever is not plainly visible, and cut what is too long."""
    shown = text[: limit + 1]
    if "\\" in shown or not shown.isprintable():  # most texts of a refusal are plain, and strangers can ask for many
        shown = shown.translate(_TABLE)
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def counted(number: int, noun: str, nouns: str = "") -> str:
    """Return ``1 entry``, ``2 entries``.

    Args:
        number: how many.
        noun: for one.
        nouns: for more; with an ``s`` behind it where nothing is said.
    """
    return f"{number:,} {noun if number == 1 else nouns or f'{noun}s'}"


def _visible(character: str) -> str:
    category = unicodedata.category(character)
    if character == "\\":
        return "\\\\"
    if category[0] not in _DANGEROUS or category in _HARMLESS:
        return character
    return character.encode("unicode_escape").decode("ascii")


class _Table(dict[int, str]):
    """What is shown of each character; only those of ASCII are remembered."""

    def __missing__(self, code: int) -> str:
        return _visible(chr(code))


_TABLE = _Table({code: _visible(chr(code)) for code in range(128)})
