"""The formats by name, for the command line too: loads nothing that writes one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Up = Literal["y", "z"]
"""The axis that points up."""
Facing = Literal["x", "y", "z", "-x", "-y", "-z"]
"""The axis along which the first person looks at their first frame."""
Root = Literal["origin", "in-place", "camera"]
"""Where people stand."""
Unit = Literal["cm", "m"]
"""Of lengths in bvh."""


@dataclass(frozen=True)
class Format:
    """A format that motions are exported in."""

    file: str
    """Name of the file, or of the folder where several are written, unless the user gives another."""
    each: Literal["clip", "person", "frame"] = "person"
    """What there is a file for."""
    up: Up = "y"
    """The axis that points up unless the user says otherwise."""


FORMATS = {
    "bvh": Format("motion.bvh"),
    "glb": Format("motion.glb", each="clip"),
    "usd": Format("motion.usdc", each="clip"),
    "fbx": Format("motion.fbx"),
    "amass": Format("motion_amass.npz", up="z"),
    "csv": Format("joints.csv", each="clip"),
    "trc": Format("joints.trc"),
    "obj": Format("obj", each="frame"),
    "ply": Format("ply", each="frame"),
    "smplx-json": Format("smplx.json"),
    "legacy": Format("vibe_output.pkl", each="clip"),
}
