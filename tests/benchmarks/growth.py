"""What a call costs where there is more of everything: regions, anchors, entries of revocation lists, threads."""

import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from mtls_middleware import Guard, MTLSMiddleware, Settings, regions
from mtls_middleware.testing import ClientCertificate, RegionalCA
from tests.benchmarks.calls import Call, Site, clients
from tests.benchmarks.cold import cold
from tests.benchmarks.hot import send, silent
from tests.benchmarks.lists import list_of
from tests.benchmarks.plot import plot
from tests.benchmarks.ratios import drive, in_turns
from tests.benchmarks.table import Table

PICTURE = "performance-growth.svg"
ROUNDS = 120
BATCH = 40
NEW = 40
"""Certificates that are shown for the first time, for each point."""

REGIONS = (1, 6, 18)
ANCHORS = (1, 10, 100)
ENTRIES = (10, 1_000, 100_000)
THREADS = (1, 2, 4, 8)

Points = Mapping[int, tuple[float, float]]
"""Seconds of a repeated call and of a first one, by how much of it there is."""


def table(folder: Path | None = None) -> Table:
    """Measure, describe, and draw.

    Args:
        folder: for the picture; None for no picture.
    """
    grown: dict[str, Points] = {
        "regions": _points(REGIONS, _with_regions),
        "anchors": _points(ANCHORS, _with_anchors),
        "entries of a revocation list": _points(ENTRIES, _with_entries),
    }
    rows = [
        (
            what,
            f"{much:,}",
            *(f"{after / before:.2f}" for after, before in zip(seconds, points[min(points)], strict=True)),
        )
        for what, points in grown.items()
        for much, seconds in points.items()
    ]
    threads = {much: _calls_a_second(much) for much in THREADS}
    rows += [("threads", str(much), f"{threads[1] / rate:.2f}", "") for much, rate in threads.items()]
    if folder is not None:
        lines = {
            f"{what}, {which}": [seconds[place] / points[min(points)][place] for seconds in points.values()]
            for what, points in grown.items()
            for place, which in enumerate(("repeated", "first"))
        }
        (folder / PICTURE).write_text(plot(lines), encoding="utf-8")
    return Table(
        title="With more of everything",
        text=(
            "The time of a call, as a multiple of the same where there is least. *Repeated*: the certificate is known; "
            "*first*: it is not. Threads: the time that one call takes of all threads together, which share the "
            "interpreter's lock: 1.00 means that they get in each other's way no more than any Python code."
        ),
        head=("what", "how many", "repeated call", "first call"),
        rows=rows,
        after=f"![Time of a call, from least to most]({PICTURE})" if folder is not None else "",
    )


def ratios(rounds: int) -> dict[str, float]:
    """Return how much longer a repeated call takes where there is most than where there is least."""
    grown = {
        "anchors": _points((ANCHORS[0], ANCHORS[-1]), _with_anchors, rounds),
        "entries": _points((ENTRIES[0], ENTRIES[-1]), _with_entries, rounds),
    }
    return {what: points[max(points)][0] / points[min(points)][0] for what, points in grown.items()}


Setting = tuple[Guard, Call, list[ClientCertificate]]


def _points(sizes: tuple[int, ...], make: Callable[[Path, int], Setting], rounds: int = ROUNDS) -> Points:
    """Time all sizes in turns."""
    with tempfile.TemporaryDirectory() as folder:
        made: dict[int, Setting] = {}
        for size in sizes:
            place = Path(folder) / str(size)
            place.mkdir()
            made[size] = make(place, size)
        adapters = {size: MTLSMiddleware(silent, guard=guard) for size, (guard, _, _) in made.items()}
        works = {
            str(size): partial(drive, adapter, [made[size][1].scope() for _ in range(BATCH)], send)
            for size, adapter in adapters.items()
        }
        repeated = in_turns(rounds, lambda: works)
        first = {size: cold(guard, shown, None) for size, (guard, _, shown) in made.items()}
        for guard, _, _ in made.values():
            guard.close()
    return {size: (sorted(repeated[str(size)])[rounds // 2], first[size]) for size in sizes}


def _started(environ: Mapping[str, str]) -> Guard:
    guard = Guard.from_settings(Settings.from_env(environ))
    guard.start()
    return guard


def _with_regions(folder: Path, number: int) -> Setting:
    known = [region for region in regions.table() if region.aws_region != "us-east-1"][: number - 1]
    site = Site(folder)
    names = ["us-east-1", *(region.aws_region for region in known)]
    roots = [RegionalCA(name).write(folder / f"{name}.pem") for name in names[1:]]
    trust = ",".join(f"{name}={path}" for name, path in zip(names[1:], roots, strict=True))
    own = f"us-east-1={folder / 'US-East-1.pem'}"
    more = {"MTLS_REGIONS": ",".join(names), "MTLS_TRUST": ",".join(filter(None, (own, trust)))}
    unnamed = [region.aws_region for region in known if region.cert_name is None]
    if unnamed:
        more["MTLS_CERT_NAMES"] = ",".join(f"{name}=client.{name}.test" for name in unnamed)
    return _setting(site, more)


def _with_anchors(folder: Path, number: int) -> Setting:
    site = Site(folder)
    others = "".join(RegionalCA("us-east-1").pem for _ in range(number - 1))
    (folder / "US-East-1.pem").write_text(site.ca.pem + others, encoding="ascii")
    return _setting(site, {})


def _with_entries(folder: Path, number: int) -> Setting:
    site = Site(folder)
    (folder / "list.crl").write_bytes(list_of(site.ca, number))
    return _setting(site, {"MTLS_REVOCATION": "require"})


def _setting(site: Site, more: Mapping[str, str]) -> Setting:
    call = site.calls()["header, default settings"]
    guard = _started(site.environ({**call.environ, **more}))
    return guard, call, clients(site.ca, NEW)


def _calls_a_second(threads: int) -> float:
    with tempfile.TemporaryDirectory() as folder, _adapter(Path(folder)) as (adapter, call):
        drive(adapter, [call.scope()], send)
        batches = [[call.scope() for _ in range(5_000)] for _ in range(threads)]
        workers = [threading.Thread(target=drive, args=(adapter, batch, send)) for batch in batches]
        begin = time.perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return threads * len(batches[0]) / (time.perf_counter() - begin)


@contextmanager
def _adapter(folder: Path) -> Iterator[tuple[MTLSMiddleware, Call]]:
    site = Site(folder)
    call = site.calls()["header, default settings"]
    with site.guard(call.environ) as guard:
        yield MTLSMiddleware(silent, guard=guard), call
