"""What the figures were measured on, without its name, and what its processes spend."""

import os
import platform
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

from cryptography.hazmat.backends.openssl import backend

PACKAGES = ("cryptography", "starlette", "fastapi", "uvicorn", "httptools", "uvloop")


def describe() -> str:
    """Return a sentence on hardware and versions."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"Measured on {os.cpu_count()} cores ({_processor()}), {platform.system()}, "
        f"{platform.python_implementation()} {platform.python_version()}, {packages}, "
        f"with {backend.openssl_version_text()} inside cryptography, and {_openssl()} for `openssl speed`."
    )


def nanoseconds(pid: int) -> int:
    """Return the time that all threads of a process had on a processor."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text(encoding="ascii").split()[0]) for thread in threads)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _openssl() -> str:
    program = shutil.which("openssl")
    if program is None:
        return "no openssl"
    return " ".join(subprocess.run([program, "version"], capture_output=True, text=True, check=True).stdout.split()[:2])
