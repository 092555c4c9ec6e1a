"""What a container is to a process: its files, its user, its environment, its number; nothing else of this machine.

Linux's own means: a name space for mounts and one for processes, chroot, and another user without any capability.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tests.e2e.processes import Ready, Server, run_server

NEEDED = ("unshare", "nsenter", "setpriv", "chroot", "mount")

REASON = "containers are imitated as root, with programs of util-linux"

CAN_BE_MADE = os.geteuid() == 0 and all(map(shutil.which, NEEDED))

_ENTER = """
set -e
root=$1 read_only=$2; shift 2
mount --make-rprivate /
mount --bind "$root" "$root"
while [ "$1" != -- ]; do
    from=$1 to=$root$2 how=$3; shift 3
    if [ "$from" = tmpfs ]; then
        mkdir -p "$to"; mount -t tmpfs -o mode=1777 tmpfs "$to"; continue
    fi
    if [ -d "$from" ]; then mkdir -p "$to"; else mkdir -p "${to%/*}"; touch "$to"; fi
    mount --bind "$from" "$to"
    if [ "$how" = ro ]; then mount -o remount,bind,ro "$to"; fi
done
shift
mkdir -p "$root/proc"
mount -t proc proc "$root/proc"
if [ "$read_only" = yes ]; then mount -o remount,bind,ro "$root"; fi
exec chroot "$root" "$@"
"""

_DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom")


class Mount(NamedTuple):
    """A folder or file of this machine, and where a container has it."""

    source: Path | str
    target: str
    writable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """A container.

    Attributes:
        root: the folder that becomes its root.
        mounts: what is put into it; the source ``tmpfs`` is an empty one.
        environ: its whole environment.
        cwd: where its program starts.
        uid: of its user.
        gid: of its user's group.
        groups: further groups.
        read_only: whether its root is.
    """

    root: Path
    mounts: tuple[Mount, ...]
    environ: dict[str, str]
    cwd: str = "/"
    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    read_only: bool = False

    def command(self, *argv: str) -> list[str]:
        """Return what runs a program in it, as its process 1."""
        devices = (Mount(name, name, writable=True) for name in _DEVICES)
        placed = [
            text
            for one in (*self.mounts, *devices)
            for text in (str(one.source), one.target, "rw" if one.writable else "ro")
        ]
        enter = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", _ENTER, "enter"]
        return [*enter, str(self.root), "yes" if self.read_only else "no", *placed, "--", *self._as_user(argv)]

    def inside(self, first: int, *argv: str) -> list[str]:
        """Return what runs a program in the container whose process 1 has this number here, as probes are run."""
        return ["nsenter", f"--target={first}", "--mount", "--pid", "--root", "--wd", *self._as_user(argv)]

    def _as_user(self, argv: Sequence[str]) -> list[str]:
        groups = f"--groups={','.join(map(str, self.groups))}" if self.groups else "--clear-groups"
        user = [f"--reuid={self.uid}", f"--regid={self.gid}", groups]
        nothing = ["--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all", "--no-new-privs"]
        variables = [f"{name}={value}" for name, value in self.environ.items()]
        return ["/usr/bin/setpriv", *user, *nothing, "/usr/bin/env", "-i", "-C", self.cwd, *variables, *argv]


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A container that runs."""

    room: Room
    server: Server

    @property
    def first(self) -> int:
        """Return the number that its process 1 has on this machine."""
        outer = self.server.process.pid
        (number,) = Path(f"/proc/{outer}/task/{outer}/children").read_text(encoding="ascii").split()
        return int(number)

    def exec(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run a program in it, and wait for its end."""
        return subprocess.run(
            self.room.inside(self.first, *argv), capture_output=True, text=True, check=False, timeout=60
        )

    def stop(self) -> None:
        """Send SIGTERM to its process 1, as engines and kubelets do, and return at once."""
        os.kill(self.first, signal.SIGTERM)


@contextmanager
def run(room: Room, argv: Sequence[str], *, output: Path, ready: Ready) -> Iterator[Running]:
    """Run a container until the block ends."""
    with run_server(room.command(*argv), output=output, ready=ready) as server:
        yield Running(room=room, server=server)
        if server.process.poll() is None:
            running = Running(room=room, server=server)
            os.kill(running.first, signal.SIGKILL)
            server.process.wait(timeout=30)
