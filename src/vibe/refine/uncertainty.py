"""How far each joint may be off: standard deviations that a small network tells from cheap signs of trouble.

It was fitted by `tools/joint_uncertainty.py` to the errors of this package's own answers on rendered people.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import max_pool1d, normalize

from vibe import cameras, skeletons
from vibe.refine.energies import HEIGHT
from vibe.refine.energies_paper import axis_angle, load_mixture, mixture_energy
from vibe.skeletons import DETECTED27, SMPL, SMPL_PARENTS

MODEL = Path(__file__).parent / "joint_uncertainty.npz"
"""Fitted by `tools/joint_uncertainty.py`."""
MOST = 3.0
"""Deviations from the mean beyond which a sign counts no more: what is rarer was not calibrated."""
NEARBY = 5
"""Frames to either side in which a keypoint's least confidence is looked for."""
SEEN_AT = {
    "pelvis": "left_hip right_hip", "spine1": "left_hip right_hip", "spine2": "left_hip right_hip left_shoulder "
    "right_shoulder", "spine3": "left_shoulder right_shoulder", "neck": "left_shoulder right_shoulder",
    "head": "left_ear right_ear nose", "foot": "toes", "collar": "shoulder", "hand": "index",
}  # fmt: skip
"""Keypoints at which a joint is seen, where they are not called as it is."""
KINDS = sorted({name.split("_")[-1] for name in SMPL})
"""Of joints; left and right are alike."""
_KIND = [KINDS.index(name.split("_")[-1]) for name in SMPL]


def joint_std(signs: Float[Tensor, "time 24 sign"]) -> Float[Tensor, "time 24 2"]:
    """Standard deviation of each joint's place, metres: along each axis across the line of sight to it, and along it.

    Of the pelvis it is that of its place in the camera's frame, of the others that of their place about the pelvis.
    `signs` are those of `uncertainty_signs`.
    """
    return deviations(signs, _model())


def deviations(signs: Float[Tensor, "*b 24 sign"], model: Mapping[str, Tensor]) -> Float[Tensor, "*b 24 2"]:
    """The same under a model of other numbers."""
    plain = ((signs - model["mean"]) / model["spread"]).clamp(-MOST, MOST)
    inner = torch.tanh(plain @ model["first"] + model["kind_first"][_KIND])
    return (inner @ model["second"] + model["kind_second"][_KIND]).exp()


@functools.cache
def _model() -> dict[str, Tensor]:
    with np.load(MODEL, allow_pickle=False) as file:
        return {name: torch.from_numpy(file[name]) for name in file.files if file[name].dtype.kind == "f"}


def uncertainty_signs(
    joints_cam: Float[Tensor, "time 24 3"], said_cam: Float[Tensor, "time 24 3"],
    rotmat: Float[Tensor, "time 24 3 3"], points: Float[Tensor, "time 27 6"], K_px: Float[Tensor, "3 3"],
    times: Float[Tensor, "time"],
) -> Float[Tensor, "time 24 sign"]:  # fmt: skip
    """What tells how far joints may be off, from where they were found and where the network `said` that they are.

    `points` are the evidence as a pinhole shows it: x, y in pixels; x, y, z in metres in axes of which z is the line
    of sight; confidence (`vibe.models.keypoint_embedding.detected_points`).
    """
    sight = normalize(joints_cam, dim=-1)
    about, said = (places - places[:, :1] for places in (joints_cam, said_cam))
    sure = points[..., 5] @ _SEEN.mT
    # one after the other, so that a sign stands where it is explained
    least = -max_pool1d(-sure.mT[None], 2 * NEARBY + 1, 1, NEARBY)[0].mT
    chain = torch.minimum(sure, sure[:, _PARENT])
    size_px = K_px[0, 0] * HEIGHT / joints_cam[:, :1, 2].clamp_min(0.1)
    places_px = (points[..., 5:] * points[..., :2]).mT @ _SEEN.mT / sure[:, None].clamp_min(1e-6)
    missed = (cameras.project(joints_cam, K_px) - places_px.mT).norm(dim=-1) / size_px * sure.clamp(max=1)
    moved_across, moved_along = _parts(about - said, sight)
    # the pose model's own places, turned to the line of sight of the pelvis
    deep = (points[..., 5:] * points[..., 2:5]).mT @ _SEEN.mT / sure[:, None].clamp_min(1e-6)
    known = points[..., 2:5].any(-1).any(-1)[:, None]
    unlike = ((about @ sight[:, 0, :, None])[..., 0] - deep[:, 2]).abs().where(known & (sure > 0.05), 0.08)
    bone = normalize(about - about[:, _PARENT], dim=-1)
    lean = (bone * sight).sum(-1)
    step = (times.float(),)
    speed = torch.gradient(about, spacing=step, dim=0)[0].norm(dim=-1) if len(times) > 1 else torch.zeros_like(sure)
    up, front = rotmat[:, 0, :, 1], rotmat[:, 0, :, 2]
    strange = mixture_energy(axis_angle(rotmat), load_mixture())
    whole = [
        missed.mean(1).add(0.003).log(), moved_along.mean(1).add(0.005).log(), moved_across.mean(1).add(0.005).log(),
        unlike.mean(1).add(0.01).log(), sure.mean(1), size_px[:, 0].log(), joints_cam[:, 0].norm(dim=-1).log(),
        speed.mean(1).add(0.05).log(), (front * sight[:, 0]).sum(-1), (front * sight[:, 0]).sum(-1).abs(), up[:, 1],
        (up * sight[:, 0]).sum(-1), strange,
    ]  # fmt: skip
    own = [
        sure, least, chain, missed.add(0.003).log(), moved_across.add(0.005).log(), moved_along.add(0.005).log(),
        unlike.add(0.01).log(), lean, lean.abs(), (about * sight).sum(-1), about.norm(dim=-1), speed.add(0.05).log(),
    ]  # fmt: skip
    return torch.stack([*own, *(each[:, None].expand_as(sure) for each in whole)], -1)


def _parts(
    change: Float[Tensor, "*b 3"], sight: Float[Tensor, "*b 3"]
) -> tuple[Float[Tensor, "*b"], Float[Tensor, "*b"]]:
    """Lengths across and along a line of sight."""
    along = (change * sight).sum(-1, keepdim=True)
    return (change - along * sight).norm(dim=-1), along[..., 0].abs()


def _seen() -> Float[Tensor, "24 27"]:
    """How much each keypoint has to do with each joint; rows sum to 1."""
    table = torch.zeros(len(SMPL), len(DETECTED27))
    for row, name in enumerate(SMPL):
        side, kind = name.split("_") if "_" in name else ("", name)
        points = [f"{side}_{point}" if side else point for point in SEEN_AT.get(kind, kind).split()]
        table[row, skeletons.index(DETECTED27, points)] = 1 / len(points)
    return table


_SEEN = _seen()
_PARENT = [max(parent, 0) for parent in SMPL_PARENTS]
