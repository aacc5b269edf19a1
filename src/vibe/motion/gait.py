"""Gait: when feet strike and leave the ground in somebody who walks or runs, and how long, wide and fast the steps are.

A foot stands while its heel or its toe does. What counts is a bout of steps on level ground: feet in turn, each farther
on along the way of the pelvis than the other. Stairs, marching on the spot and standing have no such steps. A foot
comes down with its heel, and rolls off over its toes, while it moves too fast to be said to stand: it strikes when the
ankle is farthest in front of the pelvis, just before it stands, and is off when the toes are farthest behind, just
after (Zeni et al. 2008).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.ndimage import find_objects, label

from vibe.body.posture import unit
from vibe.skeletons import CONTACTS, SMPL

SIDES = ("left", "right")
STANDS = 0.5
"""Probability from which a heel or toe stands."""
BRIEFEST = 0.1
"""Seconds: shorter stances, and gaps between stances, are none."""
ROLLING = 0.17
"""Seconds within which a foot comes to stand after its strike, or is off after it stood."""
AROUND = 0.3
"""Seconds before and after over which the way of the pelvis is taken."""
LONGEST_STANCE = 1.6
"""Seconds; who stands longer does not walk."""
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
FEWEST = 3
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
    """How somebody walks or runs; no contacts where they do not."""

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
        """How many steps, and their means; nothing more where there are none."""
        count = sum(one.step_length is not None for one in self.contacts)
        steps = [one for one in self.contacts if one.step_time is not None]
        if not steps:
            return {"steps": count}
        names = ("step_time", "step_length", "step_width")
        time, length, width = (float(np.mean([getattr(one, name) for one in steps])) for name in names)
        about = {"step_time_s": time, "step_length_m": length, "step_width_m": width}
        return {"steps": count, **about, "cadence_per_min": 60 / time, "speed_m_s": length / time}


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
    stances = []
    for side in SIDES:
        heel, toe = (contacts[:, CONTACTS.index(f"{side}_{point}")] > STANDS for point in ("heel", "toe"))
        ankle = joints[:, SMPL.index(f"{side}_ankle")].astype(np.float64)
        for span in _stances(heel | toe, times):
            flat = heel[span] if heel[span].any() else np.ones(len(ankle[span]), bool)
            stances.append(_Stance(side, span, np.median(ankle[span][flat], 0)))
    stances.sort(key=lambda stance: stance.span.start)
    found: list[FootContact] = []
    bout: list[FootContact] = []
    for before, here in zip([None, *stances], stances):
        step = _step(before, here, joints[:, 0], up, times) if before else None
        if step is None:
            found, bout = found + _whole(bout), [_contact(here, joints, up, times)]
        else:
            new = _contact(here, joints, up, times, step)
            last = bout[-1].strike
            if last is not None and new.strike is not None:
                new = replace(new, step_time=new.strike - last)
            bout.append(new)
    return Gait(tuple(found + _whole(bout)))


@dataclass(frozen=True)
class _Stance:
    side: str
    span: slice
    place: Float[ndarray, "3"]


def _stances(stands: Bool[ndarray, "time"], times: Float[ndarray, "time"]) -> list[slice]:
    """Stretches of frames in which a foot stands, without what is too brief."""
    stands = stands.copy()
    for value in (False, True):
        for span in _runs(stands == value):
            inside = span.start > 0 and span.stop < len(times)
            if inside and times[span.stop] - times[span.start] < BRIEFEST:
                stands[span] = not value
    return _runs(stands)


def _runs(mask: Bool[ndarray, "time"]) -> list[slice]:
    if not len(mask):
        return []
    numbered: Any = label(mask)
    return [found[0] for found in find_objects(numbered[0])]


def _step(
    before: _Stance, here: _Stance, pelvis: Float[ndarray, "time 3"], up: Float[ndarray, "3"],
    times: Float[ndarray, "time"],
) -> tuple[float, float] | None:  # fmt: skip
    """Length and width of the step from one stance to the next; None where it is no step of a walk."""
    time = float(times[here.span.start] - times[before.span.start])
    long = any(times[each.span.stop - 1] - times[each.span.start] > LONGEST_STANCE for each in (before, here))
    if before.side == here.side or long or not STEP_TIME[0] <= time <= STEP_TIME[1]:
        return None
    # a pelvis sways across the way and back within two steps
    way = pelvis[here.span.stop - 1].astype(np.float64) - pelvis[before.span.start]
    way = way - (way @ up) * up
    step = here.place - before.place
    along = float(step @ way / max(np.linalg.norm(way), 1e-9))
    level = abs(float(step @ up)) <= LEVEL
    if not level or not STEP_LENGTH[0] <= along <= STEP_LENGTH[1] or np.linalg.norm(way) < STEP_LENGTH[0]:
        return None
    across = step - (step @ up) * up
    return along, float(np.sqrt(max(across @ across - along**2, 0.0)))


def _contact(
    stance: _Stance, joints: Float[ndarray, "time 24 3"], up: Float[ndarray, "3"], times: Float[ndarray, "time"],
    step: tuple[float | None, float | None] = (None, None),
) -> FootContact:  # fmt: skip
    """The stance with its strike and its off, where they are in the motion."""
    first, last, end = stance.span.start, stance.span.stop - 1, len(times) - 1
    ankle, toes = (joints[:, SMPL.index(f"{stance.side}_{name}")] for name in ("ankle", "foot"))
    before, after = np.searchsorted(times, [times[first] - ROLLING, times[last] + ROLLING])
    strike = before + int(np.argmax(_ahead(ankle, joints[:, 0], up, times, first)[before : first + 1]))
    off = last + int(np.argmin(_ahead(toes, joints[:, 0], up, times, last)[last : after + 1]))
    brief = times[last] - times[first] <= LONGEST_STANCE
    begins, ends = brief and strike > 0 and first > 0, brief and off < end and last < end
    known = float(times[strike]) if begins else None, float(times[off]) if ends else None
    length, width = step
    return FootContact(stance.side, *known, step_length=length, step_width=width)


def _ahead(
    point: Float[ndarray, "time 3"], pelvis: Float[ndarray, "time 3"], up: Float[ndarray, "3"],
    times: Float[ndarray, "time"], frame: int,
) -> Float[ndarray, "time"]:  # fmt: skip
    """How far a point is in front of the pelvis along its way about a frame, metres."""
    begin, end = np.searchsorted(times, [times[frame] - AROUND, times[frame] + AROUND])
    way = pelvis[min(end, len(times) - 1)].astype(np.float64) - pelvis[begin]
    return (point - pelvis) @ unit(way - (way @ up) * up)


def _whole(bout: list[FootContact]) -> list[FootContact]:
    """The bout, if it is one."""
    return bout if len(bout) > FEWEST else []
