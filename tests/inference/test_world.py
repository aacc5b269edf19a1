"""Everyone in one world: what the stage of the world does to motions, and what it leaves alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from walkers import walker

from vibe.arrays import as_numpy, as_tensors
from vibe.cameras import default_camera
from vibe.inference.config import Refinement
from vibe.inference.world import camera_motion, place_in_world
from vibe.motion.tensors import to_motion
from vibe.records import Clip, Lens, Track
from vibe.refine.presets import FITTINGS, SMOOTHING
from vibe.world.camera_motion import standing_camera

GROUNDED = Refinement(SMOOTHING["light"], FITTINGS["open"], {})
AS_IS = Refinement(SMOOTHING["none"], None, {})
CAMERA = default_camera(1280, 720)
LENS = Lens(as_numpy(CAMERA))


def _seen(body, one, size=1.0, first=0):
    """The motion as the method would have it, who is taken to be so much smaller and nearer than they are."""
    frames = torch.arange(first, first + len(one.times))
    smpl = replace(as_tensors(one.smpl), pelvis=as_tensors(one.smpl).pelvis / size)
    track = Track(frames, torch.full((len(frames), 4), 300.0), torch.ones(len(frames), 17, 3))
    return to_motion(smpl, track, torch.from_numpy(one.times + first / 30), CAMERA, body)


def _clip(frames):
    return Clip(path=Path("walk.mp4"), fps=30.0, width=1280, height=720, timestamps=np.arange(frames) / 30, damaged=0)


def test_people_at_depths_of_their_own_come_to_stand_on_one_floor(low):
    people = [_seen(low, walker(low, away=(-1.0, 4.0))), _seen(low, walker(low, away=(1.5, 7.0), heading=2.0), 1.04)]
    placed, world, notes = place_in_world(people, _clip(90), LENS, low, standing_camera(90), GROUNDED)
    assert (world.camera, world.gravity, world.floor) == ("unknown", "people", "feet") and not notes
    for motion in placed:
        R, t = world.R_world_cam[motion.frames], world.t_world_cam[motion.frames]
        assert np.allclose(motion.joints_world, motion.joints_cam @ R.mT + t[:, None], atol=1e-4)
        soles = motion.joints_world[:, [10, 11], 2].min(-1)
        assert 0 < soles.min() < 0.06 and np.percentile(soles, 90) < 0.09
    start = placed[0].pelvis_world[0]
    assert np.allclose(start[:2], 0, atol=0.15)
    facing = world.R_world_cam[0] @ placed[0].smpl.rotmat[0, 0, :, 2]
    assert facing[0] > 0.9 and abs(facing[1]) < 0.1


def test_without_a_fit_of_ours_the_motion_stays_bit_for_bit(low):
    motion = _seen(low, walker(low))
    (placed,), world, _ = place_in_world([motion], _clip(90), LENS, low, standing_camera(90), AS_IS)
    assert (placed.smpl.rotmat == motion.smpl.rotmat).all() and (placed.joints_cam == motion.joints_cam).all()
    assert world.floor == "feet" and placed.contacts is not None


def test_of_somebody_who_lies_no_floor_is_invented(low):
    one = walker(low)
    turn = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]], np.float32)
    rotmat = np.concatenate([turn @ one.smpl.rotmat[:, :1], one.smpl.rotmat[:, 1:]], 1)
    motion = _seen(low, replace(one, smpl=replace(one.smpl, rotmat=rotmat)))
    (placed,), world, notes = place_in_world([motion], _clip(90), LENS, low, standing_camera(90), GROUNDED)
    assert (world.gravity, world.floor) == ("camera", "none") and len(notes) == 1
    assert np.isnan(world.tilt_error_deg)
    assert (placed.smpl.rotmat == motion.smpl.rotmat).all()


def test_a_camera_whose_background_was_seen_to_stand_is_still(low):
    seen = replace(standing_camera(90), sure=np.ones(90, bool))
    _, world, _ = place_in_world([_seen(low, walker(low))], _clip(90), LENS, low, seen, GROUNDED)
    assert world.camera == "still"


def test_a_calibrated_up_is_taken(low):
    one = walker(low, pitch_deg=20)
    lens = replace(LENS, up_cam=one.up.astype(np.float32))
    _, world, _ = place_in_world([_seen(low, one)], _clip(90), lens, low, standing_camera(90), GROUNDED)
    assert (world.gravity, world.floor) == ("calibration", "feet")
    assert world.R_world_cam[0, 2] @ one.up > 0.9999


def test_the_length_of_a_cameras_path_is_found_from_feet_that_stand(low):
    one = walker(low, 120)
    true = np.stack([0.5 * one.times, 0.0 * one.times, 0.3 * one.times], 1).astype(np.float32)
    motion = _seen(low, replace(one, smpl=replace(one.smpl, pelvis=one.smpl.pelvis - true)))
    seen = replace(standing_camera(120), still=False, travels=True, path_cam0=7.0 * true.astype(np.float64))
    (placed,), world, _ = place_in_world([motion], _clip(120), LENS, low, seen, GROUNDED)
    went = np.linalg.norm(world.t_world_cam[-1] - world.t_world_cam[0])
    assert world.camera == "moving"
    assert went == pytest.approx(np.linalg.norm(true[-1]), rel=0.2)
    walked, really = (np.ptp(each, axis=0) for each in (placed.pelvis_world, one.smpl.pelvis))
    assert np.linalg.norm(walked) == pytest.approx(np.linalg.norm(really), rel=0.2)


def test_a_camera_that_goes_up_as_it_travels_does_not_tilt_the_floor(low):
    one = walker(low, 120)
    true = (np.linspace(0, 1, 120)[:, None] * (0.8 * one.up + [1.0, 0.0, 0.5])).astype(np.float32)
    motion = _seen(low, replace(one, smpl=replace(one.smpl, pelvis=one.smpl.pelvis - true)))
    seen = replace(standing_camera(120), still=False, travels=True, path_cam0=true.astype(np.float64))
    (placed,), world, _ = place_in_world([motion], _clip(120), LENS, low, seen, GROUNDED)
    assert np.degrees(np.arccos(world.R_world_cam[0, 2] @ one.up)) < 2.5
    soles = placed.joints_world[:, [10, 11], 2].min(-1)
    assert soles.min() > 0 and soles.max() < 0.09


def test_each_scene_has_a_world_of_its_own(low):
    people = [_seen(low, walker(low, 60, pitch_deg=5)), _seen(low, walker(low, 60, pitch_deg=30), first=60)]
    seen = replace(standing_camera(120), begins=(0, 60))
    placed, world, _ = place_in_world(people, _clip(120), LENS, low, seen, GROUNDED)
    ups = world.R_world_cam[:, 2]
    assert np.ptp(ups[:60], axis=0).max() == 0 and np.ptp(ups[60:], axis=0).max() == 0
    assert np.degrees(np.arccos(ups[0] @ ups[-1])) == pytest.approx(25, abs=4)
    assert all(abs(motion.joints_world[:, [10, 11], 2].min()) < 0.06 for motion in placed)


def test_nobody_at_all_and_no_background(low):
    seen = camera_motion(None, _clip(5), as_numpy(CAMERA))
    placed, world, notes = place_in_world([], _clip(5), LENS, low, seen, GROUNDED)
    assert placed == () and (world.camera, world.floor) == ("unknown", "none") and not notes
    assert world.R_world_cam.shape == (5, 3, 3)
