import numpy as np
import pytest

from vibe.tracking import postprocess


def walker(time, facing=None):
    """A stick figure that walks on the spot and faces `facing` radians about the vertical (0: towards the camera)."""
    facing = np.zeros_like(time) if facing is None else facing
    swing = 0.5 * np.sin(2 * np.pi * time)
    joints = np.zeros((len(time), 17, 3))
    heights = [0.0, -0.03, -0.03, 0, 0, 0.2, 0.2, 0.5, 0.5, 0.75, 0.75, 0.8, 0.8, 1.2, 1.2, 1.6, 1.6]
    sides = [0.0, 0.04, -0.04, 0.08, -0.08, 0.2, -0.2, 0.25, -0.25, 0.25, -0.25, 0.12, -0.12, 0.12, -0.12, 0.12, -0.12]
    ahead = [0.1, 0.08, 0.08] + [0.0] * 14
    joints[..., 0], joints[..., 1], joints[..., 2] = sides, heights, ahead
    for joint, share in ((7, 0.3), (9, 0.6), (13, -0.4), (15, -0.8)):
        joints[:, joint, 2] += share * swing
        joints[:, joint + 1, 2] -= share * swing
    x = joints[..., 0] * np.cos(facing)[:, None] + joints[..., 2] * np.sin(facing)[:, None]
    keypoints = np.stack([400 + 300 * x, 100 + 300 * joints[..., 1], np.full_like(x, 0.8)], -1)
    return keypoints + np.random.default_rng(0).normal(size=keypoints.shape) * (2, 2, 0)


TIME = np.arange(60) / 30


@pytest.mark.parametrize("halves", [(True, True), (True, False), (False, True)])
@pytest.mark.parametrize("frames", [slice(20, 21), slice(20, 40), slice(7, 23, 2)])
def test_flips_are_undone(halves, frames):
    clean = walker(TIME)
    flipped = np.zeros((60, 2), bool)
    flipped[frames] = halves
    np.testing.assert_array_equal(postprocess.correct_left_right(postprocess.exchange(clean, flipped), TIME), clean)


@pytest.mark.parametrize("fps", [15, 30, 60])
def test_a_real_turn_is_no_flip(fps):
    time = np.arange(2 * fps) / fps
    clean = walker(time, np.pi * time)
    np.testing.assert_array_equal(postprocess.correct_left_right(clean, time), clean)


def test_flips_in_profile_are_undone_where_the_limbs_are_apart():
    clean = walker(TIME, np.full(60, np.pi / 2))
    flipped = np.zeros((60, 2), bool)
    flipped[25:35] = True
    mended = postprocess.correct_left_right(postprocess.exchange(clean, flipped), TIME)
    apart = np.abs(clean[:, 15, 0] - clean[:, 16, 0]) > 30
    np.testing.assert_array_equal(mended[apart][:, 13:], clean[apart][:, 13:])


def test_somebody_who_stays_in_profile_is_left_as_they_are():
    time = np.arange(300) / 30
    clean = walker(time, np.full(300, np.pi / 2) + 0.15 * np.sin(time))
    twisted = clean.copy()
    twisted[:, 5:11] = walker(time, np.full(300, np.pi / 2 + 0.25))[:, 5:11]
    np.testing.assert_array_equal(postprocess.correct_left_right(twisted, time), twisted)


def test_a_blurred_frame_does_not_hide_a_flip():
    clean = walker(TIME)
    seen = postprocess.exchange(clean, np.repeat((TIME >= 0.8)[:, None] & (TIME < 1.4)[:, None], 2, 1))
    blurred = 24
    seen[blurred, :, :2] = (seen[blurred, :, :2] + seen[blurred, postprocess.MIRRORED[17], :2]) / 2
    seen[blurred, :, 2] = 0.4
    mended = postprocess.correct_left_right(seen, TIME)
    rest = np.arange(60) != blurred
    np.testing.assert_array_equal(mended[rest], clean[rest])


def test_a_long_track_is_mended_like_a_short_one(monkeypatch):
    flipped = np.zeros((60, 2), bool)
    flipped[15:30] = True
    seen = postprocess.exchange(walker(TIME), flipped)
    whole = postprocess.correct_left_right(seen, TIME)
    monkeypatch.setattr(postprocess, "CHUNK", 7)
    np.testing.assert_array_equal(postprocess.correct_left_right(seen, TIME), whole)


def test_flips_of_two_times_nothing_are_undone_to_nothing():
    for count in (1, 2, 3):
        clean = walker(TIME[:count])
        np.testing.assert_array_equal(postprocess.correct_left_right(clean, TIME[:count]), clean)


def test_a_gap_in_time_proves_no_flip():
    clean = walker(TIME)
    kept = np.r_[0:25, 50:60]
    np.testing.assert_array_equal(postprocess.correct_left_right(clean[kept], TIME[kept]), clean[kept])
