"""Build the documentation site from the Markdown files as they are: `python docs/site/build.py FOLDER [BUILDER]`.

The pages are copied to a folder of their own first, because the front page and those of the root are among them:
README.md becomes the front page, links between pages become links of the site, and links to other files of the
repository lead to where it is published. The order of the pages is that of docs/README.md, which is the index.
"""

import os
import re
import shutil
import sys
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory

from sphinx.cmd.build import build_main

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
INDEX = "docs/README.md"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REPOSITORY = PROJECT["urls"]["Source"]
_LINK = re.compile(r"\]\((?!\w+:|#)(?P<target>[^)#\s]+)(?P<anchor>#[^)]*)?\)")
_SECTION = re.compile(r"^## (?P<title>.+)$", re.MULTILINE)


def main(target: str, builder: str = "dirhtml") -> int:
    """Return the exit status. Warnings are errors. The builder `linkcheck` asks every address outside of the site."""
    with TemporaryDirectory() as folder:
        stage(Path(folder))
        return build_main(["-q", "-W", "--keep-going", "-b", builder, "-c", str(HERE), folder, target])


def stage(folder: Path) -> None:
    """Write each page to where the site has it."""
    pages = {"README.md": "index.md", INDEX: "contents.md"}
    pages |= {name: name.lower() for name in ("SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md")}
    for path in sorted((ROOT / "docs").rglob("*.md")):
        name = path.relative_to(ROOT).as_posix()
        pages.setdefault(name, name.removeprefix("docs/"))
    for name, staged in pages.items():
        text = with_links((ROOT / name).read_text(encoding="utf-8"), name, pages, folder)
        if name == "README.md":
            text += toctrees(with_links((ROOT / INDEX).read_text(encoding="utf-8"), INDEX, pages, folder))
        write(folder / staged, text)


def with_links(text: str, name: str, pages: dict[str, str], folder: Path) -> str:
    """Return a page whose links are those of the site; copy the pictures that it shows."""

    def replace(link: re.Match[str]) -> str:
        path = os.path.normpath(Path(name).parent / link["target"])
        here = Path(pages[name]).parent
        if path in pages:
            return f"]({os.path.relpath(pages[path], here)}{link['anchor'] or ''})"
        if not (ROOT / path).exists():
            raise FileNotFoundError(f"{name}: {link['target']}")
        if path.endswith((".svg", ".png")):
            staged = folder / path.removeprefix("docs/")
            staged.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / path, staged)
            return f"]({os.path.relpath(path.removeprefix('docs/'), here)})"
        return f"]({REPOSITORY}/{'tree' if (ROOT / path).is_dir() else 'blob'}/main/{path}{link['anchor'] or ''})"

    return _LINK.sub(replace, text)


def toctrees(index: str) -> str:
    """Return the contents of the side bar: for each section of the index, the pages that it links first to last."""
    entries = [f"\n\n```{{toctree}}\n:hidden:\n\n{Path('contents.md').stem}\n```\n"]
    seen = {"index.md"}
    _, *sections = _SECTION.split(index)
    for title, section in zip(sections[::2], sections[1::2], strict=True):
        found = [link["target"] for link in _LINK.finditer(section)]
        names = [name for name in dict.fromkeys(found) if name.endswith(".md") and name not in seen]
        seen.update(names)
        lines = "\n".join(name.removesuffix(".md") for name in names)
        entries.append(f"\n```{{toctree}}\n:hidden:\n:caption: {title}\n\n{lines}\n```\n")
    return "".join(entries)


def write(path: Path, text: str) -> None:
    """Write a file, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
