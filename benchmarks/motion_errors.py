"""Errors of a motion that a mean over joints hides: speeds, bends of knees, directions of feet and hands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from vibe import skeletons
from vibe.evaluate.metrics import ANGLES

FAST = 0.9
"""Quantile of a joint's true speed beyond which a frame is one of its fastest."""
STRAIGHT_DEG, BENT_DEG = 10.0, 30.0
HEAD = [
    *("speed kept, plane", "depth", "knee flexion error deg", "straight knees deg", "bent knees deg"),
    *("foot direction deg", "hand deg"),
]
"""Of `table_cells`: the share of true velocities of wrists and ankles in their fastest tenth; flexion, mean error; what
knees that are straight, and knees that are bent, are bent by over the truth; medians of the angles to the true
ankle-to-foot and wrist-to-hand lines."""

ANGLE_HEAD = [f"{name.replace('_', ' ')} RMS deg, about its mean" for name in ANGLES]


def motion_errors(
    found: Float[Tensor, "time 24 3"], truth: Float[Tensor, "time 24 3"]
) -> dict[str, Float[Tensor, "_"]]:
    """Numbers of one clip without a gap, by what they are of; joints in the camera's frame."""
    errors = {}
    relative = [each - each[:, :1] for each in (found, truth)]
    ends = [_of(joint) for joint in ("left_wrist", "right_wrist", "left_ankle", "right_ankle")]
    for name, axes in (("plane", slice(0, 2)), ("depth", slice(2, 3))):
        errors[name] = torch.stack([_kept(relative[0][:, end], relative[1][:, end], axes) for end in ends])
    bends = [(flexion(found, side), flexion(truth, side)) for side in ("left", "right")]
    mine, true = (torch.cat(each) for each in zip(*bends, strict=True))
    errors["knee"], errors["straight"] = (mine - true).abs(), (mine - true)[true < STRAIGHT_DEG]
    errors["bent"] = (mine - true)[true > BENT_DEG]
    for end, near, far in (("foot", "ankle", "foot"), ("hand", "wrist", "hand")):
        lines = [[each[:, _of(f"{side}_{far}")] - each[:, _of(f"{side}_{near}")] for side in ("left", "right")]
                 for each in (found, truth)]  # fmt: skip
        errors[end] = angle_deg(*(torch.cat(each) for each in lines))
    return errors


def table_cells(clips: Iterable[dict[str, Float[Tensor, "_"]]]) -> Sequence[str]:
    """The columns of `HEAD` over several clips."""
    clips = list(clips)
    whole = {name: torch.cat([each[name] for each in clips]) for name in clips[0]}
    kept = [float(whole[name][:, 0].sum() / whole[name][:, 1].sum()) for name in ("plane", "depth")]
    means = [float(whole[name].mean()) for name in ("knee", "straight", "bent")]
    medians = [float(whole[name].median()) for name in ("foot", "hand")]
    return [*(f"{value:.2f}" for value in kept), *(f"{value:.1f}" for value in (*means, *medians))]


def angle_cells(clips: Sequence[dict[str, Float[Tensor, "_"]]]) -> list[str]:
    """The columns of `ANGLE_HEAD`, of the errors of `vibe.evaluate.metrics.angle_errors_deg` in several clips.

    Both sides of a clip are in one row; what is about the mean is about that of a side.
    """
    cells = []
    for name in ANGLES:
        sides = [side for clip in clips for side in clip[name].chunk(2)]
        moved = [side - side.mean() for side in sides]
        cells.append(" / ".join(f"{float(torch.cat(each).square().mean().sqrt()):.1f}" for each in (sides, moved)))
    return cells


def flexion(joints: Float[Tensor, "time 24 3"], side: str) -> Float[Tensor, "time"]:
    """Of a knee, degrees; 0 where the leg is straight."""
    hip, knee, ankle = (joints[:, _of(f"{side}_{name}")] for name in ("hip", "knee", "ankle"))
    return angle_deg(knee - hip, ankle - knee)


def angle_deg(one: Float[Tensor, "*b 3"], other: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b"]:
    """Between two directions."""
    return torch.rad2deg(torch.atan2(torch.linalg.cross(one, other).norm(dim=-1), (one * other).sum(-1)))


def _kept(found: Float[Tensor, "time 3"], truth: Float[Tensor, "time 3"], axes: slice) -> Float[Tensor, "2"]:
    """Speed along the true velocity in the fastest frames, and the true one; both summed."""
    mine, true = found.diff(dim=0)[:, axes], truth.diff(dim=0)[:, axes]
    speed = true.norm(dim=-1)
    fast = speed >= speed.quantile(FAST)
    along = (mine * true).sum(-1)[fast] / speed[fast].clamp_min(1e-6)
    return torch.stack([along.sum(), speed[fast].sum()])


def _of(joint: str) -> int:
    return skeletons.SMPL.index(joint)
