"""Writes motion capture of invented people in the formats of real files; for tests only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import roma
import torch
from torch import Tensor


@dataclass(frozen=True)
class Person:
    """A skeleton: names, parents (before children, -1 first), and steps from the parent in the zero pose, metres."""

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: Tensor


def person(rows: Sequence[tuple[str, str, tuple[float, float, float]]]) -> Person:
    """From rows of name, parent's name (empty for the root) and offset, in the order of the file."""
    names = tuple(name for name, _, _ in rows)
    parents = tuple(names.index(parent) if parent else -1 for _, parent, _ in rows)
    return Person(names, parents, torch.tensor([offset for *_, offset in rows], dtype=torch.float64))


def motion(joints: int, frames: int, fps: float, size: float = 0.35, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Smooth local rotations and a path of the root, metres, about a metre above the floor."""
    dice = torch.Generator().manual_seed(seed)
    times = torch.arange(frames, dtype=torch.float64) / fps
    phase, speed = (torch.rand(joints, 3, generator=dice, dtype=torch.float64) for _ in range(2))
    rotvec = size * torch.sin(6.28 * (times[:, None, None] * (0.2 + speed) + phase))
    path = torch.stack([0.4 * times, 0.95 + 0.03 * torch.sin(5 * times), 0.1 * times.sin()], 1)
    return roma.rotvec_to_rotmat(rotvec), path


def turns(parents: Sequence[int], local: Tensor) -> Tensor:
    """Rotations in the world, from those against the parent: joint after joint, as plainly as can be."""
    world: list[Tensor] = []
    for joint, parent in enumerate(parents):
        world.append(local[:, joint] if parent < 0 else world[parent] @ local[:, joint])
    return torch.stack(world, 1)


def places(who: Person, world: Tensor, root: Tensor) -> Tensor:
    """Where the joints are."""
    out: list[Tensor] = []
    for joint, parent in enumerate(who.parents):
        out.append(root if parent < 0 else out[parent] + world[:, parent] @ who.offsets[joint])
    return torch.stack(out, 1)


def write_bvh(
    path: Path, who: Person, local: Tensor, root: Tensor, fps: float, unit: float, order: str = "ZYX",
    everywhere: bool = False, first: str = "",
) -> Path:  # fmt: skip
    """A BVH file; `everywhere` gives each joint six channels, `first` is a row of numbers before the others."""
    angles = roma.rotmat_to_euler(order, local, degrees=True)
    offsets, root = who.offsets / unit, root / unit
    lines = ["HIERARCHY"]

    written: list[int] = []

    def joint(index: int, depth: int) -> None:
        written.append(index)
        tab, children = "\t" * depth, [at for at, parent in enumerate(who.parents) if parent == index]
        wide = everywhere or index == 0
        channels = ["Xposition", "Yposition", "Zposition"] * wide + [f"{axis}rotation" for axis in order]
        lines.extend([f"{tab}{'JOINT' if index else 'ROOT'} {who.names[index]}", tab + "{"])
        lines.append(f"{tab}\tOFFSET " + " ".join(f"{value:.6f}" for value in offsets[index].tolist()))
        lines.append(f"{tab}\tCHANNELS {len(channels)} {' '.join(channels)}")
        for child in children:
            joint(child, depth + 1)
        if not children:
            lines.extend([tab + "\tEnd Site", tab + "\t{", tab + "\t\tOFFSET 0.0 1.0 0.0", tab + "\t}"])
        lines.append(tab + "}")

    joint(0, 0)
    rows = [first] if first else []
    for frame in range(len(local)):
        numbers = []
        for index in written:
            if everywhere or index == 0:
                numbers += (root[frame] if index == 0 else offsets[index]).tolist()
            numbers += angles[frame, index].tolist()
        rows.append(" ".join(f"{number:.8f}" for number in numbers))
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join([*lines, "MOTION", f"Frames:\t{len(rows)}", f"Frame Time:\t{1 / fps:.6f}", *rows])
    path.write_text(text + "\n", encoding="utf-8")
    return path


ASF_HEAD = """# AST/ASF file of an invented person
:version 1.10
:name VICON
:units
  mass 1.0
  length {length}
  angle {angle}
:documentation
   nothing of it was measured
:root
   order TX TY TZ RX RY RZ
   axis XYZ
   position 0 0 0
   orientation 0 0 0
:bonedata
"""


def write_asf(path: Path, who: Person, dof: dict[str, str], axes: Tensor, length: float = 0.45,
              angle: str = "deg") -> Path:  # fmt: skip
    """An ASF file of a skeleton whose bones reach to where the first of their children is.

    `axes` are angles in degrees, applied about x, then y, then z; `dof` what an AMC file moves of each bone.
    """
    unit = 0.0254 / length
    text = ASF_HEAD.format(length=length, angle=angle)
    for index, name in enumerate(who.names[1:], 1):
        children = [at for at, parent in enumerate(who.parents) if parent == index]
        reach = who.offsets[children[0]] if children else torch.tensor([0.0, 0.05, 0.0], dtype=torch.float64)
        size = float(reach.norm())
        direction = (reach / size if size > 0 else reach).tolist()
        text += (
            f"  begin\n     id {index}\n     name {name}\n     direction {' '.join(f'{v:.12f}' for v in direction)}\n"
        )
        text += f"     length {size / unit:.9f}\n     axis {' '.join(f'{v:.9f}' for v in axes[index].tolist())}   XYZ\n"
        if dof.get(name):
            text += f"    dof {dof[name]}\n    limits (-180.0 180.0)\n"
            text += "           (-90.0 90.0)\n" * (len(dof[name].split()) - 1)
        text += "  end\n"
    text += ":hierarchy\n  begin\n"
    for index, name in enumerate(who.names):
        below = [who.names[at] for at, parent in enumerate(who.parents) if parent == index]
        text += f"    {name} {' '.join(below)}\n" if below else ""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "  end\n", encoding="utf-8")
    return path


def write_amc(path: Path, who: Person, dof: dict[str, str], axes: Tensor, local: Tensor, root: Tensor,
              length: float = 0.45) -> Path:  # fmt: skip
    """An AMC file; `local` turns may be about no other axes than the bones' own that `dof` names."""
    own = roma.euler_to_rotmat("xyz", axes, degrees=True)
    angles = roma.rotmat_to_euler("xyz", own.mT @ local @ own, degrees=True)
    text = "#!OML:ASF invented.ASF\n:FULLY-SPECIFIED\n:DEGREES\n"
    for frame in range(len(local)):
        text += f"{frame + 1}\n"
        for index, name in enumerate(who.names):
            moved = [angles[frame, index, "xyz".index(axis[1])] for axis in dof.get(name, "").split()]
            if index == 0:
                moved = [*(root[frame] / (0.0254 / length)), *angles[frame, 0]]
            text += f"{name} {' '.join(f'{float(value):.9f}' for value in moved)}\n" if moved else ""
    path.write_text(text, encoding="utf-8")
    return path
