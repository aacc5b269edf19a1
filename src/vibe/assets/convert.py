"""The user's files: recognised by their content, converted once into files of ours, none of them ever executed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vibe.assets import checkpoints, checkpoints_vibe, pickle_arrays, pickles, smpl_files
from vibe.assets.archives import Zip, npy, npz
from vibe.assets.paths import home, write_whole
from vibe.assets.registry import CONVERTED
from vibe.assets.weights import SHIPPED, load_recipe, load_weights, weights_bytes

MAX_FILE = 1 << 30
"""Bytes; the largest of these files has 300 MB."""
PERFORMANCE = {"official": 56.56, "official-3dpw": 52.00}
"""PA-MPJPE on 3DPW in mm that the published checkpoints hold, which tells them apart."""
OWN = ("", "", "those of the data and of the checkpoints that it was trained from", "whoever trained it")
"""What stands in `CONVERTED` for the published ones."""
NOTHING = "it is none of the files that can be added (`vibe assets` lists them)"


@dataclass(frozen=True)
class Added:
    """A file that was recognised and converted."""

    kind: str
    """What it is, in words."""
    path: Path
    """What was made of it."""
    source: Path


@dataclass(frozen=True)
class Refused:
    """A file that was not taken."""

    source: Path
    reason: str
    """One sentence that names the file and says what is wrong."""


def add(paths: Iterable[Path | str]) -> tuple[Added | Refused, ...]:
    """Convert each file for use into `places.home`; one that is refused does not stop the others.

    Small files go first, since a checkpoint may need the mean parameters; the answers are in the order of `paths`.
    """
    given = [Path(path) for path in paths]
    done = {path: _answer(path) for path in sorted(given, key=_size)}
    return tuple(done[path] for path in given)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _answer(path: Path) -> Added | Refused:
    try:
        return convert_file(path)
    except ValueError as error:
        return Refused(path, str(error))
    except OSError as error:
        return Refused(path, f"{path}: {error.strerror}" if error.strerror else str(error))


def convert_file(path: Path) -> Added:
    """Convert one file; raises ValueError with the reason, FileNotFoundError or OSError."""
    path = Path(path)
    if not path.is_file():
        what = "is a folder: give the files in it" if path.is_dir() else "is not there"
        raise FileNotFoundError(f"{path} {what}")
    if path.stat().st_size > MAX_FILE:
        raise ValueError(f"{path}: it has {path.stat().st_size >> 20} MB, more than any file that can be added")
    try:
        file, content = _converted(path, path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    home().mkdir(parents=True, exist_ok=True)
    write_whole(home() / file, content)
    kind = CONVERTED[file][1] if file in CONVERTED else "a set of weights of your own"
    return Added(kind, home() / file, path)


def _converted(path: Path, content: bytes) -> tuple[str, bytes]:
    """Name and content of the file to write, by what the given one begins with."""
    if content[:4] == b"PK\3\4":
        return _zip(path, content)
    if content[:6] == b"\x93NUMPY":
        return smpl_files.regressor(_named(npy, content))
    if content[8:9] == b"{" and int.from_bytes(content[:8], "little") < len(content):
        return _own(path, content)
    if checkpoints.is_tar(content):
        raise ValueError("it is a checkpoint of torch 0.1 in a tar file: save it anew with torch 1.0 or newer")
    if content[:1] in (b"\x80", b"(", b"}", b"]", b"c"):
        return _pickle(path, content)
    page = content[:200].lstrip()[:1] == b"<"
    raise ValueError("it is a web page: the download went wrong, get the file again" if page else NOTHING)


def _named(read: Callable[[bytes], Any], content: bytes) -> Any:
    try:
        return read(content)
    except ValueError as error:
        raise ValueError(f"the array {error}") from error


def _zip(path: Path, content: bytes) -> tuple[str, bytes]:
    """An .npz file, or a checkpoint of a newer torch."""
    archive = Zip(content)
    if any(name.rsplit("/", 1)[-1] == "data.pkl" for name in archive.names()):
        return _checkpoint(path, checkpoints.from_zip(archive))
    return _arrays(path, npz(archive))


def _pickle(path: Path, content: bytes) -> tuple[str, bytes]:
    """A legacy checkpoint, or a pickle of arrays."""
    value, end = pickles.read_pickle(content)
    if value == checkpoints.MAGIC:
        return _checkpoint(path, checkpoints.from_legacy(content))
    if end != len(content) or not isinstance(value, dict):
        raise ValueError(NOTHING)
    return _arrays(path, {str(name): _reader(name, item) for name, item in value.items()})


def _reader(name: Any, value: Any) -> Callable[[], Any]:
    """What reads a value of a pickle: text, or numbers."""
    return lambda: pickle_arrays.text(value) or pickle_arrays.numbers(value, str(name))


def _arrays(path: Path, readers: dict[str, Callable[[], Any]]) -> tuple[str, bytes]:
    names = set(readers)
    if smpl_files.is_body(names):
        return smpl_files.body(readers, path)
    if {"means", "covars", "weights"} <= names:
        return smpl_files.pose_mixture(readers)
    if {"pose", "shape", "cam"} <= names:
        return smpl_files.mean_parameters(readers)
    shown = ", ".join(ascii(name[:30])[1:-1] for name in sorted(names)[:8])
    raise ValueError(f"{NOTHING}; it holds {shown or 'nothing'}")


def _checkpoint(path: Path, checkpoint: checkpoints.Checkpoint) -> tuple[str, bytes]:
    """A network out of a checkpoint, told by the names of its parameters."""
    value = checkpoint.value
    if not isinstance(value, dict):
        raise ValueError(NOTHING)
    if isinstance(value.get("recipe"), str) and "average" in value:
        return _training(checkpoint)
    state = next((value[key] for key in ("gen_state_dict", "model") if isinstance(value.get(key), dict)), value)
    kept = checkpoints_vibe.without_body({str(name): item for name, item in state.items()})
    if not (checkpoints_vibe.is_generator(set(kept)) or checkpoints_vibe.is_frame(set(kept))):
        shown = ", ".join(ascii(str(name)[:30])[1:-1] for name in list(state)[:6])
        raise ValueError(f"it is a checkpoint of another network; it holds {shown or 'nothing'}")
    views = {name: checkpoints.storage_view(checkpoint, item, name) for name, item in kept.items()}
    if checkpoints_vibe.is_frame(set(kept)):
        return "official-frame.safetensors", checkpoints_vibe.frame_parameters(views)
    name = _which(path, checkpoint)
    file = f"{name}.safetensors"
    _, _, licence, owner = CONVERTED.get(file, OWN)
    return file, checkpoints_vibe.generator_parameters(views, name, f"{licence}; from {owner}.")


def _which(path: Path, checkpoint: checkpoints.Checkpoint) -> str:
    """The name of a generator: by the error that it holds, else by the file's name."""
    held = checkpoint.value.get("performance")
    if isinstance(held, pickles.Made) and held.kind == "torch.Tensor":
        held = checkpoints.storage_view(checkpoint, held, "performance").number()
    error = pickle_arrays.scalar(held, "performance")
    for name, published in PERFORMANCE.items():
        if error is not None and abs(error - published) < 0.01:
            return name
    stem = path.name.split(".")[0]
    hints = {"vibe_model_wo_3dpw": "official", "vibe_model_w_3dpw": "official-3dpw"}
    return hints[stem] if stem in hints else _free(stem)


def _free(name: str) -> str:
    """A name for a set of weights of the user's own, which hides no shipped or published one."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:50] or "mine"
    taken = (SHIPPED / f"{safe}.safetensors").is_file() or f"{safe}.safetensors" in CONVERTED
    return f"{safe}-mine" if taken else safe


def _training(checkpoint: checkpoints.Checkpoint) -> tuple[str, bytes]:
    """A checkpoint of `vibe train`: the averaged parameters, in half precision as they are shipped."""
    try:
        recipe = json.loads(checkpoint.value["recipe"])
        name, licence = recipe["name"], recipe["licence"]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"its recipe cannot be read ({error}): give the weights.safetensors of the run") from error
    state = checkpoint.value["average"]
    if not isinstance(state, dict) or not isinstance(name, str) or not isinstance(licence, str):
        raise ValueError("its recipe has no name and licence, or it has no parameters")
    views = {str(key): checkpoints.storage_view(checkpoint, item, str(key)) for key, item in state.items()}
    checkpoints_vibe.check_size({key: view.shape for key, view in views.items()})
    tensors = {key: checkpoints_vibe.finite(key, view.numbers()).astype("<f2") for key, view in views.items()}
    metadata = {"name": name, "licence": licence, "recipe": checkpoint.value["recipe"]}
    metadata["step"] = str(checkpoint.value.get("step"))
    return f"{_free(name)}.safetensors", weights_bytes(tensors, metadata)


def _own(path: Path, content: bytes) -> tuple[str, bytes]:
    """A weights file of ours, which is taken as it is."""
    try:
        _, about = load_weights(path)
        published = load_recipe(path).get("evidence") == "images"
    except ValueError as error:
        raise ValueError(str(error).removeprefix(f"{path}: ").replace(f"{path} ", "it ", 1)) from error
    file = f"{about.name}.safetensors"
    return (file if file in CONVERTED and published else f"{_free(about.name)}.safetensors"), content
