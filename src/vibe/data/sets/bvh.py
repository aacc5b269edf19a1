"""BVH, Biovision's text files of a skeleton and its motion, and the data sets in that format."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from vibe.data.recording import File, RawSet, Recording
from vibe.data.sets import mocap
from vibe.data.sets.annotations import find_files, require
from vibe.data.sets.mocap import MOCAP_RECIPE, Bone, Capture, Rig
from vibe.errors import damaged

MOTION = re.compile(r"(?<!\S)MOTION(?=\s+Frames|\s*\Z)", re.IGNORECASE)
"""The word and what follows it, since joints may be called so."""
HEAD = re.compile(r"\s*Frames\s*:\s*(\d{1,9})(?:\.0*)?\s+Frame\s+Time\s*:\s*(\S+)", re.IGNORECASE)
NO_NAME = re.compile(r"^$|[{}]|\b(ROOT|JOINT|OFFSET)\s|\s(ROOT|JOINT|OFFSET)\b", re.IGNORECASE)
MOST_CHANNELS = 6
CHANNELS = {f"{axis}{kind}": kind[0].replace("p", "t") + axis for axis in "xyz" for kind in ("position", "rotation")}
WHOLE_RATES = (24, 25, 30, 48, 50, 60, 72, 75, 90, 96, 100, 120, 144, 150, 180, 200, 240, 250, 300, 360, 480, 500, 1000)
RATES = (*WHOLE_RATES, *(rate * 1000 / 1001 for rate in (24, 30, 48, 60, 120, 240)))
"""Frames a second that cameras and motion capture have; the last are those of American television."""


def read_bvh(path: Path, unit: float) -> Capture:
    """The motion in a file whose lengths are counted in `unit` metres.

    Rotations are multiplied in the order of their channels, each about the axes that the one before left. Where a
    joint has channels of position they take the place of its OFFSET. One frame more than is announced is left out.
    Raises OSError, or ValueError with the file and what is wrong in it: cut off, not finite, no hierarchy.
    """
    text = mocap.read_text(path).replace(",", ".")  # as numbers are written in half of Europe
    start = MOTION.search(text)
    if not start:
        raise ValueError(f"{path} has no MOTION: it is cut off or no BVH file, copy it again")
    with damaged(f"{path}: its hierarchy can't be read"):
        bones = _bones(text[: start.start()], unit)
    numbers, fps = _numbers(path, text[start.end() :], sum(len(bone.channels) for bone in bones))
    return mocap.pose_bones(path, mocap.Skeleton(bones, unit), numbers, fps)


def _bones(text: str, unit: float) -> list[Bone]:
    """The joints in the order of their channels; raises ValueError or IndexError for what is no hierarchy."""
    words = text.split()
    bones: list[Bone] = []
    above: list[int | None] = []  # the joint of each brace that is open; None inside an End Site
    at = 0
    while at < len(words):
        word, inside = words[at].upper(), above[-1] if above else -1
        at += 1
        if word in ("ROOT", "JOINT"):
            stop = words.index("{", at)
            name, at = " ".join(words[at:stop]), stop + 1
            if inside is None or (inside < 0) != (len(bones) == 0) or len(bones) == mocap.MOST_JOINTS:
                raise ValueError(f"joint {name[:40]!a} has no place in one tree")
            if NO_NAME.search(name):
                raise ValueError(f"a joint of the name {name[:40]!a}")
            above.append(len(bones))
            bones.append(Bone(name, inside, torch.zeros(3, dtype=torch.float64), ()))
        elif word == "END":
            at = words.index("{", at) + 1
            above.append(None)
        elif word == "OFFSET" and above:
            offset = [float(word) for word in words[at : at + 3]]
            if len(offset) != 3 or not all(map(math.isfinite, offset)):
                raise ValueError(f"an OFFSET of {' '.join(words[at : at + 3])[:40]!a}")
            if inside is not None:
                bones[inside] = replace(bones[inside], offset=torch.tensor(offset, dtype=torch.float64) * unit)
            at += 3
        elif word == "CHANNELS":
            count = int(words[at])
            if inside is None or inside < 0 or not 0 <= count <= MOST_CHANNELS:
                raise ValueError(f"{count} channels where there can't be so many")
            names = [name.lower() for name in words[at + 1 : at + 1 + count]]
            if unknown := [name for name in names if name not in CHANNELS]:
                raise ValueError(f"unknown channel {unknown[0][:20]!a}")
            bones[inside] = replace(bones[inside], channels=tuple(CHANNELS[name] for name in names))
            at += 1 + count
        elif word == "}":
            above.pop()
        elif word != "HIERARCHY":
            raise ValueError(f"unknown word {word[:20]!a}")
    if above or not bones or len({bone.name for bone in bones}) < len(bones):
        raise ValueError(f"{len(bones)} joints, {len(above)} of them left open, or one name twice")
    return bones


def _numbers(path: Path, motion: str, channels: int) -> tuple[Float[ndarray, "time channel"], float]:
    """One row a frame, and frames a second."""
    head = HEAD.match(motion[:1000])
    if not head:
        raise ValueError(f"{path}: after MOTION there is no number of frames and frame time: copy the file again")
    with damaged(f"{path}: something among its numbers is none"):
        frames, seconds = int(head[1]), float(head[2])
        values = np.array(motion[head.end() :].split(), np.float64)
    if not 0 < frames <= mocap.MOST_FRAMES or not 1e-4 < seconds < 10:
        raise ValueError(f"{path} announces {frames} frames of {seconds} s each: it is damaged, copy it again")
    if len(values) not in (frames * channels, (frames + 1) * channels):
        raise ValueError(
            f"{path} announces {frames} frames of {channels} numbers, {frames * channels} in all, and holds "
            f"{len(values)}: it is cut off or damaged, copy it again"
        )
    fps = rounded_rate(1 / seconds, 10.0 ** int(Decimal(head[2]).normalize().as_tuple().exponent))
    return values[: frames * channels].reshape(frames, channels), fps


def rounded_rate(fps: float, last_digit_s: float = 1e-5) -> float:
    """The frames a second that a frame time with this last digit means: a whole number, or the likeliest of RATES."""
    if abs(fps - round(fps)) < 5e-5 * fps:
        return float(round(fps))
    digit = min(last_digit_s, 1e-3)
    away = {rate: abs(1 / fps - 1 / rate) / digit for rate in RATES}
    # Rounded, the written time is half a digit away at most; cut off, a whole one.
    near = min(RATES, key=lambda rate: (away[rate] > 0.501, away[rate] <= 0.501 and rate % 1 > 0, away[rate]))
    return float(near) if away[near] <= 1 else fps


CENTIMETRE = 0.01
BANDAI_LAYOUT = "dataset-1_WHAT_STYLE_NUMBER.bvh and dataset-2_..., in any folders (unpack each data.zip)"
FOOT_DEG, TOE_DEG = 40.8, 24.2
"""How far below the horizontal the joints from ankle to toes, and from there on, lie in a foot that is flat on the
floor: the median over the frames of standing feet."""


def _foot(deg: float, mirror: int) -> mocap.Axes:
    """A bone that lies along +x (of the right side along -x), pointing forwards and down."""
    down, forward = mirror * math.sin(math.radians(deg)), mirror * math.cos(math.radians(deg))
    return ((0, 1, 0), (-down, 0, forward), (forward, 0, down))


TRUNK: mocap.Axes = ((0, 0, 1), (1, 0, 0), (0, 1, 0))
RIGHT_ARM: mocap.Axes = ((1, 0, 0), (0, -1, 0), (0, 0, -1))
LEFT_LEG: mocap.Axes = ((0, 1, 0), (-1, 0, 0), (0, 0, 1))
RIGHT_LEG: mocap.Axes = ((0, 1, 0), (1, 0, 0), (0, 0, -1))
BANDAI_RIG = Rig(
    mocap.drivers(
        "Hips Spine - Chest Neck Head",
        "UpperLeg_{S} LowerLeg_{S} Foot_{S} Toes_{S} Shoulder_{S} UpperArm_{S} LowerArm_{S} Hand_{S}",
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


def _read_bandai(_: Path, name: str, path: Path) -> Iterator[Recording]:
    capture = read_bvh(path, CENTIMETRE)
    yield mocap.mocap_recording(name, mocap.to_smpl(capture, BANDAI_RIG), capture.fps, name.split("_")[0])


BANDAI = RawSet(
    title="Bandai-Namco-Research-Motiondataset",
    licence=(
        "Bandai-Namco-Research-Motiondataset, (c) Bandai Namco Research Inc.: CC BY-NC 4.0, so neither it nor weights "
        "trained on it may be used commercially; copies from its first months came under CC BY-NC-ND 4.0, so read the "
        "LICENSE beside yours."
    ),
    layout=BANDAI_LAYOUT,
    files=lambda raw: [(path.stem, path) for path in find_files(raw, "**/dataset-*.bvh")],
    read=_read_bandai,
    recipe=MOCAP_RECIPE | {"foot_deg": FOOT_DEG, "toe_deg": TOE_DEG, "splits": "none by its owner: all for training"},
)


STYLE100_CUTS = "Frame_Cuts.csv"
STYLE100_LAYOUT = f"{STYLE100_CUTS} and STYLE/STYLE_GAIT.bvh, as in Angry/Angry_FW.bvh (unpack 100STYLE.zip)"
STYLE100_RIG = Rig(
    mocap.drivers(
        "Hips Chest Chest2 Chest4 Neck Head",
        "{Side}Hip {Side}Knee {Side}Ankle {Side}Toe {Side}Collar {Side}Shoulder {Side}Elbow {Side}Wrist",
    )
)
"""The zero pose is a T-pose. Its spine has a joint more than SMPL's: Chest3 turns with Chest4."""


def style100_cuts(raw: Path) -> dict[str, tuple[int, int]]:
    """First frame and the one after the last to keep of each clip, by the clip's name; the rest is T-poses and walking
    on and off. Raises FileNotFoundError, or ValueError for a table of another kind."""
    require(raw, STYLE100_LAYOUT, STYLE100_CUTS)
    path, found = raw / STYLE100_CUTS, {}
    with (
        damaged(f"{path} is no table", "copy it again", csv.Error),
        path.open(encoding="utf-8-sig", errors="replace", newline="") as file,
    ):
        rows = csv.DictReader(file)
        names, table = rows.fieldnames or (), list(rows)
    if "STYLE_NAME" not in names:
        raise ValueError(f"{path} has no column STYLE_NAME but {', '.join(names)[:80]}: copy it again")
    for row in table:
        for column in names:
            gait, _, end = column.partition("_")
            start, stop = (str(row.get(name)).strip() for name in (column, f"{gait}_STOP"))
            if end == "START" and start.isdecimal() and stop.isdecimal() and len(start + stop) < 20:
                found[f"{str(row['STYLE_NAME']).strip()}_{gait}"] = int(start), int(stop)
    return found


def _style100_files(raw: Path) -> list[File]:
    style100_cuts(raw)
    return [(path.stem, path) for path in find_files(raw, "**/*.bvh")]


def _read_style100(raw: Path, name: str, path: Path) -> Iterator[Recording]:
    capture, cut = read_bvh(path, CENTIMETRE), style100_cuts(raw).get(name)
    if cut is None or not cut[0] < cut[1] <= len(capture.turns) + 1:
        seen = "no frames" if cut is None else f"frames {cut[0]} to {cut[1]}"
        raise ValueError(
            f"{path} has {len(capture.turns)} frames, and {STYLE100_CUTS} keeps {seen}: one of them is wrong"
        )
    smpl = mocap.to_smpl(capture.cut(slice(*cut)), STYLE100_RIG)
    yield mocap.mocap_recording(name, smpl, capture.fps, "100style")


STYLE100 = RawSet(
    title="100STYLE",
    licence=(
        "100STYLE, by Ian Mason, Sebastian Starke and Taku Komura (2022): CC BY 4.0, free for any use that names them."
    ),
    layout=STYLE100_LAYOUT,
    files=_style100_files,
    read=_read_style100,
    beside=(STYLE100_CUTS,),
    recipe=MOCAP_RECIPE | {"cuts": STYLE100_CUTS, "splits": "none by its owner: all for training"},
)
