"""The CMU Graphics Lab Motion Capture Database: its own ASF and AMC files, and the BVH files converted from them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from vibe.data.motion import HELD_OUT
from vibe.data.recording import RawJob, RawSet, Recording
from vibe.data.sets.acclaim import INCH, read_amc, read_asf
from vibe.data.sets.bvh import read_bvh
from vibe.data.sets.mocap import RECIPE, Capture, below, part, take
from vibe.data.sets.retarget import Rig, about_x, both_sides, to_smpl

UNIT = INCH / 0.45
"""Metres for each unit of length in the BVH files, which keep those of the ASF files."""
FPS = 120.0
SLOWER = {"60": 60.0, "61": 60.0}
"""Subjects recorded at another rate; AMC files don't say it, and the conversions say 120 of all."""
NAME = re.compile(r"\d{1,3}_\d{1,3}\.(amc|bvh)", re.IGNORECASE)
LAYOUT = (
    "SUBJECT_TRIAL.amc beside SUBJECT.asf, as in all_asfamc/subjects/05/05_01.amc, or SUBJECT_TRIAL.bvh of the "
    "MotionBuilder-friendly conversion, in any folders"
)
NECK = {"neck": about_x(-16)}
"""The neck of the zero pose leans back by so much; laid upright on SMPL's, people who walk would not look ahead."""
ACCLAIM = Rig(
    drivers={"pelvis": "root", "spine1": "lowerback", "spine2": "upperback", "spine3": "thorax"}
    | {"neck": "lowerneck", "head": "head"}
    | both_sides(
        {
            "{side}_hip": "{s}femur",
            "{side}_knee": "{s}tibia",
            "{side}_ankle": "{s}foot",
            "{side}_foot": "{s}toes",
            "{side}_collar": "{s}clavicle",
            "{side}_shoulder": "{s}humerus",
            "{side}_elbow": "{s}radius",
            "{side}_wrist": "{s}hand",
        }
    ),
    stance=NECK,
)
BVH = Rig(
    drivers={"pelvis": "Hips", "spine1": "LowerBack", "spine2": "Spine", "spine3": "Spine1"}
    | {"neck": "Neck", "head": "Head"}
    | both_sides(
        {
            "{side}_hip": "{Side}UpLeg",
            "{side}_knee": "{Side}Leg",
            "{side}_ankle": "{Side}Foot",
            "{side}_foot": "{Side}ToeBase",
            "{side}_collar": "{Side}Shoulder",
            "{side}_shoulder": "{Side}Arm",
            "{side}_elbow": "{Side}ForeArm",
            "{side}_wrist": "{Side}FingerBase",
        }
    ),
    stance=NECK,
)
"""The wrist is driven by what stands for the ASF's hand; the joint called Hand is its wrist, which only twists."""


def clips(raw: Path) -> dict[str, Path]:
    """The file of each trial, by its name here; of a trial in both forms the AMC file, which the other was made of."""
    found: dict[str, Path] = {}
    for path in below(raw, "*", LAYOUT, lambda path: NAME.fullmatch(path.name) is not None):
        subject, trial = (int(number) for number in path.stem.split("_"))
        name = f"cmu_{subject:02d}_{trial:02d}"
        if name not in found or path.suffix.lower() == ".amc":
            found[name] = path
    return found


def subject_file(path: Path) -> Path:
    """The ASF file of an AMC file's subject; raises FileNotFoundError."""
    name = path.stem.split("_")[0].lower() + ".asf"
    for beside in path.parent.iterdir():
        if beside.name.lower() == name:
            return beside
    raise FileNotFoundError(f"{path} has no {name} beside it: it is the skeleton that the motion is of, copy it there")


def without_t_pose(capture: Capture) -> Capture:
    """The conversions begin with a T-pose, which is told by its root that has not turned at all."""
    if len(capture.turns) < 2 or not bool((capture.turns[0, 0].diagonal() == 1).all()):
        return capture
    return part(capture, slice(1, None))


def _read(name: str, path: Path) -> Iterator[Recording]:
    subject = "_".join(name.split("_")[:2])
    fps = SLOWER.get(subject.removeprefix("cmu_"), FPS)
    if path.suffix.lower() == ".amc":
        capture, rig = read_amc(path, read_asf(subject_file(path)), fps), ACCLAIM
    else:
        capture, rig = without_t_pose(read_bvh(path, UNIT)), BVH
        fps = min(fps, capture.fps)
    try:
        rotmat, pelvis = to_smpl(capture, rig)
    except ValueError as error:
        raise ValueError(f"{error}: give CMU's own files or the MotionBuilder-friendly conversion") from error
    yield take(name, rotmat, pelvis, fps, subject, split="test" if subject in HELD_OUT else "train")


def _jobs(raw: Path) -> Iterator[RawJob]:
    for name, path in clips(raw).items():
        yield RawJob(name, partial(_read, name, path))


def _sources(raw: Path) -> Iterable[Path]:
    paths = set(clips(raw).values())
    return paths | {path for path in raw.rglob("*") if path.suffix.lower() == ".asf"}


CMU = RawSet(
    title="CMU Graphics Lab Motion Capture Database",
    licence=(
        "The data used in this project was obtained from mocap.cs.cmu.edu. The database was created with funding from "
        "NSF EIA-0196217. It is free for all uses, but may not be sold as data, converted or not."
    ),
    layout=LAYOUT,
    jobs=_jobs,
    sources=_sources,
    recipe=RECIPE
    | {
        "rate": {"others": FPS} | SLOWER,
        "splits": f"none by its owner; test: {', '.join(HELD_OUT)}, which no weights of ours are trained on",
    },
)
