"""The textbook way, to measure against: a body with SMPL's sizes skinned step by step, and the iterative regressor.

Nothing is folded, kept or left out: every call blends the shape, regresses the joints from the vertices, blends the
pose, walks the chain with 4x4 matrices, skins all vertices and reads 49 points off them, as the papers' formulas say.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from vibe.skeletons import SMPL_PARENTS

MARKED, REGRESSED = 21, 9


@dataclass(frozen=True)
class Arrays:
    """A body's arrays in SMPL's layout, and what gives its 49 points."""

    v_template: Float[Tensor, "vertex 3"]
    shapedirs: Float[Tensor, "vertex 3 10"]
    posedirs: Float[Tensor, "vertex 3 207"]
    J_regressor: Float[Tensor, "24 vertex"]
    weights: Float[Tensor, "vertex 24"]
    marked: Int[Tensor, "21"]
    """Vertices that are points themselves."""
    regressed: Float[Tensor, "9 vertex"]
    """Points as sums of vertices."""
    order: Int[Tensor, "49"]
    """Of the 54 joints, vertices and sums."""


def synthetic(vertices: int = 6890, seed: int = 0) -> Arrays:
    """A body of random numbers: as many as a real one has, no person's shape."""
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw)

    def regressor(rows: int) -> Tensor:
        chosen = torch.rand(rows, vertices, generator=draw).argsort(-1)[:, :32]
        return torch.zeros(rows, vertices).scatter_(1, chosen, 1 / 32)

    return Arrays(
        v_template=0.3 * normal(vertices, 3),
        shapedirs=0.02 * normal(vertices, 3, 10),
        posedirs=0.002 * normal(vertices, 3, 207),
        J_regressor=regressor(24),
        weights=(3 * normal(vertices, 24)).softmax(-1),
        marked=torch.randperm(vertices, generator=draw)[:MARKED],
        regressed=regressor(REGRESSED),
        order=torch.randperm(24 + MARKED + REGRESSED, generator=draw)[:49],
    )


def skinned(
    arrays: Arrays, rotmat: Float[Tensor, "batch 24 3 3"], betas: Float[Tensor, "batch 10"]
) -> tuple[Float[Tensor, "batch vertex 3"], Float[Tensor, "batch 24 3"]]:
    """Vertices and joints of a posed body by linear blend skinning, metres."""
    batch = len(rotmat)
    shaped = arrays.v_template + torch.einsum("bs,vcs->bvc", betas, arrays.shapedirs)
    rest = torch.einsum("jv,bvc->bjc", arrays.J_regressor, shaped)
    feature = (rotmat[:, 1:] - torch.eye(3)).reshape(batch, 207)
    posed = shaped + (feature @ arrays.posedirs.reshape(-1, 207).T).reshape(batch, -1, 3)

    local = torch.zeros(batch, 24, 4, 4)
    local[..., :3, :3], local[..., 3, 3] = rotmat, 1
    local[:, 0, :3, 3] = rest[:, 0]
    for joint in range(1, 24):
        local[:, joint, :3, 3] = rest[:, joint] - rest[:, SMPL_PARENTS[joint]]
    chain = [local[:, 0]]
    for joint in range(1, 24):
        chain.append(chain[SMPL_PARENTS[joint]] @ local[:, joint])
    T_world_joint = torch.stack(chain, 1)
    joints = T_world_joint[..., :3, 3]

    T_world_rest = T_world_joint.clone()
    T_world_rest[..., :3, 3] -= (T_world_joint[..., :3, :3] @ rest[..., None])[..., 0]
    T_vertex = (arrays.weights @ T_world_rest.reshape(batch, 24, 16)).reshape(batch, -1, 4, 4)
    homogeneous = torch.cat([posed, torch.ones(*posed.shape[:2], 1)], -1)
    return (T_vertex @ homogeneous[..., None])[..., :3, 0], joints


def points49(
    arrays: Arrays, vertices: Float[Tensor, "batch vertex 3"], joints: Float[Tensor, "batch 24 3"]
) -> Float[Tensor, "batch 49 3"]:
    """The 49 points of a skinned body, metres."""
    sums = torch.einsum("pv,bvc->bpc", arrays.regressed, vertices)
    return torch.cat([joints, vertices[:, arrays.marked], sums], 1)[:, arrays.order]


def regress(regressor: nn.Module, features: Float[Tensor, "frame feature"]) -> Float[Tensor, "frame 157"]:
    """Pose in 6D, shape and camera by full iterations on the features and the state side by side."""
    parts = dict(regressor.named_children())
    starts = [regressor.get_buffer(f"init_{name}").expand(len(features), -1) for name in ("pose", "shape", "cam")]
    pose, shape, camera = starts
    for _ in range(3):
        hidden = parts["fc1"](torch.cat([features, pose, shape, camera], 1))
        hidden = parts["fc2"](parts["drop"](hidden))
        hidden = parts["drop"](hidden)
        pose = pose + parts["decpose"](hidden)
        shape = shape + parts["decshape"](hidden)
        camera = camera + parts["deccam"](hidden)
    return torch.cat([pose, shape, camera], 1)
