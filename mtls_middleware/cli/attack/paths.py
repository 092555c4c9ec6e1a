"""Other spellings of the protected path, which some router takes for it."""

from collections.abc import Callable, Iterator

from mtls_middleware.cli.attack.attacks import Attack, Weakness
from mtls_middleware.cli.attack.forgery import Forgery
from mtls_middleware.cli.wire.message import Message

MARK = "mtls-doctor"
"""A path segment that nobody has."""


def path_attacks(path: str) -> Iterator[Attack]:
    """Return requests without a certificate, for the same path in other spellings."""
    plain, mark, query = path.partition("?")
    plain = f"/{plain.lstrip('/')}"
    first, _, rest = plain[1:].partition("/")
    spellings: dict[str, tuple[str, str]] = {
        "path-slashes": ("//path", f"/{plain}"),
        "path-dots": ("/%2e/path", f"/%2e{plain}"),
        "path-up": (f"/{MARK}/%2e%2e/path", f"/{MARK}/%2e%2e{plain}"),
        "path-slashes-up": (f"//{MARK}/../path", f"//{MARK}/..{plain}"),
        "path-semicolon": ("/;/path", f"/;{plain}"),
        "path-parameter": ("path;a", f"{plain};a"),
        "path-newline": ("path%0A", f"{plain}%0A"),
        "path-undecodable": ("path%FF", f"{plain}%FF"),
    }
    if plain.swapcase() != plain:
        spellings["path-case"] = ("the path in the other case", plain.swapcase())
    if first:
        spellings["path-encoded"] = ("an encoded letter in the path", f"/{_encoded(first)}{plain[1 + len(first) :]}")
    if rest:
        spellings["path-encoded-slash"] = ("an encoded slash in the path", f"/{first}%2f{rest}")
    for name, (title, spelling) in spellings.items():
        yield Attack(
            name=name,
            title=f"{title}, nothing forged",
            weakness=Weakness.PATH,
            message=_asking_for(f"{spelling}{mark}{query}"),
        )


def _asking_for(path: str) -> Callable[[Forgery], Message]:
    return lambda _: Message(path=path)


def _encoded(segment: str) -> str:
    """Percent-encode the first letter, which needs none."""
    return segment if segment.startswith("%") else f"%{ord(segment[0]):02x}{segment[1:]}"
