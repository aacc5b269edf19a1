"""COCO-17 keypoints of a body, without its vertices."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from vibe.body.pose import pose_joints
from vibe.body.record import Body, Marks
from vibe.body.shape import linear
from vibe.body.skin import pose_feature


def keypoints(
    body: Body, rotmat: Float[Tensor, "*b 24 3 3"], betas: Float[Tensor, "*#b 10"]
) -> Float[Tensor, "*b 17 3"]:
    """COCO-17, metres; the same as the regressor on skinned vertices. Raises ValueError if the body has none."""
    return joints_and_keypoints(body, rotmat, betas)[1]


def joints_and_keypoints(
    body: Body, rotmat: Float[Tensor, "*b 24 3 3"], betas: Float[Tensor, "*#b 10"]
) -> tuple[Float[Tensor, "*b 24 3"], Float[Tensor, "*b 17 3"]]:
    """SMPL's 24 joints and COCO-17 from one pass; raises ValueError if the body has no keypoints."""
    if body.coco is None:
        raise ValueError(f"the body {body.origin.name} has no COCO keypoints: add `coco_regressor` [17, V] to its file")
    marks = body.coco
    R_world, posed = pose_joints(body, rotmat, betas)
    offsets = marks.template + linear(marks.shapedirs, betas)
    if marks.posedirs is not None:
        offsets = offsets + linear(marks.posedirs, pose_feature(rotmat))
    offsets = offsets.expand(*rotmat.shape[:-3], -1, 3).movedim(-2, 0)[..., None]
    terms = (R_world.movedim(-3, 0).index_select(0, marks.joint) @ offsets)[..., 0]
    points = torch.tensordot(marks.sums, terms, 1) + torch.tensordot(marks.share, posed.movedim(-2, 0), 1)
    return posed, points.movedim(0, -2)


def fold(
    regressor: Float[Tensor, "point vertex"],
    weights: Float[Tensor, "vertex 24"],
    v_template: Float[Tensor, "vertex 3"],
    shapedirs: Float[Tensor, "vertex 3 10"],
    posedirs: Float[Tensor, "vertex 3 207"] | None,
    J_template: Float[Tensor, "24 3"],
    J_shapedirs: Float[Tensor, "24 3 10"],
) -> Marks:
    """Points that a regressor finds on skinned vertices, folded onto the joints."""
    share = regressor @ weights
    point, joint = (regressor.abs() @ weights).nonzero(as_tuple=True)
    pull = regressor[point] * weights.mT[joint]
    part = share[point, joint][:, None]
    return Marks(
        joint=joint,
        template=pull @ v_template - part * J_template[joint],
        shapedirs=torch.einsum("tv,vcn->tcn", pull, shapedirs) - part[..., None] * J_shapedirs[joint],
        posedirs=None if posedirs is None else torch.einsum("tv,vcn->tcn", pull, posedirs),
        sums=torch.nn.functional.one_hot(point, len(regressor)).mT.to(weights.dtype).contiguous(),
        share=share,
    )
