"""What each correction does where several videos show the same people."""

import pytest
import torch
from edits.test_apply import FPS, TIMES, TRACKS, same, track

from vibe.edits.apply import EDITS, apply_edits
from vibe.edits.record import Corrected, Edit
from vibe.records import Track
from vibe.skeletons import BLAZEPOSE, COCO

LATER, OTHER_FPS, OTHER_FRAMES = 0.4, 25.0, 40
"""The second video began so many seconds after the first, and ends before it."""
OTHER_TIMES = torch.arange(OTHER_FRAMES, dtype=torch.float64) / OTHER_FPS
OTHERS = [track(0, OTHER_FRAMES - 1, 3), track(0, OTHER_FRAMES - 1, 4)]
MOMENTS = TIMES, OTHER_TIMES + LATER


def applied(*edits: tuple[str, dict], others: list[Track] = OTHERS) -> tuple[Corrected, ...]:
    videos = [Corrected.of(TRACKS, TIMES), Corrected.of(others, OTHER_TIMES, -LATER)]
    return apply_edits(videos, [Edit(*each) for each in edits])


def seconds(videos: tuple[Corrected, ...], person: int) -> list[tuple[float, float]]:
    """On the first video's clock, from when to when each video has a person."""
    spans = []
    for whole, times in zip(videos, MOMENTS, strict=True):
        mine = times[whole.people[person - 1].track.frames]
        spans.append((float(mine[0]), float(mine[-1])) if len(mine) else (0.0, 0.0))
    return spans


STRETCH = {"person": 1, "first": 20, "last": 35}
NOSE = {"person": 1, "frame": 3, "point": "nose", "x_px": 0.0, "y_px": 0.0}


def test_sides_are_exchanged_at_the_same_moments_of_all_videos_or_in_one_alone():
    left, right = COCO.index("left_knee"), COCO.index("right_knee")
    for view, concerned in (({}, (0, 1)), ({"view": 1}, (0,)), ({"view": 2}, (1,))):
        videos = applied(("swap_sides", STRETCH | view))
        for place, (whole, before) in enumerate(zip(videos, (TRACKS, OTHERS), strict=True)):
            new, old = whole.people[0].track, before[0]
            during = (MOMENTS[place][old.frames] - 27.5 / FPS).abs() < 8 / FPS
            changed = (new.keypoints_px[:, left] == old.keypoints_px[:, right]).all(-1)
            assert torch.equal(changed, during if place in concerned else torch.zeros_like(during))


@pytest.mark.parametrize("offset_s", [0.05, -0.05, 0.15, 1 / 60])
def test_stretches_that_follow_one_another_have_every_frame_of_another_view_once(offset_s):
    """Half a frame from the first view's, where each of its frames is as near to two."""
    left, right = COCO.index("left_knee"), COCO.index("right_knee")
    videos = [Corrected.of([track(0, 59, 3)], TIMES), Corrected.of([track(0, 59, 4)], TIMES, offset_s)]
    stretches = [(10, 19), (20, 29), (30, 30), (31, 44)]
    swaps = [Edit("swap_sides", {"person": 1, "first": first, "last": last}) for first, last in stretches]
    for whole, old in zip(apply_edits(videos, swaps), videos, strict=True):
        new, before = whole.people[0].track, old.people[0].track
        changed = (new.keypoints_px[:, left] == before.keypoints_px[:, right]).all(-1).nonzero()[:, 0]
        assert torch.equal(changed, torch.arange(int(changed[0]), int(changed[-1]) + 1)) and 34 <= len(changed) <= 36


def test_what_was_said_of_feet_is_exchanged_with_the_person_but_not_with_one_view_of_them():
    stands = ("foot_stands", {"person": 1, "foot": "left", "first": 5, "last": 40})
    both = applied(stands, ("swap_sides", STRETCH))
    assert all(whole.people[0].stands.any(0).tolist() == [True, True] for whole in both)
    alone = applied(stands, ("swap_sides", STRETCH | {"view": 2}))
    assert all(whole.people[0].stands.any(0).tolist() == [True, False] for whole in alone)


def test_people_are_split_joined_exchanged_and_gone_in_all_videos_at_once():
    videos = applied(("split", {"person": 1, "frame": 30}))
    assert [len(whole.people) for whole in videos] == [3, 3]
    assert all(last < 1.0 for _, last in seconds(videos, 1)) and all(first >= 0.98 for first, _ in seconds(videos, 3))
    back = apply_edits(videos, [Edit("join", {"person": 1, "other": 3})])
    assert all(same(whole.people[0].track, before[0]) for whole, before in zip(back, (TRACKS, OTHERS), strict=True))
    videos = applied(("delete", {"person": 1}), ("name", {"person": 1, "name": "Bo"}))
    assert [[one.name for one in whole.people] for whole in videos] == [["Bo"], ["Bo"]]
    videos = applied(("exchange", {"person": 1, "other": 2, "first": 0, "last": 59, "view": 2}))
    assert same(videos[0].people[0].track, TRACKS[0]) and same(videos[1].people[0].track, OTHERS[1])


def test_who_is_left_in_one_video_stays_and_who_is_left_in_none_is_gone():
    videos = applied(("trim", {"first": 0, "last": 5}))
    assert [len(whole.people) for whole in videos] == [1, 1] and seconds(videos, 1) == [(0.0, 5 / FPS), (0.0, 0.0)]
    nobody = Track(*(part[:0] for part in vars(OTHERS[1]).values()))
    videos = applied(("split", {"person": 2, "frame": 30}), others=[OTHERS[0], nobody])
    assert [len(one.track.frames) for one in videos[1].people] == [40, 0, 0]
    assert seconds(videos, 3)[0][0] == 1.0
    late = applied(("split", {"person": 1, "frame": 49}))
    assert [[len(one.track.frames) for one in whole.people] for whole in late] == [[49, 50, 1], [31, 40, 9]]


def test_a_point_is_moved_in_the_picture_that_is_named_and_else_in_the_first():
    put = {"person": 1, "frame": 24, "point": "left_knee", "x_px": 11.0, "y_px": 12.0}
    for view in (1, 2):
        videos = applied(("move_point", put if view == 1 else put | {"view": 2}))
        row = (MOMENTS[view - 1] - 24 / FPS).abs().argmin()
        placed = [whole.people[0].placed.any() for whole in videos]
        assert placed == [view == 1, view == 2]
        moved = videos[view - 1].people[0].track.keypoints_px[row, COCO.index("left_knee"), :2]
        assert moved.tolist() == [11.0, 12.0]
        assert videos[view - 1].people[0].placed[row, BLAZEPOSE.index("left_knee")]


@pytest.mark.parametrize(
    ("kind", "values", "why"),
    [
        ("swap_sides", STRETCH | {"view": 3}, "there is no view 3, the motion is of 2 videos: give 1 to 2"),
        ("swap_sides", STRETCH | {"view": 0}, "there is no view 0"),
        ("swap_sides", STRETCH | {"first": 0, "last": 5, "view": 2}, "not in view from frame 0 to 5 of view 2"),
        ("move_point", NOSE | {"view": 2}, "not in view in frame 3 of view 2"),
    ],
)
def test_views_that_there_are_not_and_moments_that_they_do_not_have_are_refused(kind, values, why):
    with pytest.raises(ValueError, match=f"edit 1, {kind}: .*{why}"):
        applied((kind, values))
    with pytest.raises(ValueError, match=r"there is no view 2, the motion is of one video: leave it out"):
        apply_edits([Corrected.of(TRACKS, TIMES)], [Edit("swap_sides", STRETCH | {"view": 2})])


def test_every_correction_can_be_made_and_one_without_a_view_concerns_the_first_video():
    values = {"person": 1, "other": 2, "first": 12, "last": 20, "frame": 15, "name": "Anna", "foot": "left"}
    values |= {"point": "nose", "x_px": 3.0, "y_px": 4.0}
    for kind, function in EDITS.items():
        wanted = [name for name in list(function.__annotations__)[1:-1] if name != "view"]
        videos = applied((kind, {name: values[name] for name in wanted}))
        assert len(videos[0].people) == len(videos[1].people)
