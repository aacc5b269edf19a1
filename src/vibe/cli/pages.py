"""`vibe refit`, `vibe edit` and `vibe app`: corrections in a file or on a page, and a page in place of the commands."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import FlagCreatePairsOff, Positional, arg

from vibe.cli.console import DONE, motion_file, named_video, print_info, print_note, usage_error
from vibe.cli.estimate import AS_USUAL, READS_IMAGES, READS_KEYPOINTS, method_config
from vibe.cli.progress import ProgressLine, ended_by_signals
from vibe.cli.results import VIDEOS
from vibe.errors import one_line
from vibe.inference.config import EstimatorConfig

if TYPE_CHECKING:
    from vibe.inference.refit import JointRefit, Refit
    from vibe.motion import Result

EDITS_FILE = arg(metavar="EDITS.json", help_behavior_hint="(default: edits.json beside the motion)")
OUT = arg(aliases=["-o"], metavar="OUT.npz", help_behavior_hint="(default: <name of the motion>_edited.npz beside it)")
Flag = Annotated[FlagCreatePairsOff[bool], arg(help_behavior_hint="")]


def refit(
    motion: Annotated[Positional[Path], arg(metavar="MOTION.npz|DIR")],
    videos: Annotated[Positional[tuple[Path, ...]], VIDEOS] = (),
    /,
    *,
    edits: Annotated[Path | None, EDITS_FILE] = None,
    out: Annotated[str | None, OUT] = None,
    page: Flag = False,
    overlay: Flag = False,
    refine: Annotated[FlagCreatePairsOff[bool], READS_KEYPOINTS] = False,
    no_refine: Annotated[FlagCreatePairsOff[bool], READS_IMAGES] = False,
    method: Annotated[EstimatorConfig, arg(name="")] = AS_USUAL,
) -> int:
    """Make a motion again with what was put right by hand, in seconds: nobody is looked for in the video again.

    The motion has to be one of `vibe estimate --keep-stages`, and the options those that it was made with. It stays
    as it is; the new one is another file.

    Args:
        motion: The motion.npz of a video, or of several together, or the folder that holds it.
        videos: The video that it was made from, or all of several, in order.
        edits: What was put right (docs/edit.md), of this video; without it one without edits is written, to be filled.
        out: The file to write, replaced if it is there, or a folder for it, which is made if it ends in a slash.
        page: Write OUT.html too, which plays the motion in any browser.
        overlay: Write OUT.mp4 too, the video with the bodies drawn over it; of several videos OUT_1.mp4, OUT_2.mp4, ...
        refine: As in `vibe estimate`.
        no_refine: As in `vibe estimate`.
    """
    from vibe.assets import file_in, keep_inputs
    from vibe.cli.together import draw
    from vibe.editing import files_beside
    from vibe.edits.file import read_edits, write_edits
    from vibe.edits.record import Edits
    from vibe.motion import load

    motion = motion_file(motion)
    usual = files_beside(motion)
    edits, new = edits or usual.edits, file_in(out or usual.motion, usual.motion.name)
    before = load(motion)
    files = [new, *_drawings(new, len(before.views), page, overlay)]
    keep_inputs(files, motion, edits, *videos)
    if len({*files, edits}) <= len(files):
        return usage_error(f"{new} stands for two files: give -o a name that ends in .npz")
    with ProgressLine(motion.name) as progress:
        opened = _opened(motion, videos, files, method_config(method, refine, no_refine), progress, before)
        if not edits.exists():
            edits.parent.mkdir(parents=True, exist_ok=True)
            write_edits(edits, Edits(opened.video))
            return usage_error(f"there was no {edits}: it is there now, with no edits yet: write them into it")
        made = read_edits(edits, opened.video).edits
        try:
            result = opened.solve(made, progress)
        except ValueError as error:
            raise ValueError(f"{edits}: {error}") from error
        new.parent.mkdir(parents=True, exist_ok=True)
        result.save(new)
        draw(result, [clip.path for clip in opened.clips], opened.estimator.body, files[1:], progress)
    people, corrections = "person" if len(result) == 1 else "people", "edit" if len(made) == 1 else "edits"
    print_info(f"written to {', '.join(map(str, files))}: {len(result)} {people}, with {len(made)} {corrections}")
    return DONE


def edit(
    motion: Annotated[Positional[Path], arg(metavar="MOTION.npz|DIR")],
    videos: Annotated[Positional[tuple[Path, ...]], VIDEOS] = (),
    /,
    *,
    edits: Annotated[Path | None, EDITS_FILE] = None,
    out: Annotated[str | None, OUT] = None,
    port: Annotated[int, arg(metavar="PORT")] = 8767,
    no_browser: Flag = False,
    refine: Annotated[FlagCreatePairsOff[bool], READS_KEYPOINTS] = False,
    no_refine: Annotated[FlagCreatePairsOff[bool], READS_IMAGES] = False,
    method: Annotated[EstimatorConfig, arg(name="")] = AS_USUAL,
) -> int:
    """Put a motion right on a page in the browser, which shows the new motion with every edit.

    The page is served on 127.0.0.1 alone, to those who have the address that is printed. Edits are kept in EDITS.json
    and the motion with them in OUT.npz, whenever something is changed; the motion that was named stays as it is. Where
    it was not made with `--keep-stages`, people are followed once more at first.

    Exit code: 0 done (by Ctrl-C), 1 the motion can't be corrected, 2 wrong usage.

    Args:
        motion: The motion.npz of a video, or of several together, or the folder that holds it.
        videos: The video that it was made from, or all of several, in order.
        edits: Where the edits are kept (docs/edit.md); those that are there are made.
        out: The file to write, replaced if it is there, or a folder for it, which is made if it ends in a slash.
        port: Where the page is served; 0 takes any that is free.
        no_browser: Don't open the browser.
        refine: As in `vibe estimate`.
        no_refine: As in `vibe estimate`.
    """
    if not 0 <= port <= 65535:
        return usage_error(f"--port is {port}: give 0 to 65535")
    from vibe.assets import file_in, keep_inputs
    from vibe.auth import browser_at
    from vibe.editing import EditedFiles, EditServer, files_beside, open_editor
    from vibe.viewer.page import page_template

    page_template()
    motion = motion_file(motion)
    usual = files_beside(motion)
    edits, new = edits or usual.edits, file_in(out or usual.motion, usual.motion.name)
    keep_inputs([new, edits], motion, *videos)
    keep_inputs([new], edits)
    if new == edits:
        return usage_error(f"{new} stands for two files: give -o a name that ends in .npz")
    with ProgressLine(motion.name) as progress:
        opened = _opened(motion, videos, [new, edits], method_config(method, refine, no_refine), progress, anew=True)
        for path in (new, edits):
            path.parent.mkdir(parents=True, exist_ok=True)
        editor, note = open_editor(opened, EditedFiles(edits, new), progress)
    if note:
        print_note(note)
    with EditServer(editor, port) as server:
        print_note(f"page: {server.address}")
        print_note(f"edits: {edits}; motion: {new}; Ctrl-C ends it")
        with suppress(KeyboardInterrupt), ended_by_signals(), browser_at(server.address, not no_browser):
            server.serve_forever()
    return DONE


def _drawings(out: Path, views: int, page: bool, overlay: bool) -> list[Path]:
    """The page and the films of a motion file, those that are asked for; of several views a film for each."""
    films = [f"{out.stem}_{number}.mp4" for number in range(1, views + 1)] or [f"{out.stem}.mp4"]
    return [out.with_name(name) for name in [*[f"{out.stem}.html"] * page, *films * overlay]]


def _opened(
    motion: Path, videos: Sequence[Path], outputs: Sequence[Path], config: EstimatorConfig, progress: ProgressLine,
    result: Result | None = None, anew: bool = False,
) -> Refit | JointRefit:  # fmt: skip
    """What corrects a motion file, by the videos that it names unless some are given; raises OSError or ValueError."""
    from vibe.assets import keep_inputs
    from vibe.editing import open_motion
    from vibe.motion import load

    result = load(motion) if result is None else result
    if not videos:
        clips = [view.clip for view in result.views] or [result.clip]
        named = [(clip.path, named_video(motion, replace(result, clip=clip))) for clip in clips]
        if absent := [str(path) for path, video in named if video is None]:
            raise FileNotFoundError(f"{absent[0]}, the motion's video, is not here: give it after the motion")
        videos = [video for _, video in named if video is not None]
    keep_inputs(outputs, *videos)
    return open_motion(motion, result, videos, config, progress, anew)


FOLDER = arg(metavar="FOLDER", help_behavior_hint="(default: vibe-app in your home folder)")


def app(
    folder: Annotated[Positional[Path | None], FOLDER] = None,
    /,
    port: Annotated[int, arg(metavar="PORT")] = 8766,
    no_browser: Annotated[FlagCreatePairsOff[bool], arg(help_behavior_hint="")] = False,
    method: Annotated[EstimatorConfig, arg(name="")] = AS_USUAL,
) -> int:
    """Open a page in the browser where videos are dropped, and results are played and downloaded.

    Nothing leaves this machine. The page is served on 127.0.0.1 alone, to those who have the address that is printed.
    Videos and results stay in FOLDER; what is under way when the program ends goes on when it is started again.

    Exit code: 0 done (by Ctrl-C), 1 the folder can't be used, 2 wrong usage.

    Args:
        folder: Where videos and results are kept; made if absent.
        port: Where the page is served; 0 takes any that is free.
        no_browser: Don't open the browser.
    """
    from vibe.app.correct import Correcting
    from vibe.app.jobs import JobFolder
    from vibe.app.server import AppServer
    from vibe.app.work import Runner
    from vibe.assets.paths import only_writer
    from vibe.auth import browser_at

    if not 0 <= port <= 65535:
        return usage_error(f"--port is {port}: give 0 to 65535")
    try:
        method.resolved()
    except (ValueError, OSError, ImportError) as error:  # what is wrong with a model is found before the work
        return usage_error(one_line(error))
    folder = folder or Path.home() / "vibe-app"
    folder.mkdir(parents=True, exist_ok=True)
    with only_writer(folder):
        jobs = JobFolder(folder.absolute())
        with closing(Runner(jobs, method)) as runner, closing(Correcting(jobs, method)) as correcting:
            server = AppServer(jobs, runner, correcting, port)
            print_note(f"page: {server.address}")
            print_note(f"videos and results: {jobs.root}; Ctrl-C ends it")
            with suppress(KeyboardInterrupt), ended_by_signals(), browser_at(server.address, not no_browser):
                server.run()
    return DONE
