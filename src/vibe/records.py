"""What travels between the stages: frozen records with shapes, units and frames.

Frames: the camera's (x right, y down, z forward, metres) and the upright picture's (pixels, origin at the
outer corner of the top left pixel).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Float, Int
from torch import Tensor

Progress = Callable[[str, float, float | None], None]
"""Told what is under way, how much of it is done, and of how much if that is known."""


@dataclass(frozen=True)
class Camera:
    """A pinhole camera without distortion, of the upright picture."""

    K_px: Float[Tensor, "3 3"]
    """Intrinsic matrix."""
    width: int
    """Pixels."""
    height: int
    """Pixels."""


@dataclass(frozen=True)
class Clip:
    """What one pass over a video found."""

    path: Path
    fps: float
    """Mean frame rate; the truth is in `timestamps`."""
    width: int
    """Pixels of the upright picture."""
    height: int
    """Pixels of the upright picture."""
    timestamps: Float[Tensor, "frame"]
    """Seconds from the first frame, float64, increasing."""
    damaged: int
    """Packets that could not be decoded and were skipped."""


@dataclass(frozen=True)
class Track:
    """One person followed through a clip."""

    frames: Int[Tensor, "time"]
    """Indices into the clip; increasing, gaps allowed."""
    box_px: Float[Tensor, "time 4"]
    """Centre x, centre y, width, height."""
    keypoints_px: Float[Tensor, "time 17 3"]
    """COCO-17: x, y, confidence in [0, 1]. A frame that was filled in has confidence 0 throughout."""

    @property
    def confidence(self) -> Float[Tensor, "time"]:
        """Mean keypoint confidence of each frame; 0 where the frame was filled in."""
        return self.keypoints_px[..., 2].mean(-1)


@dataclass(frozen=True)
class Observation:
    """The 2D evidence of one person as the network reads it, frame by frame."""

    keypoints: Float[Tensor, "*b time 17 3"]
    """COCO-17 in the crop's own view: x, y in half crop sides from its centre, confidence. 0, 0, 0 if unseen."""
    box: Float[Tensor, "*b time 3"]
    """The crop in the camera: x and y of its centre ray (at z = 1), log of its half side (at unit distance)."""


@dataclass(frozen=True)
class SmplParams:
    """SMPL's parameters: the one record of them, for a moment, a track or a batch."""

    rotmat: Float[Tensor, "*b 24 3 3"]
    """`global_orient` first, then the 23 rotations of `body_pose`, each relative to its parent."""
    betas: Float[Tensor, "*#b 10"]
    """The shape; [10] where it is one throughout."""
    pelvis: Float[Tensor, "*b 3"]
    """Place of the pelvis joint in the camera's frame, metres; SMPL's `transl` is this minus the pelvis at rest."""


@dataclass(frozen=True)
class Prediction:
    """One person at moments in a row, as a network says or a fit found, with the 2D evidence of the same moments."""

    smpl: SmplParams
    """In the camera's frame; betas [moment 10] as a network says them, [10] once there is one shape for the track."""
    keypoints_px: Float[Tensor, "moment 17 3"]
    """COCO-17: x, y, confidence; confidence 0 where there is no evidence."""

    @property
    def confidence(self) -> Float[Tensor, "moment"]:
        """Mean over the keypoints."""
        return self.keypoints_px[..., 2].mean(-1)


@dataclass(frozen=True)
class GeneratorOutput:
    """SMPL parameters and weak camera (the Theta of the paper), in the view of the crop."""

    rotmat: Float[Tensor, "*b time 24 3 3"]
    """`global_orient` first, then the 23 rotations of `body_pose`, each relative to its parent."""
    betas: Float[Tensor, "*b time 10"]
    pred_cam: Float[Tensor, "*b time 3"]
    """s, tx, ty: a body point X lies at s * (X + t), in half crop sides from the crop's centre."""


@dataclass(frozen=True)
class Weights:
    """What a set of parameters is and may be used for."""

    name: str
    sha256: str
    licence: str
    """One sentence: what it was trained on and what that allows."""
