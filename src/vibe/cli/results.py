"""`vibe export`, `vibe render`, `vibe view`: a motion in other programs' formats, as a film, a picture or a page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from tyro.conf import FlagCreatePairsOff, Positional, arg

from vibe.cli.console import DONE, motion_file, named_video, print_info, print_note, usage_error
from vibe.cli.progress import ProgressLine
from vibe.export.formats import FORMATS, ExportOptions
from vibe.render.options import SPACE, RenderOptions

OUT = arg(aliases=["-o"], metavar="PATH", help_behavior_hint="(default: beside the motion file)")
TO_HINT = "(required, but with --onto: as the character)"
EXPORT_AS_USUAL = ExportOptions()


def export(
    motion: Annotated[Positional[Path], arg(metavar="MOTION.npz|DIR")],
    /,
    to: Annotated[str | None, arg(metavar="{" + ",".join(FORMATS) + "}", help_behavior_hint=TO_HINT)] = None,
    out: Annotated[str | None, OUT] = None,
    options: Annotated[ExportOptions, arg(name="")] = EXPORT_AS_USUAL,
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
        out: The file to write, or a folder for it, which is made if it ends in a slash; files of the same name are
            replaced.
        body: The body that the motion was made with; to be named only if it is a file of your own.
    """
    from vibe.assets import file_in, keep_inputs
    from vibe.export.export import export as write
    from vibe.motion import load

    if options.onto and not to:
        to = "fbx" if Path(options.onto).suffix.lower() == ".fbx" else "glb"
    if to not in FORMATS:
        said = f"no format is called {to}" if to else "no format is given with --to"
        return usage_error(f"{said}: choose one of {', '.join(FORMATS)}")
    motion = motion_file(motion)
    format, place = FORMATS[to], out or motion.parent
    folder = Path(out) if out else motion.parent / format.file.replace(".", "_")
    files = [file_in(place, format.file), *folder.glob("person*")]
    keep_inputs(files, motion, body, options.blender, options.onto, options.bones)
    result = load(motion)
    with ProgressLine(motion.name) as progress:
        done = write(result, place, to, body=body, folder=folder, progress=progress, **vars(options))
    for note in done.notes:
        print_note(f"{motion.name}: {note}")
    for path in done.files:
        print_info(path)
    return DONE


RENDER_AS_USUAL = RenderOptions()
VIDEO = arg(metavar="VIDEO", help_behavior_hint="(default: the one named in the file, if it is there)")
VIDEOS = arg(metavar="[VIDEO ...]", help_behavior_hint="(default: those named in the file, if they are there)")
PAGE = arg(aliases=["-o"], metavar="PAGE.html", help_behavior_hint="(default: a temporary file, opened in the browser)")
GROUND = arg(help_behavior_hint="(default: where the video is not behind)")


def render(
    motion: Annotated[Positional[Path], arg(metavar="MOTION.npz|DIR")],
    video: Annotated[Positional[Path | None], VIDEO] = None,
    /,
    *,
    out: Annotated[Path, arg(aliases=["-o"], metavar="PATH")],
    look: Annotated[RenderOptions, arg(name="")] = RENDER_AS_USUAL,
    ground: Annotated[FlagCreatePairsOff[bool], GROUND] = False,
    no_ground: Annotated[FlagCreatePairsOff[bool], arg(help_behavior_hint="")] = False,
    body: Annotated[str | None, arg(metavar="NAME|PATH", help_behavior_hint="(default: found by the file)")] = None,
) -> int:
    """Draw a motion file that `vibe estimate` made: over its video, beside it or alone.

    The ending of PATH tells what is written: .mp4, .mov, .webm or .gif is a film; .png is one picture with a column for
    each of some moments; a name without an ending is a folder of numbered .png files.

    Args:
        motion: The motion.npz of a video, or the folder that holds it.
        video: The video that it was made from.
        out: The file or folder to write; a file of the same name is replaced.
        ground: Draw a grid on the floor, and soft shadows; where no world is known it is at the height of the lowest
            foot, and level is estimated from those who stand.
        no_ground: Leave the ground out.
        body: The body that the motion was made with; to be named only if it is a file of your own.
    """
    from vibe.assets import keep_inputs
    from vibe.motion import load
    from vibe.render.film import render as draw

    look = replace(look, ground=ground or (False if no_ground else None))
    motion = motion_file(motion)
    keep_inputs([out], motion)
    result = load(motion)
    if video is None and look.layout != "alone":
        video = named_video(motion, result)
    with ProgressLine(motion.name) as progress:
        notes = draw(result, out, video, body=body, progress=progress, **vars(look))
    for note in notes:
        print_note(f"{out.name}: {note}")
    print_info(out)
    return DONE


def view(
    motion: Annotated[Positional[Path], arg(metavar="MOTION.npz|DIR")],
    videos: Annotated[Positional[tuple[Path, ...]], VIDEOS] = (),
    /,
    out: Annotated[str | None, PAGE] = None,
    no_video: Annotated[FlagCreatePairsOff[bool], arg(help_behavior_hint="")] = False,
    space: Annotated[str | None, SPACE] = None,
    limit: Annotated[float, arg(metavar="MB")] = 100.0,
    body: Annotated[str | None, arg(metavar="NAME|PATH", help_behavior_hint="(default: found by the file)")] = None,
) -> int:
    """Make one HTML file that plays a motion beside, or over, its video, and open it in the browser.

    The page needs no network and no other file: it works from a disk, in a mail and on a phone. With -o it is written
    there and not opened. Prints the path.

    Args:
        motion: The motion.npz of a video, or the folder that holds it.
        videos: The video that it was made from, or those of several cameras, in order. Browsers play H.264, VP9 and
            AV1 in mp4 and webm; any other is encoded anew, at most 1280 pixels a side.
        out: The file to write, replaced if it is there, or a folder for it, which is made if it ends in a slash.
        no_video: Show the bodies alone.
        space: world: everybody on the world's floor, in which the camera moves. camera: as if the camera stood still.
        limit: Millions of bytes of video that the page may carry; a larger one is encoded anew.
        body: The body that the motion was made with; to be named only if it is a file of your own.
    """
    if no_video and videos:
        return usage_error("a video was given, and --no-video: give one of them")
    if not limit > 0:
        return usage_error(f"--limit is {limit:g} MB: give more than 0, or --no-video")
    from vibe.assets import file_in, keep_inputs
    from vibe.motion import load
    from vibe.viewer import page

    page.page_template()
    motion = motion_file(motion)
    keep_inputs([file_in(out, page.NAME) if out else None], motion)
    result, films = load(motion), list[Path | None](videos)
    clips = [] if no_video else [view.clip for view in result.views] or [result.clip]
    for clip in clips[len(films) :]:
        films.append(named_video(motion, replace(result, clip=clip)))
        if films[-1] is None:
            alone = "alone" if len(clips) == 1 else "alone from its camera"
            print_note(f"{motion.name}: its video {clip.path} is not here: the bodies are shown {alone}")
    with ProgressLine(motion.name) as progress:
        written = page.view(result, out or None, films, body, limit, progress, space)
    print_info(written)
    return DONE
