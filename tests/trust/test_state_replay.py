"""Somebody who may write into the state folder puts an older authentic CRL there, with a time of today."""

from datetime import timedelta
from pathlib import Path

from mtls_middleware._io.folder import FolderStore
from mtls_middleware._io.store import Kind
from tests.trust.crl.doubles import A
from tests.trust.genesys.region import INTERMEDIATE
from tests.trust.pods import SECOND, Pod, World

SECRET = "a-secret-of-the-state"
PURPOSE = "us-east-1,/,digicert"


def world() -> World:
    """Return a world in which the CA has revoked the caller."""
    found = World()
    found.crl = INTERMEDIATE.crl([found.client], number=2)
    return found


def plant(world: World, folder: Path) -> None:
    """Put the CRL that revoked nobody there, as if it came just now."""
    store = FolderStore(folder / "state", purpose=PURPOSE)
    store.put(Kind.CRL, A, INTERMEDIATE.crl(number=1), world.now)
    assert store.problems == ()


def numbers(pod: Pod) -> list[int | None]:
    return [one.number for one in pod.trust.crls.crls]


def test_with_a_secret_of_the_state_a_process_that_starts_asks_and_refuses_the_caller(tmp_path: Path) -> None:
    it = world()
    Pod(it, tmp_path, state_secret=SECRET).tick()
    plant(it, tmp_path)
    asked = it.requests["crl"]

    pod = Pod(it, tmp_path, number=1, state_secret=SECRET)
    before = numbers(pod)
    pod.tick()

    assert (before, it.requests["crl"] - asked, numbers(pod)) == ([], 1, [2])


def test_without_one_it_believes_the_time_until_the_next_question(tmp_path: Path) -> None:
    it = world()
    plant(it, tmp_path)
    pod = Pod(it, tmp_path)
    pod.tick()
    before = it.requests["crl"], numbers(pod)
    it.now += timedelta(hours=1.2)
    pod.tick()

    assert before == (0, [1])  # docs/trust.md says so
    assert (it.requests["crl"], numbers(pod)) == (1, [2])


def test_a_process_that_runs_takes_no_older_one_and_goes_on_asking(tmp_path: Path) -> None:
    it = world()
    pod = Pod(it, tmp_path)
    pod.tick()
    for _ in range(5 * 60):
        plant(it, tmp_path)
        it.now += 60 * SECOND
        pod.tick()
        assert numbers(pod) == [2]

    assert it.requests["crl"] >= 4
