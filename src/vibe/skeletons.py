"""Joint sets by name, and maps between them.

A name stands for about the same place in every set, to some centimetres (`left_hip` is marked further out on skin than
inside). Where sets differ by more, or one has both, a name begins with whose it is: `op_` OpenPose, `lsp_` Leeds Sports
Poses, `h36m_` Human3.6M, `mpi_` MPI-INF-3DHP. Left and right are the person's own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from vibe.arrays import Array, constant

SMPL: list[str] = [
    *"pelvis left_hip right_hip spine1 left_knee right_knee spine2 left_ankle right_ankle spine3".split(),
    *"left_foot right_foot neck left_collar right_collar head left_shoulder right_shoulder".split(),
    *"left_elbow right_elbow left_wrist right_wrist left_hand right_hand".split(),
]
SMPL_JOINTS, SMPL_BODY_POSE = 24, 69
"""All joints, and the numbers of the rotation vectors of those that have a parent."""
SMPL_PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)
HAND15: list[str] = [f"{finger}{bone}" for finger in "index middle pinky ring thumb".split() for bone in (1, 2, 3)]
"""The joints of a hand in SMPL-H's order, those of each finger from the palm outwards."""
SMPLH: list[str] = [*SMPL[:-2], *(f"{side}_{joint}" for side in ("left", "right") for joint in HAND15)]
"""SMPL's joints without its two hands, and the fingers of the left and right hand in their place."""
SMPLH_PARENTS = (
    *SMPL_PARENTS[:-2],
    *(SMPLH.index(f"{side}_wrist") if bone % 3 == 0 else len(SMPL) - 3 + 15 * hand + bone
      for hand, side in enumerate(("left", "right")) for bone in range(15)),
)  # fmt: skip
COCO: list[str] = [
    *"nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow".split(),
    *"left_wrist right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle".split(),
]
BLAZEPOSE: list[str] = [
    *"nose left_eye_inner left_eye left_eye_outer right_eye_inner right_eye right_eye_outer".split(),
    *"left_ear right_ear left_mouth right_mouth left_shoulder right_shoulder left_elbow right_elbow".split(),
    *"left_wrist right_wrist left_pinky right_pinky left_index right_index left_thumb right_thumb".split(),
    *"left_hip right_hip left_knee right_knee left_ankle right_ankle".split(),
    *"left_heel right_heel left_toes right_toes".split(),
]
"""The points of the shipped pose model."""
DETECTED27: list[str] = [*COCO, *BLAZEPOSE[17:23], *BLAZEPOSE[29:]]
"""Those of them that the fit looks at."""
CONTACTS: list[str] = ["left_heel", "left_toe", "right_heel", "right_toe"]
"""The points of the feet of which it is told whether they stand."""
LIMBS = [side + "_" + joint for joint in "shoulder elbow wrist hip knee ankle".split() for side in ("left", "right")]
OPENPOSE: list[str] = [
    *"op_nose op_neck op_right_shoulder op_right_elbow op_right_wrist op_left_shoulder op_left_elbow".split(),
    *"op_left_wrist op_mid_hip op_right_hip op_right_knee op_right_ankle op_left_hip op_left_knee".split(),
    *"op_left_ankle op_right_eye op_left_eye op_right_ear op_left_ear op_left_big_toe op_left_small_toe".split(),
    *"op_left_heel op_right_big_toe op_right_small_toe op_right_heel".split(),
]
"""OpenPose's BODY_25."""
COMMON14: list[str] = [
    *"right_ankle right_knee right_hip left_hip left_knee left_ankle right_wrist right_elbow".split(),
    *"right_shoulder left_shoulder left_elbow left_wrist lsp_neck head_top".split(),
]
"""The 14 joints on which the paper's accuracy is reported, in LSP's order."""
SPIN49: list[str] = [
    *OPENPOSE,
    *COMMON14,
    *"mid_hip thorax h36m_spine jaw h36m_head nose left_eye right_eye left_ear right_ear".split(),
]
"""The joints of SPIN and VIBE: those that OpenPose finds, and those that data sets mark."""
H36M17: list[str] = [
    *"mid_hip left_hip left_knee left_ankle right_hip right_knee right_ankle h36m_spine lsp_neck h36m_head".split(),
    *"head_top left_shoulder left_elbow left_wrist right_shoulder right_elbow right_wrist".split(),
]
STAF21: list[str] = [*OPENPOSE[:19], "lsp_neck", "head_top"]
"""OpenPose's BODY_21A: what the pose tracker of the old result files finds."""
MPII3D28: list[str] = [
    *"mpi_spine3 mpi_spine4 mpi_spine2 h36m_spine mid_hip lsp_neck h36m_head head_top".split(),
    *"mpi_left_clavicle left_shoulder left_elbow left_wrist mpi_left_hand".split(),
    *"mpi_right_clavicle right_shoulder right_elbow right_wrist mpi_right_hand".split(),
    *"left_hip left_knee left_ankle mpi_left_foot mpi_left_toe".split(),
    *"right_hip right_knee right_ankle mpi_right_foot mpi_right_toe".split(),
]
MPII3D_TEST17: list[str] = [
    *"head_top lsp_neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist right_hip".split(),
    *"right_knee right_ankle left_hip left_knee left_ankle mid_hip h36m_spine h36m_head".split(),
]
POSETRACK17: list[str] = ["nose", "lsp_neck", "head_top", *COCO[3:]]
PENN13: list[str] = ["head_top", *COCO[5:]]
INSTA25: list[str] = [
    *"op_right_heel op_right_knee op_right_hip op_left_hip op_left_knee op_left_heel op_right_wrist".split(),
    *"op_right_elbow op_right_shoulder op_left_shoulder op_left_elbow op_left_wrist op_neck head_top".split(),
    *"op_nose op_left_eye op_right_eye op_left_ear op_right_ear op_left_big_toe op_right_big_toe".split(),
    *"op_left_small_toe op_right_small_toe op_left_ankle op_right_ankle".split(),
]
THREEDPW14: list[str] = [
    *"nose thorax right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist right_hip".split(),
    *"right_knee right_ankle left_hip left_knee left_ankle".split(),
]
JOINT_SETS = {
    "smpl24": SMPL, "smplh52": SMPLH, "coco17": COCO, "detected17": COCO, "detected27": DETECTED27,
    "blazepose33": BLAZEPOSE, "spin49": SPIN49, "h36m17": H36M17, "common14": COMMON14,
    "staf21": STAF21, "mpii3d28": MPII3D28, "mpii3d_test17": MPII3D_TEST17, "posetrack17": POSETRACK17,
    "penn13": PENN13, "insta25": INSTA25, "3dpw14": THREEDPW14,
}  # fmt: skip


def index(source: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Where each wanted joint stands in `source`; raises ValueError if one is missing."""
    return [source.index(name) for name in wanted]


def convert_joints(
    points: Float[Array, "*b source 3"], source: str | Sequence[str], target: str | Sequence[str]
) -> Float[Array, "*b target 3"]:
    """The joints of one set in the order of another, by name; all zeros, the confidence too, where there is none.

    Sets are names of `JOINT_SETS` or lists of joint names; the last axis is x, y, confidence or x, y, z. Raises
    ValueError for a set that is not known or does not fit the points.
    """
    here, there = _names(source), _names(target)
    if len(here) != points.shape[-2]:
        raise ValueError(f"{points.shape[-2]} points for a set of {len(here)} joints: name the set that they are of")
    shared = [place for place, name in enumerate(there) if name in here]
    converted = constant(np.zeros((*points.shape[:-2], len(there), 3)), points)
    converted[..., shared, :] = points[..., index(here, [there[place] for place in shared]), :]
    return converted


def _names(joints: str | Sequence[str]) -> Sequence[str]:
    if not isinstance(joints, str):
        return joints
    if joints not in JOINT_SETS:
        raise ValueError(f"there is no joint set {joints!r}: choose one of {', '.join(JOINT_SETS)}")
    return JOINT_SETS[joints]


def mirrored(names: Sequence[str]) -> list[int]:
    """The permutation that exchanges left and right."""
    swap = {"left": "right", "right": "left"}
    return [names.index("_".join(swap.get(word, word) for word in name.split("_"))) for name in names]
