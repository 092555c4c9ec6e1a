"""Run the commands of docs/releasing.md, but the upload, in a repository made for it."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from os import environ
from pathlib import Path

PAGE = "docs/releasing.md"
NOT_RUN = "Publish"
"""The heading whose commands are left out."""
KEY = "signing-key"
SECONDS = 300.0
_SECTION = re.compile(r"^## \d+\. (?P<title>.+)$")


def main(tree: Path, work: Path) -> int:
    """Return the exit status. What was built stays in `work`/release.

    Args:
        tree: a copy of the sources, without a repository.
        work: where nothing called `release` is yet.
    """
    home, release = work / "releaser", work / "release"
    home.mkdir()
    shutil.copytree(tree, release, ignore=shutil.ignore_patterns(".venv*", ".*_cache", "__pycache__", ".coverage"))
    # git believes no configuration but this one, which signs with a key that nobody trusts but this repository.
    known = {"HOME": str(home), "PATH": environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1"}
    if not done("the repository", ["bash", "-euo", "pipefail", "-c", REPOSITORY], release, known):
        return 1
    # One shell runs all of them, as a maintainer would: what one command sets the next one knows.
    script = "\n".join(f"printf '\\n--- %s\\n' '{title}'\n{commands}" for title, commands in sections(tree / PAGE))
    return 0 if done(PAGE, ["bash", "-euo", "pipefail", "-c", script], release, known) else 1


REPOSITORY = f"""
ssh-keygen -q -t ed25519 -N '' -C releaser@example.com -f "$HOME/{KEY}"
echo "releaser@example.com $(cat "$HOME/{KEY}.pub")" > "$HOME/signers"
git init -q
git config user.name Releaser
git config user.email releaser@example.com
git config gpg.format ssh
git config user.signingKey "$HOME/{KEY}.pub"
git config gpg.ssh.allowedSignersFile "$HOME/signers"
git add --all
git commit -q --message 'What is to be released'
"""


def sections(page: Path) -> Iterator[tuple[str, str]]:
    """Yield the title and the commands of each step, but of the upload."""
    for title, commands in steps(page.read_text(encoding="utf-8")):
        if title == NOT_RUN:
            print(f"not run: {title}", flush=True)
        else:
            yield title, commands


def steps(text: str) -> Iterator[tuple[str, str]]:
    """Yield the title and the commands of each numbered step."""
    title, commands, inside = "", "", False
    for line in text.splitlines(keepends=True):
        section = _SECTION.match(line)
        if line.startswith("```"):
            if inside:
                yield title, commands
            commands, inside = "", line == "```sh\n"
        elif inside:
            commands += line
        elif section is not None:
            title = section["title"]


def done(what: str, command: list[str], folder: Path, known: Mapping[str, str]) -> bool:
    """Run a command, and tell whether it ended well."""
    status = subprocess.run(command, cwd=folder, env=known, check=False, timeout=SECONDS).returncode  # noqa: S603 - ours
    if status:
        print(f"FAILED: {what}: ended with {status}")
    return status == 0


if __name__ == "__main__":
    sys.exit(main(*(Path(argument).resolve() for argument in sys.argv[1:])))
