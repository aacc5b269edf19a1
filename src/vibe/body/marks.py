"""Points of a body, in joint sets other than its own, without its vertices."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from vibe.body.pose import pose_joints
from vibe.body.record import Body, Marks
from vibe.body.shape import linear
from vibe.body.skin import pose_feature


def keypoints(
    body: Body, rotmat: Float[Tensor, "*b 24 3 3"], betas: Float[Tensor, "*#b 10"], points: str = "coco17"
) -> Float[Tensor, "*b point 3"]:
    """One of the body's point sets, metres; raises ValueError if the body does not have it."""
    return joints_and_keypoints(body, rotmat, betas, points)[1]


def joints_and_keypoints(
    body: Body, rotmat: Float[Tensor, "*b 24 3 3"], betas: Float[Tensor, "*#b 10"], points: str = "coco17"
) -> tuple[Float[Tensor, "*b 24 3"], Float[Tensor, "*b point 3"]]:
    """SMPL's 24 joints and one of the body's point sets from one pass, metres.

    `points` is "coco17", "detected17" (the same where the shipped detector marks them), "spin49", "h36m17" or
    "common14" (the evaluation joints); see `vibe.skeletons` for their order. Raises ValueError if the body does not
    have it.
    """
    if points not in body.marks:
        raise ValueError(
            f"the body {body.origin.name} has no points {points!r} (it has {', '.join(body.marks) or 'none'}): "
            "add `coco_regressor` [17, V] to its file"
        )
    marks = body.marks[points]
    R_world, posed = pose_joints(body, rotmat, betas)
    offsets = marks.template + linear(marks.shapedirs, betas)
    if marks.posedirs is not None:
        offsets = offsets + linear(marks.posedirs, pose_feature(rotmat))
    offsets = offsets.expand(*rotmat.shape[:-3], -1, 3).movedim(-2, 0)[..., None]
    terms = (R_world.movedim(-3, 0).index_select(0, marks.joint) @ offsets)[..., 0]
    found = torch.tensordot(marks.sums, terms, 1) + torch.tensordot(marks.share, posed.movedim(-2, 0), 1)
    return posed, found.movedim(0, -2)


def fold(
    rows: Float[Tensor, "point row"],
    weights: Float[Tensor, "vertex 24"],
    v_template: Float[Tensor, "vertex 3"],
    shapedirs: Float[Tensor, "vertex 3 10"],
    posedirs: Float[Tensor, "vertex 3 207"] | None,
    J_template: Float[Tensor, "24 3"],
    J_shapedirs: Float[Tensor, "24 3 10"],
) -> Marks:
    """Points that `rows` find on skinned vertices and joints (see `vibe.body.points`), folded onto the joints."""
    regressor, on_joints = rows.split([len(weights), 24], 1)
    used = regressor.any(0).nonzero()[:, 0]
    regressor, weights = regressor[:, used], weights[used]
    share = regressor @ weights
    point, joint = (regressor.abs() @ weights).nonzero(as_tuple=True)
    pull = regressor[point] * weights.mT[joint]
    part = share[point, joint][:, None]
    return Marks(
        joint=joint,
        template=pull @ v_template[used] - part * J_template[joint],
        shapedirs=torch.tensordot(pull, shapedirs[used], 1) - part[..., None] * J_shapedirs[joint],
        posedirs=None if posedirs is None else torch.tensordot(pull, posedirs[used], 1),
        sums=torch.nn.functional.one_hot(point, len(regressor)).mT.to(weights.dtype).contiguous(),
        share=share + on_joints,
    )
