"""Fresh virtual environments, and commands in them that know nothing but HOME and PATH."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

DISTRIBUTION = "mtls-middleware"


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """Hold how a command ended, with all that it printed."""

    status: int
    output: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Hold a virtual environment, and the folder in which its commands run: never that of the sources."""

    folder: Path
    home: Path

    @classmethod
    def create(cls, folder: Path, python: str | Path = sys.executable) -> "Environment":
        """Make an empty one; not even pip is in it."""
        home = folder / "home"
        home.mkdir(parents=True)
        environment = cls(folder=folder, home=home)
        environment.uv("venv", "--python", str(python), str(folder / "venv"), target=False)
        return environment

    @property
    def bin(self) -> Path:
        """Return where its programs are."""
        return self.folder / "venv" / "bin"

    @property
    def packages(self) -> Path:
        """Return where packages are installed."""
        (found,) = (self.folder / "venv" / "lib").glob("python*/site-packages")
        return found

    def install(self, *arguments: str) -> None:
        """Install what `uv pip install` is told to."""
        self.uv("pip", "install", *arguments)

    def uv(self, *arguments: str, target: bool = True) -> str:
        """Run uv, and return what it printed; its cache is that of the user."""
        at = ("--python", str(self.bin / "python")) if target else ()
        command = [sys.executable, "-m", "uv", "--system-certs", "--quiet", *arguments, *at]
        done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - our own command
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}:\n{done.stderr}")
        return done.stdout

    def run(self, *command: str, cwd: Path | None = None, seconds: float = 60) -> Done:
        """Run a program of the environment, or any other."""
        program = self.bin / command[0]
        argv = [str(program) if program.exists() else command[0], *command[1:]]
        done = subprocess.run(  # noqa: S603 - our own command
            argv,
            cwd=cwd or self.home,
            env=self.environ,
            check=False,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds,
        )
        return Done(status=done.returncode, output=done.stdout)

    @property
    def environ(self) -> dict[str, str]:
        """Return what its commands know."""
        return {"HOME": str(self.home), "PATH": os.pathsep.join((str(self.bin), os.environ["PATH"]))}
