"""Which way is up and where the floor is, from how people stand and from the feet of all of them that stand on one
plane; which heels and toes stand, from how fast they move across the view and how high over the lowest they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from scipy.ndimage import minimum_filter1d
from scipy.optimize import least_squares
from scipy.special import expit

from vibe.body.posture import mean_up
from vibe.body.skin_points import lower_around, sole_velocity, standing_spans
from vibe.rotations import unit
from vibe.skeletons import SMPL

ODDS, PER_HEIGHT = -2.0, -16.0
"""Of standing, as a logarithm: where nothing else is known, and for each metre."""
PER_SPEED = {0.05: -1.0, 0.1: -1.0}
"""For each e-fold of speed beyond `REST`, measured over so many seconds to either side: a foot that comes to rest or
leaves is slow for a moment only, one that stands is for long. All from logistic regressions on the truth of 40 clips of
training subjects (docs/diary.md), rounded."""
REST = 0.05
"""Metres a second by which a sole that stands seems to move."""
STEP, LIFTED = 0.15, -60.0
"""Metres over a person's lowest from which a foot is held up, however still, rather than stands; and for each metre
more."""
AROUND = 0.5
"""Seconds to either side in which a person's lowest sole is taken for the height of the floor."""
OTHERS = [joint for joint, name in enumerate(SMPL) if not name.endswith(("ankle", "foot"))]
FLESH = 0.06
"""Metres from one of these joints to the skin that lies on a floor."""
SAME = 0.12
"""Metres by which a stance may miss a level that somebody is known to stand on and still be taken to be on it."""


def contact_probability(
    soles: Float[ndarray, "time 4 3"], joints: Float[ndarray, "time 24 3"], sight: Float[ndarray, "time 3"],
    up: Float[ndarray, "3"], times: Float[ndarray, "time"],
) -> Float[ndarray, "time 4"]:  # fmt: skip
    """How likely each sole stands, from 0 to 1.

    `soles` and `joints` are metres in axes that neither turn nor move, in which `up` is a unit vector; `sight` is the
    direction from the camera to the person, along which a picture hardly tells how fast something moves; `times` are
    seconds. Of a single frame nothing is known, and nothing stands.
    """
    if len(times) < 2:
        return np.zeros(soles.shape[:2], np.float32)
    height = soles @ up
    # whoever stands on the hands, hangs or sits on the floor has other parts that are as low
    lowest = np.minimum(height.min(1), (joints[:, OTHERS] @ up).min(1) - FLESH)
    window = 2 * round(AROUND / float(np.median(np.diff(times)))) + 1
    above = height - minimum_filter1d(lowest, window)[:, None]
    odds = ODDS + PER_HEIGHT * above
    for seconds, factor in PER_SPEED.items():
        velocity = sole_velocity(soles.astype(np.float64), times, seconds)
        across = velocity - (velocity @ sight[..., None]) * sight[:, None]
        odds += factor * np.log(np.linalg.norm(across, axis=-1) + REST)
    odds += LIFTED * (above - STEP).clip(min=0)
    return expit(odds).astype(np.float32)


def ground_heights(
    heights: Float[ndarray, "time 4"], contacts: Float[ndarray, "time 4"], levels: Float[ndarray, "level"],
    times: Float[ndarray, "time"],
) -> Float[ndarray, "time 4"]:  # fmt: skip
    """How high what is under each sole lies above the floor: in a stance what it stands on, between two the lower of
    both.

    `heights` are those of the soles above the floor. A stance is on the nearest of the levels, or on one of its own (a
    step, a box). Without any stance it is the level nearest to the lowest soles.
    """
    known = np.unique(np.append(levels, 0.0))
    ground = np.full(heights.shape, np.nan)
    for sole in range(4):
        for span in standing_spans(contacts[:, sole] > 0.5, times):
            height = float(np.average(heights[span, sole], weights=contacts[span, sole]))
            nearest = known[np.abs(known - height).argmin()]
            ground[span, sole] = nearest if abs(nearest - height) < SAME else height
    lowest = np.nanmin(np.where(np.isnan(ground), np.inf, ground), 1)
    if not np.isfinite(lowest).any():
        return np.full(heights.shape, known[np.abs(known - np.quantile(heights.min(1), 0.1)).argmin()])
    return np.where(np.isnan(ground), lower_around(lowest, np.isfinite(lowest))[:, None], ground)


LEAN_DEG, TILT_DEG, SWAY_DEG = 3.5, 1.5, 3.0
"""Expected error of up as one person's posture tells it: along the line of sight and across it, however long they are
seen, and what comes to both over one second."""
CALIBRATED_DEG = 0.3
"""Expected error of up where a calibration tells it."""
ROLL_DEG, PITCH_DEG = 6.0, 25.0
"""Expected tilt of a camera about its line of sight and up or down."""
SOLE, DEPTH = 0.02, 0.015
"""Expected error of a standing sole's place: metres in any direction, and share of its distance along the line of
sight."""
HIGHEST = 100.0
"""Metres that a camera is above the floor at most, or so."""
SIZE, MEASURED = 0.05, 0.005
"""Expected error of a person's size as a logarithm: as the network guesses it, and as somebody measured it."""
UNFIT = 0.3
"""Expected errors, in the sizes and heights of somebody, from which they may stand on another level than the others."""
LEVEL = 6.0
"""By how much the sum of squared errors must fall for a further level that somebody stands on: a roof, a treadmill."""
ROBUST = 1.5
"""Expected errors from which a sole or a tilt counts less."""


@dataclass(frozen=True)
class Standing:
    """How one person stood; all in axes that do not turn, metres."""

    times: Float[ndarray, "time"]
    soles: Float[ndarray, "time 4 3"]
    """Left heel, left toe, right heel, right toe, from the camera's centre in each frame."""
    path: Float[ndarray, "time 3"]
    """That centre, from where it is in the scene's first frame."""
    contacts: Float[ndarray, "time 4"]
    """How likely each of them stands."""
    rising: Float[ndarray, "time 3"]
    """Unit vector from the middle of the feet to the centre of mass."""
    upright: Bool[ndarray, "time"]
    """Where knees and trunk are nearly straight, which makes that vector an estimate of up."""


@dataclass(frozen=True)
class Floor:
    """What was found, in the axes of `Standing`."""

    up: Float[ndarray, "3"]
    height: float
    """Of the camera's centre above the floor in the scene's first frame, metres."""
    scales: Float[ndarray, "person"]
    """By how much each person is larger, and farther, than they were taken to be."""
    levels: Float[ndarray, "person"]
    """How high above the floor what each person stands on is, metres; the lowest is the floor."""
    tilt_error_deg: float
    """Expected error of up; of both ways to tilt together."""
    standing: bool
    """Whether anybody stands upright, or up is known without."""
    stances: int
    """How many the floor was found from; where there is none its height means nothing."""


def find_floor(
    people: Sequence[Standing], picture_up: Float[ndarray, "3"], measured: bool = False, calibrated: bool = False
) -> Floor:
    """The likeliest up, floor and sizes of the people together; `picture_up` is up in the picture, a unit vector.

    People who were `measured` have the sizes that they are taken to have; of a `calibrated` camera that vector is up.

    Everybody is first taken to stand on one level; whoever fits it badly gets another where that pays.
    """
    # who stands on what is a choice between a few plans, each of which is solved
    seen = _Evidence.of(people, picture_up, MEASURED if measured else SIZE, calibrated)
    levels = np.zeros(len(people), int)
    best = _solve(seen, levels)
    while True:
        unfit = [one for one in range(len(people)) if best.misfit(seen, one) > UNFIT]
        moves = [(one, to) for one in unfit for to in range(levels.max(initial=0) + 2) if levels[one] != to]
        others = [np.where(np.arange(len(people)) == one, to, levels) for one, to in moves]
        tried = [_solve(seen, np.unique(other, return_inverse=True)[1]) for other in others]
        better = min(tried, key=lambda each: each.cost, default=best)
        if better.cost >= best.cost:
            break
        best, levels = better, better.levels
    heights = best.heights[levels]
    stood_on = np.array([len(points) > 0 for points in seen.points])
    height = float(heights[stood_on].max()) if stood_on.any() else 0.0
    above = np.where(stood_on, height - heights, 0.0)
    count = sum(len(points) for points in seen.points)
    return Floor(best.up, height, best.scales, above, best.tilt_error_deg, bool(seen.tops), count)


@dataclass(frozen=True)
class _Evidence:
    """What the floor is found from."""

    tops: list[tuple[Float[ndarray, "3"], Float[ndarray, "2 3"]]]
    """Up as each person who stands has it, and two directions across it over their expected errors."""
    points: list[Float[ndarray, "_ 3"]]
    """The mean place of each stance of each person, from the camera."""
    cameras: list[Float[ndarray, "_ 3"]]
    """The mean place of the camera meanwhile."""
    start: Float[ndarray, "3"]
    right: Float[ndarray, "3"]
    """Of the picture."""
    size_error: float

    @classmethod
    def of(
        cls, people: Sequence[Standing], picture_up: Float[ndarray, "3"], size_error: float, calibrated: bool
    ) -> _Evidence:
        if calibrated:
            tops = [(picture_up, np.stack(_across(picture_up)) / math.radians(CALIBRATED_DEG))]
        else:
            tops = [top for one in people if (top := _mean_up(one, picture_up)) is not None]
        start = unit(sum((top for top, _ in tops), np.zeros(3))) if tops else picture_up
        right = np.cross([0.0, 0.0, 1.0], picture_up)
        stances = [_stance_means(one) for one in people]
        points, cameras = ([each[:, part] for each in stances] for part in (0, 1))
        return cls(tops, points, cameras, start, right, size_error)


@dataclass(frozen=True)
class _Solution:
    """The likeliest floor where it is known who stands on which level."""

    levels: Int[ndarray, "person"]
    up: Float[ndarray, "3"]
    heights: Float[ndarray, "level"]
    """Of the camera's centre above each level."""
    scales: Float[ndarray, "person"]
    tilt_error_deg: float
    cost: float

    def misfit(self, seen: _Evidence, one: int) -> float:
        """By how many expected errors somebody is of another size, or their stances lie beside their level."""
        if not len(seen.points[one]):
            return 0.0
        below = (seen.points[one] @ self.up) * self.scales[one]
        above = below + seen.cameras[one] @ self.up + self.heights[self.levels[one]]
        beside = np.abs(above) / np.hypot(SOLE, DEPTH * below)
        return max(float(np.median(beside)), abs(math.log(self.scales[one])) / seen.size_error)


def _solve(seen: _Evidence, levels: Int[ndarray, "person"]) -> _Solution:
    """Least squares over the postures of people who stand, the stances of their feet, which lie in the plane of their
    level, the tilts that cameras have and the sizes that people have."""
    # few unknowns and smooth but for the robust terms: MINPACK's Levenberg-Marquardt takes milliseconds
    owner = np.repeat(np.arange(len(levels)), [len(each) for each in seen.points])
    points, cameras = (np.concatenate([np.zeros((0, 3)), *each]) for each in (seen.points, seen.cameras))
    count = int(levels.max(initial=-1)) + 1
    side, ahead = _across(seen.start)

    def up_of(tilt: Float[ndarray, "2"]) -> Float[ndarray, "3"]:
        return unit(seen.start + tilt[0] * side + tilt[1] * ahead)

    def residuals(unknown: Float[ndarray, "n"]) -> Float[ndarray, "m"]:
        up, heights, sizes = up_of(unknown[:2]), unknown[2 : 2 + count], unknown[2 + count :]
        roll, pitch = (math.degrees(math.asin(np.clip(up @ axis, -1, 1))) for axis in (seen.right, np.eye(3)[2]))
        terms = [sizes / seen.size_error, heights / HIGHEST, [_robust(roll / ROLL_DEG), pitch / PITCH_DEG]]
        terms += [axes @ (top - up) for top, axes in seen.tops]
        if len(points):
            below = (points @ up) * np.exp(sizes[owner])
            above = below + cameras @ up + heights[levels[owner]]
            terms.append(_robust(above / np.hypot(SOLE, DEPTH * below)))
        return np.concatenate(terms)

    below_first = -(points + cameras) @ seen.start
    low = [
        float(np.median(below_first[levels[owner] == level])) if (levels[owner] == level).any() else 0.0
        for level in range(count)
    ]
    found = least_squares(residuals, np.concatenate([[0.0, 0.0], low, np.zeros(len(levels))]), method="lm")
    spread = np.linalg.pinv(found.jac.T @ found.jac)
    return _Solution(
        levels=levels,
        up=up_of(found.x[:2]),
        heights=found.x[2 : 2 + count],
        scales=np.exp(found.x[2 + count :]),
        tilt_error_deg=math.degrees(math.sqrt(spread[0, 0] + spread[1, 1])),
        cost=2 * found.cost + LEVEL * count,
    )


def _across(up: Float[ndarray, "3"]) -> tuple[Float[ndarray, "3"], Float[ndarray, "3"]]:
    """Two unit vectors across one another and across `up`."""
    least = np.eye(3)[np.abs(up).argmin()]
    side = unit(np.cross(up, least))
    return side, np.cross(up, side)


def _robust(errors):
    """Cauchy's: grows as the logarithm beyond `ROBUST`."""
    return ROBUST * np.sign(errors) * np.sqrt(np.log1p((np.asarray(errors) / ROBUST) ** 2))


def _mean_up(
    one: Standing, picture_up: Float[ndarray, "3"]
) -> tuple[Float[ndarray, "3"], Float[ndarray, "2 3"]] | None:
    """Up as one person's posture has it, and two directions across it over their expected errors; None of who hardly
    stands."""
    found = mean_up(one.rising, one.upright, picture_up)
    if found is None:
        return None
    middle, seconds = found[0], found[1] * float(np.median(np.diff(one.times)))
    # a picture tells a lean to the side, and one away from the camera hardly
    side = unit(np.cross(middle, one.soles.mean((0, 1))))
    errors = np.radians(np.hypot([TILT_DEG, LEAN_DEG], SWAY_DEG / math.sqrt(max(seconds, 0.1))))
    return middle, np.stack([side, np.cross(middle, side)]) / errors[:, None]


def _stance_means(one: Standing) -> Float[ndarray, "stance 2 3"]:
    """The mean place of each stance of each sole, from the camera, and that of the camera meanwhile."""
    means = []
    for sole in range(4):
        spans = standing_spans(one.contacts[:, sole] > 0.5, one.times)
        means += [(one.soles[span, sole].mean(0), one.path[span].mean(0)) for span in spans]
    return np.array(means).reshape(-1, 2, 3)
