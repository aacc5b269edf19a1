"""The user's files: recognised by their content, converted once into files of ours, none of them ever executed."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from vibe.assets import pickle_arrays, pickles, smpl_files
from vibe.assets.archives import Zip, npy, read_npz
from vibe.assets.paths import home, keep_inputs, lying, write_whole
from vibe.assets.pickle_arrays import Checkpoint, StorageView, storage_view, storage_views
from vibe.assets.registry import CONVERTED
from vibe.assets.weights import BACKBONE, SHIPPED, load_recipe, load_weights, weights_bytes
from vibe.errors import damaged
from vibe.features.resnet import ResNet50
from vibe.models.generator import VIBE
from vibe.models.gru import EncoderConfig, GRUEncoder
from vibe.models.regressor import CAMERA, POSE, SHAPE, Regressor, RegressorConfig

MAX_FILE = 1 << 30
"""Bytes; the largest of these files has 300 MB."""
PERFORMANCE = {"official": 56.56, "official-3dpw": 52.00}
"""PA-MPJPE on 3DPW in mm that the published checkpoints hold, which tells them apart."""
OWN = ("", "", "those of the data and of the checkpoints that it was trained from", "whoever trained it")
"""What stands in `CONVERTED` for the published ones."""
NOTHING = "it is none of the files that can be added (`vibe assets` lists them)"
MAX_LAYERS = 8
LAYER = re.compile(r"encoder\.gru\.weight_ih_l(\d)")


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
    done = {path: _answer(path) for path in sorted(given, key=lambda path: path.is_file() and path.stat().st_size)}
    return tuple(done[path] for path in given)


def _answer(path: Path) -> Added | Refused:
    """Convert one file, if it can be."""
    if not path.is_file():
        return Refused(path, f"{path} {'is a folder: give the files in it' if path.is_dir() else 'is not there'}")
    try:
        if (size := path.stat().st_size) > MAX_FILE:
            raise ValueError(f"it has {size >> 20} MB, more than any file that can be added")
        file, content = _converted(path, path.read_bytes())
        keep_inputs([home() / file], path)
        home().mkdir(parents=True, exist_ok=True)
        write_whole(home() / file, content)
    except ValueError as error:
        return Refused(path, f"{path}: {error}")
    except OSError as error:
        return Refused(path, f"{path}: {error.strerror}" if error.strerror else str(error))
    kind = CONVERTED[file][1] if file in CONVERTED else "a set of weights of your own"
    return Added(kind, home() / file, path)


def _converted(path: Path, content: bytes) -> tuple[str, bytes]:
    """Name and content of the file to write, by what the given one begins with."""
    if content[:4] == b"PK\3\4":
        return _zip(path, content)
    if content[:6] == b"\x93NUMPY":
        return smpl_files.regressor(npy(content))
    if content[8:9] == b"{" and int.from_bytes(content[:8], "little") < len(content):
        return _own(path, content)
    if content[:1] in (b"\x80", b"(", b"}", b"]", b"c"):
        return _pickle(path, content)
    page = content[:200].lstrip()[:1] == b"<"
    raise ValueError("it is a web page: the download went wrong, get the file again" if page else NOTHING)


def _zip(path: Path, content: bytes) -> tuple[str, bytes]:
    """An .npz file, or a checkpoint of a newer torch."""
    with Zip(io.BytesIO(content)) as archive:
        names = archive.namelist()
        archive.check_size(names)
        if any(name.rsplit("/", 1)[-1] == "data.pkl" for name in names):
            return _checkpoint(path, pickle_arrays.from_zip(archive))
        arrays = (name[:-4] for name in names if name.endswith(".npy"))
        return _arrays(path, {name: partial(archive.array, name) for name in arrays})


def _pickle(path: Path, content: bytes) -> tuple[str, bytes]:
    """A legacy checkpoint, or a pickle of arrays."""
    value, end = pickles.read_pickle(content)
    if value == pickle_arrays.MAGIC:
        return _checkpoint(path, pickle_arrays.from_legacy(content))
    if end != len(content) or not isinstance(value, dict):
        raise ValueError(NOTHING)
    read = lambda name, item: pickle_arrays.text(item) or pickle_arrays.numbers(item, name)  # noqa: E731
    return _arrays(path, {str(name): partial(read, str(name), item) for name, item in value.items()})


def _arrays(path: Path, readers: dict[str, Callable[[], Any]]) -> tuple[str, bytes]:
    names = set(readers)
    if {"v_template", "shapedirs", "kintree_table"} <= names:  # SMPL's layout, and its relatives'
        return smpl_files.body(readers, path)
    if {"means", "covars", "weights"} <= names:
        return smpl_files.pose_mixture(readers)
    if {"pose", "shape", "cam"} <= names:
        return smpl_files.mean_parameters(readers)
    shown = ", ".join(ascii(name[:30])[1:-1] for name in sorted(names)[:8])
    raise ValueError(f"{NOTHING}; it holds {shown or 'nothing'}")


def _checkpoint(path: Path, checkpoint: Checkpoint) -> tuple[str, bytes]:
    """A network out of a checkpoint, told by the names of its parameters."""
    value = checkpoint.value
    if not isinstance(value, dict):
        raise ValueError(NOTHING)
    if isinstance(value.get("recipe"), str) and "average" in value:
        return _training(checkpoint)
    state = next((value[key] for key in ("gen_state_dict", "model") if isinstance(value.get(key), dict)), value)
    # Official checkpoints carry the body's data as well.
    kept = {str(name): item for name, item in state.items() if not re.match(r"(.*\.)?smpl\.", str(name))}
    frame = {"conv1.weight", "layer4.2.conv3.weight", "fc1.weight"} <= kept.keys()
    if not frame and not {"encoder.gru.weight_ih_l0", "regressor.fc1.weight"} <= kept.keys():
        shown = ", ".join(ascii(str(name)[:30])[1:-1] for name in list(state)[:6])
        raise ValueError(f"it is a checkpoint of another network; it holds {shown or 'nothing'}")
    views = storage_views(checkpoint, kept)
    name = BACKBONE if frame else _which(path, checkpoint)
    encoder, regressor = (None, RegressorConfig()) if frame else _sizes(views)
    with torch.device("meta"):  # the shapes alone
        head = Regressor(regressor)
        if encoder is None:
            wanted = ResNet50().state_dict() | head.state_dict()
        else:
            wanted = VIBE(nn.Identity(), GRUEncoder(EncoderConfig(**encoder)), head).state_dict()
    arrays = _parameters(views, {name: tuple(tensor.shape) for name, tensor in wanted.items()})
    recipe = {"evidence": "images", "body": "smpl", "encoder": encoder, "regressor": asdict(regressor)}
    _, _, licence, owner = CONVERTED.get(f"{name}.safetensors", OWN)
    metadata = {"name": name, "licence": f"{licence}; from {owner}.", "recipe": json.dumps(recipe, sort_keys=True)}
    return f"{name}.safetensors", weights_bytes(arrays, metadata)


def _which(path: Path, checkpoint: Checkpoint) -> str:
    """The name of a generator: by the error that it holds, else by the file's name."""
    held = checkpoint.value.get("performance")
    if isinstance(held, pickles.Made) and held.kind == "torch.Tensor":
        held = storage_view(checkpoint, held, "performance").numbers()
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


def _training(checkpoint: Checkpoint) -> tuple[str, bytes]:
    """A checkpoint of `vibe train`: the averaged parameters, in half precision as they are shipped."""
    with damaged("its recipe cannot be read", "give the weights.safetensors of the run"):
        recipe = json.loads(checkpoint.value["recipe"])
        name, licence = recipe["name"], recipe["licence"]
    state = checkpoint.value["average"]
    if not isinstance(state, dict) or not isinstance(name, str) or not isinstance(licence, str):
        raise ValueError("its recipe has no name and licence, or it has no parameters")
    views = storage_views(checkpoint, {str(key): item for key, item in state.items()})
    tensors = {key: _finite(key, view.numbers()).astype("<f2") for key, view in views.items()}
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


def _sizes(views: Mapping[str, StorageView]) -> tuple[dict[str, Any], RegressorConfig]:
    """Those of a generator's encoder and regressor, by the shapes of its parameters; raises ValueError."""
    ih, fc1 = views["encoder.gru.weight_ih_l0"].shape, views["regressor.fc1.weight"].shape
    if len(ih) != 2 or len(fc1) != 2 or min(*ih, *fc1) < 1:
        raise ValueError(f"encoder.gru.weight_ih_l0 and regressor.fc1.weight have the shapes {ih} and {fc1}")
    encoder = {
        "features": ih[1],
        "hidden": ih[0] // 3,
        "layers": min(1 + max(int(found[1]) for key in views if (found := LAYER.match(key))), MAX_LAYERS),
        "bidirectional": "encoder.gru.weight_ih_l0_reverse" in views,
        "linear": "encoder.linear.weight" in views,
        "residual": True,
    }
    width = ih[1] if encoder["linear"] else encoder["hidden"] * (2 if encoder["bidirectional"] else 1)
    read = fc1[1] - POSE - SHAPE - CAMERA
    if read != width:
        raise ValueError(f"its encoder gives {width} numbers, its regressor reads {read}")
    return encoder, RegressorConfig(features=read, hidden=fc1[0])


def _finite(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """The parameter itself; raises ValueError, which names it, unless its numbers are real (or counted) and finite."""
    if array.dtype.kind != ("i" if name.endswith("num_batches_tracked") else "f"):
        raise ValueError(f"parameter {name} holds numbers of the wrong kind ({array.dtype})")
    if not np.isfinite(array).all():
        raise ValueError(f"parameter {name} holds a number that is not finite: the file is damaged, copy it again")
    return array


def _parameters(views: Mapping[str, StorageView], shapes: Mapping[str, tuple[int, ...]]) -> dict[str, NDArray[Any]]:
    """All parameters and no other, each of its shape and finite; the mean parameters from the library if need be."""
    means = [name for name in shapes if "init_" in name and name not in views]
    missing = [name for name in shapes if name not in views and name not in means]
    unknown = [name for name in views if name not in shapes]
    sizes = ((name, views[name].shape, shape) for name, shape in shapes.items() if name in views)
    wrong = [f"{name} is {size}, expected {shape}" for name, size, shape in sizes if size != shape]
    for problem, names in (("lacks", missing), ("has the unknown", unknown), ("has the wrong shape:", wrong)):
        if names:
            more = f" and {len(names) - 4} more" if len(names) > 4 else ""
            raise ValueError(f"the network {problem} {', '.join(ascii(name)[1:-1][:100] for name in names[:4])}{more}")
    return {name: _finite(name, view.numbers()) for name, view in views.items()} | _means(means)


def _means(names: list[str]) -> dict[str, NDArray[Any]]:
    """The regressor's start out of the library."""
    if not names:
        return {}
    path = lying("smpl_mean_params.npz")
    if path is None:
        raise ValueError(
            f"the network lacks {', '.join(names)}, and smpl_mean_params.npz, where they could come from, is not here: "
            "run `vibe assets add` for that file first"
        )
    held, parts = read_npz(path), {name: name.partition("init_")[2] for name in names}
    if missing := [name for name, part in parts.items() if part not in held]:
        raise ValueError(f"{path} lacks {', '.join(missing)}: run `vibe assets add` for the mean parameters again")
    return {name: held[part][None].astype(np.float32) for name, part in parts.items()}
