"""`vibe export`: a motion file in the format of other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from tyro.conf import FlagCreatePairsOff, Positional, arg

from vibe.cli.console import DONE, motion_file, print_info, print_note, usage_error
from vibe.cli.progress import ProgressLine
from vibe.export.formats import FORMATS, Facing, Root, Unit, Up

OUT = arg(aliases=["-o"], metavar="PATH", help_behavior_hint="(default: beside the motion file)")
UP = arg(metavar="{y,z}", help_behavior_hint="(default: y; z with amass)")
FACING = arg(metavar="{x,y,z,-x,-y,-z}", help_behavior_hint="(default: as in the video)")
ROOT = arg(metavar="{origin,in-place,camera}", help_behavior_hint="(default: origin)")


def export(
    motion: Annotated[Positional[Path], arg(metavar="MOTION.npz|DIR")],
    /,
    to: Annotated[str, arg(metavar="{" + ",".join(FORMATS) + "}")],
    out: Annotated[Path | None, OUT] = None,
    person: Annotated[int | None, arg(metavar="N", help_behavior_hint="(default: everybody)")] = None,
    up: Annotated[Up | None, UP] = None,
    facing: Annotated[Facing | None, FACING] = None,
    root: Annotated[Root | None, ROOT] = None,
    ground: Annotated[FlagCreatePairsOff[bool], arg(help_behavior_hint="")] = False,
    fps: Annotated[float | None, arg(metavar="RATE", help_behavior_hint="(default: the video's)")] = None,
    start: Annotated[float | None, arg(metavar="SECONDS", help_behavior_hint="(default: the beginning)")] = None,
    end: Annotated[float | None, arg(metavar="SECONDS", help_behavior_hint="(default: the end)")] = None,
    unit: Annotated[Unit | None, arg(metavar="{cm,m}", help_behavior_hint="(default: cm)")] = None,
    blender: Annotated[Path | None, arg(metavar="PROGRAM", help_behavior_hint="(default: found)")] = None,
    body: Annotated[str | None, arg(metavar="NAME|PATH", help_behavior_hint="(default: found by the file)")] = None,
) -> int:
    """Write a motion file that `vibe estimate` made in the format of other programs.

    bvh: a skeleton and its motion, for Blender, Maya, Unity, Unreal and MotionBuilder. glb: skinned and moving bodies
    with the camera, for Blender, Unreal, Godot and browsers. usd: the same, for Omniverse, Houdini, Maya and Blender;
    .usda, .usdc or .usdz by the name of the file. fbx: a skinned and moving body, for Unity, Unreal, Maya and
    MotionBuilder, made by a Blender that you have. amass: SMPL-H poses as AMASS has them, for Blender's SMPL
    add-on and aitviewer. csv, trc: positions of the joints, for spreadsheets and OpenSim. obj, ply: the surface in
    every frame. smplx-json: the arguments of the smplx package. legacy: vibe_output.pkl, as the published program wrote
    it, everybody as in the video; 83 kB a frame and person with SMPL.

    Prints the files written. Several people come in one file with glb, usd, csv and legacy, else in a folder of files.

    Args:
        motion: The motion.npz of a video, or the folder that holds it.
        to: The format to write.
        out: The file to write, or a folder for it; files of the same name are replaced.
        person: Only this person, by the number in the table of `vibe estimate`.
        up: The axis that points up.
        facing: The axis along which the first person looks at their first frame.
        root: origin: the first person begins above the origin, the lowest foot is at height 0. in-place:
            everybody stays above it, the lowest of their own feet at height 0. camera: the camera is the origin, as in
            motion.npz.
        ground: Take the camera's tilt out, as estimated from people who stand, and put the lowest foot at height 0.
        fps: Frames a second of what is written; frames between those of the video are interpolated.
        start: Leave out what is before, in seconds of the video.
        end: Leave out what is after.
        unit: With bvh: the unit of length.
        blender: With fbx: the Blender that makes it; looked for on the PATH and where installers put it.
        body: The body that the motion was made with; to be named only if it is a file of your own.
    """
    options = {"person": person, "up": up, "facing": facing, "root": root, "ground": ground, "fps": fps}
    options |= {"start": start, "end": end, "unit": unit, "blender": blender, "body": body}
    return _export(motion, to, out, options)


def _export(motion: Path, to: str, out: Path | None, options: dict[str, Any]) -> int:
    """The same, with the options of `vibe.export`."""
    from vibe.assets import keep_inputs
    from vibe.export.export import export as write
    from vibe.motion import load

    if to not in FORMATS:
        return usage_error(f"no format is called {to}: choose one of {', '.join(FORMATS)}")
    motion = motion_file(motion)
    format, place = FORMATS[to], out or motion.parent
    folder = out or motion.parent / format.file.replace(".", "_")
    files = [place / format.file if place.is_dir() else place, *folder.glob("person*")]
    keep_inputs(files, motion, options["body"], options["blender"])
    result = load(motion)
    with ProgressLine(motion.name) as progress:
        done = write(result, place, to, **options, folder=folder, progress=progress)
    for note in done.notes:
        print_note(f"{motion.name}: {note}")
    for path in done.files:
        print_info(path)
    return DONE
