"""Parameters of the published networks: which they are, whether all are there, and the sizes that they imply."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vibe.assets.archives import read_npz
from vibe.assets.checkpoints import StorageView
from vibe.assets.paths import lying
from vibe.assets.registry import CONVERTED
from vibe.assets.weights import MAX_WEIGHTS_BYTES, weights_bytes

Shapes = dict[str, tuple[int, ...]]
STATE = {"pose": 144, "shape": 10, "cam": 3}
"""The numbers that the regressor corrects."""
STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))
"""Width and blocks of each stage of ResNet-50."""
MAX_LAYERS = 8
LAYER = re.compile(r"encoder\.gru\.weight_ih_l(\d)")


def is_generator(names: set[str]) -> bool:
    """Whether these are parameters of the paper's generator."""
    return {"encoder.gru.weight_ih_l0", "regressor.fc1.weight"} <= names


def is_frame(names: set[str]) -> bool:
    """Whether these are parameters of the single-frame network: ResNet-50 and regressor."""
    return {"conv1.weight", "layer4.2.conv3.weight", "fc1.weight"} <= names


def without_body(names: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters without the body data that official checkpoints carry."""
    return {name: value for name, value in names.items() if not re.match(r"(.*\.)?smpl\.", name)}


def generator_parameters(views: Mapping[str, StorageView], name: str, licence: str) -> bytes:
    """The generator as a weights file; raises ValueError, which names the parameters that are missing or wrong."""
    ih, fc1 = views["encoder.gru.weight_ih_l0"].shape, views["regressor.fc1.weight"].shape
    if len(ih) != 2 or len(fc1) != 2 or min(*ih, *fc1) < 1:
        raise ValueError(f"encoder.gru.weight_ih_l0 and regressor.fc1.weight have the shapes {ih} and {fc1}")
    layers = 1 + max(int(found[1]) for key in views if (found := LAYER.match(key)))
    encoder = {
        "features": ih[1],
        "hidden": ih[0] // 3,
        "layers": min(layers, MAX_LAYERS),
        "bidirectional": "encoder.gru.weight_ih_l0_reverse" in views,
        "linear": "encoder.linear.weight" in views,
        "residual": True,
    }
    head = {"features": fc1[1] - sum(STATE.values()), "hidden": fc1[0]}
    width = ih[1] if encoder["linear"] else encoder["hidden"] * (2 if encoder["bidirectional"] else 1)
    if head["features"] != width:
        raise ValueError(f"its encoder gives {width} numbers, its regressor reads {head['features']}")
    shapes = _encoder(**encoder) | {f"regressor.{key}": shape for key, shape in _regressor(**head).items()}
    arrays = _arrays(views, shapes, "regressor.")
    return _weights(arrays, name, licence, encoder, head)


def frame_parameters(views: Mapping[str, StorageView]) -> bytes:
    """ResNet-50 and regressor as a weights file; raises ValueError, which names what is missing or wrong."""
    _, _, licence, owner = CONVERTED["official-frame.safetensors"]
    head = {"features": 2048, "hidden": 1024}
    arrays = _arrays(views, _resnet() | _regressor(**head), "")
    return _weights(arrays, "official-frame", f"{licence}; from {owner}.", None, head)


def check_size(shapes: Shapes) -> None:
    """Raises ValueError if the parameters are more than those of any network here."""
    if (size := 4 * sum(math.prod(shape) for shape in shapes.values())) > MAX_WEIGHTS_BYTES:
        raise ValueError(f"the network would take {size >> 20} MB, more than any network here")


def finite(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """The parameter itself; raises ValueError, which names it, unless its numbers are real (or counted) and finite."""
    if array.dtype.kind != ("i" if name.endswith("num_batches_tracked") else "f"):
        raise ValueError(f"parameter {name} holds numbers of the wrong kind ({array.dtype})")
    if not np.isfinite(array).all():
        raise ValueError(f"parameter {name} holds a number that is not finite: the file is damaged, copy it again")
    return array


def _weights(arrays: dict[str, NDArray[Any]], name: str, licence: str, encoder: dict[str, Any] | None,
             head: dict[str, int]) -> bytes:  # fmt: skip
    regressor = {**head, "iterations": 3, "dropout": 0.5, "activation": "none"}
    recipe = {"evidence": "images", "body": "smpl", "encoder": encoder, "regressor": regressor}
    metadata = {"name": name, "licence": licence, "recipe": json.dumps(recipe, sort_keys=True)}
    return weights_bytes(arrays, metadata)


def _encoder(features: int, hidden: int, layers: int, bidirectional: bool, linear: bool, residual: bool) -> Shapes:
    """Shapes of the recurrent encoder's parameters."""
    shapes: Shapes = {}
    ways = ("", "_reverse") if bidirectional else ("",)
    for layer in range(layers):
        width = features if layer == 0 else hidden * len(ways)
        for way in ways:
            end = f"l{layer}{way}"
            shapes[f"encoder.gru.weight_ih_{end}"] = (3 * hidden, width)
            shapes[f"encoder.gru.weight_hh_{end}"] = (3 * hidden, hidden)
            shapes[f"encoder.gru.bias_ih_{end}"] = shapes[f"encoder.gru.bias_hh_{end}"] = (3 * hidden,)
    if linear:
        shapes |= {"encoder.linear.weight": (features, hidden * len(ways)), "encoder.linear.bias": (features,)}
    return shapes


def _regressor(features: int, hidden: int) -> Shapes:
    """Shapes of the iterative regressor's parameters."""
    shapes: Shapes = {f"init_{part}": (1, size) for part, size in STATE.items()}
    layers = {"fc1": (hidden, features + sum(STATE.values())), "fc2": (hidden, hidden)}
    layers |= {f"dec{part}": (size, hidden) for part, size in STATE.items()}
    for layer, shape in layers.items():
        shapes |= {f"{layer}.weight": shape, f"{layer}.bias": shape[:1]}
    return shapes


def _resnet() -> Shapes:
    """Shapes of ResNet-50's parameters."""
    shapes: Shapes = {"conv1.weight": (64, 3, 7, 7)} | _norm("bn1", 64)
    before = 64
    for stage, (width, blocks) in enumerate(STAGES, 1):
        for block in range(blocks):
            at = f"layer{stage}.{block}."
            convolutions = ((width, before, 1, 1), (width, width, 3, 3), (4 * width, width, 1, 1))
            for index, shape in enumerate(convolutions, 1):
                shapes |= {f"{at}conv{index}.weight": shape} | _norm(f"{at}bn{index}", shape[0])
            if block == 0:
                shapes[f"{at}downsample.0.weight"] = (4 * width, before, 1, 1)
                shapes |= _norm(f"{at}downsample.1", 4 * width)
            before = 4 * width
    return shapes


def _norm(name: str, width: int) -> Shapes:
    parts = {f"{name}.{part}": (width,) for part in ("weight", "bias", "running_mean", "running_var")}
    return parts | {f"{name}.num_batches_tracked": ()}


def _arrays(views: Mapping[str, StorageView], shapes: Shapes, head: str) -> dict[str, NDArray[Any]]:
    """All parameters and no other, each of its shape and finite; the mean parameters from the library if need be."""
    means = [f"{head}init_{part}" for part in STATE if f"{head}init_{part}" not in views]
    missing = [name for name in shapes if name not in views and name not in means]
    unknown = [name for name in views if name not in shapes]
    wrong = [
        f"{name} is {views[name].shape}, expected {shape}"
        for name, shape in shapes.items()
        if name in views and views[name].shape != shape
    ]
    for problem, names in (("lacks", missing), ("has the unknown", unknown), ("has the wrong shape:", wrong)):
        if names:
            more = f" and {len(names) - 4} more" if len(names) > 4 else ""
            raise ValueError(f"the network {problem} {', '.join(ascii(name)[1:-1][:100] for name in names[:4])}{more}")
    check_size(shapes)
    arrays = {name: view.numbers() for name, view in views.items()}
    for name, array in arrays.items():
        finite(name, array)
    return arrays | _means(means, head)


def _means(names: list[str], head: str) -> dict[str, NDArray[Any]]:
    """The regressor's start out of the library."""
    if not names:
        return {}
    path = lying("smpl_mean_params.npz")
    if path is None:
        raise ValueError(
            f"the network lacks {', '.join(names)}, and smpl_mean_params.npz, where they could come from, is not here: "
            "run `vibe assets add` for that file first"
        )
    held = read_npz(path)
    parts = {name: name.removeprefix(f"{head}init_") for name in names}
    if missing := sorted(set(parts.values()) - held.keys()):
        raise ValueError(f"{path} lacks {', '.join(missing)}: run `vibe assets add` for the mean parameters again")
    return {name: held[part][None].astype(np.float32) for name, part in parts.items()}
