"""motion.npz: a result as plain arrays, under the names of docs/conventions.md."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from vibe import __version__, assets
from vibe.assets.archives import read_npz
from vibe.motion.record import Motion, Result
from vibe.records import Camera, Clip, Weights
from vibe.skeletons import SMPL

FORMAT = "vibe-motion 1"
MOST_PX = 1 << 16
"""Pixels along a side of a video."""
HEAD = {
    "format": ((), "U"),
    "video": ((), "U"),
    "fps": ((), "f"),
    "width": ((), "i"),
    "height": ((), "i"),
    "timestamps": (("frame",), "f"),
    "joint_names": ((24,), "U"),
    "body": ((2,), "U"),
    "weights": ((2,), "U"),
    "vibe_version": ((), "U"),
    "camera/K": ((3, 3), "f"),
}
"""Shape and kind of number of each array of the video."""
PERSON = {
    "frames": (("time",), "i"),
    "box_px": (("time", 4), "f"),
    "global_orient": (("time", 3), "f"),
    "body_pose": (("time", 69), "f"),
    "betas": (("time?", 10), "f"),
    "trans": (("time", 3), "f"),
    "pred_cam": (("time", 3), "f"),
    "joints": (("time", 24, 3), "f"),
    "joints_px": (("time", 24, 2), "f"),
    "keypoints_px": (("time", 17, 3), "f"),
    "confidence": (("time",), "f"),
}
"""Likewise of each array of a person. An axis with a question mark may be missing."""
FIELDS = {name: "joints_cam" if name == "joints" else name for name in PERSON}
"""The field of `Motion` that each of them is."""
FINITE = ("global_orient", "body_pose", "betas", "trans", "joints", "keypoints_px", "confidence")
"""Those whose numbers have to be finite; boxes and projections of people outside the picture need not."""


def save(path: Path | str, result: Result) -> None:
    """Write a result whole or not at all; raises OSError."""
    clip = result.clip
    arrays = {
        "format": np.array(FORMAT),
        "video": np.array(str(clip.path)),
        "fps": np.array(clip.fps, np.float64),
        "width": np.array(clip.width, np.int32),
        "height": np.array(clip.height, np.int32),
        "timestamps": clip.timestamps.numpy().astype(np.float64),
        "joint_names": np.array(SMPL),
        "body": np.array([result.body.name, result.body.sha256]),
        "weights": np.array([result.weights.name, result.weights.sha256]),
        "vibe_version": np.array(__version__),
        "camera/K": result.camera.K_px.cpu().numpy().astype(np.float32),
    }
    for number, motion in enumerate(result.people, start=1):
        for name, (_, kind) in PERSON.items():
            array = getattr(motion, FIELDS[name]).detach().cpu().numpy()
            arrays[f"{number}/{name}"] = array.astype(np.int64 if kind == "i" else np.float32, copy=False)
    with assets.whole_file(Path(path)) as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def load(path: Path | str) -> Result:
    """What `vibe estimate` or `Result.save` wrote: a motion.npz.

        import vibe

        result = vibe.load("out/dance/motion.npz")
        print(len(result), "people in", result.clip.path)

    The file does not hold licences, notes and damaged packets, which come back empty. Raises OSError if it can't be
    read and ValueError, with the reason, if it is no motion file, a damaged one or one of a later version.
    """
    path = Path(path)
    arrays = read_npz(path)
    if (version := str(arrays.get("format", "unknown"))) != FORMAT:
        raise ValueError(
            f'{path} has format {version[:40]!a}, this version of vibe reads "{FORMAT}": install the version that '
            "wrote it, or estimate the video again"
        )
    _check(path, arrays, HEAD, "")
    width, height = int(arrays["width"]), int(arrays["height"])
    clip = Clip(
        path=Path(str(arrays["video"])),
        fps=float(arrays["fps"]),
        width=width,
        height=height,
        timestamps=torch.from_numpy(arrays["timestamps"].astype(np.float64)),
        damaged=0,
    )
    if not torch.isfinite(clip.timestamps).all() or not (clip.timestamps.diff() > 0).all():
        raise ValueError(f"{path}: the timestamps do not increase: the file is damaged")
    if not 0 < clip.fps < math.inf or not (0 < width <= MOST_PX and 0 < height <= MOST_PX):
        raise ValueError(f"{path}: {width}x{height} at {clip.fps:g} frames a second is no video: the file is damaged")
    K_px = _tensor(arrays["camera/K"], "f")
    if not torch.isfinite(K_px).all() or not (K_px.diagonal() > 0).all():
        raise ValueError(f"{path}: camera/K has numbers that no camera has: the file is damaged")
    body, people = Weights(*arrays["body"].tolist(), licence=""), []
    while f"{len(people) + 1}/frames" in arrays:
        prefix = f"{len(people) + 1}/"
        _check(path, arrays, PERSON, prefix)
        people.append(_motion(path, arrays, prefix, clip, body))
    return Result(
        clip=clip,
        camera=Camera(K_px, width, height),
        people=tuple(people),
        body=body,
        weights=Weights(*arrays["weights"].tolist(), licence=""),
        notes=(),
    )


def _motion(path: Path, arrays: dict[str, NDArray], prefix: str, clip: Clip, body: Weights) -> Motion:
    """One person, whose arrays have the right shapes."""
    for name in FINITE:
        if not np.isfinite(arrays[prefix + name]).all():
            raise ValueError(f"{path}: {prefix}{name} has numbers that are not finite: the file is damaged")
    found = {FIELDS[name]: _tensor(arrays[prefix + name], kind) for name, (_, kind) in PERSON.items()}
    frames = found["frames"]
    if not (frames.diff() > 0).all() or (len(frames) and not 0 <= frames[0] <= frames[-1] < len(clip.timestamps)):
        raise ValueError(f"{path}: {prefix}frames are not increasing indices into the video: the file is damaged")
    return Motion(**found, times=clip.timestamps[frames], body=body)


def _tensor(array: NDArray, kind: str) -> torch.Tensor:
    """The numbers in the precision that records have."""
    return torch.from_numpy(array.astype(np.int64 if kind == "i" else np.float32))


def _check(path: Path, arrays: dict[str, NDArray], layout: dict[str, tuple[tuple, str]], prefix: str) -> None:
    """Names, shapes and kinds of number, as the layout has them."""
    sizes: dict[str, int] = {}
    for name, (shape, kind) in layout.items():
        array = arrays.get(prefix + name)
        if array is None:
            raise ValueError(f"{path} lacks {prefix}{name}: the file is damaged or of another kind")
        if array.ndim < len(shape):
            shape = tuple(size for size in shape if not str(size).endswith("?"))
        named = [size.rstrip("?") if isinstance(size, str) else size for size in shape]
        seen = tuple(sizes.setdefault(w, n) if isinstance(w, str) else w for w, n in zip(named, array.shape))
        if array.shape != seen or array.ndim != len(shape) or array.dtype.kind != kind:
            expected = "x".join(str(size) for size in shape) or "single"
            raise ValueError(
                f"{path}: {prefix}{name} is {array.dtype} {array.shape}, expected {expected} of kind {kind!r}: "
                "the file is damaged or of another kind"
            )
