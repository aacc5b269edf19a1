"""Files in the layouts that the official ones have, filled with the recipe's invented numbers; for tests only."""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from reference import recipe, state
from torch import Tensor

OLD_NAMES = {"numpy._core": "numpy.core", "builtins": "__builtin__", "copyreg": "copy_reg"}
PERFORMANCE = {"vibe_model_wo_3dpw.pth.tar": 56.56075477600098, "vibe_model_w_3dpw.pth.tar": 52.00080156326294}


@dataclass(frozen=True)
class Foreign:
    """An object of a class that is not installed, as `pickle` would write it."""

    module: str
    name: str
    state: dict[str, Any]


class OldPickler(pickle._Pickler):
    """Writes what Python 2 wrote with protocol 2: strings of 8 bits, the old names of modules."""

    def save(self, obj: Any, save_persistent_id: bool = True) -> None:
        if isinstance(obj, str):
            self._old_string(obj.encode("latin1"))
        elif isinstance(obj, bytes):
            self._old_string(obj)
        elif isinstance(obj, Foreign):
            self.write(f"c{obj.module}\n{obj.name}\n)\x81".encode("latin1"))
            self.save(obj.state)
            self.write(b"b")
        else:
            super().save(obj, save_persistent_id)

    def save_global(self, obj: Any, name: str | None = None) -> None:
        module, name = obj.__module__, name or obj.__qualname__
        for new, old in OLD_NAMES.items():
            module = module.replace(new, old)
        self.write(f"c{module}\n{name}\n".encode())

    def save_type(self, obj: type) -> None:
        self.save_global(obj)

    dispatch = pickle._Pickler.dispatch.copy()
    dispatch[type] = save_type
    dispatch[type(save_type)] = save_global

    def _old_string(self, content: bytes) -> None:
        if len(content) < 256:
            self.write(b"U" + bytes([len(content)]) + content)
        else:
            self.write(b"T" + len(content).to_bytes(4, "little") + content)


def old_pickle(value: Any) -> bytes:
    """A pickle as Python 2 wrote them."""
    buffer = io.BytesIO()
    OldPickler(buffer, 2).dump(value)
    return buffer.getvalue()


def chumpy(array: np.ndarray) -> Foreign:
    """An array as chumpy keeps it."""
    return Foreign("chumpy.ch", "Ch", {"x": array, "_dirty_vars": set(), "_itr": None})


def select(array: np.ndarray, idxs: np.ndarray, shape: tuple[int, ...]) -> Foreign:
    """Some numbers of an array, as chumpy keeps them."""
    inside = {"a": chumpy(array), "idxs": idxs, "preferred_shape": shape, "_dirty_vars": set(), "_itr": None}
    return Foreign("chumpy.reordering", "Select", inside)


def sparse(dense: np.ndarray) -> Foreign:
    """A matrix as an old scipy kept it, by columns."""
    column, row = dense.T.nonzero()
    indptr = np.concatenate([[0], np.cumsum(np.bincount(column, minlength=dense.shape[1]))]).astype(np.int32)
    inside = {"_shape": dense.shape, "maxprint": 50, "indices": row.astype(np.int32), "indptr": indptr}
    return Foreign("scipy.sparse.csc", "csc_matrix", inside | {"data": dense[row, column]})


def body(make: ModuleType, shapes: int = 10) -> dict[str, np.ndarray]:
    """The recipe's body in double precision; past the tenth, its shape components are small and regular."""
    arrays = make.body()
    plain = {key: value.astype(np.float64) if value.dtype.kind == "f" else value for key, value in arrays.items()}
    more = 1e-3 * np.sin(np.arange(6890 * 3 * (shapes - 10))).reshape(6890, 3, -1)
    return plain | {"shapedirs": np.concatenate([plain["shapedirs"], more], -1)}


def smpl_pickle(plain: dict[str, np.ndarray]) -> bytes:
    """SMPL's .pkl: arrays, chumpy's objects and sparse matrices."""
    shapes = plain["shapedirs"]
    first = np.arange(shapes.size).reshape(shapes.shape)[..., :10]
    few = shapes.shape[-1] == 10
    return old_pickle(
        {
            "J": chumpy(plain["J_regressor"] @ plain["v_template"]),
            "J_regressor": sparse(plain["J_regressor"]),
            "J_regressor_prior": sparse(plain["J_regressor"]),
            "bs_style": "lbs",
            "bs_type": "lrotmin",
            "f": plain["f"].astype(np.uint32),
            "kintree_table": plain["kintree_table"],
            "posedirs": plain["posedirs"],
            "shapedirs": select(shapes, first.ravel(), first.shape) if few else chumpy(shapes),
            "v_template": chumpy(plain["v_template"]),
            "vert_sym_idxs": np.arange(6890),
            "weights": chumpy(plain["weights"]),
            "weights_prior": plain["weights"],
        }
    )


def mixture(make: ModuleType) -> dict[str, np.ndarray]:
    """SMPLify's mixture of eight Gaussians."""
    factors = make.array("gmm.factors", (8, 69, 69), 0.05).astype(np.float64)
    weights = np.abs(make.array("gmm.weights", (8,)).astype(np.float64)) + 0.1
    return {
        "means": make.array("gmm.means", (8, 69), 0.3).astype(np.float64),
        "covars": factors @ factors.transpose(0, 2, 1) + 0.05 * np.eye(69),
        "weights": weights / weights.sum(),
    }


def inside_smpl(make: ModuleType, prefix: str) -> dict[str, Tensor]:
    """The body data that official checkpoints carry."""
    plain = make.body()
    arrays = {
        "betas": np.zeros((64, 10), np.float32),
        "global_orient": np.zeros((64, 3), np.float32),
        "body_pose": np.zeros((64, 69), np.float32),
        "shapedirs": plain["shapedirs"],
        "faces_tensor": plain["f"],
        "v_template": plain["v_template"],
        "J_regressor": plain["J_regressor"],
        "posedirs": np.ascontiguousarray(plain["posedirs"].reshape(-1, 207).T),
        "parents": np.array(make.SMPL_PARENTS),
        "lbs_weights": plain["weights"],
        "J_regressor_extra": make.joint_regressor("J_regressor_extra", 9),
    }
    return {f"{prefix}smpl.{name}": torch.from_numpy(array) for name, array in arrays.items()}


def optimiser(tensors: dict[str, Tensor]) -> dict[str, Any]:
    """The state that Adam leaves, of the smaller parameters."""
    small = [value for value in tensors.values() if value.is_floating_point() and value.numel() < 10000]
    states = {140000 + i: {"step": 7, "exp_avg": value, "exp_avg_sq": value**2} for i, value in enumerate(small)}
    group = {"lr": 5e-5, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0, "amsgrad": False}
    return {"state": states, "param_groups": [group | {"params": list(states)}]}


def small_generator(features: int = 8, hidden: int = 4, layers: int = 1, bidirectional: bool = False,
                    linear: bool = True) -> dict[str, Tensor]:  # fmt: skip
    """Parameters of a small generator, by their official names."""
    ways = ("", "_reverse") if bidirectional else ("",)
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in range(layers):
        for way in ways:
            width = hidden * len(ways) if layer else features
            shapes[f"encoder.gru.weight_ih_l{layer}{way}"] = (3 * hidden, width)
            shapes[f"encoder.gru.weight_hh_l{layer}{way}"] = (3 * hidden, hidden)
            shapes |= {f"encoder.gru.bias_{part}_l{layer}{way}": (3 * hidden,) for part in ("ih", "hh")}
    if linear:
        shapes |= {"encoder.linear.weight": (features, hidden * len(ways)), "encoder.linear.bias": (features,)}
    shapes |= {f"regressor.init_{part}": (1, size) for part, size in (("pose", 144), ("shape", 10), ("cam", 3))}
    sizes = {"fc1": (5, features + 157), "fc2": (5, 5), "decpose": (144, 5), "decshape": (10, 5), "deccam": (3, 5)}
    for name, shape in sizes.items():
        shapes |= {f"regressor.{name}.weight": shape, f"regressor.{name}.bias": shape[:1]}
    return {name: torch.randn(shape) for name, shape in shapes.items()}


def as_module(tensors: dict[str, Tensor]) -> OrderedDict[str, Tensor]:
    """A state as a module gives it: ordered, with the versions of its layers beside it."""
    ordered = OrderedDict(tensors)
    ordered._metadata = OrderedDict({"": {"version": 1}})  # pyright: ignore[reportAttributeAccessIssue]
    return ordered


def save(path: Path, content: dict[str, Any], legacy: bool = True) -> Path:
    """A checkpoint as torch 1.4 wrote it, or as newer ones do."""
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    return path


def vibe_checkpoint(make: ModuleType, tensors: dict[str, Tensor], performance: float) -> dict[str, Any]:
    """The content of a checkpoint of the generator."""
    return {
        "epoch": 21,
        "gen_state_dict": as_module(tensors | inside_smpl(make, "regressor.")),
        "performance": np.float64(performance),
        "gen_optimizer": optimiser(tensors),
        "disc_motion_state_dict": {"fc.weight": torch.ones(1, 1024), "fc.bias": torch.zeros(1)},
        "disc_motion_optimizer": optimiser({"fc.weight": torch.ones(1, 1024)}),
    }


def write_all(shared: Path, folder: Path) -> dict[str, Path]:
    """Every file of the exact mode; returns where each lies, by its owner's name.

    Checkpoints are in the legacy format, but for one. SMPL_MALE.pkl has 300 shape components, SMPL_FEMALE is an .npz.
    """
    make = recipe(shared)
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, Path] = {}

    def place(name: str) -> Path:
        files[name] = folder / name
        return files[name]

    place("SMPL_NEUTRAL.pkl").write_bytes(smpl_pickle(body(make)))
    place("SMPL_MALE.pkl").write_bytes(smpl_pickle(body(make, 300)))
    np.savez(place("SMPL_FEMALE.npz"), **body(make))
    np.savez(place("smpl_mean_params.npz"), **make.mean_params())
    np.save(place("J_regressor_extra.npy"), make.joint_regressor("J_regressor_extra", 9))
    np.save(place("J_regressor_h36m.npy"), make.joint_regressor("J_regressor_h36m", 17))
    place("gmm_08.pkl").write_bytes(old_pickle(mixture(make)))
    frame = state(shared, "hmr")
    save(
        place("spin_model_checkpoint.pth.tar"),
        {
            "model": as_module(frame | inside_smpl(make, "")),
            "optimizer": optimiser(frame),
            "epoch": 3,
            "dataset_perm": [2, 0, 1],
        },
    )
    official = state(shared, "vibe.official")
    for name, performance in PERFORMANCE.items():
        save(place(name), vibe_checkpoint(make, official, performance), legacy=name == "vibe_model_wo_3dpw.pth.tar")
    return files
