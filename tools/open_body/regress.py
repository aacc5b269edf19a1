"""Points inside the body as weighted means of the skin around them, in every shape and every pose."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from vibe.body.load import BETAS
from vibe.skeletons import SMPL, SMPL_PARENTS, mirrored

NEAR = 60
"""Vertices in each of the eight directions from a point among which its weights are shared."""
FIRM = 0.001
"""Metres that a unit of weight costs: keeps the weights small and many."""
LEVER = 0.1
"""Metres that a unit of weight costs on bones that don't meet in the joint: their turns would carry it off."""
SUM = 10.0
"""Metres that a unit of missing weight costs."""


def regressors(
    v_template: Float[np.ndarray, "vertex 3"],
    shapedirs: Float[np.ndarray, "vertex 3 10"],
    joints: Float[np.ndarray, "joint 3"],
    directions: Float[np.ndarray, "joint 3 10"],
    names: list[str],
    mirror: Int[np.ndarray, "vertex"],
    weights: Float[np.ndarray, "vertex 24"] | None = None,
    offsets: Float[np.ndarray, "joint 3"] | None = None,
) -> Float[np.ndarray, "joint vertex"]:
    """Weights of the vertices around each joint, some of them negative, whose mean is the joint in all shapes.

    `joints` are the places in the mean body and `directions` how they move with the betas. With skin `weights` the
    mean is the joint in all poses too: what each bone carries of it is centred on the joint, so that no turn of the
    bone moves it; `offsets`, which go with them, are added, riding on the joint's own bone. Right mirrors left.
    """
    rows = np.zeros((len(names), len(v_template)))
    for row, name in enumerate(names):
        if name.startswith("right"):
            continue
        near = _around(v_template, joints[row])
        apart = (v_template[near] - joints[row])[..., None], shapedirs[near] - directions[row]
        apart = np.concatenate(apart, 2).reshape(len(near), -1)
        aim = np.zeros(apart.shape[1])
        if weights is not None and offsets is not None:
            carriers = np.flatnonzero(weights[near].any(0))
            own = SMPL.index(name)
            strangers = weights[near][:, [bone for bone in carriers if bone not in (own, SMPL_PARENTS[own])]]
            apart = [*(apart * weights[near, bone, None] for bone in carriers), LEVER * strangers]
            apart = np.concatenate(apart, 1)
            wanted = np.zeros((len(carriers), 3, 1 + BETAS))
            wanted[carriers == own, :, 0] = offsets[row]
            aim = np.concatenate([wanted.ravel(), np.zeros(strangers.shape[1])])
        system = np.concatenate([apart, np.full((len(near), 1), SUM), FIRM * np.eye(len(near))], 1).T
        found = np.linalg.lstsq(system, np.concatenate([aim, [SUM], np.zeros(len(near))]), rcond=None)[0]
        rows[row, near] = found / found.sum()
        if not name.startswith("left"):
            rows[row] = (rows[row] + rows[row, mirror]) / 2
    other = mirrored(names)
    for row, name in enumerate(names):
        if name.startswith("right"):
            rows[row] = rows[other[row], mirror]
    return rows


def _around(v_template: Float[np.ndarray, "vertex 3"], point: Float[np.ndarray, "3"]) -> Int[np.ndarray, "near"]:
    """The nearest vertices in each of the eight directions."""
    apart = v_template - point
    octant = (apart > 0) @ [1, 2, 4]
    distance = np.linalg.norm(apart, axis=1)
    near = [np.flatnonzero(octant == number) for number in range(8)]
    return np.sort(np.concatenate([part[np.argsort(distance[part], kind="stable")[:NEAR]] for part in near]))
