"""How the page is built: from pinned packages, while vibe is installed, and never at the cost of the installation."""

import importlib.util
import json
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def hook(monkeypatch, tmp_path):
    """The build hook as hatchling loads it, with pages of its own."""
    interface = types.ModuleType("hatchling.builders.hooks.plugin.interface")
    interface.BuildHookInterface = object
    monkeypatch.setitem(sys.modules, interface.__name__, interface)
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "PAGES", {name: tmp_path / f"{name}.html" for name in module.PAGES})
    return module


class App:
    """What hatchling says to the user."""

    def __init__(self):
        self.warnings = []

    def display_warning(self, text: str) -> None:
        self.warnings.append(text)


def made(hook):
    page_hook = hook.PageHook()
    page_hook.app = App()
    return page_hook


def write_pages(hook):
    for page in hook.PAGES.values():
        page.write_text(f'<html data-sources="{hook.digest()}">')


def test_packages_are_pinned_and_come_from_wherever_the_user_gets_them():
    package = json.loads((ROOT / "page" / "package.json").read_text())
    lock = (ROOT / "page" / "package-lock.json").read_text()
    for name, version in {**package["dependencies"], **package["devDependencies"]}.items():
        locked = json.loads(lock)["packages"][f"node_modules/{name}"]
        assert version == locked["version"] and locked["integrity"].startswith("sha512-")
    assert "resolved" not in lock and "http" not in lock


def test_npm_is_asked_for_as_a_package_only_where_it_is_missing_and_needed(hook, monkeypatch):
    monkeypatch.setattr(hook.shutil, "which", lambda _: None)
    assert made(hook).dependencies() == [hook.NPM_WHEEL]
    write_pages(hook)
    assert made(hook).dependencies() == []
    hook.PAGES["app"].unlink()
    monkeypatch.setattr(hook.shutil, "which", lambda name: f"/bin/{name}")
    assert made(hook).dependencies() == []


def test_a_page_of_these_sources_is_not_built_again(hook, monkeypatch):
    write_pages(hook)
    monkeypatch.setattr(hook, "build", lambda: pytest.fail("it was built again"))
    made(hook).initialize("standard", {})


def test_a_build_that_fails_warns_and_lets_the_installation_go_on(hook, monkeypatch):
    for page in hook.PAGES.values():
        page.write_text("of older sources")
    said = "npm error network is unreachable\nnpm error A complete log ...\n"
    complaint = subprocess.CompletedProcess([], 1, "", said)
    monkeypatch.setattr(hook, "npm_command", lambda: (["npm"], {}))
    monkeypatch.setattr(hook.subprocess, "run", lambda *_, **__: complaint)
    page_hook = made(hook)
    page_hook.initialize("standard", {})
    assert page_hook.app.warnings[0].endswith("npm ci failed: network is unreachable")
    assert not any(page.exists() for page in hook.PAGES.values())


def test_a_complaint_in_any_bytes_is_passed_on(hook, monkeypatch, tmp_path):
    says = "import sys; sys.stderr.buffer.write(b'npm error caf\\xe9 is closed'); sys.exit(1)"
    monkeypatch.setattr(hook, "npm_command", lambda: ([sys.executable, "-c", says], dict(os.environ)))
    with pytest.raises(OSError, match="npm ci failed: caf. is closed"):
        hook.run(["ci"], tmp_path)


def test_the_pages_that_are_installed_are_of_these_sources(hook, monkeypatch):
    pages = {"page": ROOT / "src/vibe/viewer/page.html", "app": ROOT / "src/vibe/app/page.html"}
    if not all(page.is_file() for page in pages.values()):
        pytest.skip("vibe was installed without its pages (npm could not fetch its packages)")
    monkeypatch.setattr(hook, "PAGES", pages)
    assert hook.is_built(), "the sources in page/ have changed: run `pip install -e .` again"
