"""The site: every page of docs/ and the tables of benchmarks/results/, as they stand in the repository.

`make docs` runs Sphinx on the repository's root with this configuration, so that links between the two folders hold
there as they do here. Nothing in the pages is fetched from anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).parents[1]
PARTS = {
    "Begin": ("install", "first-video", "migrate"),
    "Use": (
        *(
            "estimate",
            "many",
            "stages",
            "edit",
            "app",
            "live",
            "speed",
            "view",
            "render",
            "export",
            "biomechanics",
            "api",
            "conventions",
            "glossary",
        ),
    ),
    "SMPL and the paper's system": ("exact", "method"),
    "How good is it": ("accuracy", "evaluate"),
    "Data and training": ("data", "train", "diary"),
}
"""The pages of docs/ in the order of the menu; a page that is in none of them stops the build."""

project = "vibe"
version = release = re.findall(r'__version__ = "(.+)"', (ROOT / "src/vibe/__init__.py").read_text(encoding="utf-8"))[0]
extensions = ["myst_parser"]
root_doc = "docs/index"
include_patterns = ["docs/*.md", "benchmarks/results/*.md"]
exclude_patterns = [".*", "out", "runs", "build", "dist", "src", "tests", "page"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
highlight_language = "none"

html_theme = "furo"
html_title = "vibe"
html_static_path = ["site"]
html_css_files = ["plain.css"]
templates_path = ["site"]
html_additional_pages = {"index": "forward.html"}
html_show_sphinx = False
html_show_copyright = False
smartquotes = False
html_copy_source = False
html_use_index = False
html_show_sourcelink = False
html_theme_options = {"top_of_page_buttons": []}


def complete(app: Sphinx, page: str, source: list[str]) -> None:
    """What a site needs and a page that is read elsewhere does not: the menu on the first, a title on each table."""
    if page == root_doc:
        for caption, pages in PARTS.items():
            source[0] += toctree(caption, pages)
        tables = sorted(path.stem for path in (ROOT / "benchmarks" / "results").glob("*.md"))
        source[0] += toctree("Measurements", [f"../benchmarks/results/{name}" for name in tables])
    elif page.startswith("benchmarks/results/") and not source[0].startswith("# "):
        title = page.removeprefix("benchmarks/results/").replace("_", " ").capitalize()
        source[0] = f"# {title}\n\n{source[0]}"


def toctree(caption: str, pages: Iterable[str]) -> str:
    lines = "\n".join(pages)
    return f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{lines}\n```\n"


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", complete)
    return {"parallel_read_safe": True}
