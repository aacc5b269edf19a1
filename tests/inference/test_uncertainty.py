"""Which stretches of a motion are not to be trusted."""

from dataclasses import replace

import numpy as np
import performers
import pytest
import torch

from vibe.arrays import as_numpy
from vibe.body import load_body
from vibe.cameras import default_camera
from vibe.inference.uncertainty import DOUBTFUL, doubtful_stretches
from vibe.refine.energies_paper import load_mixture
from vibe.rotations import rotmat_from_rotvec

CAMERA = as_numpy(default_camera(10_000, 10_000))
FRAMES = 100


@pytest.fixture(scope="module")
def sure():
    """Somebody in a usual pose whose joints are all known well, and seen."""
    motion = performers.performer(load_body(detail="low"), torch.arange(FRAMES))
    usual = rotmat_from_rotvec(load_mixture().means[0].numpy().reshape(23, 3))
    rotmat = np.concatenate([motion.smpl.rotmat[:, :1], np.tile(usual, (FRAMES, 1, 1, 1))], 1).astype(np.float32)
    std = np.full((FRAMES, 24, 2), DOUBTFUL / 3, np.float32)
    keypoints_px = np.full((FRAMES, 17, 3), 0.9, np.float32)
    joints_px = np.full((FRAMES, 24, 2), 100, np.float32)
    still = {"smpl": replace(motion.smpl, rotmat=rotmat), "joints_cam": motion.joints_cam[np.zeros(FRAMES, int)]}
    seen = {"keypoints_px": keypoints_px, "joints_px": joints_px, "confidence": np.full(FRAMES, 0.9)}
    return replace(motion, joints_std=std, **still, **seen)


def doubted(motion, *spans, **change):
    std = motion.joints_std.copy()
    for span in spans:
        std[span] = DOUBTFUL
    changed = {name: getattr(motion, name).copy() for name in change}
    for name, value in change.items():
        changed[name][spans[0]] = value
    return doubtful_stretches(replace(motion, joints_std=std, **changed), CAMERA)


def test_who_is_well_known_is_trusted_and_so_is_who_nothing_is_known_of(sure):
    assert doubtful_stretches(sure, CAMERA) == [] == doubtful_stretches(replace(sure, joints_std=None), CAMERA)


def test_a_stretch_is_told_with_its_times_also_at_the_start_and_the_end(sure):
    found = doubted(sure, slice(0, 20), slice(40, 60), slice(85, FRAMES))
    ends = [(0, 19), (40, 59), (85, FRAMES - 1)]
    assert [(each.start, each.end) for each in found] == [tuple(sure.times[list(rows)]) for rows in ends]


def test_a_moment_is_no_stretch_and_a_short_hole_no_end(sure):
    assert doubted(sure, slice(40, 42)) == []
    assert len(doubted(sure, slice(30, 45), slice(48, 60))) == 1


@pytest.mark.parametrize(
    ("cause", "change"),
    [("hidden", {"keypoints_px": 0.0}), ("cut", {"joints_px": -5.0}), ("unclear", {})],
)
def test_the_cause_is_named(sure, cause, change):
    (found,) = doubted(sure, slice(20, 50), **change)
    assert found.cause == cause


def test_frames_that_were_filled_in_are_not_to_be_trusted_however_small_the_deviations(sure):
    (found,) = doubtful_stretches(replace(sure, confidence=np.where(np.arange(FRAMES) < 50, 0, 0.9)), CAMERA)
    assert found.end == sure.times[49]


def test_poses_that_nobody_was_seen_in_are_a_cause(sure):
    turned = rotmat_from_rotvec(np.full((24, 3), 1.5))
    rotmat = np.tile(turned, (FRAMES, 1, 1, 1)).astype(np.float32)
    (found,) = doubted(replace(sure, smpl=replace(sure.smpl, rotmat=rotmat)), slice(20, 50))
    assert found.cause == "unusual"


def test_fast_limbs_are_a_cause(sure):
    shaken = sure.joints_cam.copy()
    shaken[::3, 1:] += 0.4
    (found,) = doubted(replace(sure, joints_cam=shaken), slice(20, 50))
    assert found.cause == "fast"
