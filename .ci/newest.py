"""Make a folder with newer programs than this Debian has: CPython, proxies, Redis and Valkey of its other suites.

    .ci/newest.py FOLDER

`FOLDER/bin` then has each program under its name, to be put in front of `PATH`, and `FOLDER/versions.json` says which
versions they are. Nothing is installed, and root is not needed: apt resolves and verifies the packages with lists of
its own, they are unpacked below `FOLDER`, and each program runs by the loader and the libraries unpacked with it. A
finished folder is kept as it is. Exit status 3: they cannot be had here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CANNOT = 3
SECONDS = 300.0
"""In which a suite must have arrived: it takes half a minute."""
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A suite of Debian, what is taken from it, and under which name.

    Attributes:
        name: as the archive calls it.
        packages: with their dependencies, without what they recommend.
        programs: paths in the packages, by the names that they get here.
    """

    name: str
    packages: Sequence[str]
    programs: Mapping[str, str]


SUITES = (
    Suite(
        name="sid",
        packages=("python3.14", "python3.15", "nginx", "haproxy", "caddy", "redis-server", "valkey-server"),
        programs={
            "python3.14": "usr/bin/python3.14",
            "python3.15": "usr/bin/python3.15",
            "nginx": "usr/sbin/nginx",
            "haproxy": "usr/sbin/haproxy",
            "caddy": "usr/bin/caddy",
            "redis-server": "usr/bin/redis-server",
            "valkey-server": "usr/bin/valkey-server",
        },
    ),
    Suite(
        name="trixie",
        packages=("nginx", "haproxy"),
        programs={"nginx-trixie": "usr/sbin/nginx", "haproxy-trixie": "usr/sbin/haproxy"},
    ),
)
