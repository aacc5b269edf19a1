"""The CMU Graphics Lab's motion capture: its own files (Acclaim's ASF, a skeleton; AMC, motion), and BVH of them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import roma
import torch
from jaxtyping import Float
from torch import Tensor

from vibe.data.motion import HELD_OUT
from vibe.data.recording import File, RawSet, Recording
from vibe.data.sets import mocap
from vibe.data.sets.annotations import find_files
from vibe.data.sets.bvh import read_bvh
from vibe.data.sets.mocap import MOCAP_RECIPE, Bone, Capture, Rig, Skeleton
from vibe.errors import damaged

INCH = 0.0254
ANGLES = {"rx", "ry", "rz"}
PLACES = {"tx", "ty", "tz"}


def read_asf(path: Path) -> Skeleton:
    """The skeleton in a file, its lengths in 1/`length` inch; raises OSError, or ValueError that says what is wrong."""
    sections = _sections(mocap.read_text(path))
    with damaged(f"{path} is no ASF file that can be read"):
        units = {line[0].lower(): line[1].lower() for line in sections["units"]}
        unit, angle = INCH / float(units["length"]), units.get("angle", "deg")
        if angle[:3] not in ("deg", "rad"):
            raise ValueError(f"angles in {angle[:20]!a}")
        degrees = angle.startswith("deg")
        bones = _ordered(_root(sections["root"], degrees), _bones(sections["bonedata"], unit, degrees), sections)
    # A bone turns about its near end, which is the far end of the one before it; the first angle is applied first, as
    # the axis order XYZ means it.
    return Skeleton(bones, unit, degrees, about_fixed_axes=True)


def read_amc(path: Path, skeleton: Skeleton, fps: float) -> Capture:
    """The motion in a file; it does not say its frame rate. Raises OSError, or ValueError with file and frame."""
    rows = list(_frames(path, skeleton))
    if not rows:
        raise ValueError(f"{path} holds no frame: it is cut off or no AMC file, copy it again")
    return mocap.pose_bones(path, skeleton, np.array(rows), fps)


def _sections(text: str) -> dict[str, list[list[str]]]:
    """Lines as words, by the section that they stand in."""
    sections: dict[str, list[list[str]]] = {}
    lines: list[list[str]] = []
    for line in text.splitlines():
        words = line.split("#")[0].split()
        if words and words[0].startswith(":"):
            lines = sections.setdefault(words[0][1:].lower(), [words[1:]] if words[1:] else [])
        elif words:
            lines.append(words)
    return sections


def _numbers(words: list[str], count: int) -> list[float]:
    numbers = [float(word) for word in words[:count]]
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        raise ValueError(f"{' '.join(words)[:40]!a} instead of {count} numbers")
    return numbers


def _axes(angles: list[float], order: str, degrees: bool) -> Float[Tensor, "3 3"]:
    """The first letter's rotation is applied first, each about the world's axes."""
    if sorted(order.lower()) != ["x", "y", "z"]:
        raise ValueError(f"axes {order[:20]!a} instead of three of them")
    return roma.euler_to_rotmat(order.lower(), torch.tensor(angles, dtype=torch.float64), degrees=degrees)


def _root(lines: list[list[str]], degrees: bool) -> Bone:
    known = {line[0].lower(): line[1:] for line in lines}
    order = tuple(word.lower() for word in known["order"])
    if set(order) != ANGLES | PLACES or len(order) != 6:
        raise ValueError(f"a root of {' '.join(order)[:40]!a} instead of three positions and three angles")
    if any(_numbers(known.get("position", ["0"] * 3), 3)):
        raise ValueError("a root that is not at the origin")
    axes = _axes(_numbers(known.get("orientation", ["0"] * 3), 3), known["axis"][0], degrees)
    return Bone("root", -1, torch.zeros(3, dtype=torch.float64), order, axes)


def _bones(lines: list[list[str]], unit: float, degrees: bool) -> dict[str, Bone]:
    """The bones by name, their parents still unknown, and in `offset` where each ends."""
    bones: dict[str, Bone] = {}
    known: dict[str, list[str]] = {}
    for line in lines:
        word = line[0].lower()
        if word == "begin":
            known = {}
        elif word == "end":
            name, axis = known["name"][0].lower(), known["axis"]
            dof = tuple(word.lower() for word in known.get("dof", []))
            if not set(dof) <= ANGLES or len(set(dof)) < len(dof) or name in bones or len(bones) == mocap.MOST_JOINTS:
                raise ValueError(f"bone {name[:20]!a} stands twice or moves by {' '.join(dof)[:40]!a}")
            reach = torch.tensor(_numbers(known["direction"], 3), dtype=torch.float64)
            length = _numbers(known["length"], 1)[0] * unit
            bones[name] = Bone(name, -1, reach * length, dof, _axes(_numbers(axis, 3), axis[3], degrees))
        else:
            known[word] = line[1:]
    return bones


def _ordered(root: Bone, bones: dict[str, Bone], sections: dict[str, list[list[str]]]) -> tuple[Bone, ...]:
    below: dict[str, list[str]] = {}
    for line in sections["hierarchy"]:
        parent, *children = (word.lower() for word in line)
        if parent not in ("begin", "end"):
            below.setdefault(parent, []).extend(children)
    ends, placed = [root.offset], [root]
    for index, bone in enumerate(placed):
        for name in below.get(bone.name, []):
            child = bones.pop(name)
            ends.append(child.offset)
            placed.append(replace(child, parent=index, offset=ends[index]))
    if bones:
        raise ValueError(f"bones that hang on nothing: {', '.join(bones)[:80]}")
    return tuple(placed)


def _frames(path: Path, skeleton: Skeleton) -> Iterator[list[float]]:
    wanted = {bone.name: len(bone.channels) for bone in skeleton.bones if bone.channels}
    head, *blocks = FRAME.split(mocap.read_text(path))
    if re.search(r"^[ \t]*:RADIANS" if skeleton.degrees else r"^[ \t]*:DEGREES", head, re.MULTILINE | re.IGNORECASE):
        raise ValueError(f"{path} counts angles in another unit than its skeleton: give the ASF made with it")
    if len(blocks) > mocap.MOST_FRAMES:
        raise ValueError(f"{path} holds more than {mocap.MOST_FRAMES} frames: it is no capture of a clip")
    for number, block in enumerate(blocks):
        lines = [words for words in map(str.split, block.splitlines()) if words and words[0][0] not in "#:"]
        with damaged(f"{path}: in frame {number} is no number"):
            frame = {words[0].lower(): [float(word.replace(",", ".")) for word in words[1:]] for words in lines}
        if unknown := sorted(frame.keys() - wanted.keys()):
            raise ValueError(
                f"{path}: frame {number} moves {unknown[0][:20]!a}, which its skeleton does not: wrong ASF file?"
            )
        for name, count in wanted.items():
            if len(frame.get(name, ())) != count:
                raise ValueError(
                    f"{path}: frame {number} has {len(frame.get(name, ()))} numbers for {name} instead of {count}: it "
                    "is cut off, or of another ASF file"
                )
        yield [value for name in wanted for value in frame[name]]


UNIT = INCH / 0.45
"""Metres for each unit of length in the BVH files, which keep those of the ASF files."""
FPS = 120.0
SLOWER = {"60": 60.0, "61": 60.0}
"""Subjects recorded at another rate; AMC files don't say it, and the conversions say 120 of all."""
FRAME = re.compile(r"^[ \t]*\d+(?:\.0*)?[ \t\r]*$", re.MULTILINE)
"""The line of a frame's number."""
NAME = re.compile(r"\d{1,3}_\d{1,3}\.(amc|bvh)", re.IGNORECASE)
LAYOUT = (
    "SUBJECT_TRIAL.amc beside SUBJECT.asf, as in all_asfamc/subjects/05/05_01.amc, or SUBJECT_TRIAL.bvh of the "
    "MotionBuilder-friendly conversion, in any folders"
)
NECK = {"neck": roma.rotvec_to_rotmat(torch.tensor([-16.0, 0, 0], dtype=torch.float64).deg2rad()).tolist()}
"""The neck of the zero pose leans back by so much; laid upright on SMPL's, people who walk would not look ahead."""
ACCLAIM = Rig(
    mocap.drivers(
        "root lowerback upperback thorax lowerneck head",
        "{s}femur {s}tibia {s}foot {s}toes {s}clavicle {s}humerus {s}radius {s}hand",
    ),
    NECK,
)
BVH = Rig(
    mocap.drivers(
        "Hips LowerBack Spine Spine1 Neck Head",
        "{Side}UpLeg {Side}Leg {Side}Foot {Side}ToeBase {Side}Shoulder {Side}Arm {Side}ForeArm {Side}FingerBase",
    ),
    NECK,
)
"""The wrist is driven by what stands for the ASF's hand; the joint called Hand is its wrist, which only twists."""


def _files(raw: Path) -> list[File]:
    """The file of each trial; of a trial in both forms the AMC file, which the other was made of."""
    found: dict[str, Path] = {}
    for path in (path for path in find_files(raw, "**/*") if NAME.fullmatch(path.name)):
        subject, trial = (int(number) for number in path.stem.split("_"))
        name = f"cmu_{subject:02d}_{trial:02d}"
        if name not in found or path.suffix.lower() == ".amc":
            found[name] = path
    return list(found.items())


def _read(_: Path, name: str, path: Path) -> Iterator[Recording]:
    subject = name.rpartition("_")[0]
    fps = SLOWER.get(subject.removeprefix("cmu_"), FPS)
    if path.suffix.lower() == ".amc":
        asf = path.stem.split("_")[0].lower() + ".asf"
        beside = [each for each in path.parent.iterdir() if each.name.lower() == asf]
        if not beside:
            raise FileNotFoundError(
                f"{path} has no {asf} beside it: it is the skeleton that the motion is of, copy it there"
            )
        capture, rig = read_amc(path, read_asf(beside[0]), fps), ACCLAIM
    else:
        capture, rig = read_bvh(path, UNIT), BVH
        fps = min(fps, capture.fps)
        # The conversions begin with a T-pose, which is told by its root that has not turned at all.
        if len(capture.turns) > 1 and bool((capture.turns[0, 0].diagonal() == 1).all()):
            capture = capture.cut(slice(1, None))
    with damaged(str(path), "give CMU's own files or the MotionBuilder-friendly conversion"):
        smpl = mocap.to_smpl(capture, rig)
    yield mocap.mocap_recording(name, smpl, fps, subject, split="test" if subject in HELD_OUT else "train")


CMU = RawSet(
    title="CMU Graphics Lab Motion Capture Database",
    licence=(
        "The data used in this project was obtained from mocap.cs.cmu.edu. The database was created with funding from "
        "NSF EIA-0196217. It is free for all uses, but may not be sold as data, converted or not."
    ),
    layout=LAYOUT,
    files=_files,
    read=_read,
    beside=("**/*.[aA][sS][fF]",),
    recipe=MOCAP_RECIPE
    | {
        "rate": {"others": FPS} | SLOWER,
        "splits": f"none by its owner; test: {', '.join(HELD_OUT)}, which no weights of ours are trained on",
    },
)
