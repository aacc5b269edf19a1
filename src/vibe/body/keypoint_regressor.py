"""Where the points of a joint set lie on a body: weights of its skinned vertices and of its joints.

A row holds the weights of all vertices, then those of the 24 joints. The 49 joints of SPIN and VIBE are some of the 24,
eleven vertices picked on SMPL's mesh and the 9 rows of a regressor that comes with their files; Human3.6M's 17 joints,
which the 14 evaluation joints are among, are the rows of another. Where a regressor is not here or the mesh is another
one, points stand near: means of joints and of points of the face, and the outermost vertices of head and feet.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from vibe.arrays import Array, expanded, moved_axis, selected
from vibe.body.pose import linear, pose_feature, pose_joints
from vibe.body.record import Body, Marks
from vibe.skeletons import COCO, COMMON14, DETECTED27, H36M17, JOINT_SETS, OPENPOSE, SMPL, index

SMPL_VERTICES = 6890
SMPL_FACE = {"nose": 332, "left_eye": 2800, "right_eye": 6260, "left_ear": 583, "right_ear": 4071}
SMPL_FEET = {
    "op_left_big_toe": 3216, "op_left_small_toe": 3226, "op_left_heel": 3387,
    "op_right_big_toe": 6617, "op_right_small_toe": 6624, "op_right_heel": 6787,
}  # fmt: skip
"""Vertices of the 6890-vertex mesh, as are those of the face."""
EXTRA = ("right_hip", "left_hip", "lsp_neck", "head_top", "mid_hip", "thorax", "h36m_spine", "jaw", "h36m_head")
"""What the rows of SPIN's `J_regressor_extra` find."""
MEANS = {
    "op_neck": {"neck": 1.0},
    "op_mid_hip": {"pelvis": 1.0},
    "mid_hip": {"left_hip": 0.5, "right_hip": 0.5},
    "h36m_spine": {"spine1": 0.36, "spine2": 0.64},
    "thorax": {"neck": 0.25, "left_shoulder": 0.375, "right_shoulder": 0.375},
    "lsp_neck": {"neck": 0.5, "left_shoulder": 0.25, "right_shoulder": 0.25},
    "jaw": {"nose": 1.6, "left_eye": -0.6, "right_eye": -0.6, "left_ear": 0.3, "right_ear": 0.3},
    "h36m_head": {"nose": 1 / 3, "left_ear": 1 / 3, "right_ear": 1 / 3},
}
"""Points as means of joints and of points of the face; the jaw as far below the nose as the eyes are above it."""
TIPS = {
    "head_top": ("head", (0.0, 1.0, 0.0)),
    "op_left_big_toe": ("left_ankle", (-0.5, 0.0, 1.0)),
    "op_left_small_toe": ("left_ankle", (1.0, 0.0, 0.8)),
    "op_left_heel": ("left_ankle", (0.0, -0.5, -1.0)),
    "op_right_big_toe": ("right_ankle", (0.5, 0.0, 1.0)),
    "op_right_small_toe": ("right_ankle", (-1.0, 0.0, 0.8)),
    "op_right_heel": ("right_ankle", (0.0, -0.5, -1.0)),
}
"""Points that are the outermost vertex, in a direction, of what a joint and the next carry."""


DETECTED = {
    "nose": ("head", (0.0, 0.016, -0.023)),
    "left_eye": ("head", (-0.005, 0.007, -0.020)),
    "left_ear": ("head", (-0.024, 0.013, 0.020)),
    "left_shoulder": ("left_collar", (-0.016, 0.018, -0.014)),
    "left_elbow": ("left_shoulder", (-0.014, 0.004, 0.011)),
    "left_wrist": ("left_elbow", (0.005, 0.006, 0.007)),
    "left_hip": ("pelvis", (-0.016, 0.009, 0.029)),
    "left_knee": ("left_hip", (0.000, 0.011, 0.002)),
    "left_ankle": ("left_knee", (0.005, 0.001, 0.008)),
    "left_pinky": ("left_wrist", (-0.027, -0.009, -0.014)),
    "left_index": ("left_wrist", (-0.023, -0.013, 0.009)),
    "left_thumb": ("left_wrist", (-0.046, -0.014, 0.015)),
    "left_heel": ("left_ankle", (-0.006, 0.023, 0.017)),
    "left_toes": ("left_ankle", (0.023, 0.007, -0.025)),
}
"""Where the shipped detector marks its points, from where `ON_BODY` has them or COCO's are: metres in the axes of a
joint, the right side in the mirror. Read off `benchmarks/results/detector_noise.md`: rendered clips of the open body,
both sides averaged."""
ON_BODY = {"pinky": "{}_hand", "index": "{}_hand", "thumb": "{}_hand", "heel": "op_{}_heel", "toes": "op_{}_big_toe"}
"""Near which other point the detector's points of hands and feet are."""


def detected_rows(marks: Marks, names: Sequence[str]) -> Marks:
    """Points of these names, moved to where the shipped detector marks them."""
    joints, offsets = (np.array(each) for each in zip(*(carrier(name) for name in names), strict=True))

    def padded(directions: ndarray) -> ndarray:
        return np.concatenate([directions, np.zeros((len(names), *directions.shape[1:]))])

    return replace(
        marks,
        joint=np.concatenate([marks.joint, joints]),
        template=np.concatenate([marks.template, offsets]),
        shapedirs=padded(marks.shapedirs),
        posedirs=None if marks.posedirs is None else padded(marks.posedirs),
        sums=np.concatenate([marks.sums, np.eye(len(names))], 1),
    )


def carrier(name: str) -> tuple[int, tuple[float, float, float]]:
    """The joint in whose axes the detector's keypoint is moved, and by how much; metres."""
    if name in DETECTED:
        joint, offset = DETECTED[name]
        return SMPL.index(joint), offset
    joint, (x, y, z) = DETECTED[name.replace("right", "left")]
    return SMPL.index(joint.replace("left", "right")), (-x, y, z)


def point_rows(body: dict[str, ndarray]) -> dict[str, Float[ndarray, "point row"]]:
    """The rows of each point set that can be found on a body, from the arrays of its file.

    "coco17" needs `coco_regressor` or SMPL's mesh, and the others need it too; "spin49" is exact with SMPL's mesh and
    `extra_regressor`; "h36m17" and "common14" are with `h36m_regressor`, which is all that they need then.
    """
    sets: dict[str, ndarray] = {}
    coco = body["coco_regressor"] if "coco_regressor" in body else _smpl_coco(body["J_regressor"])
    if coco is not None:
        named = _named(body, coco)
        sets["coco17"] = _on_skin(coco)
        sets |= {name: np.stack([named[point] for point in JOINT_SETS[name]]) for name in ("spin49", "h36m17")}
        more = [point.split("_") for point in DETECTED27[len(COCO) :]]
        sets["detected27"] = np.stack([*sets["coco17"], *(named[ON_BODY[part].format(side)] for side, part in more)])
    if "h36m_regressor" in body:
        sets["h36m17"] = _on_skin(body["h36m_regressor"])
    if "h36m17" in sets:
        sets["common14"] = sets["h36m17"][index(H36M17, COMMON14)]
    return sets


def _named(body: dict[str, ndarray], coco: Float[ndarray, "17 vertex"]) -> dict[str, Float[ndarray, "row"]]:
    """A row for each name in the sets of 49 and of 17 joints."""
    vertices = coco.shape[1]
    named = dict(zip(SMPL, np.eye(len(SMPL), vertices + len(SMPL), vertices), strict=True))
    named |= {name: row for name, row in zip(COCO, _on_skin(coco), strict=True) if name not in SMPL}
    for name, parts in MEANS.items():
        named[name] = np.sum([share * named[part] for part, share in parts.items()], 0)
    tips = _tips(body["v_template"], body["weights"]) | (SMPL_FEET if vertices == SMPL_VERTICES else {})
    named |= {name: _on_skin(_picked(vertex, vertices)) for name, vertex in tips.items()}
    for name in OPENPOSE:
        if name not in named:
            named[name] = named[name.removeprefix("op_")]
    if "extra_regressor" in body:
        named |= dict(zip(EXTRA, _on_skin(body["extra_regressor"]), strict=True))
    return named


def _tips(v_template: Float[ndarray, "vertex 3"], weights: Float[ndarray, "vertex 24"]) -> dict[str, int]:
    found = {}
    for name, (joint, direction) in TIPS.items():
        carried = weights[:, [SMPL.index(part) for part in (joint, joint.replace("ankle", "foot"))]].max(1)
        outward = v_template @ np.array(direction)
        found[name] = int(np.where(carried >= min(0.5, float(carried.max())), outward, -np.inf).argmax())
    return found


def _smpl_coco(J_regressor: Float[ndarray, "24 vertex"]) -> Float[ndarray, "17 vertex"] | None:
    """COCO-17 for the 6890-vertex mesh: five vertices of the face, and SMPL's own joints for the limbs."""
    vertices = J_regressor.shape[1]
    if vertices != SMPL_VERTICES:
        return None
    rows = {name: _picked(vertex, vertices) for name, vertex in SMPL_FACE.items()}
    return np.stack([rows[name] if name in rows else J_regressor[SMPL.index(name)] for name in COCO])


def _picked(vertex: int, vertices: int) -> Float[ndarray, "vertex"]:
    return np.eye(1, vertices, vertex)[0]


def _on_skin(regressor: Float[ndarray, "*point vertex"]) -> Float[ndarray, "*point row"]:
    return np.concatenate([regressor, np.zeros((*regressor.shape[:-1], len(SMPL)))], -1)


def keypoints(
    body: Body, rotmat: Float[Array, "*b 24 3 3"], betas: Float[Array, "*#b 10"], points: str = "coco17"
) -> Float[Array, "*b point 3"]:
    """One of the body's point sets, metres; raises ValueError if the body does not have it."""
    return joints_and_keypoints(body, rotmat, betas, points)[1]


def joints_and_keypoints(
    body: Body, rotmat: Float[Array, "*b 24 3 3"], betas: Float[Array, "*#b 10"], points: str = "coco17"
) -> tuple[Float[Array, "*b 24 3"], Float[Array, "*b point 3"]]:
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
    offsets = moved_axis(expanded(offsets, (*rotmat.shape[:-3], *marks.template.shape)), -2, 0)[..., None]
    terms = (selected(moved_axis(R_world, -3, 0), marks.joint) @ offsets)[..., 0]
    joints = moved_axis(posed, -2, 0)
    wide = math.prod(terms.shape[1:])  # by name: of no frames an axis of -1 could be any
    found = marks.sums @ terms.reshape(len(terms), wide) + marks.share @ joints.reshape(len(joints), wide)
    return posed, moved_axis(found.reshape(len(found), *terms.shape[1:]), 0, -2)


def fold_regressors(
    rows: Float[ndarray, "point row"],
    weights: Float[ndarray, "vertex 24"],
    v_template: Float[ndarray, "vertex 3"],
    shapedirs: Float[ndarray, "vertex 3 10"],
    posedirs: Float[ndarray, "vertex 3 207"] | None,
    J_template: Float[ndarray, "24 3"],
    J_shapedirs: Float[ndarray, "24 3 10"],
) -> Marks:
    """Points that `rows` find on skinned vertices and joints (see above), folded onto the joints."""
    regressor, on_joints = np.split(rows, [len(weights)], 1)
    used = np.flatnonzero(regressor.any(0))
    regressor, weights = regressor[:, used], weights[used]
    share = regressor @ weights
    point, joint = np.nonzero(np.abs(regressor) @ weights)
    pull = regressor[point] * weights.T[joint]
    part = share[point, joint][:, None]
    return Marks(
        joint=joint,
        template=pull @ v_template[used] - part * J_template[joint],
        shapedirs=np.tensordot(pull, shapedirs[used], 1) - part[..., None] * J_shapedirs[joint],
        posedirs=None if posedirs is None else np.tensordot(pull, posedirs[used], 1),
        sums=(np.arange(len(regressor))[:, None] == point).astype(weights.dtype),
        share=share + on_joints,
    )
