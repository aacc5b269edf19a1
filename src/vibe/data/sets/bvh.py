"""Reads BVH, Biovision's text files of a skeleton and its motion."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import roma
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from vibe.data.sets.mocap import MOST_FRAMES, MOST_JOINTS, Capture, chain, read_text

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
    turns, places = chain(parents, torch.stack(local, 1), torch.stack(steps, 1))
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
