"""Reads ASF and AMC, Acclaim's text files: a skeleton, and its motion in another file."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import roma
import torch
from jaxtyping import Float
from torch import Tensor

from vibe.data.sets.mocap import MOST_FRAMES, MOST_JOINTS, Capture, chain, read_text

INCH = 0.0254
ANGLES = {"rx", "ry", "rz"}
PLACES = {"tx", "ty", "tz"}


@dataclass(frozen=True)
class Bone:
    """A rigid piece; it turns about its near end, which is the far end of the bone before it."""

    name: str
    parent: int
    """Index of the bone before it; the root is 0, -1 its parent."""
    reach: Float[Tensor, "3"]
    """From near to far end in the zero pose, metres; none for the root."""
    R_world_own: Float[Tensor, "3 3"]
    """The axes that its angles are about."""
    dof: tuple[str, ...]
    """What an AMC file gives of it, in order: rx, ry, rz; for the root also tx, ty, tz."""


@dataclass(frozen=True)
class Skeleton:
    """An ASF file."""

    bones: tuple[Bone, ...]
    """The root first, parents before children."""
    unit: float
    """Metres for each unit of length."""
    degrees: bool


def read_asf(path: Path) -> Skeleton:
    """The skeleton in a file; lengths are in units of 1/`length` inch, as CMU's are.

    Raises OSError, or ValueError with the file and what is wrong in it.
    """
    sections = _sections(read_text(path))
    try:
        units = {line[0]: line[1] for line in sections["units"]}
        unit, degrees = INCH / float(units["length"]), units.get("angle", "deg") == "deg"
        bones = _ordered(_root(sections["root"], degrees), _bones(sections["bonedata"], unit, degrees), sections)
    except (KeyError, IndexError, ValueError, ZeroDivisionError) as error:
        raise ValueError(f"{path} is no ASF file that can be read ({str(error)[:80]}): copy it again") from error
    return Skeleton(bones, unit, degrees)


def read_amc(path: Path, skeleton: Skeleton, fps: float) -> Capture:
    """The motion in a file; it does not say its frame rate. Raises OSError, or ValueError with file and frame."""
    rows = list(_frames(path, skeleton))
    if not rows:
        raise ValueError(f"{path} holds no frame: it is cut off or no AMC file, copy it again")
    values = torch.tensor(rows, dtype=torch.float64)
    if not bool(values.isfinite().all()):
        frame = int((~values.isfinite()).any(1).nonzero()[0])
        raise ValueError(f"{path}: frame {frame} holds NaN or infinity: leave the file out, or copy it again")
    local, steps, column = [], [], 0
    for index, bone in enumerate(skeleton.bones):
        given = values[:, column : column + len(bone.dof)]
        column += len(bone.dof)
        own = _rotation(bone.dof, given, skeleton.degrees)
        local.append(bone.R_world_own @ own @ bone.R_world_own.mT)
        step = skeleton.bones[bone.parent].reach if index else torch.zeros(3, dtype=torch.float64)
        steps.append(step.expand(len(values), 3) + _place(bone.dof, given) * skeleton.unit)
    parents = tuple(bone.parent for bone in skeleton.bones)
    turns, places = chain(parents, torch.stack(local, 1), torch.stack(steps, 1))
    offsets = torch.stack([skeleton.bones[max(bone.parent, 0)].reach for bone in skeleton.bones])
    return Capture(tuple(bone.name for bone in skeleton.bones), parents, offsets, turns, places, fps, path)


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
    return Bone("root", -1, torch.zeros(3, dtype=torch.float64), axes, order)


def _bones(lines: list[list[str]], unit: float, degrees: bool) -> dict[str, Bone]:
    """The bones by name, their parents still unknown."""
    bones: dict[str, Bone] = {}
    known: dict[str, list[str]] = {}
    for line in lines:
        word = line[0].lower()
        if word == "begin":
            known = {}
        elif word == "end":
            name, axis = known["name"][0], known["axis"]
            dof = tuple(word.lower() for word in known.get("dof", []))
            if not set(dof) <= ANGLES or len(set(dof)) < len(dof) or name in bones or len(bones) == MOST_JOINTS:
                raise ValueError(f"bone {name[:20]!a} stands twice or moves by {' '.join(dof)[:40]!a}")
            reach = torch.tensor(_numbers(known["direction"], 3), dtype=torch.float64)
            length = _numbers(known["length"], 1)[0] * unit
            bones[name] = Bone(name, -1, reach * length, _axes(_numbers(axis, 3), axis[3], degrees), dof)
        else:
            known[word] = line[1:]
    return bones


def _ordered(root: Bone, bones: dict[str, Bone], sections: dict[str, list[list[str]]]) -> tuple[Bone, ...]:
    """All bones with their parents, which come first."""
    below: dict[str, list[str]] = {}
    for line in sections["hierarchy"]:
        if line[0] not in ("begin", "end"):
            below.setdefault(line[0], []).extend(line[1:])
    placed = [root]
    for index, bone in enumerate(placed):
        for name in below.get(bone.name, []):
            child = bones.pop(name)
            placed.append(Bone(child.name, index, child.reach, child.R_world_own, child.dof))
    if bones:
        raise ValueError(f"bones that hang on nothing: {', '.join(bones)[:80]}")
    return tuple(placed)


def _frames(path: Path, skeleton: Skeleton) -> Iterator[list[float]]:
    """The numbers of each frame in the skeleton's order."""
    wanted = {bone.name: len(bone.dof) for bone in skeleton.bones if bone.dof}
    frame: dict[str, list[float]] = {}
    done, begun = 0, False
    for line in read_text(path).splitlines():
        words = line.split()
        if not words or words[0][0] in "#:":
            if words and words[0].upper() == (":RADIANS" if skeleton.degrees else ":DEGREES"):
                raise ValueError(f"{path} counts angles in another unit than its skeleton: give the ASF made with it")
            continue
        if len(words) == 1 and words[0].isdecimal():
            if begun:
                yield _whole(path, done, frame, wanted)
                done += 1
            frame, begun = {}, True
            if done > MOST_FRAMES:
                raise ValueError(f"{path} holds more than {MOST_FRAMES} frames: it is no capture of a clip")
            continue
        if words[0] not in wanted or not begun:
            raise ValueError(
                f"{path}: frame {done} moves {words[0][:20]!a}, which its skeleton does not: wrong ASF file?"
            )
        try:
            frame[words[0]] = [float(word) for word in words[1:]]
        except ValueError as error:
            raise ValueError(f"{path}: in frame {done} {str(error)[:80]}: copy the file again") from error
    if begun:
        yield _whole(path, done, frame, wanted)


def _whole(path: Path, done: int, frame: dict[str, list[float]], wanted: dict[str, int]) -> list[float]:
    for name, count in wanted.items():
        if len(frame.get(name, ())) != count:
            raise ValueError(
                f"{path}: frame {done} has {len(frame.get(name, ()))} numbers for {name} instead of {count}: it is "
                "cut off, or of another ASF file"
            )
    return [value for name in wanted for value in frame[name]]


def _rotation(dof: tuple[str, ...], given: Float[Tensor, "time dof"], degrees: bool) -> Float[Tensor, "time 3 3"]:
    """The first angle is applied first, as the axis order XYZ means it."""
    columns = [place for place, name in enumerate(dof) if name in ANGLES]
    if not columns:
        return torch.eye(3, dtype=torch.float64).expand(len(given), 3, 3)
    order = "".join(dof[place][1] for place in columns)
    return roma.euler_to_rotmat(order, given[:, columns], degrees=degrees)


def _place(dof: tuple[str, ...], given: Float[Tensor, "time dof"]) -> Float[Tensor, "time 3"]:
    place = torch.zeros(len(given), 3, dtype=torch.float64)
    for column, name in enumerate(dof):
        if name in PLACES:
            place[:, "xyz".index(name[1])] = given[:, column]
    return place
