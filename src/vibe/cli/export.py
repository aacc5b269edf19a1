"""`vibe export`: a motion file in the form of other programs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from rich.console import Console
from tyro.conf import FlagCreatePairsOff, Positional, arg

from vibe.cli.meter import Meter
from vibe.cli.say import DONE, refuse, say

if TYPE_CHECKING:
    from vibe.body import Body
    from vibe.records import Result
    from vibe.results.staging import Actor, Stage


@dataclass(frozen=True)
class Form:
    """A form that motions are exported in: one file, a file for each person, or a file for each of their frames."""

    file: str
    """Name of the file, or of the folder where several are written, unless the user gives another."""
    one: Callable[[Path, Stage, Body], None] | None = None
    each: Callable[[Path, Stage, Actor, Body, str], None] | None = None
    frames: str | None = None
    """Ending of the files of a sequence."""
    up: Literal["y", "z"] = "y"
    """The axis that points up unless the user says otherwise."""


def _amass(path: Path, stage: Stage, actor: Actor, body: Body, _: str) -> None:
    from vibe.results.amass import write_amass

    write_amass(path, stage, actor, body)


def _bvh(path: Path, stage: Stage, actor: Actor, body: Body, unit: str) -> None:
    from vibe.results.bvh import write_bvh

    write_bvh(path, stage, actor, body, unit)


def _glb(path: Path, stage: Stage, body: Body) -> None:
    from vibe.results.gltf import write_glb

    write_glb(path, stage, body)


def _csv(path: Path, stage: Stage, _: Body) -> None:
    from vibe.results.tables import write_csv

    write_csv(path, stage)


def _trc(path: Path, stage: Stage, actor: Actor, _: Body, __: str) -> None:
    from vibe.results.tables import write_trc

    write_trc(path, stage, actor)


def _smplx_json(path: Path, stage: Stage, actor: Actor, body: Body, _: str) -> None:
    from vibe.results.smplx_json import write_smplx_json

    write_smplx_json(path, stage, actor, body)


FORMS = {
    "bvh": Form("motion.bvh", each=_bvh),
    "glb": Form("motion.glb", one=_glb),
    "amass": Form("motion_amass.npz", each=_amass, up="z"),
    "csv": Form("joints.csv", one=_csv),
    "trc": Form("joints.trc", each=_trc),
    "obj": Form("obj", frames="obj"),
    "ply": Form("ply", frames="ply"),
    "smplx-json": Form("smplx.json", each=_smplx_json),
    "legacy": Form("vibe_output.pkl"),
}
OUT = arg(aliases=["-o"], metavar="PATH", help_behavior_hint="(default: beside the motion file)")
UP = arg(metavar="{y,z}", help_behavior_hint="(default: y; z with amass)")
FACING = arg(metavar="{x,y,z,-x,-y,-z}", help_behavior_hint="(default: as in the video)")
ROOT = arg(metavar="{origin,in-place,camera}", help_behavior_hint="(default: origin)")


def export(
    motion: Annotated[Positional[Path], arg(metavar="MOTION.npz")],
    /,
    to: Annotated[str, arg(metavar="{" + ",".join(FORMS) + "}")],
    out: Annotated[Path | None, OUT] = None,
    person: Annotated[int | None, arg(metavar="N", help_behavior_hint="(default: everybody)")] = None,
    up: Annotated[Literal["y", "z"] | None, UP] = None,
    facing: Annotated[Literal["x", "y", "z", "-x", "-y", "-z"] | None, FACING] = None,
    root: Annotated[Literal["origin", "in-place", "camera"] | None, ROOT] = None,
    ground: Annotated[FlagCreatePairsOff[bool], arg(help_behavior_hint="")] = False,
    fps: Annotated[float | None, arg(metavar="RATE", help_behavior_hint="(default: the video's)")] = None,
    start: Annotated[float | None, arg(metavar="SECONDS", help_behavior_hint="(default: the beginning)")] = None,
    end: Annotated[float | None, arg(metavar="SECONDS", help_behavior_hint="(default: the end)")] = None,
    unit: Annotated[Literal["cm", "m"] | None, arg(metavar="{cm,m}", help_behavior_hint="(default: cm)")] = None,
    body: Annotated[str | None, arg(metavar="NAME|PATH", help_behavior_hint="(default: found by the file)")] = None,
) -> int:
    """Write a motion file that `vibe estimate` made in the form of other programs.

    bvh: a skeleton and its motion, for Blender, Maya, Unity, Unreal and MotionBuilder. glb: skinned and moving bodies
    with the camera, for Blender, Unreal, Godot and browsers. amass: SMPL-H poses as AMASS has them, for Blender's SMPL
    add-on and aitviewer. csv, trc: positions of the joints, for spreadsheets and OpenSim. obj, ply: the surface in
    every frame. smplx-json: the arguments of the smplx package. legacy: vibe_output.pkl, as the published program wrote
    it, everybody as in the video; 83 kB a frame and person with SMPL.

    Prints the files written. Several people come in one file with glb, csv and legacy, else in a folder of files.

    Args:
        motion: The motion.npz of a video.
        to: The form to write.
        out: The file to write, or a folder for it; files of the same name are replaced.
        person: Only this person, by the number in the table of `vibe estimate`.
        up: The axis that points up.
        facing: The axis along which the first person looks at their first frame.
        root: origin: the first person begins above the origin, the lowest foot is at height 0. in-place: as that, and
            everybody stays there. camera: the camera is the origin, as in motion.npz.
        ground: Take the camera's tilt out, as estimated from people who stand, and put the lowest foot at height 0.
        fps: Frames a second of what is written; frames between those of the video are interpolated.
        start: Leave out what is before, in seconds of the video.
        end: Leave out what is after.
        unit: With bvh: the unit of length.
        body: The body that the motion was made with; to be named only if it is a file of your own.
    """
    given = {"up": up, "facing": facing, "root": root, "ground": ground or None, "fps": fps, "start": start, "end": end}
    return _export(
        motion, to, out, person, {name: wish for name, wish in given.items() if wish is not None}, unit, body
    )


def _export(
    motion: Path,
    to: str,
    out: Path | None,
    person: int | None,
    wishes: dict[str, Any],
    unit: Literal["cm", "m"] | None,
    body: str | None,
) -> int:
    """The same with those of the options of `Staging` that were given."""
    if to not in FORMS:
        return refuse(f"no form is called {to}: choose one of {', '.join(FORMS)}")
    if unit and to != "bvh":
        return refuse("--unit is for bvh: all others are in metres")
    if to == "legacy" and (wishes or person is not None):
        return refuse("legacy holds everybody as in the video: it takes no option but -o and --body")
    from vibe.cli.bodies import body_of
    from vibe.results.npz import read_npz
    from vibe.results.staging import Staging, stage

    form = FORMS[to]
    if not form.frames and _file(motion, form, out).resolve() == motion.resolve():
        return refuse(f"{motion} would be overwritten by its own export: choose another file with -o")
    result = read_npz(motion)
    made_with = body_of(result.body, body)
    if to == "legacy":
        return _everybody(motion, _file(motion, form, out), result, made_with)
    wishes = {"up": form.up} | wishes
    return _staged(motion, form, out, stage(result, made_with, Staging(**wishes), person), made_with, unit or "cm")


def _everybody(motion: Path, path: Path, result: Result, body: Body) -> int:
    """Write the published program's file."""
    from vibe.results.legacy import write_legacy

    path.parent.mkdir(parents=True, exist_ok=True)
    with Meter(Console(stderr=True), motion.name) as meter:
        write_legacy(path, result, body, meter)
    print(path)
    return DONE


def _file(motion: Path, form: Form, out: Path | None) -> Path:
    """The file to write, where it is one."""
    path = out or motion.parent
    return path / form.file if path.is_dir() else path


def _staged(motion: Path, form: Form, out: Path | None, stage: Stage, body: Body, unit: str) -> int:
    """Write what stands on the stage, say what is to be known about it and print where it is."""
    if form.frames or (form.each and len(stage.actors) != 1):
        folder = out or motion.parent / form.file.replace(".", "_")
        if folder.is_file() or (form.each and folder.suffix == Path(form.file).suffix):
            return refuse(f"{folder} is one file, and several are to be written: give a folder, or one --person")
        if form.frames and folder.is_dir() and any(folder.iterdir()):
            return refuse(f"{folder} is not empty: give a new folder, so that the frames of two exports don't mix")
        with Meter(Console(stderr=True), motion.name) as meter:
            written = _write_folder(folder, form, stage, body, unit, meter)
    else:
        path = _file(motion, form, out)
        path.parent.mkdir(parents=True, exist_ok=True)
        if form.one:
            form.one(path, stage, body)
        elif form.each:
            (actor,) = stage.actors
            form.each(path, stage, actor, body, unit)
        written = [path]
    for note in stage.notes:
        say(Console(stderr=True), f"{motion.name}: {note}")
    for path in written:
        print(path)
    return DONE


def _write_folder(folder: Path, form: Form, stage: Stage, body: Body, unit: str, meter: Meter) -> list[Path]:
    """A file for each person, or a folder of frames for each; the paths to print."""
    from vibe.results.folder import whole_folder
    from vibe.results.meshes import write_meshes

    names = []
    with whole_folder(folder) as partial:
        for actor in stage.actors:
            if form.frames:
                inside = partial / f"person{actor.number}"
                inside.mkdir()
                write_meshes(inside, form.frames, stage, actor, body, meter)
            elif form.each:
                inside = partial / f"person{actor.number}{Path(form.file).suffix}"
                form.each(inside, stage, actor, body, unit)
            else:
                continue
            names.append(inside.name)
    return [folder / name for name in names]
