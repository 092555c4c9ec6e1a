"""A number with its noun."""


def counted(number: int, noun: str, nouns: str = "") -> str:
    """Return ``1 entry``, ``2 entries``.

    Args:
        number: how many.
        noun: for one.
        nouns: for more; with an ``s`` behind it where nothing is said.
    """
    return f"{number:,} {noun if number == 1 else nouns or f'{noun}s'}"
