"""One HTML file that plays a motion: the video beside or under the moving bodies; nothing is fetched from anywhere."""

from __future__ import annotations

import base64
import tempfile
import webbrowser
from collections.abc import Mapping
from pathlib import Path

from vibe import assets
from vibe.body import Body, find_body
from vibe.motion import Result
from vibe.records import Camera, Progress
from vibe.results.page_film import LIMIT_MB, Film, TooLarge, read_film
from vibe.results.page_motion import live_json, motion_json

__all__ = ["TooLarge", "live_page", "page", "page_template", "view"]
TEMPLATE = Path(__file__).with_name("page.html")
"""The page with places for the data; `hatch_build.py` makes it when the package is installed."""
NAME = "page.html"
"""Of a page that nobody named."""


def view(
    result: Result,
    path: Path | str | None = None,
    video: Path | str | None = None,
    body: Body | Path | str | None = None,
    limit_mb: float = LIMIT_MB,
    progress: Progress | None = None,
) -> Path:
    """Write the page of a motion, and open it in the browser if no `path` is given; where it is.

        import vibe

        result = vibe.load("out/dance/motion.npz")
        vibe.view(result, "dance.html", "dance.mp4")

    `video` is the one that the motion was made from; without it the bodies move alone. `body` is found by the motion
    itself, unless it was made with a file of your own. Raises FileNotFoundError or ValueError if the video, the body or
    the motion is not what it should be or the video takes more than `limit_mb`, OSError if the file can't be written.
    """
    template = page_template()
    if path is not None and video is not None and Path(path).resolve() == Path(video).resolve():
        raise ValueError(f"{video} would be overwritten by its own page: choose another file")
    film = None if video is None else read_film(video, result.clip, limit_mb, progress)
    content = page(template, result, find_body(result.body, body), film)
    place = Path(tempfile.mkdtemp(prefix="vibe-")) / NAME if path is None else Path(path)
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


def page(template: str, result: Result, body: Body, film: Film | None) -> str:
    """The whole page as text; raises ValueError."""
    return _filled(
        template,
        {
            "%motion%": motion_json(result, body),
            "%kind%": film.kind if film else "",
            "%sound%": "yes" if film and film.sound else "",
            "%film%": base64.b64encode(film.content).decode() if film else "",
        },
    )


def live_page(template: str, name: str, camera: Camera, body: Body) -> str:
    """The page that is told by the server it came from, over a WebSocket, how people move."""
    policy, open_policy = ("default-src 'none';", "default-src 'none'; connect-src 'self';")
    assert policy in template
    given = {"%motion%": live_json(name, camera, body), "%kind%": "", "%sound%": "", "%film%": ""}
    return _filled(template.replace(policy, open_policy, 1), given)


def _filled(template: str, given: Mapping[str, str]) -> str:
    """The page with what belongs in its places, which stand in this order; what fills one is not looked into."""
    parts, rest = [], template
    for place, content in given.items():
        before, _, rest = rest.partition(place)
        parts += [before, content]
    return "".join([*parts, rest])
