"""`vibe export`: a motion file in the format of other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from vibe.cli.console import DONE, motion_file, print_info, print_note, usage_error
from vibe.cli.progress import ProgressLine
from vibe.export.formats import FORMATS, ExportOptions

OUT = arg(aliases=["-o"], metavar="PATH", help_behavior_hint="(default: beside the motion file)")
TO_HINT = "(required, but with --onto: as the character)"
AS_USUAL = ExportOptions()


def export(
    motion: Annotated[Positional[Path], arg(metavar="MOTION.npz|DIR")],
    /,
    to: Annotated[str | None, arg(metavar="{" + ",".join(FORMATS) + "}", help_behavior_hint=TO_HINT)] = None,
    out: Annotated[Path | None, OUT] = None,
    options: Annotated[ExportOptions, arg(name="")] = AS_USUAL,
    body: Annotated[str | None, arg(metavar="NAME|PATH", help_behavior_hint="(default: found by the file)")] = None,
) -> int:
    """Write a motion file that `vibe estimate` made in the format of other programs.

    bvh: a skeleton and its motion, for Blender, Maya, Unity, Unreal and MotionBuilder. glb: skinned and moving bodies
    with the camera, for Blender, Unreal, Godot and browsers. usd: the same, for Omniverse, Houdini, Maya and Blender;
    .usda, .usdc or .usdz by the name of the file. fbx: a skinned and moving body, for Unity, Unreal, Maya and
    MotionBuilder, made by a Blender that you have. vrma: a VRM animation, for avatars. amass: SMPL-H poses as AMASS
    has them, for Blender's SMPL add-on and aitviewer. csv: positions and angles of the joints, for spreadsheets. gait:
    the steps of who walks. c3d: joints, markers on the skin and strikes of feet, for biomechanics. trc, mot: markers
    and joint angles, for OpenSim. obj, ply: the surface in every frame. smplx-json: the arguments of the smplx package.
    legacy: vibe_output.pkl, as the published program wrote it, everybody as in the video; 83 kB a frame and person with
    SMPL.

    Prints the files written. Several people come in one file with glb, usd, csv and legacy, else in a folder of files.

    Args:
        motion: The motion.npz of a video, or the folder that holds it.
        to: The format to write.
        out: The file to write, or a folder for it; files of the same name are replaced.
        body: The body that the motion was made with; to be named only if it is a file of your own.
    """
    from vibe.assets import keep_inputs
    from vibe.export.export import export as write
    from vibe.motion import load

    if options.onto and not to:
        to = "fbx" if Path(options.onto).suffix.lower() == ".fbx" else "glb"
    if to not in FORMATS:
        said = f"no format is called {to}" if to else "no format is given with --to"
        return usage_error(f"{said}: choose one of {', '.join(FORMATS)}")
    motion = motion_file(motion)
    format, place = FORMATS[to], out or motion.parent
    folder = out or motion.parent / format.file.replace(".", "_")
    files = [place / format.file if place.is_dir() else place, *folder.glob("person*")]
    keep_inputs(files, motion, body, options.blender, options.onto, options.bones)
    result = load(motion)
    with ProgressLine(motion.name) as progress:
        done = write(result, place, to, body=body, folder=folder, progress=progress, **vars(options))
    for note in done.notes:
        print_note(f"{motion.name}: {note}")
    for path in done.files:
        print_info(path)
    return DONE
