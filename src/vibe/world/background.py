"""What stands behind the people, followed: corners of key frames, found again in the frames after them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int16, Int32, UInt8
from numpy import ndarray as Array

from vibe.cache import StageCache
from vibe.records import UNITS, Background

Grey = UInt8[Array, "row column"]
SIDE = 900
"""Pixels of the longer side down to which pictures are made smaller, by a whole number."""
EVERY, CALM_EVERY, CALM = 1 / 32, 0.2, 0.2
"""Seconds between two frames that are looked at, and at most between those of a camera that stands; they grow longer by
this share of the time for which it has."""
CORNERS, GRID, PER_CELL, APART = 80, (8, 6), 4, 8
"""Corners of a key frame, the cells over which they are spread, how many there may be in one, and how many pixels of
the small picture lie between two."""
WEAKEST = 0.001
"""How strong a corner must be beside the strongest: what is too weak does not come back to where it was."""
SAME = 1.5
"""Pixels of the small picture up to which corners of two key frames are one."""
WINDOW, LEVELS, RETURN_PX = (21, 21), 3, 0.5
"""Lucas-Kanade's window, its pyramid, and how far from its start a corner may end that is followed there and back."""
COARSE = 4
"""How many times smaller pictures are of which it is asked by how much they moved as a whole."""
CALM_CORNERS = 40
"""Corners of a key frame that tell that a camera still stands."""
FEW, SOME, CELLS = 8, 20, 4
"""Corners, and cells of them, without which nothing is said; of fewer than the second number nearly all must agree."""
STILL_PX, STILL_SHARE, STILL_LEAST = 0.4, 0.5, 0.25
"""A corner that moved less stands, in pixels of the small picture. So does the camera if the first share of the corners
does, or the second in a third of the cells that have any: what moves on its own leaves others where they were, a camera
hardly."""
INLIER_PX, INLIERS, NEARLY, EPIPOLAR = 0.7, 0.4, 0.8, 0.7
"""How far from one homography a corner may lie, the share of the corners which it must explain, that of few ones, and
the share that one fundamental matrix must where none does."""
HOMOGRAPHY = partial(cv2.findHomography, method=cv2.USAC_MAGSAC, ransacReprojThreshold=INLIER_PX, maxIters=500)
FUNDAMENTAL = partial(
    cv2.findFundamentalMat, method=cv2.USAC_MAGSAC, ransacReprojThreshold=INLIER_PX, confidence=0.99, maxIters=500
)
RENEW_SHARE, RENEW_SHIFT, RENEW_AFTER = 0.5, 0.25, 4.0
"""A frame becomes the next key frame when fewer of the corners that were followed are left, when they moved by more of
the longer side, or after so many seconds."""
LOST = 0.3
"""Seconds without an answer after which the next key frame is taken on trust."""
MOST_PAIRS = 80
"""Pairs of points that are kept of a frame."""
CHUNK = 1 << 16
"""Pairs that are held in memory, half a megabyte."""
STAGE = "background"
BEGUN, STOOD, TURNED, MISSED, TRUSTED = range(5)
"""What a frame is: the first of a scene; seen as the key frame was; seen with other places of the corners; not told; a
key frame after one that was not told, taken to be seen as the last one that was."""


@dataclass(frozen=True)
class _Followed:
    """What a frame says beside the key frame."""

    kind: int
    pairs: Float[Array, "pair 4"] | None = None
    """From the picture's middle, in pixels of the small picture; inliers first."""
    inliers: int = 0
    ends: Float[Array, "inlier 2"] | None = None
    """Where the inliers are, in pixels of the small picture."""
    homography: Float[Array, "3 3"] | None = None
    """From the small key frame to the small frame."""
    renew: bool = False
    """Whether it should be the next key frame."""


@dataclass(frozen=True)
class _Looked:
    """A frame that told something."""

    time: float
    grey: Grey
    boxes: Float[Array, "person 4"]
    """Of the people, in its pixels."""
    ends: Float[Array, "corner 2"]
    """Where corners of the key frame are in it."""


class BackgroundTracker:
    """Shown the frames of a clip, in order, with the people in them; no pictures but the key frame and the last stay.

    The work on a frame is done in a thread, while the caller goes on to the next.
    """

    def __init__(self, cache: StageCache | None = None) -> None:
        """Without a cache, what leaves memory goes to a temporary folder."""
        self._cache = cache or StageCache()
        self._pool = ThreadPoolExecutor(1, "vibe-background")
        self._working: Future[None] | None = None
        self._chunks = 0
        self._rows: list[list[int]] = []
        self._pairs: list[Int16[Array, "pair 4"]] = []
        self._held = self._ended = 0
        self._key, self._most = -1, 0
        self._picture: Grey = np.zeros((0, 0), np.uint8)
        self._before = _Looked(0.0, self._picture, np.zeros((0, 4)), np.zeros((0, 2)))
        self._corners = np.zeros((0, 2), np.float32)
        self._homography = np.eye(3)
        self._key_time = self._last = self._moved = 0.0

    def step(
        self, index: int, time: float, rgb: UInt8[Array, "height width 3"], boxes: Float[Array, "person 4"],
        cut: bool = False,
    ) -> None:  # fmt: skip
        """The next frame, at `time` in seconds, with the boxes (left, top, right, bottom, pixels) of the people in it.

        `cut` says that a new scene begins with it. Raises OSError where a chunk can't be written.
        """
        self._wait()
        every = max(EVERY, min(CALM * (self._last - self._moved), CALM_EVERY))
        if cut or not self._rows or time - self._last > every - 1e-3:
            self._last = time
            self._working = self._pool.submit(self._look, index, time, rgb, boxes, cut)

    def _wait(self) -> None:
        """Until the frame before is done; raises what its work raised."""
        working, self._working = self._working, None
        if working:
            working.result()

    def _look(
        self, index: int, time: float, rgb: UInt8[Array, "height width 3"], boxes: Float[Array, "person 4"], cut: bool
    ) -> None:
        """What `step` does with a frame that is looked at."""
        # In one piece: each kind of frame leaves the state in its own way, and here they can be compared.
        step = max(1, round(max(rgb.shape) / SIDE))
        grey, boxes = _small(rgb, step), boxes[~np.isnan(boxes).any(1)] / step - 0.5
        middle = np.array(rgb.shape[1::-1]) / (2 * step) - 0.5
        if cut or not self._rows:
            self._note(index, BEGUN)
            self._before = _Looked(time, grey, boxes, np.zeros((0, 2)))
            self._renew(self._before)
            self._moved = time
            return
        calm = self._rows[-1][1] == STOOD
        found = self._followed(grey, boxes, middle, CALM_CORNERS) if calm else None
        if found is None or found.kind != STOOD or found.renew:
            found = self._followed(grey, boxes, middle, CORNERS)
        if found.kind == MISSED and len(self._corners) >= FEW:
            self._homography = _shift(self._picture, grey)
            found = self._followed(grey, boxes, middle, CORNERS)
        if found.kind == MISSED and self._rows[-1][1] in (STOOD, TURNED):
            found = self._from_before(grey, boxes, middle)
        if found.kind == MISSED:
            self._miss(index, _Looked(time, grey, boxes, np.zeros((0, 2))))
            return
        ends = self._corners if found.ends is None else found.ends
        self._before = _Looked(time, grey, boxes, ends)
        self._note(index, found.kind, found.pairs, found.inliers, max(rgb.shape) / step)
        if found.homography is not None:
            self._moved, self._homography = time, found.homography
        if found.renew or (found.kind == TURNED and time - self._key_time > RENEW_AFTER):
            self._renew(self._before)

    def finish(self) -> Background:
        """All that was found; raises ValueError if a chunk is not there as it was written."""
        self._wait()
        parts = [self._chunk(number) for number in range(self._chunks)]
        pairs = np.concatenate([np.zeros((0, 4), np.int16), *parts, *self._pairs])
        rows = np.array(self._rows, np.int32).reshape(-1, 5)
        self.close()
        frames, kinds, keys, inliers, ends = np.ascontiguousarray(rows.T)
        return Background(frames, kinds, keys, inliers, ends, pairs)

    def state(self) -> dict[str, Any]:
        """All that the next frames depend on beside the chunks that are written."""
        self._wait()
        return {
            "chunks": self._chunks,
            "rows": np.array(self._rows, np.int32).reshape(-1, 5),
            "pairs": np.concatenate([np.zeros((0, 4), np.int16), *self._pairs]),
            "ended": self._ended,
            "key": self._key,
            "most": self._most,
            "picture": self._picture,
            "before": {name: np.asarray(array) for name, array in vars(self._before).items()},
            "corners": self._corners,
            "homography": self._homography,
            "times": [self._key_time, self._last, self._moved],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state`, whose chunks are in the cache; raises KeyError, TypeError or ValueError if not."""
        names = "chunks", "ended", "key", "most"
        self._chunks, self._ended, self._key, self._most = (int(state[name]) for name in names)
        self._rows = [[int(each) for each in row] for row in state["rows"]]
        self._pairs = [np.asarray(state["pairs"], np.int16).reshape(-1, 4)]
        self._held = len(self._pairs[0])
        self._picture = np.asarray(state["picture"], np.uint8)
        time, picture, boxes, ends = (np.asarray(state["before"][name]) for name in ("time", "grey", "boxes", "ends"))
        self._before = _Looked(float(time), picture, boxes.reshape(-1, 4), ends.reshape(-1, 2))
        self._corners = np.asarray(state["corners"], np.float32).reshape(-1, 2)
        self._homography = np.asarray(state["homography"], float).reshape(3, 3)
        self._key_time, self._last, self._moved = (float(each) for each in state["times"])
        for number in range(self._chunks):
            self._chunk(number)

    def close(self) -> None:
        """End the thread, and remove what is in a temporary folder."""
        self._pool.shutdown()
        self._cache.close()

    def _chunk(self, number: int) -> Int16[Array, "pair 4"]:
        found = self._cache.get(STAGE, f"{number:06}")
        if found is None or "pairs" not in found[0]:
            raise ValueError(f"chunk {number} of the background is not there as it was written")
        return found[0]["pairs"].numpy()

    def _note(self, index: int, kind: int, pairs: Array | None = None, inliers: int = 0, longer_px: float = 1) -> None:
        """Write down what a frame is, with pairs of points in small pixels, of which the picture has so many."""
        number = len(self._rows)
        if pairs is not None:
            units = (pairs * (UNITS / longer_px)).round().clip(-UNITS // 2, UNITS // 2 - 1).astype(np.int16)
            self._pairs.append(units)
            self._held += len(units)
            self._ended += len(units)
        self._rows.append([index, kind, number if kind == BEGUN else self._key, inliers, self._ended])
        if self._held >= CHUNK:
            chunk = torch.from_numpy(np.concatenate(self._pairs))
            self._cache.put(STAGE, f"{self._chunks:06}", {"pairs": chunk})
            self._chunks, self._pairs, self._held = self._chunks + 1, [], 0

    def _renew(self, looked: _Looked) -> bool:
        """Make the frame that was noted last the key frame, if there are corners in it."""
        corners = find_corners(looked.grey, looked.boxes, looked.ends)
        begins = self._rows[-1][1] == BEGUN
        if len(corners) < FEW and not begins:
            return False
        self._key, self._key_time, self._most = len(self._rows) - 1, looked.time, 0
        self._picture, self._corners, self._homography = looked.grey, corners, np.eye(3)
        return True

    def _from_before(self, grey: Grey, boxes: Float[Array, "person 4"], middle: Float[Array, "2"]) -> _Followed:
        """A frame that does not look as the key frame does beside the one before, which replaces it if that helps."""
        kept = self._key, self._key_time, self._most, self._picture, self._corners, self._homography
        found = self._followed(grey, boxes, middle, CORNERS) if self._renew(self._before) else _Followed(MISSED)
        if found.kind == MISSED:
            self._key, self._key_time, self._most, self._picture, self._corners, self._homography = kept
        return found

    def _miss(self, index: int, looked: _Looked) -> None:
        """Note a frame that tells nothing; after a while it is the next key frame all the same."""
        self._note(index, MISSED)
        if looked.time - self._before.time >= LOST and self._renew(looked):
            self._rows[-1][1] = TRUSTED
            self._before = looked

    def _followed(self, grey: Grey, boxes: Float[Array, "person 4"], middle: Float[Array, "2"], most: int) -> _Followed:
        """Where so many of the key frame's corners are in a frame, and what that says."""
        # In one piece, because each test presumes those before it: enough corners, a camera that stands, a homography.
        known = len(self._corners)
        chosen = np.linspace(0, known - 1, min(most, known)).round().astype(int)
        start, end = _follow(self._picture, grey, self._corners[chosen], self._homography)
        start, end = (each[~_inside(end, boxes)] for each in (start, end))
        share = len(start) / max(len(chosen), 1)
        if len(start) < FEW or not _is_spread(end, grey.shape):
            return _Followed(MISSED)
        stands = np.abs(end - start).max(1) < STILL_PX
        if stands.mean() >= STILL_SHARE:
            return _Followed(STOOD, renew=share < RENEW_SHARE)
        homography, inlier = _robust(HOMOGRAPHY, start, end)
        if stands.mean() >= STILL_LEAST and _count_cells(end[stands], grey.shape) > _count_cells(end, grey.shape) / 3:
            return _Followed(STOOD, renew=share < RENEW_SHARE)
        if not _is_enough(inlier, INLIERS, end, grey.shape):
            _, inlier = _robust(FUNDAMENTAL, start, end)
            if inlier.sum() < SOME or not _is_enough(inlier, EPIPOLAR, end, grey.shape):
                return _Followed(MISSED)
            homography = cv2.findHomography(start[inlier], end[inlier])[0]
        shift = float(np.median(np.linalg.norm((end - start)[inlier], axis=1)))
        self._most = max(self._most, len(start))
        renew = len(start) < RENEW_SHARE * self._most or shift > RENEW_SHIFT * max(grey.shape)
        order = np.argsort(~inlier, kind="stable")
        order = order[np.linspace(0, len(order) - 1, min(MOST_PAIRS, len(order))).round().astype(int)]
        pairs = np.concatenate([start[order] - middle, end[order] - middle], 1)
        return _Followed(TURNED, pairs, int(inlier[order].sum()), end[inlier], homography, renew)


def _robust(
    find: Callable[..., Any], start: Float[Array, "point 2"], end: Float[Array, "point 2"]
) -> tuple[Float[Array, "3 3"] | None, Bool[Array, "point"]]:
    """The matrix that OpenCV finds between points, and which of them it explains; None, and none, where it fails."""
    try:
        matrix, mask = find(start, end)
    except cv2.error:  # OpenCV 5.0.0 may go on with a model that it did not find, and then raises
        matrix = mask = None
    return matrix, np.zeros(len(start), bool) if mask is None else mask.ravel() > 0


def _is_spread(points: Float[Array, "point 2"], shape: Sequence[int]) -> bool:
    """Whether the points are in more than a few corners of the picture."""
    return _count_cells(points, shape) >= CELLS


def _is_enough(
    inlier: Bool[Array, "point"], share: float, points: Float[Array, "point 2"], shape: Sequence[int]
) -> bool:
    """Whether those that one motion explains are many, and all over the picture."""
    share = NEARLY if len(inlier) < SOME else share
    return bool(inlier.sum() >= FEW and inlier.mean() >= share and _is_spread(points[inlier], shape))


def _small(rgb: UInt8[Array, "height width 3"], step: int) -> Grey:
    """A picture made smaller by a whole number, grey; what is short of a whole pixel at the end is left out.

    Of a side that is shorter than that number one pixel is left.
    """
    height, width = (max(1, side // step) for side in rgb.shape[:2])
    part = rgb[: height * step, : width * step]
    return cv2.cvtColor(cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)  # pyright: ignore[reportReturnType]


def _cells(points: Float[Array, "point 2"], shape: Sequence[int]) -> Int32[Array, "point"]:
    """The number of each point's cell."""
    size = np.array(shape[::-1])
    column, row = (points / size * GRID).astype(np.int32).clip(0, np.array(GRID, np.int32) - 1).T
    return row * np.int32(GRID[0]) + column


def _count_cells(points: Float[Array, "point 2"], shape: Sequence[int]) -> int:
    """In how many cells the points are."""
    return len(np.unique(_cells(points, shape)))


def _inside(points: Float[Array, "point 2"], boxes: Float[Array, "person 4"]) -> Bool[Array, "point"]:
    """Whether each point is in somebody's box."""
    low, high = points[:, None] >= boxes[None, :, :2], points[:, None] <= boxes[None, :, 2:]
    return np.asarray(np.concatenate([low, high], -1).all(-1).any(-1))


def find_corners(
    grey: Grey, boxes: Float[Array, "person 4"], known: Float[Array, "known 2"]
) -> Float32[Array, "corner 2"]:
    """Corners whose windows have nothing of the people, the best of each cell, in turn from cell to cell.

    Those that are known, as corners of an earlier picture, come first: they tie one key frame to the next.
    """
    mask, around = np.full(grey.shape, 255, np.uint8), np.array([-1, -1, 1, 1]) * (WINDOW[0] // 2)
    for left, top, right, bottom in (boxes + around).round().clip(0, max(grey.shape)).astype(int):
        mask[top : bottom + 1, left : right + 1] = 0
    found = cv2.goodFeaturesToTrack(grey, 8 * CORNERS, WEAKEST, APART, mask=mask)
    points = np.zeros((0, 2), np.float32) if found is None else np.asarray(found, np.float32).reshape(-1, 2)
    apart = np.linalg.norm(points[:, None] - known, axis=-1)
    cells, new = _cells(points, grey.shape), apart.min(1, initial=np.inf) > SAME
    order = np.lexsort((np.arange(len(points)), new, cells))
    first = np.searchsorted(cells[order], cells[order])
    rank = np.empty(len(points), int)
    rank[order] = np.arange(len(points)) - first
    best = np.argsort(rank, kind="stable")
    return points[best[rank[best] < PER_CELL]][:CORNERS]


def _shift(one: Grey, other: Grey) -> Float[Array, "3 3"]:
    """The homography that moves one picture as a whole to where most of the other is (phase correlation)."""
    size = [max(2, side // COARSE) for side in one.shape[::-1]]
    small = [cv2.resize(each, size, interpolation=cv2.INTER_AREA).astype(np.float32) for each in (one, other)]
    (x, y), _ = cv2.phaseCorrelate(small[0], small[1], cv2.createHanningWindow(size, cv2.CV_32F))
    return np.array([[1, 0, x * one.shape[1] / size[0]], [0, 1, y * one.shape[0] / size[1]], [0, 0, 1.0]])


def _follow(
    one: Grey, other: Grey, points: Float32[Array, "point 2"], homography: Float[Array, "3 3"]
) -> tuple[Float[Array, "found 2"], Float[Array, "found 2"]]:
    """Where points of one picture are and where they are in another, of those that are found there and back."""
    if not len(points):
        return np.zeros((0, 2)), np.zeros((0, 2))
    guess = cv2.perspectiveTransform(points[None].astype(float), homography)[0].astype(np.float32)
    how: dict[str, Any] = {"winSize": WINDOW, "maxLevel": LEVELS, "flags": cv2.OPTFLOW_USE_INITIAL_FLOW}
    there, seen, _ = cv2.calcOpticalFlowPyrLK(one, other, points, guess.copy(), **how)
    back, again, _ = cv2.calcOpticalFlowPyrLK(other, one, there, points + (there - guess), **how)
    height, width = other.shape
    good = (seen.ravel() > 0) & (again.ravel() > 0) & (np.abs(back - points).max(1) < RETURN_PX)
    good &= (there >= 0).all(1) & (there[:, 0] < width) & (there[:, 1] < height)
    return points[good].astype(float), np.asarray(there)[good].astype(float)
