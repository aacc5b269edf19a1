"""A motion as a film or a picture: over its video, beside it or alone, from the camera or around people."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from vibe.assets import keep_inputs
from vibe.body import Body, find_body, load_body
from vibe.motion import Motion, Result
from vibe.motion.footage import open_footage, video_frames
from vibe.motion.platforms import find_platforms
from vibe.motion.series import stretch
from vibe.parallel import one_thread
from vibe.records import Camera, Progress, World, takes_options
from vibe.render import compositor
from vibe.render.compositor import Panel, PosedFrames, Poser
from vibe.render.drawing import Canvas
from vibe.render.options import LARGEST, RenderOptions
from vibe.render.rasterizer import NEAR
from vibe.render.viewpoints import Viewpoint, orbit_view, place
from vibe.render.writers import open_writer
from vibe.video.read import Video

MOST_FRAMES = 1 << 20
"""About 10 hours at 30 frames a second."""
SEE_THROUGH = 0.45
"""Opacity of people whose bones are to be seen inside."""
TALL_PX, STATURE = 300.0, 1.7
"""People who come nearer than a height of so many pixels are drawn with all polygons; metres, for that purpose."""
CROP_MARGIN = 0.12
"""Share of the longer side of where people go that is left around them."""
ENDINGS = ("", ".mp4", ".mov", ".webm", ".gif", ".png")
BROAD = 0.75
"""Least width over height of a panel beside people, who need room to move in depth, unless asked otherwise."""
GIF_FPS = 12.5
"""Frames a second of a gif, unless asked otherwise; its times are whole hundredths of a second."""
MOST_PX = {".gif": 480, ".png": 960}
"""Longer side of a panel, unless asked otherwise."""
WORKERS = min(4, os.cpu_count() or 1)
"""Pictures drawn at a time."""


@takes_options(RenderOptions)
def render(
    result: Result,
    path: Path | str,
    video: Path | str | None = None,
    *,
    body: Body | Path | str | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> tuple[str, ...]:
    """Draw a result and write it whole or not at all; one sentence for each thing that was left out.

        import vibe

        result = vibe.load("out/dance/motion.npz")
        vibe.render(result, "dance.mp4", "dance_source.mp4", view=("camera", "side"))
        vibe.render(result, "figure.png", show="skeleton", view="side", columns=6)

    `path` ends with .mp4, .mov, .webm or .gif; with .png it becomes one picture, a column for each of `columns`
    moments; without an ending it is a folder of numbered .png files. `video` is the file that the motion was made
    from; without it people are drawn alone. The options are those of `vibe render` (docs/render.md), the fields of
    `vibe.render.options.RenderOptions`; `start` and `end` are seconds in the video, both inclusive. `body` is needed
    only where the motion was made with a body file of one's own. Raises ValueError for what can't be drawn or a video
    that does not fit, FileNotFoundError if the video or the body is not here, OSError if the file can't be written.
    """
    # one name is the usual call; the options hold several
    several = {name: options[name] for name in ("show", "view") if name in options}
    options |= {name: (names,) if isinstance(names, str) else tuple(names) for name, names in several.items()}
    return _rendered(result, Path(path), video, RenderOptions(**options), body, progress)


def _rendered(
    result: Result, path: Path, video: Path | str | None, look: RenderOptions, body: Body | Path | str | None,
    progress: Progress | None,
) -> tuple[str, ...]:  # fmt: skip
    layout, ending = look.layout or ("over" if video is not None else "alone"), path.suffix.lower()
    if ending not in ENDINGS:
        raise ValueError(
            f"{path} has no ending that tells what to write: choose {', '.join(ENDINGS[1:])}, or a name without one "
            "for a folder of pictures"
        )
    if layout != "alone" and video is None:
        raise ValueError(f"the layout {layout} needs the video: name its file")
    keep_inputs([path], video, body if isinstance(body, str | Path) else None)
    made_with = find_body(result.body, body)
    result, remarks = result.in_space(look.space)
    cast = [(number, motion, made_with) for number, motion in result.numbered(look.person) if len(motion)]
    film = _film(result, look, ending, cast)
    drawn = _panels(result, look, layout, film, cast, ending)
    notes = list(remarks)
    with (
        one_thread(),  # threads of PyTorch that wait take time from those that draw, decode and encode
        open_footage(video, result.clip) if video is not None and layout != "alone" else nullcontext() as source,
        open_writer(path, [(panel.width, panel.height) for panel in drawn], film.fps, len(film.frames), source,
                  film.start, look.colour, notes) as write,
    ):  # fmt: skip
        surface = any({"mesh", "wireframe"} & {*panel.show} or panel.place for panel in drawn)
        light = [(number, motion, _enough(motion, made_with, drawn)) for number, motion, made_with in cast]
        shown = _drawn(film, _footage(film, source, result), Poser(light, surface), drawn)
        for done, (time, pictures) in enumerate(shown, start=1):
            write(pictures, time)
            if progress:
                progress("drawing", done, len(film.frames))
    return tuple(notes)


@dataclass(frozen=True)
class Film:
    """Which frames of the clip are shown, and when."""

    frames: Int[ndarray, "frame"]
    times: Float[ndarray, "frame"]
    """Seconds from the first."""
    fps: float
    start: float
    """Seconds in the video of the first."""


def _film(result: Result, look: RenderOptions, ending: str, cast: Sequence[tuple[int, Motion, Body]]) -> Film:
    """The frames of the stretch: the video's own, those at even moments, or a few for a picture."""
    times = result.clip.timestamps
    low = look.start if look.start is not None else -np.inf
    high = look.end if look.end is not None else np.inf
    inside = np.flatnonzero((times >= low - 1e-6) & (times <= high + 1e-6))
    if not len(inside):
        asked, last = stretch(look.start, look.end), [0.0, *times][-1]
        raise ValueError(f"there is no frame {asked}: the video lies between 0 and {last:.2f} s")
    first, fps = times[inside[0]], look.fps
    if fps is None and ending == ".gif" and result.clip.fps > GIF_FPS:
        fps = GIF_FPS
    if ending == ".png":
        peopled = np.isin(inside, np.concatenate([motion.frames for _, motion, _ in cast] or [[]]))
        inside = inside[peopled] if peopled.any() else inside
        inside = inside[np.linspace(0, len(inside) - 1, min(look.columns, len(inside))).round().astype(int)]
    elif fps is not None:
        if (count := float(times[inside[-1]] - first) * fps) > MOST_FRAMES:
            raise ValueError(f"the film would have {count:.0f} frames, {MOST_FRAMES} at most are drawn: take a part")
        moments = np.arange(0.0, float(times[inside[-1]] - first) + 1e-6, 1 / fps)
        shown = inside[np.searchsorted(times[inside], first + moments + 1e-6, side="right") - 1]
        return Film(shown, moments, fps, float(first))
    return Film(inside, times[inside] - first, result.clip.fps, float(first))


def _panels(
    result: Result, look: RenderOptions, layout: str, film: Film, cast: Sequence[tuple[int, Motion, Body]], ending: str
) -> list[Panel]:
    """What is drawn beside each other."""
    clip = result.clip
    within = set(film.frames.tolist())
    cast = [each for each in cast if within & set(each[1].frames.tolist())]
    if layout != "over" and not cast:
        raise ValueError("nobody is in view in this stretch: name another with --start and --end, or draw the video")
    window = _window(cast, film, clip.width, clip.height) if look.crop else (0, 0, clip.width, clip.height)
    width, height = look.panel(window[2], window[3], MOST_PX.get(ending, LARGEST))
    K_px = compositor.placed_panels(window, width, height)[1] @ result.camera.K_px.astype(np.float64)
    camera = _film_camera(K_px, result.camera, result.world, film)
    floored = look.ground or (look.ground is None and look.colour is not None and {*look.show} != {"keypoints"})
    where = None
    # people alone stand on a ground; over the video, which shows its own, only where it is asked for
    if floored or look.view != ("camera",):
        platforms = find_platforms([(number, motion) for number, motion, _ in cast])
        where = place(_during(cast, film), clip.timestamps, result.world, platforms)
    if where is None and look.view != ("camera",):
        raise ValueError("nobody is in view in this stretch, so there is nothing to look at from another side")
    seconds, row = len(film.frames) / film.fps, []
    if layout == "beside":
        row.append(Panel(width, height, (), camera, window, filmed=True, background=look.colour))
    for view in look.view:
        filmed = layout == "over" and view == "camera"
        wide = width
        if view != "camera" and not (look.size and "x" in look.size):
            wide = max(width, 2 * round(BROAD * height / 2))
        here = orbit_view(view, where, film.frames, seconds, wide, height) if where and view != "camera" else camera
        shown = look.show if view == "camera" else tuple(what for what in look.show if what != "keypoints")
        row.append(
            Panel(
                wide, height, shown, here, window if view == "camera" else None, filmed,
                place=where if floored and (look.ground or not filmed) else None,
                background=look.colour, numbers=look.numbers,
                opacity=look.opacity or (SEE_THROUGH if {"mesh", "skeleton"} <= {*shown} else 1.0),
                samples=8 if ending == ".png" else 4,
            )
        )  # fmt: skip
    return row


def _film_camera(K_px: Float[ndarray, "3 3"], lens: Camera, world: World | None, film: Film) -> list[Viewpoint]:
    """The video's own camera in each frame of the film."""
    if world is None:
        return [Viewpoint(K_px, np.eye(3), np.zeros(3), lens)] * len(film.frames)
    R_cam_world = world.R_world_cam[film.frames].astype(np.float64).mT
    t_cam_world = -(R_cam_world @ world.t_world_cam[film.frames].astype(np.float64)[..., None])[..., 0]
    return [Viewpoint(K_px, R, t, lens) for R, t in zip(R_cam_world, t_cam_world, strict=True)]


def _enough(motion: Motion, body: Body, row: Sequence[Panel]) -> Body:
    """The body, with fewer polygons where they are too small to be told apart or too many for lines."""
    tallest = max(
        STATURE * float(panel.views[0].K_px[1, 1]) / max(NEAR, float(motion.smpl.pelvis[:, 2].min()))
        if panel.window
        else float(panel.height)
        for panel in row
    )
    wired = any("wireframe" in panel.show and "mesh" not in panel.show for panel in row)
    if not wired and tallest > TALL_PX:
        return body
    simple = load_body(detail="low")
    return simple if body.origin == simple.origin else body


def _during(cast: Sequence[tuple[int, Motion, Body]], film: Film) -> list[tuple[int, Motion, Body]]:
    """People's motions in the frames from the film's first to its last."""
    low, high = int(film.frames[0]), int(film.frames[-1])
    return [
        (number, motion.at((motion.frames >= low) & (motion.frames <= high)), body) for number, motion, body in cast
    ]


def _window(cast: Sequence[tuple[int, Motion, Body]], film: Film, width: int, height: int) -> tuple[int, int, int, int]:
    """Left, top, width and height of the part of the picture in which people are during the film; sides are even."""
    points = [motion.joints_px.reshape(-1, 2) for _, motion, _ in _during(cast, film)]
    spots = np.concatenate(points) if points else np.zeros((0, 2))
    spots = spots[np.isfinite(spots).all(1)]
    if not len(spots):
        return 0, 0, width, height
    low, high = np.clip(spots.min(0), 0, (width, height)), np.clip(spots.max(0), 0, (width, height))
    margin = CROP_MARGIN * float((high - low).max()) + 4
    left, top = (int(max(0, at - margin)) for at in low)
    right, bottom = (int(min(side, at + margin)) for side, at in zip((width, height), high, strict=True))
    if right - left < 32 or bottom - top < 32:
        return 0, 0, width, height
    return left, top, (right - left) // 2 * 2, (bottom - top) // 2 * 2


def _footage(film: Film, source: Video | None, result: Result) -> Iterator[ndarray | None]:
    """The video's picture for each frame of the film; None where none is shown."""
    if source is None:
        yield from [None] * len(film.frames)
        return
    shown = np.bincount(film.frames)
    for frame in video_frames(source, result.clip):
        yield from [frame.rgb] * int(shown[frame.index])
        if frame.index + 1 == len(shown):
            return


def _drawn(
    film: Film, pictures: Iterator[ndarray | None], poser: Poser, row: Sequence[Panel]
) -> Iterator[tuple[float, list[Canvas]]]:
    """The panels of each frame in order; some are drawn while others are decoded and encoded."""

    def draw(turn: int, frame: int, rgb: ndarray | None, people: Sequence[PosedFrames]) -> list[Canvas]:
        return [compositor.paint(panel, turn, frame, rgb, people) for panel in row]

    waiting: deque[tuple[float, Future[list[Canvas]]]] = deque()
    with ThreadPoolExecutor(WORKERS) as pool:
        try:
            for turn, (frame, rgb) in enumerate(zip(film.frames.tolist(), pictures)):
                task = pool.submit(draw, turn, frame, rgb, poser.at(frame))
                waiting.append((float(film.times[turn]), task))
                if len(waiting) > WORKERS:
                    time, done = waiting.popleft()
                    yield time, done.result()
            for time, done in waiting:
                yield time, done.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def write_overlay(
    video: Path | str, result: Result, path: Path | str, body: Body | None = None, progress: Progress | None = None
) -> tuple[str, ...]:
    """Writes the video with everybody and their numbers drawn over it, its size, times and sound kept; returns notes.

    `body` is the surface to draw; by default the motion's own. Raises as `render` does.
    """
    told = None if progress is None else lambda _, done, total: progress("overlay", done, total)
    return render(result, path, video, numbers=True, body=body, progress=told)
