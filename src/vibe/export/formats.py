"""The formats by name; what writes one is brought in when it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from vibe.body import Body
    from vibe.motion.scene import Character, Scene


Up = Literal["y", "z"]
"""The axis that points up."""
Facing = Literal["x", "y", "z", "-x", "-y", "-z"]
"""The axis along which the first person looks at their first frame."""
Root = Literal["origin", "in-place", "camera"]
"""Where people stand."""
Unit = Literal["cm", "m"]
"""Of lengths in bvh."""


@dataclass(frozen=True)
class ExportOptions:
    """What single formats can be told beside what holds for the whole scene."""

    unit: Unit = "cm"
    """Of lengths in bvh."""
    blender: Path | None = None
    """The program that makes fbx; None: found."""


@dataclass(frozen=True)
class Format:
    """A format that motions are exported in: one file, a file for each person, or a file for each of their frames."""

    file: str
    """Name of the file, or of the folder where several are written, unless the user gives another."""
    one: Callable[[Path, Scene, Body], None] | None = None
    each: Callable[[Path, Scene, Character, Body, ExportOptions], None] | None = None
    frames: str | None = None
    """Ending of the files of a sequence."""
    up: Up = "y"
    """The axis that points up unless the user says otherwise."""


def _amass(path: Path, scene: Scene, character: Character, body: Body, _: ExportOptions) -> None:
    from vibe.export.amass import write_amass

    write_amass(path, scene, character, body)


def _bvh(path: Path, scene: Scene, character: Character, body: Body, options: ExportOptions) -> None:
    from vibe.export.bvh import write_bvh

    write_bvh(path, scene, character, body, options.unit)


def _glb(path: Path, scene: Scene, body: Body) -> None:
    from vibe.export.gltf import write_glb

    write_glb(path, scene, body)


def _usd(path: Path, scene: Scene, body: Body) -> None:
    from vibe.export.usd import write_usd

    write_usd(path, scene, body)


def _fbx(path: Path, scene: Scene, character: Character, body: Body, options: ExportOptions) -> None:
    from vibe.export.fbx import write_fbx

    write_fbx(path, scene, character, body, options.blender)


def _csv(path: Path, scene: Scene, _: Body) -> None:
    from vibe.export.tables import write_csv

    write_csv(path, scene)


def _trc(path: Path, scene: Scene, character: Character, _: Body, __: ExportOptions) -> None:
    from vibe.export.tables import write_trc

    write_trc(path, scene, character)


def _smplx_json(path: Path, scene: Scene, character: Character, body: Body, _: ExportOptions) -> None:
    from vibe.export.amass import write_smplx_json

    write_smplx_json(path, scene, character, body)


FORMATS = {
    "bvh": Format("motion.bvh", each=_bvh),
    "glb": Format("motion.glb", one=_glb),
    "usd": Format("motion.usdc", one=_usd),
    "fbx": Format("motion.fbx", each=_fbx),
    "amass": Format("motion_amass.npz", each=_amass, up="z"),
    "csv": Format("joints.csv", one=_csv),
    "trc": Format("joints.trc", each=_trc),
    "obj": Format("obj", frames="obj"),
    "ply": Format("ply", frames="ply"),
    "smplx-json": Format("smplx.json", each=_smplx_json),
    "legacy": Format("vibe_output.pkl"),
}
