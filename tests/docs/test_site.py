"""The manual as a site: it builds without a warning, has every page in its menu, and loads nothing from anywhere."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from manual import ROOT

if find_spec("furo") is None:
    pytest.skip("the extra `docs` is not installed", allow_module_level=True)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going", "-c", "docs"]
    done = subprocess.run(
        [*command, "-d", str(folder / "trees"), ".", str(folder / "html")], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return folder / "html"


def test_every_page_is_built_and_in_the_menu(site):
    front = (site / "docs" / "index.html").read_text(encoding="utf-8")
    for folder in ("docs", "benchmarks/results"):
        for page in (ROOT / folder).glob("*.md"):
            assert (site / folder / f"{page.stem}.html").is_file()
            if page.stem != "index":
                assert re.search(rf'<a class="reference internal" href="[^"]*{page.stem}.html"', front), page.stem


def test_nothing_is_loaded_from_elsewhere(site):
    loads = re.compile(
        r"""<(?:script|img|source|iframe)[^>]+src=["']?(?:https?:)?//|<link[^>]+href=["']?(?:https?:)?//"""
    )
    styles = re.compile(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//")
    found = [path.name for path in site.rglob("*.html") if loads.search(path.read_text(encoding="utf-8"))]
    found += [path.name for path in site.rglob("*.css") if styles.search(path.read_text(encoding="utf-8"))]
    assert found == []


def test_the_front_leads_to_the_manual(site):
    assert "url=docs/index.html" in (site / "index.html").read_text(encoding="utf-8")
