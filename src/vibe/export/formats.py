"""The formats by name; what writes one is brought in when it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from vibe.body import Body
    from vibe.motion.scene import Character, Scene


@dataclass(frozen=True)
class Wishes:
    """What single forms can be told."""

    unit: Literal["cm", "m"] = "cm"
    """Of lengths in bvh."""
    blender: Path | None = None
    """The program that makes fbx; None: found."""


@dataclass(frozen=True)
class Form:
    """A form that motions are exported in: one file, a file for each person, or a file for each of their frames."""

    file: str
    """Name of the file, or of the folder where several are written, unless the user gives another."""
    one: Callable[[Path, Scene, Body], None] | None = None
    each: Callable[[Path, Scene, Character, Body, Wishes], None] | None = None
    frames: str | None = None
    """Ending of the files of a sequence."""
    up: Literal["y", "z"] = "y"
    """The axis that points up unless the user says otherwise."""


def _amass(path: Path, scene: Scene, character: Character, body: Body, _: Wishes) -> None:
    from vibe.export.amass import write_amass

    write_amass(path, scene, character, body)


def _bvh(path: Path, scene: Scene, character: Character, body: Body, wishes: Wishes) -> None:
    from vibe.export.bvh import write_bvh

    write_bvh(path, scene, character, body, wishes.unit)


def _glb(path: Path, scene: Scene, body: Body) -> None:
    from vibe.export.gltf import write_glb

    write_glb(path, scene, body)


def _usd(path: Path, scene: Scene, body: Body) -> None:
    from vibe.export.usd import write_usd

    write_usd(path, scene, body)


def _fbx(path: Path, scene: Scene, character: Character, body: Body, wishes: Wishes) -> None:
    from vibe.export.fbx import write_fbx

    write_fbx(path, scene, character, body, wishes.blender)


def _csv(path: Path, scene: Scene, _: Body) -> None:
    from vibe.export.tables import write_csv

    write_csv(path, scene)


def _trc(path: Path, scene: Scene, character: Character, _: Body, __: Wishes) -> None:
    from vibe.export.tables import write_trc

    write_trc(path, scene, character)


def _smplx_json(path: Path, scene: Scene, character: Character, body: Body, _: Wishes) -> None:
    from vibe.export.smplx_json import write_smplx_json

    write_smplx_json(path, scene, character, body)


FORMS = {
    "bvh": Form("motion.bvh", each=_bvh),
    "glb": Form("motion.glb", one=_glb),
    "usd": Form("motion.usdc", one=_usd),
    "fbx": Form("motion.fbx", each=_fbx),
    "amass": Form("motion_amass.npz", each=_amass, up="z"),
    "csv": Form("joints.csv", one=_csv),
    "trc": Form("joints.trc", each=_trc),
    "obj": Form("obj", frames="obj"),
    "ply": Form("ply", frames="ply"),
    "smplx-json": Form("smplx.json", each=_smplx_json),
    "legacy": Form("vibe_output.pkl"),
}
