"""What each kind of correction does to the evidence: the parameters of its function are what the file says of it.

Frames are indices into the video, and both ends of a stretch belong to it. People are numbered from 1 as they are after
the corrections before: who is split off gets the next number, and those after somebody who is gone move up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from vibe.edits.record import Corrected, CorrectedPerson, Edit, combined
from vibe.errors import shorten
from vibe.records import BY_HAND, Track
from vibe.skeletons import BLAZEPOSE, COCO, mirrored

FADE = 0.2
"""Seconds to either side over which the move of a point fades; less where it was put somewhere in a frame nearer."""
SIDES = ("left", "right")
LONGEST_NAME = 60
"""Characters."""


def _swap_sides(whole: Corrected, person: int, first: int, last: int) -> Corrected:
    """Left and right of a person are exchanged over a stretch."""
    one, rows = _stretch(whole, person, first, last)
    track = one.track
    keypoints_px, landmarks, placed = track.keypoints_px.clone(), track.landmarks, one.placed.clone()
    keypoints_px[rows] = keypoints_px[rows][:, mirrored(COCO)]
    placed[rows] = placed[rows][:, mirrored(BLAZEPOSE)]
    stands = torch.where(rows[:, None], one.stands.flip(1), one.stands)
    if landmarks is not None:
        landmarks = landmarks.clone()
        landmarks[rows] = landmarks[rows][:, mirrored(BLAZEPOSE)]
    track = replace(track, keypoints_px=keypoints_px, landmarks=landmarks)
    return _with(whole, person, replace(one, track=track, placed=placed, stands=stands))


def _exchange(whole: Corrected, person: int, other: int, first: int, last: int) -> Corrected:
    """Two people change places over a stretch; who has no frame left is gone."""
    one, two = whole.people[person - 1], whole.people[other - 1]
    inside, there = (_within(each.track, first, last) for each in (one, two))
    if not inside.any() and not there.any():
        raise ValueError(f"neither of the two is in view from frame {first} to {last}: give frames in which one is")
    changed = _with(whole, person, combined([one, two], [~inside, there]))
    return _kept(_with(changed, other, replace(combined([two, one], [~there, inside]), name=two.name)))


def _join(whole: Corrected, person: int, other: int) -> Corrected:
    """Two are one person, with the first's name; of frames that both have the first's count."""
    one, two = whole.people[person - 1], whole.people[other - 1]
    joined = combined([one, two], [torch.ones(len(each.track.frames), dtype=torch.bool) for each in (one, two)])
    return _delete(_with(whole, person, replace(joined, name=one.name or two.name)), other)


def _split(whole: Corrected, person: int, frame: int) -> Corrected:
    """From a frame on it is another person, who gets the next number."""
    one = whole.people[person - 1]
    before = one.track.frames < frame
    if before.all() or not before.any():
        raise ValueError(f"person {person} is not in view both before frame {frame} and from it on: give another frame")
    changed = _with(whole, person, one.at(before))
    return replace(changed, people=(*changed.people, replace(one.at(~before), name="")))


def _name(whole: Corrected, person: int, name: str) -> Corrected:
    """A person has a name."""
    if not name.strip() or not name.isprintable() or len(name) > LONGEST_NAME:
        raise ValueError(f"the name has to be 1 to {LONGEST_NAME} characters on one line")
    return _with(whole, person, replace(whole.people[person - 1], name=name.strip()))


def _delete(whole: Corrected, person: int) -> Corrected:
    """A person is nobody."""
    return replace(whole, people=whole.people[: person - 1] + whole.people[person:])


def _move_point(whole: Corrected, person: int, frame: int, point: str, x_px: float, y_px: float) -> Corrected:
    """A keypoint is elsewhere in the picture, for sure; the frames around move with it, less the farther away."""
    one, rows = _stretch(whole, person, frame, frame)
    track, row = one.track, int(rows.nonzero()[0])
    if point not in (BLAZEPOSE if track.landmarks is not None else COCO):
        raise ValueError(
            f"there is no point {shorten(ascii(point))}: give one such as left_wrist (docs/conventions.md lists them)"
        )
    number, target = BLAZEPOSE.index(point), track.keypoints_px.new_tensor([x_px, y_px])
    share = _fading(whole.timestamps[track.frames], row, one.placed[:, number]).to(target)[:, None]
    keypoints_px, landmarks, placed = track.keypoints_px.clone(), track.landmarks, one.placed.clone()
    placed[row, number], sure = True, ((1 + share[:, 0]) * (share[:, 0] > 0)).clamp_max(BY_HAND)
    if point in COCO:
        seen = keypoints_px[:, COCO.index(point)]
        seen[:, :2] += share * (target - seen[row, :2])
        seen[:, 2] = seen[:, 2].maximum(sure)
    if landmarks is not None:
        landmarks = landmarks.clone()
        seen = landmarks[:, number]
        step = target - seen[row, :2]
        seen[:, 2:4] += share * step * _metres_per_pixel(landmarks[row])
        seen[:, :2] += share * step
        seen[:, 5:] = seen[:, 5:].maximum((sure.clamp_max(1.0) if point in COCO else sure)[:, None] ** (1 / 3))
    track = replace(track, keypoints_px=keypoints_px, landmarks=landmarks)
    return _with(whole, person, replace(one, track=track, placed=placed))


def _foot_stands(whole: Corrected, person: int, foot: str, first: int, last: int) -> Corrected:
    """A foot, left or right, stands where it is over a stretch."""
    if foot not in SIDES:
        raise ValueError(f"there is no foot {shorten(ascii(foot))}: give {' or '.join(SIDES)}")
    one, rows = _stretch(whole, person, first, last)
    stands = one.stands.clone()
    stands[rows, SIDES.index(foot)] = True
    return _with(whole, person, replace(one, stands=stands))


def _floor_here(whole: Corrected, person: int, frame: int) -> Corrected:
    """What the lower foot of a person is on in a frame is the floor."""
    one, rows = _stretch(whole, person, frame, frame)
    return _with(whole, person, replace(one, on_floor=one.on_floor | rows))


def _camera_still(whole: Corrected) -> Corrected:
    """The camera stands still, whatever the background seems to tell."""
    return replace(whole, still=True)


def _trim(whole: Corrected, first: int, last: int) -> Corrected:
    """What is outside of a stretch does not count; who is only there is gone."""
    return _kept(replace(whole, people=tuple(one.at(_within(one.track, first, last)) for one in whole.people)))


EDITS: Mapping[str, Callable[..., Corrected]] = {
    "swap_sides": _swap_sides,
    "exchange": _exchange,
    "join": _join,
    "split": _split,
    "name": _name,
    "delete": _delete,
    "move_point": _move_point,
    "foot_stands": _foot_stands,
    "floor_here": _floor_here,
    "camera_still": _camera_still,
    "trim": _trim,
}
OF_THE_WORLD = ("foot_stands", "floor_here", "camera_still")
"""Those that mean nothing where no world is asked for."""


def apply_edits(tracks: Sequence[Track], timestamps: Float[Tensor, "frame"], edits: Sequence[Edit]) -> Corrected:
    """Everybody after all corrections; raises ValueError, with the number of the one that does not fit."""
    whole = Corrected(tuple(map(CorrectedPerson.of, tracks)), timestamps)
    for number, edit in enumerate(edits, start=1):
        try:
            _check(whole, edit.values)
            whole = EDITS[edit.kind](whole, **edit.values)
        except ValueError as error:
            raise ValueError(f"edit {number}, {edit.kind}: {error}") from error
    return whole


def _check(whole: Corrected, values: Mapping[str, Any]) -> None:
    """Raises ValueError for people and frames that there are not."""
    people, frames = len(whole.people), len(whole.timestamps)
    for person in (values[name] for name in ("person", "other") if name in values):
        if not 1 <= person <= people:
            raise ValueError(f"there is no person {person}: {people} are there after the edits before it")
    if "other" in values and values["other"] == values["person"]:
        raise ValueError(f"person {values['person']} is named twice: give two people")
    for frame in (values[name] for name in ("frame", "first", "last") if name in values):
        if not 0 <= frame < frames:
            raise ValueError(f"there is no frame {frame}: the video has frames 0 to {frames - 1}")
    if "first" in values and values["first"] > values["last"]:
        raise ValueError(f"it ends at frame {values['last']}, before it begins at {values['first']}: exchange them")


def _within(track: Track, first: int, last: int) -> Bool[Tensor, "_"]:
    """Which rows are in a stretch."""
    return (track.frames >= first) & (track.frames <= last)


def _stretch(whole: Corrected, person: int, first: int, last: int) -> tuple[CorrectedPerson, Bool[Tensor, "_"]]:
    """A person and their rows of a stretch, at least one."""
    one = whole.people[person - 1]
    rows = _within(one.track, first, last)
    if not rows.any():
        where = f"in frame {first}" if first == last else f"from frame {first} to {last}"
        raise ValueError(f"person {person} is not in view {where}: give frames in which they are")
    return one, rows


def _with(whole: Corrected, person: int, one: CorrectedPerson) -> Corrected:
    """The same with somebody changed."""
    return replace(whole, people=(*whole.people[: person - 1], one, *whole.people[person:]))


def _kept(whole: Corrected) -> Corrected:
    """Those who have a frame."""
    return replace(whole, people=tuple(one for one in whole.people if len(one.track.frames)))


def _fading(times: Float[Tensor, "time"], row: int, placed: Bool[Tensor, "time"]) -> Float[Tensor, "time"]:
    """1 in a row, and less the farther from it in time: 0 beyond `FADE` and where the point was put somewhere."""
    others = placed.nonzero()[:, 0]
    share = torch.zeros_like(times)
    share[row] = 1.0
    for rows, fixed in ((slice(0, row), others[others < row][-1:]), (slice(row + 1, None), others[others > row][:1])):
        reach = min([FADE, *(times[fixed] - times[row]).abs().tolist()])
        share[rows] = (1 - (times[rows] - times[row]).abs() / reach).clamp_min(0)
    return share


def _metres_per_pixel(landmarks: Float[Tensor, "33 8"]) -> Tensor:
    """Across the line of sight, by the spread of the pose model's points; 0 where it has none in space."""
    return landmarks[:, 2:4].std(0).norm() / landmarks[:, :2].std(0).norm().clamp_min(1.0)
