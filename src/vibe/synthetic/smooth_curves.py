"""Curves that a body can follow: minimum-jerk movements between random holds, and slow unsteadiness."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from vibe.data.motion import FPS
from vibe.rotations import interpolate

Span = tuple[float, float]
"""Bounds of what chance gives uniformly."""


def ease(
    times: Float[ndarray, "time"], start: float | Float[ndarray, "*#time"], stop: float | Float[ndarray, "*#time"]
) -> Float[ndarray, "time"]:
    """From 0 to 1 between two moments with the least jerk (Flash and Hogan 1985); at rest before and after."""
    share = ((times - start) / (stop - start)).clip(0, 1)
    return share**3 * (10 - 15 * share + 6 * share**2)


def through(
    times: Float[ndarray, "time"],
    first: float | Float[ndarray, "number"] | Sequence[float],
    keys: Sequence[tuple[float, float, object]],
) -> Float[ndarray, "time *number"]:
    """A value that starts at `first` and moves to each key's value between its two moments, which do not overlap."""
    before = np.asarray(first, float)
    value = np.broadcast_to(before, (len(times), *before.shape)).copy()
    for start, stop, wanted in keys:
        step = np.asarray(wanted, float) - before
        value += ease(times, start, stop).reshape(-1, *np.ones(step.ndim, int)) * step
        before = np.asarray(wanted, float)
    return value


def holds(
    times: Float[ndarray, "time"], random: np.random.Generator, move: Span, hold: Span
) -> tuple[Int[ndarray, "time"], Float[ndarray, "time"]]:
    """For movements of random durations with random holds between: the last key left, and the way to the next.

    Somebody may be anywhere in the first hold when the clip begins.
    """
    place, share = np.zeros(len(times), int), np.zeros(len(times))
    start = times[0] + random.uniform(0, 1) * random.uniform(*hold)
    while start < times[-1]:
        stop = start + random.uniform(*move)
        place += times >= stop
        share = np.where((times >= start) & (times < stop), ease(times, start, stop), share)
        start = stop + random.uniform(*hold)
    return place, share


def rove(
    times: Float[ndarray, "time"], random: np.random.Generator, draw: Callable[[], object], move: Span = (0.7, 2.2),
    hold: Span = (0.0, 2.0),
) -> Float[ndarray, "time *number"]:  # fmt: skip
    """From one drawn value to the next."""
    place, share = holds(times, random, move, hold)
    values = np.stack([np.asarray(draw(), float) for _ in range(place.max() + 2)])
    share = share.reshape(-1, *np.ones(values.ndim - 1, int))
    return values[place] + share * (values[place + 1] - values[place])


def turn_through(
    times: Float[ndarray, "time"], random: np.random.Generator, draw: Callable[[], Float[ndarray, "joint 3 3"]],
    move: Span = (0.8, 2.2), hold: Span = (0.0, 2.5),
) -> Float[ndarray, "time joint 3 3"]:  # fmt: skip
    """Rotations from one drawn posture to the next, the shortest way."""
    place, share = holds(times, random, move, hold)
    values = np.stack([draw() for _ in range(place.max() + 2)])
    return interpolate(values[place], values[place + 1], np.broadcast_to(share[:, None], values[place].shape[:2]))


def sway(
    times: Float[ndarray, "time"], random: np.random.Generator, size: float | Sequence[float], hz: Span = (0.1, 0.7)
) -> Float[ndarray, "time *number"]:
    """Unsteadiness of this size (root of the mean square) as a few slow waves; a size for each number."""
    sizes = np.asarray(size, float)
    waves = 4
    rates = random.uniform(*hz, (waves, *sizes.shape))
    phases = random.uniform(0, 2 * np.pi, rates.shape)
    angle = 2 * np.pi * rates * times.reshape(-1, 1, *np.ones(sizes.ndim, int)) + phases
    return sizes * np.sin(angle).sum(1) * (2 / waves) ** 0.5


def clip_times(seconds: float) -> Float[ndarray, "time"]:
    """Moments of a clip, at the rate of motion files."""
    return np.arange(round(seconds * FPS)) / FPS
