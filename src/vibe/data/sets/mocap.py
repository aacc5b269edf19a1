"""Takes of motion capture: from rotations at any frame rate to a recording at 30 frames a second."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import roma
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from vibe import body
from vibe.data.motion import FPS
from vibe.data.recording import Recording
from vibe.refine.smooth import smooth_positions, smooth_rotations

RECIPE = {
    "fps": FPS,
    "resampling": "by time: rotations by slerp, places linearly",
    "world": "y up",
    "trans": "pelvis minus the open body's pelvis at rest",
    "hands": "at zero",
}
"""What all recordings made here have in common."""


def take(
    name: str,
    rotmat: Float[Tensor, "time 24 3 3"],
    pelvis: Float[Tensor, "time 3"],
    fps: float,
    subject: str,
    split: str = "train",
    gender: str = "neutral",
    betas: Float[ndarray, "10"] | None = None,
) -> Recording:
    """A recording of a person in a world whose y points up, at FPS.

    `pelvis` is where that joint is, metres; without `betas` the shape is the mean one. Raises ValueError, with the
    name, for a take that is too short or a frame rate that is none.
    """
    if len(rotmat) < 2 or not 1 <= fps <= 10_000:
        raise ValueError(f"{name} has {len(rotmat)} frames at {fps} a second: two at a possible rate are the least")
    rotmat, pelvis = resample(rotmat, pelvis, fps)
    shape = np.zeros(10) if betas is None else betas
    return Recording(
        name=name,
        frames=np.arange(len(rotmat)),
        fps=FPS,
        subject=subject,
        split=split,
        gender=gender,
        poses=roma.rotmat_to_rotvec(rotmat).flatten(1).numpy(),
        betas=np.tile(shape, (len(rotmat), 1)),
        trans=(pelvis - pelvis_at_rest().to(pelvis)).numpy(),
    )


def resample(
    rotmat: Float[Tensor, "time 24 3 3"], pelvis: Float[Tensor, "time 3"], fps: float
) -> tuple[Float[Tensor, "time_out 24 3 3"], Float[Tensor, "time_out 3"]]:
    """The same motion at FPS, from the first frame on: at k / FPS seconds, as long as there is a frame after it."""
    times = torch.arange(len(rotmat), dtype=torch.float64) / fps
    count = int((len(rotmat) - 1) / fps * FPS + 1e-6) + 1
    moments = torch.arange(count, dtype=torch.float64) / FPS
    still = torch.zeros(rotmat.shape[1])
    return smooth_rotations(rotmat, times, moments, still), smooth_positions(pelvis, times, moments, still[:3])


@lru_cache
def pelvis_at_rest() -> Float[Tensor, "3"]:
    """Where the open body's pelvis is at rest, which `trans` is counted from."""
    return body.load_body().J_template[0].double()


def below(raw: Path, pattern: str, layout: str, wanted: Callable[[Path], bool] = lambda _: True) -> list[Path]:
    """The files of a raw set, wherever they lie below its folder; raises FileNotFoundError if there is none."""
    files = sorted(path for path in raw.rglob(pattern) if path.is_file() and wanted(path))
    files = [path for path in files if not path.name.startswith("._")]
    if not files:
        raise FileNotFoundError(f"{raw} holds no file of the set: it should hold {layout}")
    return files
