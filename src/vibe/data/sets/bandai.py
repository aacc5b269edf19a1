"""Bandai-Namco-Research-Motiondataset 1 and 2: acted walks, dances, fights and gestures in many styles, as BVH."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from vibe.data.recording import RawJob, RawSet, Recording
from vibe.data.sets.bvh import read_bvh
from vibe.data.sets.mocap import RECIPE, below, take
from vibe.data.sets.retarget import Axes, Rig, both_sides, to_smpl

CENTIMETRE = 0.01
LAYOUT = "dataset-1_WHAT_STYLE_NUMBER.bvh and dataset-2_..., in any folders (unpack each data.zip)"
FOOT_DEG, TOE_DEG = 40.8, 24.2
"""How far below the horizontal the joints from ankle to toes, and from there on, lie in a foot that is flat on the
floor: the median over the frames of standing feet."""


def _foot(deg: float, mirror: int) -> Axes:
    """A bone that lies along +x (of the right side along -x), pointing forwards and down."""
    down, forward = mirror * math.sin(math.radians(deg)), mirror * math.cos(math.radians(deg))
    return ((0, 1, 0), (-down, 0, forward), (forward, 0, down))


TRUNK: Axes = ((0, 0, 1), (1, 0, 0), (0, 1, 0))
RIGHT_ARM: Axes = ((1, 0, 0), (0, -1, 0), (0, 0, -1))
LEFT_LEG: Axes = ((0, 1, 0), (-1, 0, 0), (0, 0, 1))
RIGHT_LEG: Axes = ((0, 1, 0), (1, 0, 0), (0, 0, -1))
RIG = Rig(
    drivers={"pelvis": "Hips", "spine1": "Spine", "spine3": "Chest", "neck": "Neck", "head": "Head"}
    | both_sides(
        {
            "{side}_hip": "UpperLeg_{S}",
            "{side}_knee": "LowerLeg_{S}",
            "{side}_ankle": "Foot_{S}",
            "{side}_foot": "Toes_{S}",
            "{side}_collar": "Shoulder_{S}",
            "{side}_shoulder": "UpperArm_{S}",
            "{side}_elbow": "LowerArm_{S}",
            "{side}_wrist": "Hand_{S}",
        }
    ),
    stance={"pelvis": ((0, -1, 0), (1, 0, 0), (0, 0, 1))}
    | dict.fromkeys(("spine1", "spine3", "neck", "head"), TRUNK)
    | {f"right_{joint}": RIGHT_ARM for joint in ("collar", "shoulder", "elbow", "wrist")}
    | {f"left_{joint}": LEFT_LEG for joint in ("hip", "knee")}
    | {f"right_{joint}": RIGHT_LEG for joint in ("hip", "knee")}
    | {"left_ankle": _foot(FOOT_DEG, 1), "right_ankle": _foot(FOOT_DEG, -1)}
    | {"left_foot": _foot(TOE_DEG, 1), "right_foot": _foot(TOE_DEG, -1)},
)
"""In the zero pose all bones lie along x; how they stand in a T-pose follows from the hinges of elbows and knees. There
is one joint less in the spine than SMPL has: spine2 keeps to spine1."""


def _files(raw: Path) -> Iterable[Path]:
    return below(raw, "*.bvh", LAYOUT, lambda path: path.name.startswith("dataset-"))


def _read(path: Path) -> Iterator[Recording]:
    capture = read_bvh(path, CENTIMETRE)
    rotmat, pelvis = to_smpl(capture, RIG)
    yield take(path.stem, rotmat, pelvis, capture.fps, subject=path.stem.split("_")[0])


def _jobs(raw: Path) -> Iterator[RawJob]:
    for path in _files(raw):
        yield RawJob(path.stem, partial(_read, path))


BANDAI = RawSet(
    title="Bandai-Namco-Research-Motiondataset",
    licence=(
        "Bandai-Namco-Research-Motiondataset, (c) Bandai Namco Research Inc.: CC BY-NC 4.0, so neither it nor weights "
        "trained on it may be used commercially; copies from its first months came under CC BY-NC-ND 4.0, so read the "
        "LICENSE beside yours."
    ),
    layout=LAYOUT,
    jobs=_jobs,
    sources=_files,
    recipe=RECIPE | {"foot_deg": FOOT_DEG, "toe_deg": TOE_DEG, "splits": "none by its owner: all for training"},
)
