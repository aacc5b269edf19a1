"""Takes of motion capture: from the motion of any skeleton to a recording at 30 frames a second."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
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

LARGEST = 1 << 26
"""Bytes of a file; the largest in these sets have some tens of megabytes."""
MOST_JOINTS = 512
MOST_FRAMES = 1_000_000


@dataclass(frozen=True)
class Capture:
    """What the joints of one skeleton did, in a world whose y points up; metres.

    A skeleton stands in its zero pose where all of its angles are 0.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    """Before their children; -1 for the root."""
    offsets: Float[Tensor, "joint 3"]
    """From the parent to the joint in the zero pose."""
    turns: Float[Tensor, "time joint 3 3"]
    """How each joint has turned in the world since the zero pose (R_world_zero)."""
    places: Float[Tensor, "time joint 3"]
    """Where the joints are."""
    fps: float
    path: Path
    """The file that it was read from."""

    def find(self, name: str) -> int:
        """The index of a joint; raises ValueError if there is none of that name."""
        if name not in self.names:
            raise ValueError(f"the skeleton has no joint {name!r} but {', '.join(self.names[:12])} ...")
        return self.names.index(name)


def part(capture: Capture, frames: slice) -> Capture:
    """Some of its frames."""
    return replace(capture, turns=capture.turns[frames], places=capture.places[frames])


def chain(
    parents: Sequence[int], local: Float[Tensor, "time joint 3 3"], steps: Float[Tensor, "time joint 3"]
) -> tuple[Float[Tensor, "time joint 3 3"], Float[Tensor, "time joint 3"]]:
    """Turns in the world and places, from each joint's own turn and its step from the parent in the parent's axes."""
    turns, places = torch.empty_like(local), torch.empty_like(steps)
    for joint, parent in enumerate(parents):
        if parent < 0:
            turns[:, joint], places[:, joint] = local[:, joint], steps[:, joint]
            continue
        turns[:, joint] = turns[:, parent] @ local[:, joint]
        places[:, joint] = places[:, parent] + (turns[:, parent] @ steps[:, joint, :, None])[..., 0]
    return turns, places


def read_text(path: Path) -> str:
    """The text of a motion capture file; raises OSError, or ValueError for one that is too large to be one."""
    size = path.stat().st_size
    if size > LARGEST:
        raise ValueError(
            f"{path} has {size >> 20} MB, and {LARGEST >> 20} are read at most: it is no capture of a clip"
        )
    return path.read_text(encoding="latin-1")


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
    rotmat, pelvis = resample_rotations(rotmat, pelvis, fps)
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


def resample_rotations(
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
