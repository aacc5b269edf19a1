"""The formats by name, and what can be asked of an export, in Python and at the command line: loads no writer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, cast, get_args

from tyro.conf import FlagCreatePairsOff, arg

from vibe.errors import Misuse

Up = Literal["y", "z"]
"""The axis that points up."""
Facing = Literal["x", "y", "z", "-x", "-y", "-z"]
"""The axis along which the first person looks at their first frame."""
Root = Literal["origin", "in-place", "camera"]
"""Where people stand."""
Space = Literal["world", "camera"]
"""Whose space people are in."""
Unit = Literal["cm", "m"]
"""Of lengths in bvh."""
RigName = Literal["smpl", "mixamo", "ue5", "vrm", "rigify"]
"""Whose bones."""
RIGGED = ("bvh", "glb", "fbx")
"""The formats that a rig can be chosen for."""
UP = arg(constructor=cast(Any, Up), metavar="{y,z}", help_behavior_hint="(default: y; z with amass)")
FACING = arg(constructor=cast(Any, Facing), metavar="{x,y,z,-x,-y,-z}", help_behavior_hint="(default: as in the video)")
ONTO = arg(metavar="CHARACTER", help_behavior_hint="(default: a body of the person's shape)")
BONES = arg(metavar="MAP.json", help_behavior_hint="(default: by the bones' names)")
BLENDER = arg(metavar="PROGRAM", help_behavior_hint="(default: found)")
UNIT = arg(constructor=cast(Any, Unit), metavar="{cm,m}", help_behavior_hint="(default: cm)")
RIG = arg(constructor=cast(Any, RigName), metavar="{smpl,mixamo,ue5,vrm,rigify}", help_behavior_hint="(default: smpl)")
SPACE = arg(constructor=cast(Any, Space), metavar="{world,camera}", help_behavior_hint="(default: world if known)")
ROOT = arg(constructor=cast(Any, Root), metavar="{origin,in-place,camera}", help_behavior_hint="(default: origin)")


@dataclass(frozen=True)
class ExportOptions:
    """What can be asked of an export; raises Misuse for an axis, a place or a unit that there is not."""

    person: Annotated[int | None, arg(metavar="N", help_behavior_hint="(default: everybody)")] = None
    """Only this person, by the number in the table of `vibe estimate`."""
    space: Annotated[str | None, SPACE] = None
    """world: on the floor at height 0, in the world that the motion file knows, the camera moving in it. camera: as the
    camera sees them, as if it stood still."""
    up: Annotated[str | None, UP] = None
    """The axis that points up."""
    facing: Annotated[str | None, FACING] = None
    """The axis along which the first person looks at their first frame: all is turned about the vertical."""
    root: Annotated[str | None, ROOT] = None
    """origin: the world's; or the first person begins above the origin, the lowest foot is at height 0. in-place:
    everybody stays above it, in the camera's space the lowest of their own feet at height 0. camera: where the camera
    begins is the origin."""
    ground: Annotated[FlagCreatePairsOff[bool], arg(help_behavior_hint="")] = False
    """In the camera's space: take its tilt out, as estimated from people who stand, and put the lowest foot at height
    0. The world is level and has its floor there already."""
    fps: Annotated[float | None, arg(metavar="RATE", help_behavior_hint="(default: the video's)")] = None
    """Frames a second of what is written; frames between those of the video are interpolated."""
    cutoff: Annotated[float | None, arg(metavar="HZ", help_behavior_hint="(default: nothing is filtered)")] = None
    """Filter out what is faster, by a zero-lag Butterworth filter of fourth order: 6 is usual for walking."""
    start: Annotated[float | None, arg(metavar="SECONDS", help_behavior_hint="(default: the beginning)")] = None
    """Leave out what is before, in seconds of the video."""
    end: Annotated[float | None, arg(metavar="SECONDS", help_behavior_hint="(default: the end)")] = None
    """Leave out what is after."""
    unit: Annotated[str | None, UNIT] = None
    """With bvh: the unit of length."""
    rig: Annotated[str | None, RIG] = None
    """With bvh, glb and fbx: whose bones, by name, rest pose and axes."""
    onto: Annotated[Path | str | None, ONTO] = None
    """A character of yours that the motion is written onto, a copy of it with an animation: .glb or .vrm with glb, .fbx
    with fbx."""
    bones: Annotated[Path | str | None, BONES] = None
    """With a character: a JSON file that says which of its bones is which joint, where the names are not known."""
    blender: Annotated[Path | str | None, BLENDER] = None
    """With fbx: the Blender that makes it; looked for on the PATH and where installers put it."""

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            if (value := getattr(self, name)) not in (None, *get_args(choices)):
                raise Misuse(f"{name} is {value!r}: choose one of {', '.join(get_args(choices))}")


CHOICES = {"space": Space, "up": Up, "facing": Facing, "root": Root, "unit": Unit, "rig": RigName}
"""What the words of an option are."""


@dataclass(frozen=True)
class Format:
    """A format that motions are exported in."""

    file: str
    """Name of the file, or of the folder where several are written, unless the user gives another."""
    each: Literal["clip", "person", "frame"] = "person"
    """What there is a file for."""
    up: Up = "y"
    """The axis that points up unless the user says otherwise."""
    about: str = ""
    """What is in it, and for which programs, in a few words."""


FORMATS = {
    "bvh": Format("motion.bvh", about="a skeleton, for Blender, Maya, Unity, Unreal"),
    "glb": Format("motion.glb", each="clip", about="skinned bodies, for Blender, Unreal, Godot, browsers"),
    "usd": Format("motion.usdc", each="clip", about="skinned bodies, for Omniverse, Houdini, Maya"),
    "fbx": Format("motion.fbx", about="a skinned body, for Unity, Unreal, Maya; needs Blender"),
    "vrma": Format("motion.vrma", about="an animation for VRM avatars"),
    "amass": Format("motion_amass.npz", up="z", about="SMPL-H poses, for Blender's SMPL add-on"),
    "csv": Format("joints.csv", each="clip", about="joints and angles, for spreadsheets"),
    "gait": Format("gait.csv", each="clip", about="steps of who walks, for spreadsheets"),
    "c3d": Format("markers.c3d", up="z", about="markers, for biomechanics"),
    "trc": Format("joints.trc", about="markers, for OpenSim"),
    "mot": Format("motion.mot", about="joint angles, for OpenSim"),
    "obj": Format("obj", each="frame", about="the surface in every frame, as text"),
    "ply": Format("ply", each="frame", about="the surface in every frame"),
    "smplx-json": Format("smplx.json", about="arguments of the smplx package"),
    "legacy": Format("vibe_output.pkl", each="clip", about="as the published program wrote it"),
}
