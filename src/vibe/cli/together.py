"""`vibe estimate --together`: several videos of the same people, one motion, an overlay for each view."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import ndarray

from vibe.cameras import angle_of_view
from vibe.cli.console import DONE, FAILED, print_error, print_info, print_table, usage_error
from vibe.cli.progress import ProgressLine
from vibe.errors import one_line
from vibe.inference.config import EstimatorConfig

if TYPE_CHECKING:
    from vibe.body import Body
    from vibe.motion import Result
    from vibe.records import View

LONGEST_NAME = 100


def estimate_views(
    videos: Sequence[str], out: str, config: EstimatorConfig, overlay: bool, page: bool, keep_stages: bool
) -> int:
    """Estimate several videos of the same people together and write OUT/<their names>; the exit code."""
    from vibe.assets import keep_inputs
    from vibe.batch.manifest import SUMMARY, write_summary
    from vibe.batch.storage import HIDDEN, is_url
    from vibe.inference.together import FOLDER

    paths = [Path(video) for video in videos]
    if any(map(is_url, [*videos, out])):
        return usage_error("--together reads and writes files of this machine: copy the videos here first")
    place = Path(out) / "+".join(path.stem for path in paths)[:LONGEST_NAME]
    kept = Path(out) / HIDDEN / "stages" / FOLDER
    try:
        from vibe.inference.estimate import load_estimator
        from vibe.inference.together import check_videos

        estimator = load_estimator(config)
        check_videos(paths, estimator.config, estimator.network)
        keep_inputs([place / name for name in ("motion.npz", "page.html")], *paths)
        place.mkdir(parents=True, exist_ok=True)
    except (ValueError, OSError, ImportError) as error:
        return usage_error(one_line(error))
    try:
        with ProgressLine(place.name) as progress:
            result = estimator.estimate_together(paths, cache=kept, progress=progress)
            result.save(place / "motion.npz")
            # a video that does not show what the others do is left out, so that there may be fewer than were given
            read = [view.clip.path for view in result.views]
            drawn = [f"overlay_{number}.mp4" for number in range(1, len(read) + 1)] * overlay + ["page.html"] * page
            draw(result, read, estimator.body, [place / name for name in drawn], progress)
            files = ["motion.npz", *drawn, SUMMARY]
            write_summary(place / SUMMARY, result, {}, files, {"views": [_about(view) for view in result.views]})
    except (ValueError, OSError) as error:
        print_error(one_line(error))
        return FAILED
    finally:
        if not any(place.iterdir()):
            place.rmdir()
    if not keep_stages:
        shutil.rmtree(kept, ignore_errors=True)
        for folder in (kept.parent, kept.parent.parent):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
    _tables(result, place.name)
    print_info(f"written to {place}: {', '.join(files)}")
    for what, about in (("body", result.body), ("weights", result.weights)):
        if about.licence:
            print_info(f"{what} {about.name}: {about.licence}")
    return DONE


def draw(result: Result, videos: Sequence[Path], body: Body, files: Sequence[Path], progress: ProgressLine) -> None:
    """Write the files that are asked for: an .mp4 for each of the videos, in order, and the .html page with all."""
    films = [path for path in files if path.suffix == ".mp4"]
    if films:
        from vibe.motion.resample import seen_from
        from vibe.parallel import give_back_memory
        from vibe.render.film import write_overlay
        from vibe.tracking.tflite import close_idle_models

        close_idle_models()
        give_back_memory()
        for number, (video, path) in enumerate(zip(videos, films, strict=True)):
            write_overlay(video, seen_from(result, number) if result.views else result, path, body, progress)
    for path in files:
        if path.suffix == ".html":
            from vibe.viewer.page import view

            view(result, path, videos, body, progress=progress)


def _tables(result: Result, name: str) -> None:
    """Who was found, and where the cameras stand."""
    rows = [
        (number, len(motion.frames), f"{len(motion.frames) / max(len(result.clip.timestamps), 1):.0%}")
        for number, motion in result.numbered()
    ]
    headings = ("person", "frames", "share of the first video")
    print_table(dict.fromkeys(headings, "right"), rows, name)
    cameras = [
        (view.clip.path.name, f"{view.offset_s:+.3f}", f"{np.linalg.norm(view.t_view_ref):.2f}", _turn(view.R_view_ref))
        for view in result.views
    ]
    headings = ("camera", "clock, s", "metres from the first", "turned by, degrees")
    print_table(dict(zip(headings, ("left", "right", "right", "right"), strict=True)), cameras)
    if result.world is not None:
        print_info(f"world: {result.world}")
    for note in result.notes:
        print_info(f"note: {note}")


def _about(view: View) -> dict[str, Any]:
    """A camera as the summary has it."""
    place = {"R_view_ref": view.R_view_ref.round(6).tolist(), "t_view_ref": view.t_view_ref.round(4).tolist()}
    clip = {"video": str(view.clip.path), "fps": round(view.clip.fps, 6), "frames": len(view.clip.timestamps)}
    return {**clip, "offset_s": round(view.offset_s, 6), "fov_deg": round(angle_of_view(view.camera), 2), **place}


def _turn(R: ndarray) -> str:
    """The angle of a rotation, whole degrees."""
    return f"{np.degrees(np.arccos(np.clip((np.trace(R) - 1) / 2, -1, 1))):.0f}"
