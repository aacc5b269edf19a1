"""Measures of a keypoint detector's errors, the same for a real one and for its imitations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vibe import skeletons
from vibe.tracking import appearance, postprocess

PARTS = {
    "nose": [0], "eyes": [1, 2], "ears": [3, 4], "shoulders": [5, 6], "elbows": [7, 8], "wrists": [9, 10],
    "hips": [11, 12], "knees": [13, 14], "ankles": [15, 16],
}  # fmt: skip
ARMS, LEGS = [5, 6, 7, 8, 9, 10], [11, 12, 13, 14, 15, 16]
LIMBS = {"arm": ([7, 9], [8, 10]), "leg": ([13, 15], [14, 16])}
ZONES = {"face": [0, 1, 2, 3, 4], "trunk": [5, 6, 11, 12], "arms": [7, 8, 9, 10], "legs": [13, 14, 15, 16]}
MIRRORED = skeletons.mirrored(skeletons.COCO)
ASTRAY_MM = 150.0
"""Error of an elbow, wrist, knee or ankle from which its limb counts as guessed wrong."""
UNSEEN = 0.1
"""Confidence below which a keypoint counts as not seen."""
SURE = 0.5
"""Confidence of keypoints whose steadiness is measured."""
LAGS = (1, 5, 20)
"""Frames over which the change of an error is measured."""
BINS = (0.0, 0.05, 0.2, 0.4, 0.6, 0.75, 0.85, 0.92, 1.01)
"""Of confidence."""
FPS = 30.0


@dataclass(frozen=True)
class Seen:
    """One person in one clip, at 30 frames a second: what a detector said and, if it is known, what is true."""

    detected_px: NDArray[np.floating]
    """[time, 17, 3]; zero where nobody was found."""
    truth_px: NDArray[np.floating] | None = None
    """[time, 17, 2], where the shipped detector marks keypoints."""
    metre_px: NDArray[np.floating] | None = None
    """[time, 17]: the length of a metre in the picture at each keypoint."""

    @property
    def found(self) -> NDArray[np.bool_]:
        """[time]: whether the person was found."""
        return self.detected_px[..., 2].max(1) > 0

    @property
    def error_mm(self) -> NDArray[np.floating]:
        """[time, 17, 2]: at the joint's distance."""
        assert self.truth_px is not None and self.metre_px is not None
        return (self.detected_px[..., :2] - self.truth_px) / self.metre_px[..., None] * 1000

    @property
    def off_mm(self) -> NDArray[np.floating]:
        """[time, 17]."""
        return np.linalg.norm(self.error_mm, axis=-1)


def robust(values: Sequence[NDArray[np.floating]]) -> float:
    """Standard deviation about 0 of what is normal among some values."""
    return float(np.median(np.abs(np.concatenate([each.ravel() for each in values] or [np.zeros(1)])))) / 0.6745


def sizes(clips: Sequence[Seen], part: str) -> list[float]:
    """Median, 90 and 98 % of the error; spread of the clips' medians; its change over `LAGS`; confidence 10, 50 %."""
    joints = PARTS[part]
    off = np.concatenate([seen.off_mm[seen.found][:, joints].ravel() for seen in clips])
    sure = np.concatenate([seen.detected_px[seen.found][:, joints, 2].ravel() for seen in clips])
    long = [seen.error_mm[:, joints][seen.found] for seen in clips if seen.found.sum() > 20]
    middles = np.array([np.median(error, 0) for error in long])
    changes = [robust([error[lag:] - error[:-lag] for error in long]) / 2**0.5 for lag in LAGS]
    spread = robust([middles - np.median(middles, 0)])
    return [*np.percentile(off, [50, 90, 98]), spread, *changes, *(100 * np.percentile(sure, [10, 50]))]


def exchanged(seen: Seen, joints: list[int]) -> NDArray[np.bool_]:
    """[time]: whether these joints lie much nearer to the other side's truth."""
    assert seen.truth_px is not None
    points, size = seen.detected_px[..., :2], np.ptp(seen.truth_px[..., 1], axis=1)
    straight = np.linalg.norm(points - seen.truth_px, axis=-1)[:, joints].mean(1)
    crossed = np.linalg.norm(points[:, MIRRORED] - seen.truth_px, axis=-1)[:, joints].mean(1)
    return (crossed < 0.6 * straight) & (straight > 0.05 * size) & seen.found


def astray(seen: Seen, limb: tuple[list[int], list[int]]) -> list[NDArray[np.bool_]]:
    """For the limb of each side [time]: whether it was guessed wrong, other than by an exchange of sides."""
    crossed = exchanged(seen, ARMS if limb[0][0] in ARMS else LEGS)
    return [(seen.off_mm[:, side] > ASTRAY_MM).any(1) & seen.found & ~crossed for side in limb]


def spells(flags: Sequence[NDArray[np.bool_]]) -> list[float]:
    """Share of the frames in percent, beginnings in a thousand frames, median and 90 % of the lengths in frames."""
    lengths, begun = [], 0
    for flag in flags:
        edges = np.flatnonzero(np.diff(np.concatenate([[0], flag.astype(int), [0]])))
        lengths += list(edges[1::2] - edges[::2])
        begun += int((edges[::2] > 0).sum())
    frames = sum(map(len, flags))
    half, most = np.percentile(lengths, [50, 90]) if lengths else (0.0, 0.0)
    return [100 * sum(map(int, lengths)) / frames, 1000 * begun / frames, float(half), float(most)]


def against_truth(clips: Sequence[Seen]) -> dict[str, list[float]]:
    """What happens at times, by the truth: shares, beginnings and lengths as in `spells`."""
    each: dict[str, Callable[[Seen], list[NDArray[np.bool_]]]] = {
        "nobody found": lambda seen: [~seen.found],
        "an arm guessed wrong": lambda seen: astray(seen, LIMBS["arm"]),
        "a leg guessed wrong": lambda seen: astray(seen, LIMBS["leg"]),
        "sides exchanged, arms": lambda seen: [exchanged(seen, ARMS)],
        "sides exchanged, legs": lambda seen: [exchanged(seen, LEGS)],
    }
    return {name: spells([flag for seen in clips for flag in flags(seen)]) for name, flags in each.items()}


def by_itself(clips: Sequence[Seen]) -> dict[str, float]:
    """What can be told without the truth: percent, and thousandths of a person's size."""
    found = [seen.detected_px[seen.found] for seen in clips]
    sure = np.concatenate([points[..., 2] for points in found])
    table = {
        f"keypoints of the {zone} unseen, %": 100 * float((sure[:, joints] < UNSEEN).mean())
        for zone, joints in ZONES.items()
    }
    put_right, spikes = _cleaned(clips)
    table["frames in which the product exchanges sides, %"] = put_right
    table["keypoints in a spike, %"] = spikes
    for zone, joints in ZONES.items():
        table[f"jitter of the {zone}, 1/1000"] = robust([_tremor(points, joints) for points in found])
    boxes = [appearance.box_px(points) / appearance.size_px(points).mean() for points in found]
    table["jitter of the box's place, 1/1000"] = robust([_fourth(box[:, :2]) for box in boxes])
    table["jitter of the box's sides, 1/1000"] = robust([_fourth(box[:, 2:]) for box in boxes])
    return table


def calibration(clips: Sequence[Seen]) -> list[list[float]]:
    """For each bin of confidence: percent of the keypoints, median and 90 % of their errors in millimetres."""
    off = np.concatenate([seen.off_mm[seen.found].ravel() for seen in clips])
    sure = np.concatenate([seen.detected_px[seen.found][..., 2].ravel() for seen in clips])
    rows = []
    for low, high in zip(BINS[:-1], BINS[1:], strict=True):
        inside = (sure >= low) & (sure < high)
        rows.append([100 * float(inside.mean()), *(np.percentile(off[inside], [50, 90]) if inside.any() else (0, 0))])
    return rows


def _cleaned(clips: Sequence[Seen]) -> tuple[float, float]:
    """Percent of the frames in which the product exchanges sides, and of the keypoints that it calls spikes."""
    how, changed, spiked = postprocess.PostprocessConfig(), [], []
    for seen in clips:
        times, points = np.flatnonzero(seen.found) / FPS, seen.detected_px[seen.found]
        right = postprocess.correct_left_right(points, times)
        changed.append((right != points).any((1, 2)))
        spiked.append(postprocess.find_spikes(right, times, how.spike_window, how.spike_least))
    return 100 * float(np.concatenate(changed).mean()), 100 * float(np.concatenate(spiked).mean())


def _tremor(points_px: NDArray[np.floating], joints: list[int]) -> NDArray[np.floating]:
    """Fourth differences of sure keypoints: a body's motion is hardly in them, white noise keeps its size."""
    change = _fourth(points_px[:, joints, :2] / appearance.size_px(points_px).mean())
    sure = points_px[:, joints, 2] > SURE
    whole = sure[4:] & sure[3:-1] & sure[2:-2] & sure[1:-3] & sure[:-4]
    return change[whole]


def _fourth(values: NDArray[np.floating]) -> NDArray[np.floating]:
    return 1000 * np.diff(values, 4, axis=0) / 70**0.5
