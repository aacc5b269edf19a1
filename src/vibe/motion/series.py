"""Numbers of joints over time that know their unit, their axes and when they were measured."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import TYPE_CHECKING, Any, SupportsFloat

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from vibe.errors import needs_extra

if TYPE_CHECKING:
    from pandas import DataFrame

CAMERA = "camera"
"""x right, y down, z forward, from the camera's centre."""
CAMERA_Y_UP = "camera, y up"
"""x right, y up, z towards the camera's back, from the camera's centre."""
WORLD = "world, z up"
"""x where the first person faces at first, z up from the floor."""
SPACES = {"camera": CAMERA, "world": WORLD}
"""Whose axes places can be given in."""
SEGMENTS = "anatomical axes of the segment above"
UNITS = ({"m": 1.0, "cm": 0.01, "mm": 0.001}, {"rad": 1.0, "deg": math.pi / 180})
"""Lengths and angles, each in the first of its kind."""
COLUMNS = ("person", "frame", "time_s", "joint", "x_m", "y_m", "z_m", "confidence")
"""Of a table of people."""
ROUNDING = 1e-6
"""Seconds by which a time may miss the one that it stands for."""


@dataclass(frozen=True, eq=False)
class Series:
    """Numbers of some joints over time, such as `motion.joints()` returns.

        joints = motion.joints("coco17")
        speed = joints["left_wrist"].velocity().norm()  # m/s
        above = (joints - joints["left_hip"]).y_up().to("cm")

    Sums and differences are of series of the same unit, axes, times and joints; a series of one joint goes with every
    joint of the other. A number is in the series's own unit. ValueError says what doesn't fit.
    """

    values: Float[ndarray, "time joint *axis"]
    """Positions and what comes of them have an axis of x, y, z; lengths, speeds and angles have none."""
    names: tuple[str, ...]
    """Of the joints."""
    times: Float[ndarray, "time"]
    """Seconds in the video, float64, increasing."""
    frames: Int[ndarray, "time"]
    """Indices into the video; where one is left out there is a gap."""
    unit: str
    """m, m/s, m/s^2, deg ..."""
    axes: str
    """What x, y and z are, or what angles are measured from: `CAMERA`, `CAMERA_Y_UP`, `WORLD` or `SEGMENTS`."""

    def __len__(self) -> int:
        """Frames."""
        return len(self.frames)

    def __getitem__(self, part: slice | str | Sequence[str]) -> Series:
        """A stretch of time, `[2.0:5.0]` in seconds of the video without its end; or some joints by name."""
        if isinstance(part, slice):
            kept = within(self.times, part)
            return replace(self, values=self.values[kept], times=self.times[kept], frames=self.frames[kept])
        if not isinstance(part, Sequence):
            raise TypeError(
                f"a series is cut by seconds, as in series[2.0:5.0], or by names of joints, not by {part!r}"
            )
        names = (part,) if isinstance(part, str) else tuple(part)
        missing = [str(name) for name in names if name not in self.names]
        if missing:
            raise ValueError(f"there is no joint {', '.join(missing)} in the series: it has {', '.join(self.names)}")
        return replace(self, values=self.values[:, [self.names.index(name) for name in names]], names=names)

    __array_ufunc__ = None
    """So that numpy's numbers leave arithmetic to this class."""

    def __add__(self, other: Series | SupportsFloat) -> Series:
        return self._with(other, operator.add)

    __radd__ = __add__

    def __sub__(self, other: Series | SupportsFloat) -> Series:
        return self._with(other, operator.sub)

    def __rsub__(self, other: SupportsFloat) -> Series:
        return -self + other

    def __neg__(self) -> Series:
        return self * -1.0

    def __mul__(self, other: SupportsFloat) -> Series:
        return self._times(other, operator.mul)

    __rmul__ = __mul__

    def __truediv__(self, other: Series | SupportsFloat) -> Series:
        """By a number; or by a series of the same unit, which leaves none."""
        if isinstance(other, Series):
            return replace(self._with(other, operator.truediv), unit="1")
        return self._times(other, operator.truediv)

    def to(self, unit: str) -> Series:
        """The same in another unit: m, cm or mm, deg or rad, also before `/s` and `/s^2`."""
        (kind, slash, rate), (wanted, _, wanted_rate) = self.unit.partition("/"), unit.partition("/")
        known = next((units for units in UNITS if kind in units), {})
        if wanted not in known or rate != wanted_rate:
            choices = ", ".join(name + slash + rate for name in known) or "no other"
            raise ValueError(f"{self.unit} can't be given in {unit}: choose {choices}")
        return replace(self * (known[kind] / known[wanted]), unit=unit)

    def velocity(self) -> Series:
        """Change a second, from the frames before and after and their true times; exact for constant acceleration.

        NaN at the first and last frame and on both sides of a gap.
        """
        return self._derived("s", lambda before, after, one, two: before * two / one + after * one / two)

    def acceleration(self) -> Series:
        """Second derivative, from three frames and their true times; exact for constant acceleration.

        NaN at the first and last frame and on both sides of a gap.
        """
        return self._derived("s^2", lambda before, after, one, two: 2 * (after / two - before / one))

    def norm(self) -> Series:
        """Length over x, y and z: speed of a velocity, distance of a difference."""
        return replace(self, values=np.linalg.norm(self._spatial("length").values, axis=-1))

    def y_up(self) -> Series:
        """The same with y pointing up in the picture and z backwards; what `axes` says changes with it."""
        if self._spatial("y axis").axes == CAMERA_Y_UP:
            return self
        if self.axes == WORLD:
            raise ValueError("the series is of the world, whose z points up: ask for y up of one in the camera's space")
        return replace(self, values=self.values * np.array([1, -1, -1], np.int8), axes=CAMERA_Y_UP)

    def numpy(self) -> Float[ndarray, "time joint *axis"]:
        """The numbers alone."""
        return self.values

    def to_dataframe(self) -> DataFrame:
        """A row for each frame and joint: frame, time_s, joint, then x, y, z with their unit, as in `x_m`, or `value`.

        Unit and axes are in the frame's `attrs` too. Needs pandas (ImportError says how to get it).
        """
        axes, joints = "xyz" if self.values.ndim == 3 else ["value"], len(self.names)
        numbers = self.values.reshape(len(self) * joints, len(axes))
        table = _pandas().DataFrame(
            {
                "frame": np.repeat(self.frames, joints),
                "time_s": np.repeat(self.times, joints),
                "joint": list(self.names) * len(self),
                **{f"{axis}_{self.unit}": numbers[:, place] for place, axis in enumerate(axes)},
            }
        )
        table.attrs.update(unit=self.unit, axes=self.axes)
        return table

    def _with(self, other: Series | SupportsFloat, apply: Callable[[Any, Any], Any]) -> Series:
        """Sum, difference or quotient with a number or a series that fits."""
        if not isinstance(other, Series):
            return self._times(other, apply)
        for what, mine, its in (("unit", self.unit, other.unit), ("axes", self.axes, other.axes)):
            if mine != its:
                raise ValueError(f"one series has the {what} {mine!r}, the other {its!r}: bring both to the same")
        if self.values.ndim != other.values.ndim:
            raise ValueError("one series has x, y and z, the other has not: take .norm() of the first")
        if not np.array_equal(self.frames, other.frames) or not np.array_equal(self.times, other.times):
            raise ValueError(
                f"the series are of other frames ({_span(self)} and {_span(other)}): cut both to the frames that they "
                "share, as in series[2.0:5.0]"
            )
        if self.names != other.names and 1 not in (len(self.names), len(other.names)):
            raise ValueError(
                f"the series are of other joints ({', '.join(self.names)} and {', '.join(other.names)}): choose the "
                'same by name, or one, as in series["pelvis"]'
            )
        names = self.names if len(self.names) >= len(other.names) else other.names
        return replace(self, values=apply(self.values, other.values), names=names)

    def _times(self, other: SupportsFloat, apply: Callable[[Any, Any], Any]) -> Series:
        if not isinstance(other, Real):
            return NotImplemented
        return replace(self, values=apply(self.values, float(other)))

    def _spatial(self, wanted: str) -> Series:
        if self.values.ndim != 3:
            raise ValueError(f"these are numbers without x, y and z, so they have no {wanted}")
        return self

    def _derived(self, per: str, formula: Callable[..., ndarray]) -> Series:
        """A derivative by the differences to the neighbours and their distances in time, `one` before, `two` after."""
        if "/" in self.unit:
            kind, _, rate = self.unit.partition("/")
            raise ValueError(f"{self.unit} is a change over time already: derive the positions, in {kind}")
        steps = np.diff(self.times).reshape(-1, *[1] * (self.values.ndim - 1))
        change, joined = np.diff(self.values.astype(np.float64), axis=0), np.diff(self.frames) == 1
        values = np.full_like(self.values, math.nan)
        one, two = steps[:-1], steps[1:]
        found = formula(change[:-1], change[1:], one, two) / (one + two)
        inside = joined[:-1] & joined[1:]
        values[1:-1][inside] = found[inside]
        return replace(self, values=values, unit=f"{self.unit}/{per}")


def stretch(start: float | None, end: float | None) -> str:
    """A stretch of a video in words, in seconds; None is its beginning or its end."""
    if start is None and end is None:
        return "in the video"
    low = f"{start:g} s" if start is not None else "the beginning"
    return f"from {low} to {f'{end:g} s' if end is not None else 'the end'}"


def within(times: Float[ndarray, "time"], part: slice) -> Bool[ndarray, "time"]:
    """Which times lie in a slice of seconds: from its start, without its end; raises ValueError for what is none.

    Neighbouring slices share no frame and leave none out.
    """
    if part.step is not None:
        raise ValueError("a slice of seconds has no step: use [2.0:5.0]")
    for bound in (part.start, part.stop):
        if bound is not None and not (isinstance(bound, Real) and float(bound) >= 0):
            raise ValueError(f"{bound} is no time in the video: slices are in seconds from its beginning, as [2.0:5.0]")
    low = -math.inf if part.start is None else float(part.start)
    high = math.inf if part.stop is None else float(part.stop)
    return (times >= low - ROUNDING) & (times < high - ROUNDING)


def _span(series: Series) -> str:
    return f"{len(series)} from {series.frames[0]} to {series.frames[-1]}" if len(series) else "none"


def together(tables: Sequence[DataFrame]) -> DataFrame:
    """Tables of people 1, 2, ... as one, with a column for their number; ImportError without pandas."""
    if not tables:
        return _pandas().DataFrame(columns=list(COLUMNS))
    for number, table in enumerate(tables, start=1):
        table.insert(0, "person", number)
    return _pandas().concat(tables, ignore_index=True)


def _pandas() -> Any:
    with needs_extra("a table", "pandas", "pandas"):
        import pandas
    return pandas
