"""The site's configuration, for Sphinx; build.py writes the pages that it reads."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
_urls = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]

project = "mtls-middleware"
author = "The mtls-middleware founders"
copyright = author  # noqa: A001 - Sphinx's name

extensions = ["myst_parser", "sphinx_copybutton"]
source_suffix = {".md": "markdown"}
root_doc = "index"
nitpicky = True

# Anchors are those that GitHub makes, because the pages are read there, too.
myst_heading_anchors = 4
copybutton_exclude = ".linenos, .gp, .go"

html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_title = project
html_baseurl = _urls["Documentation"]
html_show_sphinx = False
html_copy_source = False  # the copies of build.py are not the files that one would edit
html_theme_options = {
    "navigation_with_keys": True,
    "footer_icons": [{"name": "Source", "url": _urls["Source"], "html": "Source"}],
}
pygments_style = "default"
pygments_dark_style = "github-dark"

linkcheck_timeout = 10
linkcheck_ignore = [r"https?://(127\.0\.0\.1|localhost|.*\.example)\b.*"]
