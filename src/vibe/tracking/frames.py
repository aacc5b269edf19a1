"""The frames of a clip: where one scene is cut to the next, which frames are read, and what lies between these.

Hard cuts are where a picture differs from the one before by more than motion explains.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any

import cv2
import numpy as np
import torch
from jaxtyping import Float, Float32, Int, UInt8
from numpy import ndarray as Array
from scipy.interpolate import CubicHermiteSpline
from torch import Tensor

from vibe import records

Small = UInt8[Array, "row column 3"]
Grey = UInt8[Array, "row column"]
SIDE = 64
"""Pixels of the longer side of the small pictures that are compared."""
COARSE = 512
"""Pixels of the longer side down to which a picture is thinned before it is averaged."""
BLOCK, REACH = 16, 12
"""Pixels of a block's side, and how far it may have moved from one picture to the next: a fifth of the longer side."""
SHIFT = 4
"""Pixels by which a whole picture may have moved during a flash."""
EXPLAINED, DROP = 0.82, 0.18
"""Correlation of blocks with the picture before below which motion does not explain a picture, and how far it must
fall below the usual: what moves too fast for the frame rate is hard to explain in all frames. Over cuts between unlike
views it is 0.40 to 0.58, between two scenes before one camera 0.68 to 0.87; from frame to frame at 30 to 60 frames a
second 0.93 and more, at 3 to 6 a second 0.81 and more."""
SMOOTH, RECOLOURED, ALIKE = 0.87, 0.3, 0.55
"""Smooth pictures explain one another up to the first; if the colours differ by the second (motion up to 0.17), and
the whole pictures correlate by less than the third (flashes 0.60 and more), it is a cut all the same."""
EXPOSED = 0.6
"""Difference of the colours above which pictures that correlate are one scene under another light."""
USUAL = 7
"""Pictures whose median is the usual."""
LEAST_CONTRAST = 3.0
"""Standard deviation of the grey values, 0 to 255, within the blocks below which a picture tells nothing."""
BURNT, FLASH = 0.3, 0.2
"""Share of the pixels by which black and white ones may grow before a picture is taken for a flash, and for how many
seconds."""


class CutDetector:
    """Fed a video's pictures, in order; it keeps a small picture and a few numbers."""

    def __init__(self) -> None:
        self._before: Small | None = None
        self._time = 0.0
        self._usual: list[float] = []

    def step(self, time: float, rgb: UInt8[Array, "height width 3"]) -> bool:
        """Whether a new scene begins with this picture, at `time` in seconds.

        Pictures that tell nothing (flashes, black ones) are passed over: the next is compared with that before them.
        """
        now, before = _small(rgb), self._before
        if before is None or before.shape != now.shape:
            self._before, self._time = now, time
            return False
        change = compare(before, now)
        if change.contrast < LEAST_CONTRAST or (change.is_flash and time - self._time <= FLASH):
            return False
        self._before, self._time = now, time
        usual = float(np.median(self._usual or [1.0]))
        unlike = change.explained < SMOOTH and change.colour > RECOLOURED and change.alike < ALIKE
        cut = unlike or change.explained < min(EXPLAINED, usual - DROP)
        if not cut:
            self._usual = [*self._usual, change.explained][-USUAL:]
        return cut

    def state(self) -> dict[str, Any]:
        """All that the next answers depend on."""
        before = np.zeros((0, 0, 3), np.uint8) if self._before is None else self._before
        return {"before": before, "time": self._time, "usual": self._usual}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where another one was; raises KeyError, TypeError or ValueError for what is no state."""
        before = np.asarray(state["before"], np.uint8)
        self._before = before if before.size else None
        self._time, self._usual = float(state["time"]), [float(each) for each in state["usual"]]


@dataclass(frozen=True)
class Change:
    """How one small picture differs from that before."""

    explained: float
    """Mean of the best normalised cross-correlations of blocks, with those of the other picture around them, in the
    direction that is explained worse: -1 to 1."""
    contrast: float
    """Standard deviation within the blocks on which this rests, grey values."""
    colour: float
    """Hellinger distance of the colour histograms, 0 to 1."""
    alike: float
    """Correlation of the grey values, at the best shift of the whole picture by `SHIFT` at most."""
    burnt: float
    """By which share of the pixels more is nearly black or white now."""

    @property
    def is_flash(self) -> bool:
        """Whether the light changed rather than the scene."""
        return self.burnt > BURNT or (self.colour > EXPOSED and self.alike > ALIKE)


def compare(before: Small, now: Small) -> Change:
    """A picture of a video against that before."""
    one, other = (cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY) for rgb in (before, now))
    weights = _weights(one, other)
    explained = min(_explained(one, other, weights), _explained(other, one, weights))
    first, second = _histogram(before), _histogram(now)
    around = cv2.copyMakeBorder(one, SHIFT, SHIFT, SHIFT, SHIFT, cv2.BORDER_REPLICATE)
    alike = float(cv2.matchTemplate(around, other, cv2.TM_CCOEFF_NORMED).max())
    colour = float(np.sqrt(max(0.0, 1 - first @ second)))
    before_burnt, burnt = (float(((grey < 5) | (grey > 250)).mean()) for grey in (one, other))
    return Change(explained, float(weights.mean()), colour, alike, burnt - before_burnt)


def _explained(before: Grey, now: Grey, weights: Float[Array, "block"]) -> float:
    """`Change.explained` in one direction, with the blocks' weights."""
    around = cv2.copyMakeBorder(before, REACH, REACH, REACH, REACH, cv2.BORDER_REPLICATE)
    found = np.zeros(len(weights))
    for n, (y, x) in enumerate(_places(now.shape)):
        if weights[n] > 0:
            window = around[y : y + BLOCK + 2 * REACH, x : x + BLOCK + 2 * REACH]
            found[n] = cv2.matchTemplate(window, now[y : y + BLOCK, x : x + BLOCK], cv2.TM_CCOEFF_NORMED).max()
    return float(found @ weights) / max(float(weights.sum()), 1e-6)


def _weights(one: Grey, other: Grey) -> Float[Array, "block"]:
    """Standard deviation of each block in that of the two pictures where it is smaller; 0 for next to none.

    What is flat in one of them looks like anything.
    """
    blocks = [[grey[y : y + BLOCK, x : x + BLOCK] for y, x in _places(grey.shape)] for grey in (one, other)]
    least = np.array(blocks).std((2, 3)).min(0)
    return np.where(least > 1, least, 0.0)


@lru_cache(16)
def _places(shape: tuple[int, int]) -> list[tuple[int, int]]:
    """Top and left of the blocks that cover a picture."""
    starts = (np.linspace(0, side - BLOCK, max(1, round(side / BLOCK))).round().astype(int).tolist() for side in shape)
    return list(product(*starts))


def _histogram(rgb: Small) -> Float32[Array, "64"]:
    """Square roots of the shares of 4 by 4 by 4 colours."""
    bins = (rgb // 64).reshape(-1, 3) @ np.array([16, 4, 1])
    return np.sqrt(np.bincount(bins, minlength=64) / len(bins)).astype(np.float32)


def _small(rgb: UInt8[Array, "height width 3"]) -> Small:
    """A picture `SIDE` pixels long and at least a block wide."""
    height, width = rgb.shape[:2]
    step = max(1, max(height, width) // COARSE)
    size = [max(BLOCK, round(side * SIDE / max(height, width))) for side in (width, height)]
    # a pixel's three bytes as one item: NumPy copies such twice as fast
    thin = np.ascontiguousarray(rgb).view("V3")[::step, ::step].copy().view(np.uint8)
    return np.asarray(cv2.resize(thin, size, interpolation=cv2.INTER_AREA), np.uint8)


class FrameLog:
    """The frames that were read: their numbers in the clip and their times, and what tells where a scene begins."""

    def __init__(self) -> None:
        self._indices, self._times = array("q"), array("d")
        self._cuts = CutDetector()
        self._known: dict[int, bool] = {}
        self.count = 0
        """Frames read so far."""

    def add(self, index: int, time: float) -> None:
        """One more; raises ValueError if it is not later than the one before."""
        if index <= (last := self._indices[-1] if self._indices else -1):
            raise ValueError(f"frame {index} came after frame {last}: feed every frame once, in order")
        self._indices.append(index)
        self._times.append(time)
        self.count += 1

    def step(self, index: int, time: float) -> float | None:
        """Seconds since the frame that was read last; None if that is not the frame before."""
        follows = bool(self._indices) and index == self._indices[-1] + 1
        return time - self._times[-1] if follows else None

    def is_cut(self, index: int, time: float, rgb: UInt8[Array, "height width 3"]) -> bool:
        """Whether a scene begins with a frame; each is looked at once, in order; two are remembered."""
        if index not in self._known:
            self._known = {index - 1: self._known.get(index - 1, False), index: self._cuts.step(time, rgb)}
        return self._known[index]

    @property
    def times(self) -> Float[Array, "read"]:
        """Of the frames that were read, seconds."""
        return np.array(self._times)

    def shown(self, times: Float[Array, "frame"] | None) -> tuple[Int[Array, "read"], Float[Array, "frame"]] | None:
        """The numbers of the frames that were read, and the times of all frames of the clip; None if all were read."""
        return None if times is None or len(times) == len(self._times) else (np.array(self._indices, np.int64), times)

    def forget(self) -> None:
        """Drop all but the last one."""
        del self._indices[:-1], self._times[:-1]

    def state(self) -> dict[str, Any]:
        """All that the next frames depend on, as plain values and arrays."""
        numbers = {"indices": np.array(self._indices, np.int64), "times": self.times}
        return numbers | {"cuts": self._cuts.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state`; raises KeyError, TypeError or ValueError for what is none."""
        self._times = array("d", state["times"].astype(float).tobytes())
        self._indices = array("q", state["indices"].astype(np.int64).tobytes())
        self._cuts.restore(state["cuts"])
        self.count = len(self._times)


def with_frames_between(track: records.Track, read: Int[Array, "read"], times: Float[Array, "frame"]) -> records.Track:
    """A track of the frames `read` of a clip, with those that were left out between them.

    There keypoints lie on cubic curves that are as steep, where they were read, as the parabola through the readings
    around, and are as sure as the less sure of both neighbours; places in space are known where both have them.
    """
    rows = np.arange(len(track.frames))
    runs = np.split(rows, np.flatnonzero(np.diff(track.frames.numpy()) != 1) + 1)
    parts = [_with_those_between(track, run, read[track.frames.numpy()[run]], times) for run in runs]
    return records.Track(*(None if each[0] is None else torch.cat(each) for each in zip(*parts, strict=True)))


def _with_those_between(
    track: records.Track, run: Int[Array, "row"], known: Int[Array, "row"], times: Float[Array, "frame"]
) -> tuple[Tensor | None, ...]:
    """The columns of a part of a track whose rows follow one another, which were read in the frames `known`."""
    frames = np.arange(known[0], known[-1] + 1)
    before, after = np.searchsorted(known, frames, "right") - 1, np.searchsorted(known, frames)

    def whole(values: Tensor, sure: int) -> Tensor:
        """Of the last axis the numbers from `sure` on tell how sure the others are."""
        seen = values[run].numpy()
        if len(run) == 1:
            return values[run]
        found = CubicHermiteSpline(times[known], seen, np.gradient(seen, times[known], axis=0))(times[frames])
        found[..., sure:] = np.minimum(seen[before], seen[after])[..., sure:]
        found[known - known[0]] = seen
        return torch.from_numpy(found.astype(seen.dtype))

    landmarks = track.landmarks
    if landmarks is not None:
        there = (landmarks[run, :, 2:5] != 0).any(-1)
        landmarks = whole(landmarks, 5)
        landmarks[..., 2:5] *= (there[before] & there[after])[..., None]
    return torch.from_numpy(frames), whole(track.box_px, 4), whole(track.keypoints_px, 2), landmarks
