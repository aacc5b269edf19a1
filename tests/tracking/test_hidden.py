import numpy as np
import pytest
from tests.tracking.test_postprocess import TIMES, finish, person

from vibe.tracking.postprocess import PostprocessConfig
from vibe.tracking.tracklets import fill_gaps

STANDS = person(range(120), start=(400.0, 340.0), velocity=(0.0, 0.0), hue=3)
"""Before whoever passes behind at 400 pixels, at 1.7 s."""


def passing(frames):
    """Somebody who walks behind who stands there."""
    return person(frames, velocity=(60.0, 0.0))


def behind(pieces):
    """What is made of them beside who stands."""
    tracks, _ = finish([STANDS, *pieces], TIMES[:120], PostprocessConfig())
    return max(tracks, key=lambda track: np.ptp(track.keypoints_px[:, 0, 0].numpy()))


def test_whoever_goes_on_behind_somebody_is_there_in_every_frame_with_confidence_0():
    track = behind([passing(range(30)), passing(range(75, 120))])
    assert track.frames.tolist() == list(range(120))
    assert (track.confidence == 0).nonzero()[:, 0].tolist() == list(range(30, 75))
    np.testing.assert_allclose(track.keypoints_px[..., :2], passing(range(120)).keypoints_px[..., :2], atol=0.5)


def test_a_gap_in_which_only_somebody_new_is_there_is_not_filled_wholly():
    pieces = [passing(range(30)), passing(range(75, 120))]
    new = person(range(38, 70), start=(350.0, 300.0), hue=9)
    tracks, _ = finish([*pieces, new], TIMES[:120], PostprocessConfig())
    assert min(len(track.frames) for track in tracks) == 32
    assert max(len(track.frames) for track in tracks) < 100


@pytest.mark.parametrize("frames, filled", [(range(50), range(50, 57)), (range(56, 120), range(49, 56))])
def test_whoever_ends_or_begins_behind_somebody_goes_on_for_a_quarter_of_a_second(frames, filled):
    track = behind([passing(frames)])
    assert track.frames[track.confidence == 0].tolist() == list(filled)
    expected = passing(sorted([*frames, *filled])).keypoints_px[..., :2]
    np.testing.assert_allclose(track.keypoints_px[..., :2], expected, atol=0.5)


def test_weak_readings_beside_somebody_that_leave_the_way_are_left_out_and_weak_ones_on_it_stay():
    walker = passing(range(120))
    walker.keypoints_px[45:55, :, 2] *= 0.7
    walker.keypoints_px[50:55, :, 0] += 80
    track = behind([walker])
    assert track.frames.tolist() == list(range(120))
    assert (track.confidence == 0).nonzero()[:, 0].tolist() == list(range(50, 55))
    np.testing.assert_allclose(track.keypoints_px[..., :2], passing(range(120)).keypoints_px[..., :2], atol=0.5)
    alone, _ = finish([walker], TIMES[:120], PostprocessConfig())
    assert (alone[0].confidence > 0).all()


@pytest.mark.parametrize("longest, filled", [(3.0, 120), (2.0, 64)])
def test_a_gap_that_is_too_long_is_filled_at_its_ends_alone_whoever_is_there(longest, filled):
    walker = passing([*range(30), *range(100, 120)])
    frames, *_ = fill_gaps(walker, TIMES[:120], 0.5, longest, [STANDS])
    assert len(frames) == filled


def test_who_is_dropped_as_too_unsure_hides_nobody():
    walker, ghost = passing(range(120)), person(range(120), start=(400.0, 340.0), velocity=(0.0, 0.0), hue=3)
    walker.keypoints_px[45:55, :, 2] *= 0.7
    walker.keypoints_px[50:55, :, 0] += 80
    ghost.keypoints_px[..., 2] *= 0.4 / ghost.keypoints_px[..., 2].mean()
    (track,), notes = finish([ghost, walker], TIMES[:120], PostprocessConfig())
    assert any("too unsure to be one" in note for note in notes)
    assert (track.confidence > 0).all()
