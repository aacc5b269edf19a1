"""`vibe render` and `vibe view`: a motion as a film, a picture or a page for the browser."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from tyro.conf import FlagCreatePairsOff, Positional, arg

from vibe.cli.console import DONE, motion_file, named_video, print_info, print_note, usage_error
from vibe.cli.progress import ProgressLine
from vibe.render.options import SPACE, RenderOptions

AS_USUAL = RenderOptions()
VIDEO = arg(metavar="VIDEO", help_behavior_hint="(default: the one named in the file, if it is there)")
PAGE = arg(aliases=["-o"], metavar="PAGE.html", help_behavior_hint="(default: a temporary file, opened in the browser)")
GROUND = arg(help_behavior_hint="(default: where the video is not behind)")


def render(
    motion: Annotated[Positional[Path], arg(metavar="MOTION.npz|DIR")],
    video: Annotated[Positional[Path | None], VIDEO] = None,
    /,
    *,
    out: Annotated[Path, arg(aliases=["-o"], metavar="PATH")],
    look: Annotated[RenderOptions, arg(name="")] = AS_USUAL,
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
    video: Annotated[Positional[Path | None], VIDEO] = None,
    /,
    out: Annotated[Path | None, PAGE] = None,
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
        video: The video that it was made from. Browsers play H.264, VP9 and AV1 in mp4 and webm; any other is encoded
            anew, at most 1280 pixels a side.
        out: The file to write; replaced if it is there.
        no_video: Show the bodies alone.
        space: world: everybody on the world's floor, in which the camera moves. camera: as if the camera stood still.
        limit: Millions of bytes of video that the page may carry; a larger one is encoded anew.
        body: The body that the motion was made with; to be named only if it is a file of your own.
    """
    if no_video and video is not None:
        return usage_error("a video was given, and --no-video: give one of them")
    if not limit > 0:
        return usage_error(f"--limit is {limit:g} MB: give more than 0, or --no-video")
    from vibe.assets import keep_inputs
    from vibe.motion import load
    from vibe.viewer import page

    page.page_template()
    motion = motion_file(motion)
    keep_inputs([out], motion)
    result = load(motion)
    if video is None and not no_video:
        video = named_video(motion, result)
        if video is None:
            print_note(f"{motion.name}: its video {result.clip.path} is not here: the bodies are shown alone")
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
    # where the first of several cameras' videos is wanted, so are the others that are here
    others = [named_video(motion, replace(result, clip=each.clip)) for each in result.views[1:] if video]
    with ProgressLine(motion.name) as progress:
        written = page.view(result, out, [video, *others], body, limit, progress, space)
    print_info(written)
    return DONE
