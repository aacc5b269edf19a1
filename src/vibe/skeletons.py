"""Joint sets by name, and maps between them."""

from __future__ import annotations

from collections.abc import Sequence

SMPL: list[str] = [
    *"pelvis left_hip right_hip spine1 left_knee right_knee spine2 left_ankle right_ankle spine3".split(),
    *"left_foot right_foot neck left_collar right_collar head left_shoulder right_shoulder".split(),
    *"left_elbow right_elbow left_wrist right_wrist left_hand right_hand".split(),
]
SMPL_PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)
COCO: list[str] = [
    *"nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow".split(),
    *"left_wrist right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle".split(),
]
LIMBS = [side + "_" + joint for joint in "shoulder elbow wrist hip knee ankle".split() for side in ("left", "right")]


def index(source: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Where each wanted joint stands in `source`; raises ValueError if one is missing."""
    return [source.index(name) for name in wanted]


def mirrored(names: Sequence[str]) -> list[int]:
    """The permutation that exchanges left and right."""
    swap = {"left": "right", "right": "left"}
    return [names.index("_".join(swap.get(word, word) for word in name.split("_"))) for name in names]
