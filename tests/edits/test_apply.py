"""What each correction does to the evidence, and what is refused."""

import numpy as np
import pytest
import torch

from vibe.edits.apply import EDITS, FADE, apply_edits
from vibe.edits.record import Corrected, Edit
from vibe.records import BY_HAND, Track
from vibe.skeletons import BLAZEPOSE, COCO

FRAMES, FPS = 60, 30.0
TIMES = torch.arange(FRAMES, dtype=torch.float64) / FPS


def track(first: int, last: int, seed: int) -> Track:
    random = torch.Generator().manual_seed(seed)
    frames = torch.arange(first, last + 1)
    landmarks = torch.rand(len(frames), len(BLAZEPOSE), 8, generator=random)
    landmarks[..., :2] *= 400
    keypoints_px = torch.rand(len(frames), len(COCO), 3, generator=random) * torch.tensor([400.0, 400.0, 1.0])
    return Track(frames, torch.full((len(frames), 4), float(seed)), keypoints_px, landmarks)


TRACKS = [track(0, 49, 1), track(10, 59, 2)]


def applied(*edits: tuple[str, dict]):
    (whole,) = apply_edits([Corrected.of(TRACKS, TIMES)], [Edit(*each) for each in edits])
    return whole


def same(one: Track, other: Track) -> bool:
    return all(torch.equal(getattr(one, name), getattr(other, name)) for name in vars(one))


def test_without_corrections_the_tracks_are_those_that_came():
    assert all(one.track is track for one, track in zip(applied().people, TRACKS, strict=True))


@pytest.mark.parametrize(
    "twice",
    [
        ("swap_sides", {"person": 1, "first": 5, "last": 20}),
        ("exchange", {"person": 1, "other": 2, "first": 12, "last": 30}),
        ("exchange", {"person": 2, "other": 1, "first": 0, "last": 59}),
    ],
)
def test_made_twice_it_is_undone(twice):
    whole = applied(twice, twice)
    assert all(same(one.track, track) for one, track in zip(whole.people, TRACKS, strict=True))
    assert not same(applied(twice).people[0].track, TRACKS[0])


def test_a_foot_that_stands_is_the_other_one_where_sides_are_exchanged_afterwards():
    stands = ("foot_stands", {"person": 1, "foot": "left", "first": 5, "last": 20})
    one = applied(stands, ("swap_sides", {"person": 1, "first": 10, "last": 30})).people[0]
    frames = one.track.frames
    assert torch.equal(one.stands[:, 0], (frames >= 5) & (frames < 10))
    assert torch.equal(one.stands[:, 1], (frames >= 10) & (frames <= 20))


def test_sides_are_exchanged_inside_of_the_stretch_alone():
    changed = applied(("swap_sides", {"person": 2, "first": 20, "last": 29})).people[1].track
    before, inside = TRACKS[1], (TRACKS[1].frames >= 20) & (TRACKS[1].frames <= 29)
    for names, field in ((COCO, "keypoints_px"), (BLAZEPOSE, "landmarks")):
        left, right = names.index("left_knee"), names.index("right_knee")
        new, old = getattr(changed, field), getattr(before, field)
        assert torch.equal(new[inside, left], old[inside, right]) and torch.equal(new[~inside], old[~inside])


def test_a_split_and_a_join_give_back_the_same_person_and_join_keeps_the_first_where_both_are():
    whole = applied(("split", {"person": 1, "frame": 30}), ("join", {"person": 1, "other": 3}))
    assert len(whole.people) == 2 and same(whole.people[0].track, TRACKS[0])
    (both,) = applied(("join", {"person": 1, "other": 2})).people
    assert both.track.frames.tolist() == list(range(60))
    assert torch.equal(both.track.keypoints_px[:50], TRACKS[0].keypoints_px)
    assert torch.equal(both.track.keypoints_px[50:], TRACKS[1].keypoints_px[40:])


def test_who_has_no_frame_left_is_gone_and_numbers_move_up():
    whole = applied(("trim", {"first": 0, "last": 9}))
    assert [one.track.frames.tolist() for one in whole.people] == [list(range(10))]
    whole = applied(("delete", {"person": 1}), ("name", {"person": 1, "name": "Anna"}))
    assert [one.name for one in whole.people] == ["Anna"] and same(whole.people[0].track, TRACKS[1])


def test_a_name_stays_with_its_number_in_an_exchange_and_goes_along_in_a_join():
    named = ("name", {"person": 2, "name": "Bo"})
    changed = applied(named, ("exchange", {"person": 1, "other": 2, "first": 12, "last": 14}))
    assert [one.name for one in changed.people] == ["", "Bo"]
    assert [one.name for one in applied(named, ("join", {"person": 1, "other": 2})).people] == ["Bo"]


def test_a_moved_point_is_where_it_was_put_and_those_around_follow_less_and_less():
    frame, knee = 25, COCO.index("left_knee")
    old = TRACKS[0].keypoints_px[:, knee]
    target = old[frame, :2] + 30
    edit = {"person": 1, "frame": frame, "point": "left_knee", "x_px": float(target[0]), "y_px": float(target[1])}
    whole = applied(("move_point", edit))
    new = whole.people[0].track.keypoints_px[:, knee]
    assert torch.allclose(new[frame], torch.tensor([*target, BY_HAND]))
    step = (new - old)[:, 0].numpy()
    away = np.abs(TIMES[:50].numpy() - TIMES[frame].item())
    assert np.allclose(step, 30 * (1 - away / FADE).clip(0), atol=1e-3)
    assert torch.equal(new[away >= FADE], old[away >= FADE])
    landmarks, before = whole.people[0].track.landmarks, TRACKS[0].landmarks
    number = BLAZEPOSE.index("left_knee")
    others = [place for place in range(33) if place != number]
    assert landmarks is not None and before is not None
    assert torch.equal(landmarks[:, others], before[:, others])
    assert (landmarks[frame, number, 2:4] > before[frame, number, 2:4]).all(), "in space it goes along"
    again = edit | {"frame": frame + 2, "x_px": float(old[frame + 2, 0]), "y_px": float(old[frame + 2, 1])}
    both = applied(("move_point", edit), ("move_point", again)).people[0].track.keypoints_px[:, knee]
    assert torch.allclose(both[frame, :2], target) and torch.allclose(both[frame + 2, :2], old[frame + 2, :2])


def test_what_was_said_of_feet_goes_with_the_frames_it_was_said_of():
    said = ("foot_stands", {"person": 1, "foot": "right", "first": 20, "last": 29})
    floor = ("floor_here", {"person": 1, "frame": 40})
    whole = applied(said, floor, ("split", {"person": 1, "frame": 25}), ("camera_still", {}))
    assert [one.stands.sum(0).tolist() for one in whole.people] == [[0, 5], [0, 0], [0, 5]]
    assert [int(one.on_floor.sum()) for one in whole.people] == [0, 0, 1] and whole.still


STRETCH = {"person": 1, "first": 0, "last": 5}


@pytest.mark.parametrize(
    ("kind", "values", "why"),
    [
        ("swap_sides", STRETCH | {"person": 3}, "there is no person 3: 2 are there"),
        ("swap_sides", STRETCH | {"person": 0}, "there is no person 0"),
        ("swap_sides", STRETCH | {"last": 60}, "there is no frame 60: the video has frames 0 to 59"),
        ("swap_sides", STRETCH | {"first": -1}, "there is no frame -1"),
        ("swap_sides", STRETCH | {"first": 6}, "it ends at frame 5, before it begins at 6"),
        ("swap_sides", {"person": 2, "first": 0, "last": 5}, "person 2 is not in view from frame 0 to 5"),
        ("exchange", STRETCH | {"other": 1}, "person 1 is named twice"),
        ("split", {"person": 1, "frame": 0}, "not in view both before frame 0"),
        ("name", {"person": 1, "name": " "}, "1 to 60 characters on one line"),
        ("name", {"person": 1, "name": "a\nb"}, "1 to 60 characters on one line"),
        ("foot_stands", STRETCH | {"foot": "middle"}, "there is no foot 'middle'"),
        (
            "move_point",
            {"person": 1, "frame": 3, "point": "tail", "x_px": 0.0, "y_px": 0.0},
            "there is no point 'tail'",
        ),
        (
            "move_point",
            {"person": 1, "frame": 55, "point": "nose", "x_px": 0.0, "y_px": 0.0},
            "not in view in frame 55",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_its_number(kind, values, why):
    with pytest.raises(ValueError, match=f"edit 2, {kind}: .*{why}"):
        applied(("name", {"person": 1, "name": "Anna"}), (kind, values))


def test_no_correction_changes_the_tracks_that_came():
    before = [track(0, 49, 1), track(10, 59, 2)]
    values = {"person": 1, "other": 2, "first": 12, "last": 20, "frame": 15, "name": "Anna", "foot": "left"}
    values |= {"point": "nose", "x_px": 3.0, "y_px": 4.0}
    for kind, function in EDITS.items():
        wanted = [name for name in list(function.__annotations__)[1:-1] if name != "view"]
        applied((kind, {name: values[name] for name in wanted}))
    assert all(same(one, other) for one, other in zip(before, TRACKS, strict=True))
