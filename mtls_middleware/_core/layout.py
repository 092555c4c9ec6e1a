"""What the headers of a request mean to the fast path, by their names alone."""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from operator import itemgetter

from mtls_middleware._core.boundary import Secret
from mtls_middleware._core.connection import canonical

Header = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Layout:
    """The meaning of one sequence of header names.

    Attributes:
        names: all of them, in their order.
        judged: picks the headers on whose values the decision depends.
        secrets: the index of each header that must hold a secret, and its check.
        shown: picks the headers that the application may see, or is `None` where it may see all.
        chunked: trailers may follow.
    """

    names: list[bytes]
    judged: Callable[[list[Header]], tuple[Header, ...]]
    secrets: tuple[tuple[int, Callable[[bytes], bool]], ...]
    shown: Callable[[list[Header]], list[Header]] | None
    chunked: bool


def layout_of(
    headers: list[Header], *, judged: AbstractSet[str], secrets: Mapping[str, Secret], hidden: AbstractSet[str]
) -> Layout:
    """Return what headers mean.

    Args:
        headers: of a request that was accepted.
        judged: canonical names of the headers on whose values the decision depends.
        secrets: what must be there, once each, by canonical names.
        hidden: canonical names of the headers that the application must not see.

    Raises:
        TypeError: a header can be changed later.
        LookupError: a secret is not there, or twice.
    """
    if not all(type(header) is tuple and [*map(type, header)] == [bytes, bytes] for header in headers):
        raise TypeError
    names = [canonical(name.decode("latin-1")) for name, _ in headers]
    indexes = range(len(names))
    held = [index for index in indexes if names[index] in secrets]
    if sorted(names[index] for index in held) != sorted(secrets):
        raise LookupError
    return Layout(
        names=[name for name, _ in headers],
        judged=_picker([index for index in indexes if names[index] in judged]),
        secrets=tuple((index, secrets[names[index]].comparison()) for index in held),
        shown=None if hidden.isdisjoint(names) else _filter([name not in hidden for name in names]),
        chunked="transfer-encoding" in names,
    )


def _picker(indexes: list[int]) -> Callable[[list[Header]], tuple[Header, ...]]:
    match indexes:
        case []:
            return lambda _: ()
        case [index]:
            return lambda headers: (headers[index],)
        case _:
            return itemgetter(*indexes)


def _filter(kept: list[bool]) -> Callable[[list[Header]], list[Header]]:
    """Return what copies the headers that are kept: slices are much faster than one header after another."""
    runs: list[slice] = []
    for index in (index for index, is_kept in enumerate(kept) if is_kept):
        begin = runs.pop().start if runs and runs[-1].stop == index else index
        runs.append(slice(begin, index + 1))
    match runs:
        case []:
            return lambda _: []
        case [run]:
            return itemgetter(run)
        case [first, second]:
            return lambda headers: headers[first] + headers[second]
        case _:
            return lambda headers: [header for run in runs for header in headers[run]]
