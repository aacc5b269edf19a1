"""How a rendered film or picture looks: the options of `vibe.render` and the flags of `vibe render`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal, cast, get_args

from tyro.conf import FlagCreatePairsOff, Suppress, arg

Show = Literal["mesh", "wireframe", "skeleton", "keypoints"]
View = Literal["camera", "side", "turn"]
Layout = Literal["over", "beside", "alone"]
SHOWS, VIEWS, LAYOUTS = get_args(Show), get_args(View), get_args(Layout)
NAMED = {
    "white": (1.0, 1.0, 1.0), "black": (0.0, 0.0, 0.0), "grey": (0.5, 0.5, 0.5), "dark": (0.11, 0.12, 0.14),
    "transparent": None,
}  # fmt: skip
SMALLEST, LARGEST = 16, 8192
"""Pixels along a side of a panel."""
MOST_COLUMNS = 50


SHOW = arg(constructor=cast(Any, tuple[Show, ...]), metavar=f"{{{','.join(SHOWS)}}} ...")
VIEW = arg(constructor=cast(Any, tuple[View, ...]), metavar=f"{{{','.join(VIEWS)}}} ...")
WHERE_FILMED = "(default: over the video where there is one)"
SPACE = arg(metavar="{world,camera}", help_behavior_hint="(default: world if known)")
LAYOUT = arg(constructor=cast(Any, Layout), metavar=f"{{{','.join(LAYOUTS)}}}", help_behavior_hint=WHERE_FILMED)


@dataclass(frozen=True)
class RenderOptions:
    """All options of a rendering; raises ValueError for unknown names and numbers out of range."""

    show: Annotated[tuple[str, ...], SHOW] = ("mesh",)
    """mesh: the body. wireframe: the edges of its polygons. skeleton: joints and bones, the right side darker.
    keypoints: the 2D evidence as it was found in the picture."""
    view: Annotated[tuple[str, ...], VIEW] = ("camera",)
    """A panel for each. camera: what the video's camera saw. side: from a quarter turn to the right. turn: around
    people, back where it began at the end."""
    space: Annotated[str | None, SPACE] = None
    """world: everybody on the world's floor, around which the camera may move. camera: as if the camera stood still."""
    layout: Annotated[str | None, LAYOUT] = None
    """over: on the video's frames, which other views than the camera's don't have. beside: the video in a panel of its
    own. alone: without it."""
    ground: Annotated[bool | None, Suppress] = None
    """Whether the ground is drawn; None: where the video is not behind."""
    background: Annotated[str, arg(metavar="COLOUR")] = "white"
    """white, black, grey, dark, transparent (with .png, .gif, .webm, .mov and folders) or as in #f0f4f8."""
    size: Annotated[str | None, arg(metavar="WxH", help_behavior_hint="(default: the video's)")] = None
    """Of a panel, in pixels, as in 1280x720, or the height alone."""
    crop: Annotated[FlagCreatePairsOff[bool], arg(help_behavior_hint="")] = False
    """Narrow the camera's view to where people go."""
    person: Annotated[int | None, arg(metavar="N", help_behavior_hint="(default: everybody)")] = None
    """Only this person, by the number in the table of `vibe estimate`."""
    start: Annotated[float | None, arg(metavar="SECONDS", help_behavior_hint="(default: the beginning)")] = None
    """Begin here, in seconds of the video."""
    end: Annotated[float | None, arg(metavar="SECONDS", help_behavior_hint="(default: the end)")] = None
    """End here."""
    fps: Annotated[float | None, arg(metavar="RATE", help_behavior_hint="(default: the video's; gif: 12.5)")] = None
    """Frames a second; the video's frames are repeated or left out."""
    opacity: Annotated[float | None, arg(metavar="0..1", help_behavior_hint="(default: 0.93 over a video)")] = None
    """Of people; those filled in where nobody was found are fainter."""
    numbers: Annotated[FlagCreatePairsOff[bool], arg(help_behavior_hint="")] = False
    """Put people's numbers above their heads."""
    columns: Annotated[int, arg(metavar="N")] = 5
    """Moments in one picture."""

    def __post_init__(self) -> None:
        for what, names, choices in (("show", self.show, SHOWS), ("view", self.view, VIEWS)):
            if not names or not set(names) <= {*choices}:
                raise ValueError(f"cannot {what} {', '.join(names) or 'nothing'}: choose of {', '.join(choices)}")
        if self.layout not in (None, *LAYOUTS):
            raise ValueError(f"there is no layout {self.layout}: choose {', '.join(LAYOUTS)}")
        if {*self.show} == {"keypoints"} and {*self.view} - {"camera"}:
            raise ValueError("keypoints lie in the picture and can't be seen from elsewhere: leave the view out")
        if self.opacity is not None and not 0 < self.opacity <= 1:
            raise ValueError(f"the opacity is {self.opacity:g}: give one above 0, at most 1")
        if self.fps is not None and not 0 < self.fps <= 1000:
            raise ValueError(f"{self.fps:g} frames a second: give a rate above 0, at most 1000")
        if not 1 <= self.columns <= MOST_COLUMNS:
            raise ValueError(f"{self.columns} moments in a picture: give 1 to {MOST_COLUMNS}")
        _ = self.colour
        if self.size is not None:
            self.panel(100, 100)

    @property
    def colour(self) -> tuple[float, float, float] | None:
        """The background, sRGB from 0 to 1; None if it is transparent."""
        if self.background in NAMED:
            return NAMED[self.background]
        match = re.fullmatch(r"#?([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})", self.background)
        if match is None:
            raise ValueError(
                f"no background is called {self.background}: choose {', '.join(NAMED)}, or give red, green and blue as "
                "in #f0f4f8"
            )
        red, green, blue = (int(part, 16) / 255 for part in match.groups())
        return red, green, blue

    def panel(self, width: int, height: int, most: int = LARGEST) -> tuple[int, int]:
        """Width and height of a panel where the video, or the part that is shown, is so large.

        Where no size was asked for the longer side is at most `most`.
        """
        if self.size is None:
            scale = min(1.0, most / max(width, height))
            return (width, height) if scale == 1 else (2 * round(width * scale / 2), 2 * round(height * scale / 2))
        match = re.fullmatch(r"(?:(\d{1,5})x)?(\d{1,5})", self.size)
        if match is None:
            raise ValueError(f"the size {self.size} is not understood: give 1280x720, or 720 for the height")
        high = int(match[2])
        wide = int(match[1]) if match[1] else max(2, round(high * width / height / 2) * 2)
        if not min(wide, high) >= SMALLEST or max(wide, high) > LARGEST:
            raise ValueError(f"{wide}x{high} pixels: give sides from {SMALLEST} to {LARGEST}")
        return wide, high
