"""BVH, Biovision's text files of a skeleton and its motion, and the data sets in that format."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import roma
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from vibe.data.recording import RawJob, RawSet, Recording
from vibe.data.sets.mocap import (
    MOCAP_RECIPE,
    MOST_FRAMES,
    MOST_JOINTS,
    Axes,
    Capture,
    Rig,
    find_files,
    forward_kinematics,
    left_and_right,
    mocap_recording,
    read_text,
    slice_capture,
    to_smpl,
)

HEAD = re.compile(r"Frames\s*:\s*(\d{1,9})\s+Frame\s+Time\s*:\s*(\S+)")
NO_NAME = re.compile(r"^$|[{}]|\b(ROOT|JOINT|OFFSET)\b")
MOST_CHANNELS = 6
CHANNEL = re.compile(r"([XYZ])(position|rotation)", re.IGNORECASE)


@dataclass
class _Joint:
    name: str
    parent: int
    offset: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    channels: list[str] = field(default_factory=list)
    """Each two letters: the axis, then r or p."""


def read_bvh(path: Path, unit: float) -> Capture:
    """The motion in a file whose lengths are counted in `unit` metres.

    Rotations are multiplied in the order of their channels, each about the axes that the one before left. Where a
    joint has channels of position they take the place of its OFFSET. Raises OSError, or ValueError with the file and
    what is wrong in it: cut off, not finite, no hierarchy.
    """
    text = read_text(path)
    hierarchy, found, motion = text.partition("MOTION")
    if not found:
        raise ValueError(f"{path} has no MOTION: it is cut off or no BVH file, copy it again")
    try:
        joints = _joints(hierarchy)
    except (ValueError, IndexError) as error:
        raise ValueError(f"{path}: its hierarchy can't be read ({str(error)[:80]}): copy the file again") from error
    numbers, fps = _numbers(path, motion, sum(len(joint.channels) for joint in joints))
    local, steps, column = [], [], 0
    for joint in joints:
        values = torch.from_numpy(numbers[:, column : column + len(joint.channels)])
        column += len(joint.channels)
        local.append(_rotation(joint, values))
        steps.append(_step(joint, values) * unit)
    parents = tuple(joint.parent for joint in joints)
    turns, places = forward_kinematics(parents, torch.stack(local, 1), torch.stack(steps, 1))
    offsets = torch.tensor([joint.offset for joint in joints], dtype=torch.float64) * unit
    return Capture(tuple(joint.name for joint in joints), parents, offsets, turns, places, fps, path)


def _joints(text: str) -> list[_Joint]:
    """The joints in the order of their channels; raises ValueError or IndexError for what is no hierarchy."""
    words = text.split()
    joints: list[_Joint] = []
    above: list[int | None] = []  # the joint of each brace that is open; None inside an End Site
    at = 0
    while at < len(words):
        word = words[at].upper()
        if word in ("ROOT", "JOINT"):
            stop = words.index("{", at)
            name, parent = " ".join(words[at + 1 : stop]), above[-1] if above else -1
            if parent is None or (parent < 0) != (len(joints) == 0) or len(joints) == MOST_JOINTS:
                raise ValueError(f"joint {name[:40]!a} has no place in one tree")
            if NO_NAME.search(name):
                raise ValueError(f"a joint of the name {name[:40]!a}")
            joints.append(_Joint(name, parent))
            above.append(len(joints) - 1)
            at = stop + 1
        elif word == "END":
            at = words.index("{", at) + 1
            above.append(None)
        elif word == "OFFSET":
            if above[-1] is not None:
                joints[above[-1]].offset = _offset(words[at + 1 : at + 4])
            at += 4
        elif word == "CHANNELS":
            count, joint = int(words[at + 1]), above[-1]
            if joint is None or not 0 <= count <= MOST_CHANNELS:
                raise ValueError(f"{count} channels where there can't be so many")
            joints[joint].channels = [_channel(name) for name in words[at + 2 : at + 2 + count]]
            at += 2 + count
        elif word == "}":
            above.pop()
            at += 1
        elif word == "HIERARCHY":
            at += 1
        else:
            raise ValueError(f"unknown word {word[:20]!a}")
    if above or not joints or len({joint.name for joint in joints}) < len(joints):
        raise ValueError(f"{len(joints)} joints, {len(above)} of them left open, or one name twice")
    return joints


def _offset(words: list[str]) -> list[float]:
    offset = [float(word) for word in words]
    if len(offset) != 3 or not all(map(math.isfinite, offset)):
        raise ValueError(f"an OFFSET of {' '.join(words)[:40]!a}")
    return offset


def _channel(name: str) -> str:
    found = CHANNEL.fullmatch(name)
    if not found:
        raise ValueError(f"unknown channel {name[:20]!a}")
    return (found[1] + found[2][0]).lower()


def _numbers(path: Path, motion: str, channels: int) -> tuple[Float[ndarray, "time channel"], float]:
    """One row a frame, and frames a second."""
    head = HEAD.search(motion[:1000])
    if not head:
        raise ValueError(f"{path}: after MOTION there is no number of frames and frame time: copy the file again")
    try:
        frames, seconds = int(head[1]), float(head[2])
        values = np.array(motion[head.end() :].split(), np.float64)
    except ValueError as error:
        raise ValueError(f"{path}: something among its numbers is none ({str(error)[:80]}): copy it again") from error
    if not 0 < frames <= MOST_FRAMES or not 1e-4 < seconds < 10:
        raise ValueError(f"{path} announces {frames} frames of {seconds} s each: it is damaged, copy it again")
    if len(values) != frames * channels:
        raise ValueError(
            f"{path} announces {frames} frames of {channels} numbers and holds {len(values) / max(channels, 1):.1f} of "
            "them: it is cut off or damaged, copy it again"
        )
    rows = values.reshape(frames, channels)
    if not np.isfinite(rows).all():
        frame = int((~np.isfinite(rows)).any(1).argmax())
        raise ValueError(f"{path}: frame {frame} holds NaN or infinity: leave the file out, or copy it again")
    return rows, rounded_rate(1 / seconds)


def rounded_rate(fps: float) -> float:
    """A whole number of frames a second where a frame time written with few digits means one."""
    return float(round(fps)) if abs(fps - round(fps)) < 5e-5 * fps else fps


def _rotation(joint: _Joint, values: Float[Tensor, "time channel"]) -> Float[Tensor, "time 3 3"]:
    columns = [place for place, channel in enumerate(joint.channels) if channel[1] == "r"]
    if not columns:
        return torch.eye(3, dtype=torch.float64).expand(len(values), 3, 3)
    order = "".join(joint.channels[place][0] for place in columns).upper()
    return roma.euler_to_rotmat(order, values[:, columns], degrees=True)


def _step(joint: _Joint, values: Float[Tensor, "time channel"]) -> Float[Tensor, "time 3"]:
    step = torch.tensor(joint.offset, dtype=torch.float64).repeat(len(values), 1)
    for place, channel in enumerate(joint.channels):
        if channel[1] == "p":
            step[:, "xyz".index(channel[0])] = values[:, place]
    return step


CENTIMETRE = 0.01
BANDAI_LAYOUT = "dataset-1_WHAT_STYLE_NUMBER.bvh and dataset-2_..., in any folders (unpack each data.zip)"
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
BANDAI_RIG = Rig(
    drivers={"pelvis": "Hips", "spine1": "Spine", "spine3": "Chest", "neck": "Neck", "head": "Head"}
    | left_and_right(
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


def _bandai_files(raw: Path) -> Iterable[Path]:
    return find_files(raw, "*.bvh", BANDAI_LAYOUT, lambda path: path.name.startswith("dataset-"))


def _read_bandai(path: Path) -> Iterator[Recording]:
    capture = read_bvh(path, CENTIMETRE)
    rotmat, pelvis = to_smpl(capture, BANDAI_RIG)
    yield mocap_recording(path.stem, rotmat, pelvis, capture.fps, subject=path.stem.split("_")[0])


def _bandai_jobs(raw: Path) -> Iterator[RawJob]:
    for path in _bandai_files(raw):
        yield RawJob(path.stem, partial(_read_bandai, path))


BANDAI = RawSet(
    title="Bandai-Namco-Research-Motiondataset",
    licence=(
        "Bandai-Namco-Research-Motiondataset, (c) Bandai Namco Research Inc.: CC BY-NC 4.0, so neither it nor weights "
        "trained on it may be used commercially; copies from its first months came under CC BY-NC-ND 4.0, so read the "
        "LICENSE beside yours."
    ),
    layout=BANDAI_LAYOUT,
    jobs=_bandai_jobs,
    sources=_bandai_files,
    recipe=MOCAP_RECIPE | {"foot_deg": FOOT_DEG, "toe_deg": TOE_DEG, "splits": "none by its owner: all for training"},
)


STYLE100_CUTS = "Frame_Cuts.csv"
STYLE100_LAYOUT = f"{STYLE100_CUTS} and STYLE/STYLE_GAIT.bvh, as in Angry/Angry_FW.bvh (unpack 100STYLE.zip)"
STYLE100_RIG = Rig(
    drivers={"pelvis": "Hips", "spine1": "Chest", "spine2": "Chest2", "spine3": "Chest4"}
    | {"neck": "Neck", "head": "Head"}
    | left_and_right(
        {
            "{side}_hip": "{Side}Hip",
            "{side}_knee": "{Side}Knee",
            "{side}_ankle": "{Side}Ankle",
            "{side}_foot": "{Side}Toe",
            "{side}_collar": "{Side}Collar",
            "{side}_shoulder": "{Side}Shoulder",
            "{side}_elbow": "{Side}Elbow",
            "{side}_wrist": "{Side}Wrist",
        }
    )
)
"""The zero pose is a T-pose. Its spine has a joint more than SMPL's: Chest3 turns with Chest4."""


def style100_cuts(raw: Path) -> dict[str, tuple[int, int]]:
    """First frame and the one after the last to keep of each clip, by the clip's name; the rest is T-poses and walking
    on and off. Raises FileNotFoundError, or ValueError for a table of another kind."""
    path = raw / STYLE100_CUTS
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there: {raw} should hold {STYLE100_LAYOUT}")
    found = {}
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            rows = csv.DictReader(file)
            names, table = rows.fieldnames or (), list(rows)
    except csv.Error as error:
        raise ValueError(f"{path} is no table ({error}): copy it again") from error
    if "STYLE_NAME" not in names:
        raise ValueError(f"{path} has no column STYLE_NAME but {', '.join(names)[:80]}: copy it again")
    for row in table:
        for column in names:
            gait, _, end = column.partition("_")
            start, stop = (str(row.get(name)).strip() for name in (column, f"{gait}_STOP"))
            if end == "START" and start.isdecimal() and stop.isdecimal() and len(start + stop) < 20:
                found[f"{str(row['STYLE_NAME']).strip()}_{gait}"] = int(start), int(stop)
    return found


def _cut(capture: Capture, cut: tuple[int, int] | None) -> Capture:
    if cut is None or not cut[0] < cut[1] <= len(capture.turns) + 1:
        seen = "no frames" if cut is None else f"frames {cut[0]} to {cut[1]}"
        raise ValueError(
            f"{capture.path} has {len(capture.turns)} frames, and {STYLE100_CUTS} keeps {seen}: one of them is wrong"
        )
    return slice_capture(capture, slice(*cut))


def _style100_files(raw: Path) -> list[Path]:
    return find_files(raw, "*.bvh", STYLE100_LAYOUT)


def _read_style100(path: Path, cut: tuple[int, int] | None) -> Iterator[Recording]:
    capture = _cut(read_bvh(path, CENTIMETRE), cut)
    rotmat, pelvis = to_smpl(capture, STYLE100_RIG)
    yield mocap_recording(path.stem, rotmat, pelvis, capture.fps, subject="100style")


def _style100_jobs(raw: Path) -> Iterator[RawJob]:
    files, keep = _style100_files(raw), style100_cuts(raw)
    for path in files:
        yield RawJob(path.stem, partial(_read_style100, path, keep.get(path.stem)))


def _style100_sources(raw: Path) -> Iterable[Path]:
    return [raw / STYLE100_CUTS, *_style100_files(raw)]


STYLE100 = RawSet(
    title="100STYLE",
    licence=(
        "100STYLE, by Ian Mason, Sebastian Starke and Taku Komura (2022): CC BY 4.0, free for any use that names them."
    ),
    layout=STYLE100_LAYOUT,
    jobs=_style100_jobs,
    sources=_style100_sources,
    recipe=MOCAP_RECIPE | {"cuts": STYLE100_CUTS, "splits": "none by its owner: all for training"},
)
