"""What each kind of correction does to the evidence: the parameters of its function are what the file says of it.

Frames are indices into the video, and both ends of a stretch belong to it. People are numbered from 1 as they are after
the corrections before: who is split off gets the next number, and those after somebody who is gone move up. Of several
videos together frames are the first one's, and a correction is made in each, at the same moments, or in one `view`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import compress
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


def _swap_sides(whole: Corrected, person: int, first: int, last: int, view: int = 0) -> Corrected:
    """Left and right of a person are exchanged over a stretch."""
    one, rows = _stretch(whole, person, first, last)
    track = one.track
    keypoints_px, landmarks, placed = track.keypoints_px.clone(), track.landmarks, one.placed.clone()
    keypoints_px[rows] = keypoints_px[rows][:, mirrored(COCO)]
    placed[rows] = placed[rows][:, mirrored(BLAZEPOSE)]
    # what was said of feet is said of the person, not of how one view sees them
    stands = one.stands if view else torch.where(rows[:, None], one.stands.flip(1), one.stands)
    if landmarks is not None:
        landmarks = landmarks.clone()
        landmarks[rows] = landmarks[rows][:, mirrored(BLAZEPOSE)]
    track = replace(track, keypoints_px=keypoints_px, landmarks=landmarks)
    return _with(whole, person, replace(one, track=track, placed=placed, stands=stands))


def _exchange(whole: Corrected, person: int, other: int, first: int, last: int, view: int = 0) -> Corrected:
    """Two people change places over a stretch."""
    one, two = whole.people[person - 1], whole.people[other - 1]
    inside, there = (_within(each.track, first, last) for each in (one, two))
    changed = _with(whole, person, combined([one, two], [~inside, there]))
    return _with(changed, other, replace(combined([two, one], [~there, inside]), name=two.name))


def _join(whole: Corrected, person: int, other: int) -> Corrected:
    """Two are one person, with the first's name; of frames that both have the first's count."""
    one, two = whole.people[person - 1], whole.people[other - 1]
    joined = combined([one, two], [torch.ones(len(each.track.frames), dtype=torch.bool) for each in (one, two)])
    return _delete(_with(whole, person, replace(joined, name=one.name or two.name)), other)


def _split(whole: Corrected, person: int, frame: int) -> Corrected:
    """From a frame on it is another person, who gets the next number."""
    one = whole.people[person - 1]
    before = one.track.frames < frame
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


def _move_point(
    whole: Corrected, person: int, frame: int, point: str, x_px: float, y_px: float, view: int = 1
) -> Corrected:
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
    """What is outside of a stretch does not count."""
    return replace(whole, people=tuple(one.at(_within(one.track, first, last)) for one in whole.people))


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


def apply_edits(videos: Sequence[Corrected], edits: Sequence[Edit]) -> tuple[Corrected, ...]:
    """Everybody in one video, or in several, after all corrections; who has no frame left in any is gone.

    Raises ValueError, with the number of the one that does not fit.
    """
    for number, edit in enumerate(edits, start=1):
        try:
            videos = _applied(videos, edit)
        except ValueError as error:
            raise ValueError(f"edit {number}, {edit.kind}: {error}") from error
    return tuple(videos)


def _applied(videos: Sequence[Corrected], edit: Edit) -> Sequence[Corrected]:
    """Everybody after one correction more."""
    _check(videos, edit.values)
    function = EDITS[edit.kind]
    choice = inspect.signature(function).parameters.get("view")
    view = edit.values.get("view", choice.default if choice else 0)
    concerned = [place for place in range(len(videos)) if view in (0, place + 1)]
    values = {place: _at_its_frames(videos[place], videos[0], edit.values) for place in concerned}
    _check_presence([(videos[place], values[place]) for place in concerned], edit)
    changed = [function(whole, **values[place]) if place in concerned else whole for place, whole in enumerate(videos)]
    left = [any(len(one.track.frames) for one in everywhere) for everywhere in zip(*(each.people for each in changed))]
    return [replace(whole, people=tuple(compress(whole.people, left))) for whole in changed]


def _at_its_frames(whole: Corrected, first: Corrected, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a correction says, with frames of a video in place of those of the first one at the same moments.

    A stretch may have none; a frame before or after all of the video is one beside its first or last.
    """
    if whole is first:
        return values
    times, theirs = whole.timestamps - whole.offset_s, first.timestamps
    half = float(theirs.diff().median()) / 2 if len(theirs) > 1 else 0.0
    found = dict(values)
    if "first" in values:
        # stretches that follow one another share a border, on which no frame is of both
        borders = torch.cat([theirs[:1] - half, (theirs[:-1] + theirs[1:]) / 2, theirs[-1:] + half])
        found["first"] = int(torch.searchsorted(times, borders[values["first"]]))
        found["last"] = int(torch.searchsorted(times, borders[values["last"] + 1])) - 1
    if "frame" in values:
        away = times - theirs[values["frame"]]
        found["frame"] = int(away.abs().argmin())
        found["frame"] += int(away[-1] < -2 * half) - int(away[0] > 2 * half)
    return found


def _check(videos: Sequence[Corrected], values: Mapping[str, Any]) -> None:
    """Raises ValueError for people, frames and views that there are not."""
    people, frames = len(videos[0].people), len(videos[0].timestamps)
    if "view" in values and not 1 <= values["view"] <= len(videos):
        count = f"{len(videos)} videos: give 1 to {len(videos)}" if len(videos) > 1 else "one video: leave it out"
        raise ValueError(f"there is no view {values['view']}, the motion is of {count}")
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


def _check_presence(concerned: Sequence[tuple[Corrected, Mapping[str, Any]]], edit: Edit) -> None:
    """Raises ValueError for frames in which no video has whom a correction concerns; they are each video's own."""
    said, names = edit.values, [name for name in ("first", "frame") if name in edit.values]
    if "person" not in said or not names:
        return
    first, last = names[0], "last" if names[0] == "first" else "frame"
    where = f"in frame {said[first]}" if first == last else f"from frame {said[first]} to {said[last]}"
    where += f" of view {said['view']}" if "view" in said else ""

    def seen(number: int) -> bool:
        return any(_within(whole.people[number - 1].track, at[first], at[last]).any() for whole, at in concerned)

    if edit.kind == "split":
        before = [whole.people[said["person"] - 1].track.frames < at["frame"] for whole, at in concerned]
        if not any(each.any() for each in before) or all(each.all() for each in before):
            both = f"both before frame {said['frame']} and from it on"
            raise ValueError(f"person {said['person']} is not in view {both}: give another frame")
    elif "other" in said:
        if not seen(said["person"]) and not seen(said["other"]):
            raise ValueError(f"neither of the two is in view {where}: give frames in which one is")
    elif not seen(said["person"]):
        raise ValueError(f"person {said['person']} is not in view {where}: give frames in which they are")


def _within(track: Track, first: int, last: int) -> Bool[Tensor, "_"]:
    """Which rows are in a stretch."""
    return (track.frames >= first) & (track.frames <= last)


def _stretch(whole: Corrected, person: int, first: int, last: int) -> tuple[CorrectedPerson, Bool[Tensor, "_"]]:
    """A person and their rows of a stretch."""
    one = whole.people[person - 1]
    return one, _within(one.track, first, last)


def _with(whole: Corrected, person: int, one: CorrectedPerson) -> Corrected:
    """The same with somebody changed."""
    return replace(whole, people=(*whole.people[: person - 1], one, *whole.people[person:]))


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
