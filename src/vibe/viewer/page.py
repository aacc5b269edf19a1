"""One HTML file that plays a motion: the video beside or under the moving bodies; nothing is fetched from anywhere."""

from __future__ import annotations

import base64
import tempfile
import webbrowser
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from vibe import assets
from vibe.assets.paths import folders_above
from vibe.body import Body, find_body
from vibe.motion import Result
from vibe.motion.footage import open_footage, video_frames
from vibe.records import Camera, Clip, Progress
from vibe.video.read import Video
from vibe.video.sound import browser_kind, has_sound
from vibe.video.write import VideoWriter
from vibe.viewer.motion_json import live_json, motion_json

__all__ = ["TooLarge", "edit_page", "live_page", "page", "page_template", "view"]
TEMPLATE = Path(__file__).with_name("page.html")
"""The page with places for the data; `hatch_build.py` makes it when the package is installed."""
NAME = "page.html"
"""Of a page that nobody named."""
LIMIT_MB = 100.0
"""Millions of bytes of video that a page may carry; they take a third more as text."""
LONGEST_PX = 1280
"""Longer side of a video that is encoded anew."""


def view(
    result: Result,
    path: Path | str | None = None,
    video: Path | str | Sequence[Path | str | None] | None = None,
    body: Body | Path | str | None = None,
    limit_mb: float = LIMIT_MB,
    progress: Progress | None = None,
    space: str | None = None,
) -> Path:
    """Write the page of a motion, and open it in the browser if no `path` is given; where it is.

        import vibe

        result = vibe.load("out/dance/motion.npz")
        vibe.view(result, "dance.html", "dance.mp4")

    `path` is the file, or a folder, which is there or ends in a slash. `video` is the one that the motion was made
    from, or of several cameras those of `Result.views`, in order, which share `limit_mb`; without it the bodies move
    alone. `body` is found by the motion itself, unless it was made with a file of your own. `space` is world (by
    itself, where the motion knows it) or camera. Raises FileNotFoundError or ValueError if the video, the body or the
    motion is not what it should be or the video takes more than `limit_mb`, OSError if the file can't be written.
    """
    template = page_template()
    result, remarks = result.in_space(space)
    result = replace(result, notes=result.notes + remarks)
    videos = [video] if video is None or isinstance(video, str | Path) else list(video)
    assets.keep_inputs([path and assets.file_in(path, NAME)], *videos, body if isinstance(body, str | Path) else None)
    clips = [result.clip, *(view.clip for view in result.views[1:])]
    share = limit_mb / max(sum(one is not None for one in videos), 1)
    if len(videos) > len(clips):
        cameras = "camera" if len(clips) == 1 else "cameras"
        raise ValueError(
            f"{len(videos)} videos were given for a motion of {len(clips)} {cameras}: give one for each, in their order"
        )
    place = Path(tempfile.mkdtemp(prefix="vibe-")) / NAME if path is None else assets.file_in(path, NAME)
    with folders_above(place):
        films = [None if one is None else read_film(one, clip, share, progress) for one, clip in zip(videos, clips)]
        content = page(template, result, find_body(result.body, body), *films)
        assets.write_whole(place, content.encode())
    if path is None:
        webbrowser.open(place.resolve().as_uri())
    return place


def page_template() -> str:
    """The page without data; raises FileNotFoundError, with what to do, if this installation has none."""
    if not TEMPLATE.is_file():
        raise FileNotFoundError(
            "vibe was installed without its page, because the npm packages that it is built with could not be fetched: "
            "install vibe once more while there is a network"
        )
    return TEMPLATE.read_text(encoding="utf-8")


def page(template: str, result: Result, body: Body, *films: PageVideo | None) -> str:
    """The whole page as text, with the film of each view; raises ValueError."""
    return _filled(template, motion_json(result, body), *films)


def live_page(template: str, name: str, camera: Camera, body: Body) -> str:
    """The page that is told by the server it came from, over a WebSocket, how people move."""
    return _filled(_asking(template), live_json(name, camera, body))


def edit_page(template: str, motion: str, *films: PageVideo) -> str:
    """The page that sends what is put right on it to the server it came from, of what `motion_json` says."""
    return _filled(_asking(template), motion, *films)


def _asking(template: str) -> str:
    """The page with leave to ask the server it came from."""
    policy, open_policy = ("default-src 'none';", "default-src 'none'; connect-src 'self';")
    assert policy in template
    return template.replace(policy, open_policy, 1)


def _filled(template: str, motion: str, *films: PageVideo | None) -> str:
    """The page with what belongs in its places, which stand in this order; what fills one is not looked into."""
    parts, rest = [], template
    elements = [_film_element(number, film) for number, film in enumerate(films, start=1) if film is not None]
    for place, content in {"%motion%": motion, "%films%": "\n".join(elements)}.items():
        before, _, rest = rest.partition(place)
        parts += [before, content]
    return "".join([*parts, rest])


def _film_element(number: int, film: PageVideo) -> str:
    """A film as the page carries it, under the number of its view."""
    content, sound = base64.b64encode(film.content).decode(), "yes" if film.sound else ""
    about = f'id="film-data-{number}" data-kind="{film.kind}" data-sound="{sound}"'
    return f'<script type="text/plain" {about}>{content}</script>'


@dataclass(frozen=True)
class PageVideo:
    """A video that browsers play, whose first picture is shown at 0 seconds."""

    content: bytes
    kind: str
    """Its MIME type."""
    sound: bool


class TooLarge(ValueError):
    """A video that takes more than a page may carry, encoded anew or not."""


def read_film(path: Path | str, clip: Clip, limit_mb: float = LIMIT_MB, progress: Progress | None = None) -> PageVideo:
    """The video that a motion was made from, for a page.

    It is taken as it is if it is an H.264, VP9 or AV1 file in mp4 or webm that keeps its times and is not larger than
    `limit_mb`; else it is encoded anew in H.264, with its sound, at most 1280 pixels a side. Raises FileNotFoundError
    or ValueError if it can't be read, is another video than the motion's or is larger than the limit in any case.
    """
    path = Path(path)
    with open_footage(path, clip) as video:
        small = path.stat().st_size <= limit_mb * 1e6
        kind = browser_kind(path, clip.timestamps) if small else None
        film = PageVideo(path.read_bytes(), kind, has_sound(path)) if kind else _encoded(video, clip, progress)
    if len(film.content) > limit_mb * 1e6:
        raise TooLarge(
            f"{path} would take {len(film.content) / 1e6:.1f} MB of the page, more than the limit of {limit_mb:g} MB: "
            "give a higher --limit, or --no-video"
        )
    return film


def _encoded(video: Video, clip: Clip, progress: Progress | None) -> PageVideo:
    """The video in H.264, with even sides."""
    scale = min(1.0, LONGEST_PX / max(video.width, video.height))
    width, height = (max(2, 2 * round(side * scale / 2)) for side in (video.width, video.height))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        with VideoWriter(path, width, height, video.fps, video) as writer:
            for frame in video_frames(video, clip):
                same = frame.rgb.shape[:2] == (height, width)
                rgb = frame.rgb if same else cv2.resize(frame.rgb, (width, height), interpolation=cv2.INTER_AREA)
                writer.write(np.asarray(rgb, np.uint8), frame.time)
                if progress:
                    progress("video", frame.index + 1, len(clip.timestamps))
        return PageVideo(path.read_bytes(), "video/mp4", has_sound(path))
