"""Gait: when feet strike and leave the ground in somebody who walks, and how long, wide and fast the steps are.

A foot strikes when its ankle is farthest in front of the pelvis along the pelvis's way, and is off when its toes are
farthest behind (Zeni et al. 2008); between them it must stand, as the motion's contacts say. What counts is a bout of
steps on level ground: feet in turn, each farther on than the other. Stairs, marching on the spot and standing have no
such steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from vibe.rotations import unit
from vibe.skeletons import CONTACTS, SMPL

SIDES = ("left", "right")
STANDS = 0.5
"""Probability from which a heel or toe stands."""
SHARE = 0.25
"""Of a stance, in which one does: a foot that rolls hardly stands still."""
AROUND = 0.3
"""Seconds before and after over which the way of the pelvis is taken."""
SLOWEST = 0.2
"""Metres a second of the pelvis on its way."""
SWING = 0.12
"""Metres by which a foot comes from behind the pelvis to the front of it."""
LONGEST_STANCE = 2.0
"""Seconds."""
STEP_TIME = (0.15, 1.6)
"""Seconds from the strike of a foot to that of the other."""
STEP_LENGTH = (0.12, 2.5)
"""Metres."""
LEVEL = 0.08
"""Metres by which a step may go up or down: stairs rise by 0.15 or more."""
UNKNOWN = (
    "the motion does not say where in the world feet stand, which a gait is read from: estimate the video again, "
    "without --no-world, and stay in the world"
)
FEWEST = 2
"""Steps of a bout."""


@dataclass(frozen=True)
class FootContact:
    """A stance of somebody who walks; times are seconds as the motion's."""

    side: str
    """left or right."""
    strike: float | None
    """When the foot comes to the ground; None where that was before the walk or the motion."""
    off: float | None
    """When it leaves it; None where that was after them."""
    step_time: float | None = None
    """From the other foot's strike to this one's, where both are known."""
    step_length: float | None = None
    """Metres from the other foot to this one along the way; None of the first of a bout, as the width."""
    step_width: float | None = None
    """Metres across it."""


@dataclass(frozen=True)
class Gait:
    """How somebody walks; no contacts where they do not."""

    contacts: tuple[FootContact, ...]
    """In the order of their strikes."""

    @property
    def events(self) -> list[tuple[float, str, str]]:
        """Time, side, and strike or off, in the order of time."""
        found = [(one.strike, one.side, "strike") for one in self.contacts]
        found += [(one.off, one.side, "off") for one in self.contacts]
        return sorted((time, side, kind) for time, side, kind in found if time is not None)

    @property
    def summary(self) -> dict[str, float | int]:
        """How many steps, and their means as far as they are known."""
        steps = [one for one in self.contacts if one.step_length is not None]
        found: dict[str, float | int] = {"steps": len(steps)}
        for name, symbol in (("step_time", "s"), ("step_length", "m"), ("step_width", "m")):
            known = [getattr(one, name) for one in steps if getattr(one, name) is not None]
            found |= {f"{name}_{symbol}": float(np.mean(known))} if known else {}
        if "step_time_s" in found:
            time = found["step_time_s"]
            found |= {"cadence_per_min": 60 / time, "speed_m_s": found["step_length_m"] / time}
        return found


def gait(
    contacts: Float[ndarray, "time 4"] | None, joints: Float[ndarray, "time 24 3"], up: Float[ndarray, "3"],
    times: Float[ndarray, "time"],
) -> Gait:  # fmt: skip
    """Strikes, offs and steps, from which of `CONTACTS` stand; ValueError where that is not known.

    `joints` are SMPL's in axes that do not move, in which `up` is a unit vector; metres, seconds. The place of a
    foot is its ankle's while its heel stands.
    """
    if contacts is None:
        raise ValueError(UNKNOWN)
    if len(times) < 3:
        return Gait(())
    way, stances = _way(joints[:, 0].astype(np.float64), up, times), []
    for side in SIDES:
        heel, toe = (contacts[:, CONTACTS.index(f"{side}_{point}")] > STANDS for point in ("heel", "toe"))
        ankle, toes = (joints[:, SMPL.index(f"{side}_{name}")].astype(np.float64) for name in ("ankle", "foot"))
        strikes = _peaks(((ankle - joints[:, 0]) * way).sum(1))
        offs = _peaks(-((toes - joints[:, 0]) * way).sum(1))
        for strike, off in _pairs(strikes, offs):
            span = slice(strike or 0, len(times) if off is None else off + 1)
            known = strike is None or off is None or times[off] - times[strike] <= LONGEST_STANCE
            if known and (heel | toe)[span].mean() > SHARE and np.isfinite(way[span]).all():
                flat = heel[span] if heel[span].any() else np.ones(len(ankle[span]), bool)
                stances.append(_Stance(side, strike, off, np.median(ankle[span][flat], 0)))
    return Gait(tuple(_bouts(sorted(stances, key=lambda stance: stance.middle(len(times))), joints[:, 0], up, times)))


@dataclass(frozen=True)
class _Stance:
    side: str
    strike: int | None
    off: int | None
    place: Float[ndarray, "3"]

    def middle(self, frames: int) -> float:
        """Frame about which the foot stands."""
        return ((self.strike or 0) + (frames if self.off is None else self.off)) / 2


def _way(
    pelvis: Float[ndarray, "time 3"], up: Float[ndarray, "3"], times: Float[ndarray, "time"]
) -> Float[ndarray, "time 3"]:
    """The direction in which the pelvis goes, level; NaN where it stays."""
    begin, end = (np.searchsorted(times, times + shift).clip(0, len(times) - 1) for shift in (-AROUND, AROUND))
    step = pelvis[end] - pelvis[begin]
    step = step - (step @ up)[:, None] * up
    speed = np.linalg.norm(step, axis=1) / (times[end] - times[begin]).clip(1e-9)
    return np.where(speed[:, None] > SLOWEST, unit(step), np.nan)


def prominent_peaks(values: Float[ndarray, "time"], least: float) -> list[int]:
    """Frames of the peaks whose prominence is `least`, more than 0, or more; of a level peak its middle, rounded down;
    none at the ends.

    One is over once the values fell by as much from it, and the next begins once they rose by as much: of peaks that
    are equally high, with no such fall between them, the first counts, where SciPy's `find_peaks` has them all.
    """
    found: list[int] = []
    top, end, low = None, 0, np.inf
    for frame, value in enumerate(values.tolist()):
        if top is None:
            low = min(low, value)
            top, end = (frame, frame) if value - low >= least else (None, 0)
        elif value > values[top]:
            top = end = frame
        elif value == values[top] and end == frame - 1:
            end = frame
        elif values[top] - value >= least:
            found.append((top + end) // 2)
            top, low = None, value
    return found


def _peaks(ahead: Float[ndarray, "time"]) -> list[int]:
    """Frames at which a foot is farthest along the way; none at the ends, or where there is no way."""
    found = prominent_peaks(np.where(np.isfinite(ahead), ahead, 0.0), SWING)
    return [frame for frame in found if np.isfinite(ahead[frame - 1 : frame + 2]).all()]


def _pairs(strikes: list[int], offs: list[int]) -> list[tuple[int | None, int | None]]:
    """Each strike with the off that follows it; None at the beginning or end of a row of them."""
    events = sorted([(frame, True) for frame in strikes] + [(frame, False) for frame in offs])
    pairs: list[tuple[int | None, int | None]] = []
    for place, (frame, strikes_now) in enumerate(events):
        if strikes_now:
            follows = place + 1 < len(events) and not events[place + 1][1]
            if follows or place + 1 == len(events):
                pairs.append((frame, events[place + 1][0] if follows else None))
        elif place == 0:
            pairs.append((None, frame))
    return pairs


def _bouts(
    stances: list[_Stance], pelvis: Float[ndarray, "time 3"], up: Float[ndarray, "3"], times: Float[ndarray, "time"]
) -> list[FootContact]:
    """The stances that are parts of a walk, with the steps to them."""
    found: list[FootContact] = []
    bout: list[FootContact] = []
    for before, here in zip([None, *stances], stances):
        step = _step(before, here, pelvis, up, times) if before else None
        strike, off = (None if frame is None else float(times[frame]) for frame in (here.strike, here.off))
        if step is None:
            found, bout = found + _whole(bout), [FootContact(here.side, strike, off)]
        else:
            bout.append(FootContact(here.side, strike, off, *step))
    return found + _whole(bout)


def _step(
    before: _Stance, here: _Stance, pelvis: Float[ndarray, "time 3"], up: Float[ndarray, "3"],
    times: Float[ndarray, "time"],
) -> tuple[float | None, float, float] | None:  # fmt: skip
    """Time, where it is known, length and width of the step from a stance to the next; None where it is none."""
    time = None
    if before.strike is not None and here.strike is not None:
        time = float(times[here.strike] - times[before.strike])
    if before.side == here.side or (time is not None and not STEP_TIME[0] <= time <= STEP_TIME[1]):
        return None
    # a pelvis sways across the way and back within two steps
    way = pelvis[-1 if here.off is None else here.off].astype(np.float64) - pelvis[before.strike or 0]
    way = unit(way - (way @ up) * up)
    step = here.place - before.place
    along = float(step @ way)
    if abs(float(step @ up)) > LEVEL or not STEP_LENGTH[0] <= along <= STEP_LENGTH[1]:
        return None
    across = step - (step @ up) * up
    return time, along, float(np.sqrt(max(across @ across - along**2, 0.0)))


def _whole(bout: list[FootContact]) -> list[FootContact]:
    """The bout, if it is one."""
    return bout if len(bout) > FEWEST else []
