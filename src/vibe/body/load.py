"""Body files: plain .npz in SMPL's layout, read without unpickling anything."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from vibe.body import coco, pack
from vibe.body.record import Body
from vibe.records import Weights
from vibe.skeletons import COCO, SMPL, SMPL_PARENTS

OPEN_BODY = Path(__file__).parent / "open_body.npz"
BETAS = 10
LARGEST = 1 << 30
"""Bytes that a body file may unpack to."""
LAYOUT = {
    "v_template": ("vertex", 3),
    "shapedirs": ("vertex", 3, "beta"),
    "J_regressor": (24, "vertex"),
    "weights": ("vertex", 24),
    "f": ("face", 3),
    "kintree_table": (2, 24),
}
OPTIONAL = {"posedirs": ("vertex", 3, 207), "coco_regressor": (17, "vertex")}
SMPL_FACE = {"nose": 332, "left_eye": 2800, "right_eye": 6260, "left_ear": 583, "right_ear": 4071}
"""Vertices of the 6890-vertex mesh."""


def load_body(path: Path | None = None, detail: str = "full") -> Body:
    """A body in SMPL's layout from `path`, or the open body that comes with the package.

    `detail` is "full" or "low"; only the open body has a low-polygon mesh, and both give the same joints and keypoints.
    Raises FileNotFoundError if there is no such file and ValueError, with the reason, if it is not a body.
    """
    path = OPEN_BODY if path is None else Path(path)
    if detail not in ("full", "low"):
        raise ValueError(f'the level of detail is {detail!r}: choose "full" or "low"')
    if not path.is_file():
        raise FileNotFoundError(f"there is no body file {path}: give the path of an .npz file in SMPL's layout")
    content = path.read_bytes()
    arrays = _arrays(path, content)
    plain, low = _unpacked(path, arrays)
    if detail == "low" and low is None:
        raise ValueError(f'{path} has no low-polygon mesh: use detail="full"')
    _check(path, plain)
    origin = Weights(
        name=str(arrays.get("name", path.stem)),
        sha256=hashlib.sha256(content).hexdigest(),
        licence=str(arrays.get("licence", "unknown: ask the source of the file")),
    )
    return _body(plain, low if detail == "low" else None, origin)


def _arrays(path: Path, content: bytes) -> dict[str, NDArray]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > LARGEST:
            raise ValueError(f"{path} unpacks to {size >> 20} MB, a body to {LARGEST >> 20} MB at most: it is none")
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path} is not an .npz file ({error}): convert the body to .npz, or copy it again") from error
    except (ValueError, EOFError, KeyError, OSError) as error:
        if str(path) in str(error):
            raise
        raise ValueError(
            f"{path} holds something other than plain arrays ({error}): save each as a numeric array in an .npz file"
        ) from error


def _unpacked(path: Path, arrays: dict[str, NDArray]) -> tuple[dict[str, NDArray], dict[str, NDArray] | None]:
    """SMPL's arrays, and those of the low-polygon mesh where the file is in the open body's own form."""
    if not pack.is_packed(arrays):
        return arrays, None
    try:
        plain = pack.full(arrays)
        return plain, pack.low(arrays, plain)
    except (KeyError, IndexError, ValueError) as error:
        raise ValueError(f"{path} is damaged ({error}): install vibe again or build the body anew") from error


def _check(path: Path, arrays: dict[str, NDArray]) -> None:
    """Names, shapes, finite numbers, faces and tree, each with its own sentence."""
    missing = [name for name in LAYOUT if name not in arrays]
    if missing:
        raise ValueError(
            f"{path} lacks {', '.join(missing)} (it has {', '.join(sorted(arrays)[:12])}): give a body in SMPL's layout"
        )
    sizes: dict[str, int] = {}
    for name, shape in (LAYOUT | {key: shape for key, shape in OPTIONAL.items() if key in arrays}).items():
        array = arrays[name]
        wanted = tuple(size if isinstance(size, int) else sizes.get(size, size) for size in shape)
        fits = array.ndim == len(wanted) and all(isinstance(w, str) or w == n for w, n in zip(wanted, array.shape))
        if not fits or array.dtype.kind not in "fiu":
            raise ValueError(
                f"{path}: {name} is {array.dtype} {array.shape}, expected numbers {wanted}: give an SMPL file of "
                "24 joints (SMPL-H and SMPL-X have more)"
            )
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"{path}: {name} has numbers that are not finite: the file is damaged, copy it again")
        sizes |= {size: n for size, n in zip(shape, array.shape) if isinstance(size, str)}
    if sizes["beta"] < BETAS:
        raise ValueError(f"{path} has {sizes['beta']} shape components: {BETAS} are needed")
    if arrays["f"].min() < 0 or arrays["f"].max() >= sizes["vertex"]:
        raise ValueError(f"{path}: its faces name vertices that do not exist: the file is damaged, copy it again")
    parents = tuple(arrays["kintree_table"][0].astype(np.int64)[1:])
    if parents != SMPL_PARENTS[1:]:
        raise ValueError(f"{path}: its joints are connected in another way than SMPL's: give an SMPL file of 24 joints")
    for name in ("weights", "J_regressor"):
        worst = np.abs(arrays[name].sum(1) - 1).max()
        if worst > 1e-3:
            raise ValueError(
                f"{path}: rows of {name} sum to something else than 1, by {worst:.3g}: the file is damaged"
            )


def _body(plain: dict[str, NDArray], low: dict[str, NDArray] | None, origin: Weights) -> Body:
    """Tensors, with both regressors folded; the surface is that of `low` if there is one."""
    full = _tensors(plain)
    J_template = full["J_regressor"] @ full["v_template"]
    J_shapedirs = torch.einsum("jv,vcn->jcn", full["J_regressor"], full["shapedirs"])
    posedirs = full.get("posedirs")
    posedirs = posedirs if posedirs is not None and posedirs.any() else None
    regressor = full.get("coco_regressor", _smpl_regressor(full["J_regressor"]))
    skin = full["weights"], full["v_template"], full["shapedirs"], posedirs
    surface = full if low is None else _tensors(low)
    return Body(
        v_template=surface["v_template"],
        shapedirs=surface["shapedirs"],
        posedirs=posedirs if low is None else None,
        J_template=J_template,
        J_shapedirs=J_shapedirs,
        weights=surface["weights"],
        faces=surface["f"].long(),
        parents=SMPL_PARENTS,
        coco=None if regressor is None else coco.fold(regressor, *skin, J_template, J_shapedirs),
        coco_regressor=regressor if low is None else None,
        origin=origin,
    ).to(dtype=torch.float32)


def _tensors(arrays: dict[str, NDArray]) -> dict[str, torch.Tensor]:
    """The numbers of a body in double precision, with as many shape components as are used."""
    names = {*LAYOUT, *OPTIONAL} & set(arrays)
    tensors = {name: torch.from_numpy(np.asarray(arrays[name], np.float64)) for name in names}
    tensors["shapedirs"] = tensors["shapedirs"][..., :BETAS].contiguous()
    return tensors


def _smpl_regressor(J_regressor: torch.Tensor) -> torch.Tensor | None:
    """COCO-17 for the 6890-vertex mesh: five vertices of the face, and SMPL's own joints for the limbs."""
    if J_regressor.shape[1] != 6890:
        return None
    rows = torch.zeros(17, 6890, dtype=J_regressor.dtype)
    for point, name in enumerate(COCO):
        if name in SMPL_FACE:
            rows[point, SMPL_FACE[name]] = 1
        else:
            rows[point] = J_regressor[SMPL.index(name)]
    return rows
