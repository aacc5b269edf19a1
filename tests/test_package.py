"""The package as the index would have it: what the archives hold, and that it works without its sources."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import vibe
from vibe import assets

pytest.importorskip("hatchling", reason="hatchling, which builds the package, is not installed")
ROOT = Path(__file__).parents[1]
PAGE = "page.html"


def run(*command: object, cwd: Path, **variables: str) -> str:
    """What a program prints that sees nothing of this checkout but its path."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIBE_"))}
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env=environment | variables, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def sdist(tmp_path_factory) -> Path:
    """The source archive, unpacked."""
    folder = tmp_path_factory.mktemp("sdist")
    run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", folder, cwd=ROOT)
    (archive,) = folder.glob("vibe_motion-*.tar.gz")
    shutil.unpack_archive(archive, folder)
    return folder / archive.name.removesuffix(".tar.gz")


@pytest.fixture(scope="module")
def wheel(sdist) -> Path:
    """The wheel, built from the source archive alone."""
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", sdist.parent, cwd=sdist)
    (wheel,) = sdist.parent.glob("vibe_motion-*.whl")
    return wheel


@pytest.fixture(scope="module")
def scripts(wheel, tmp_path_factory) -> Path:
    """The programs of a bare environment with the wheel, which borrows its requirements from this one."""
    folder = tmp_path_factory.mktemp("bare")
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
    scripts = folder / ("Scripts" if os.name == "nt" else "bin")
    pip = (sys.executable, "-m", "pip", "--python", scripts / "python", "install", "--quiet", "--no-index", "--no-deps")
    run(*pip, wheel, cwd=folder)
    (packages,) = folder.rglob("site-packages")
    (packages / "borrowed.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))
    return scripts


def built_page() -> set[str]:
    """The page's path below the package, if it is built here."""
    package = Path(vibe.__file__).parent
    return {path.relative_to(package).as_posix() for path in package.rglob(PAGE)}


def test_the_source_archive_holds_what_the_repository_does_and_the_page(sdist):
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("what belongs into the archive is known to git, and this is no checkout")
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT).splitlines()
    there = {name for name in listed if (ROOT / name).is_file()}
    packed = {path.relative_to(sdist).as_posix() for path in sdist.rglob("*") if path.is_file()}
    assert packed - there == {"PKG-INFO", *(f"src/vibe/{page}" for page in built_page())}
    assert there <= packed


def test_the_wheel_holds_the_package_and_nothing_else(wheel, sdist):
    with zipfile.ZipFile(wheel) as packed:
        names = {name for name in packed.namelist() if ".dist-info/" not in name}
    files = [path for path in (sdist / "src").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert names == {path.relative_to(sdist / "src").as_posix() for path in files}
    kinds = {Path(name).suffix for name in names}
    assert kinds == {".py", ".typed", ".npz", ".json", ".safetensors"} | ({".html"} if built_page() else set())


def test_the_page_comes_with_the_package(wheel):
    if not built_page():
        pytest.skip("vibe was installed without its page (npm could not fetch its packages)")
    with zipfile.ZipFile(wheel) as packed:
        packed_pages = {name for name in packed.namelist() if name.endswith(PAGE)}
    assert {f"vibe/{page}" for page in built_page()} == packed_pages


def test_what_is_installed_from_the_wheel_makes_a_clip_and_estimates_it(scripts, tmp_path):
    try:
        models = {assets.find_model(name).parent for name in assets.MODELS}
    except FileNotFoundError as error:
        pytest.skip(str(error))
    where = "import vibe; from importlib.metadata import version; print(vibe.__file__, version('vibe-motion'))"
    file, version = run(scripts / "python", "-c", where, cwd=tmp_path).split()
    assert Path(file).is_relative_to(scripts.parent) and version == vibe.__version__
    run(scripts / "vibe", "make-clip", "clip.mp4", "--seconds", "0.3", cwd=tmp_path)
    run(scripts / "vibe", "estimate", "clip.mp4", "--no-overlay", cwd=tmp_path, VIBE_HOME=str(models.pop()))
    (person,) = vibe.load(tmp_path / "out" / "clip" / "motion.npz").people
    assert len(person.frames) == 9
