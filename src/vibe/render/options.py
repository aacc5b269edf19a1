"""How a rendered film or picture looks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

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
BROAD = 0.75
"""Least width over height of a panel beside people, who need room to move in depth."""
MOST_COLUMNS = 50


@dataclass(frozen=True)
class RenderOptions:
    """All options of a rendering; raises ValueError for unknown names and numbers out of range."""

    show: tuple[str, ...] = ("mesh",)
    view: tuple[str, ...] = ("camera",)
    """A panel each, side by side."""
    layout: str | None = None
    """None: over the video where there is one."""
    ground: bool | None = None
    """Whether the ground is drawn; None: where the video is not behind."""
    background: str = "white"
    """A name of `NAMED` or #rrggbb: what lies behind where the video does not."""
    size: str | None = None
    """Of a panel, pixels: WIDTHxHEIGHT, or HEIGHT for the video's proportions; None: the video's size."""
    crop: bool = False
    """Whether the camera's view is narrowed to where people go."""
    person: int | None = None
    start: float | None = None
    """Seconds in the video; None: its beginning."""
    end: float | None = None
    """Inclusive."""
    fps: float | None = None
    """None: the video's own frames."""
    opacity: float | None = None
    """None: 1, and less where a skeleton is to be seen inside."""
    numbers: bool = False
    columns: int = 5
    """Moments in a single picture."""

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

    def broad(self, width: int, height: int) -> int:
        """Width of a panel that looks at people from elsewhere: not as narrow as a portrait video, unless asked for."""
        return width if self.size and "x" in self.size else max(width, 2 * round(BROAD * height / 2))
