"""From a shaped and posed body to its surface: linear blend skinning.

Products are batched, over coordinates or bodies, because two threads share out a batch and wait for each other inside
one flat product.
"""

from __future__ import annotations

from jaxtyping import Float

from vibe.arrays import Array, add_product, concatenate, expanded, moved_axis
from vibe.body.pose import pose_feature, pose_joints, rest_joints, rest_planes
from vibe.body.record import Body

MANY = 64
"""Bodies whose pose blend shapes are one product: their directions are read from memory once for all of them."""
FEW = 16
"""Bodies whose blended transforms are held at once: few enough for the cache, enough to share out to threads."""


def vertices(
    body: Body, rotmat: Float[Array, "*b joint 3 3"], betas: Float[Array, "*#b 10"]
) -> Float[Array, "*b vertex 3"]:
    """The posed surface, metres, about the pelvis at its place of rest."""
    R_world, posed = pose_joints(body, rotmat, betas)
    shift = posed - (R_world @ rest_joints(body, betas)[..., None])[..., 0]
    transforms = moved_axis(concatenate([R_world, shift[..., None]], -1), -3, -1).reshape(-1, 12, rotmat.shape[-3])
    local = rotmat.reshape(-1, *rotmat.shape[-3:])
    shapes = expanded(betas, (*rotmat.shape[:-3], betas.shape[-1])).reshape(-1, betas.shape[-1])
    surface = []
    for start in range(0, len(local), MANY):
        some = slice(start, start + MANY)
        rest, blended = _rest(body, local[some], shapes[some]), transforms[some]
        for first in range(0, len(rest), FEW):
            few = slice(first, first + FEW)
            surface.append(_skinned(body.weights, blended[few], rest[few]))
    if not surface:
        return expanded(body.v_template, (*rotmat.shape[:-3], *body.v_template.shape))
    return concatenate(surface).reshape(*rotmat.shape[:-3], *body.v_template.shape)


def _rest(
    body: Body, rotmat: Float[Array, "body joint 3 3"], betas: Float[Array, "body 10"]
) -> Float[Array, "body 3 vertex"]:
    """The shaped surface in the T-pose with the pose blend shapes on it."""
    rest = rest_planes(body, betas)
    if body.posedirs is None:
        return rest
    features = expanded(pose_feature(rotmat), (3, len(rotmat), body.posedirs.shape[-1]))
    moved = features @ body.posedirs.swapaxes(0, 1).mT
    moved += rest.swapaxes(0, 1)
    return moved.swapaxes(0, 1)


def _skinned(
    weights: Float[Array, "vertex joint"],
    transforms: Float[Array, "body 12 joint"],
    rest: Float[Array, "body 3 vertex"],
) -> Float[Array, "body vertex 3"]:
    """Each vertex moved by the mean of its joints' transforms; all x before all y before all z until the end."""
    carried = expanded(weights.mT, (len(transforms), weights.shape[1], len(weights)))
    blended = (transforms @ carried).reshape(-1, 3, 4, len(weights))
    moved = blended[:, :, 3] + blended[:, :, 0] * rest[:, :1]
    moved = add_product(moved, blended[:, :, 1], rest[:, 1:2])
    return add_product(moved, blended[:, :, 2], rest[:, 2:]).mT
