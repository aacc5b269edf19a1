from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import roma
import torch
from numpy.testing import assert_allclose

from vibe import cameras
from vibe.arrays import as_tensors
from vibe.body.keypoint_regressor import joints_and_keypoints
from vibe.body.load import load_body
from vibe.body.pose import rest_joints, rest_vertices
from vibe.inference.config import Refinement
from vibe.inference.estimate import estimate_track
from vibe.models.network import load_network
from vibe.motion import Motion
from vibe.records import Camera, Clip, Track
from vibe.refine.presets import FITTINGS, SMOOTHING
from vibe.refine.smplify import ENERGIES


def scene(rate: float, frames: int, zoom: int = 1) -> tuple[Track, Clip, Camera]:
    """Somebody who waves both arms, seen from 4 metres without error."""
    body, camera = load_body(), cameras.default_camera(720 * zoom, 1280 * zoom)
    times = torch.arange(frames, dtype=torch.float64) / rate
    rotvec = torch.zeros(frames, 24, 3)
    swing = torch.sin(2 * torch.pi * 0.5 * times).float()
    rotvec[:, 16, 2], rotvec[:, 17, 2] = -0.9 + 0.4 * swing, 0.9 - 0.4 * swing
    rotmat = roma.rotvec_to_rotmat(rotvec)
    rotmat[:, 0] = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    _, keypoints = joints_and_keypoints(body, rotmat, torch.zeros(10))
    seen = cameras.project(keypoints + torch.tensor([0.2, 0.0, 4.0]), camera.K_px)
    points = torch.nn.functional.pad(seen, (0, 1), value=0.9)
    track = Track(torch.arange(frames), cameras.box_from_keypoints(points), points)
    return track, Clip(Path("none.mp4"), rate, camera.width, camera.height, times, 0), camera


def estimated(track: Track, clip: Clip, camera: Camera, refine: bool = True, height_m: float | None = None) -> Motion:
    network, body = load_network(), load_body()
    how = Refinement(SMOOTHING["light"], FITTINGS["open"] if refine else None, ENERGIES, height_m)
    return estimate_track(track, clip, camera, network, body, [how])[0]


def placed(motion: Motion) -> tuple[torch.Tensor, torch.Tensor]:
    """Joints and keypoints in the camera's frame, from the record's rotations, shape and translation alone."""
    body, smpl = load_body(), as_tensors(motion.smpl)
    shift = smpl.pelvis[:, None] - rest_joints(body, smpl.betas)[0]
    joints, keypoints = joints_and_keypoints(body, smpl.rotmat, smpl.betas)
    return joints + shift, keypoints + shift


def test_the_record_agrees_with_itself() -> None:
    track, clip, camera = scene(30.0, 40)
    motion = estimated(track, clip, camera)
    joints, _ = placed(motion)
    assert_allclose(joints, motion.joints_cam, atol=1e-4)
    assert_allclose(cameras.project(as_tensors(motion.joints_cam), camera.K_px), motion.joints_px, rtol=1e-5)
    weak = cameras.translation_from_weak(as_tensors(motion.pred_cam), as_tensors(motion.box_px), camera.K_px)
    assert_allclose(weak, motion.transl, atol=1e-3)
    pelvis = rest_joints(load_body(), as_tensors(motion.smpl.betas))[0].numpy()
    assert_allclose(motion.transl + pelvis, motion.smpl.pelvis, atol=1e-6)
    assert motion.joints_std is not None and motion.joints_std.shape == (40, 24, 2) and (motion.joints_std > 0).all()
    assert estimated(track, clip, camera, refine=False).joints_std is None, "nobody calibrated that"


def test_the_fitted_body_lies_on_its_keypoints() -> None:
    track, clip, camera = scene(30.0, 40)
    motion = estimated(track, clip, camera)
    _, keypoints = placed(motion)
    seen = cameras.project(keypoints, camera.K_px)
    off = (seen - track.keypoints_px[..., :2]).norm(dim=-1) / track.box_px[:, 3:]
    assert off.mean() < 0.015


@pytest.mark.parametrize("refine", [True, False])
def test_somebody_whose_height_is_known_is_as_tall_and_as_far_away_as_that(refine: bool) -> None:
    small, large = (estimated(*scene(30.0, 20), refine, height_m) for height_m in (1.5, 1.9))
    for motion, height_m in ((small, 1.5), (large, 1.9)):
        up = rest_vertices(load_body(), as_tensors(motion.smpl.betas))[:, 1]
        assert_allclose(up.max() - up.min(), height_m, atol=1e-3)
    assert_allclose(large.smpl.pelvis[:, 2] / small.smpl.pelvis[:, 2], 1.9 / 1.5, rtol=0.03)


def test_the_resolution_of_the_picture_does_not_matter() -> None:
    small, large = estimated(*scene(30.0, 30), refine=False), estimated(*scene(30.0, 30, zoom=3), refine=False)
    assert_allclose(small.joints_cam, large.joints_cam, atol=1e-3)


def test_the_frame_rate_of_the_video_hardly_matters() -> None:
    slow, fast = estimated(*scene(30.0, 40)), estimated(*scene(60.0, 79))
    assert np.linalg.norm(slow.joints_cam - fast.joints_cam[::2], axis=-1).mean() < 0.02


def test_a_long_gap_leaves_a_motion_at_the_frames_of_the_track() -> None:
    track, clip, camera = scene(30.0, 90)
    kept = torch.cat([torch.arange(30), torch.arange(60, 90)])
    cut = replace(track, frames=kept, box_px=track.box_px[kept], keypoints_px=track.keypoints_px[kept])
    motion = estimated(cut, clip, camera)
    assert np.array_equal(motion.frames, kept) and np.isfinite(motion.joints_cam).all()


def test_a_single_frame_has_a_motion() -> None:
    track, clip, camera = scene(30.0, 1)
    motion = estimated(track, clip, camera)
    assert motion.joints_cam.shape == (1, 24, 3) and np.isfinite(motion.joints_cam).all()


def test_without_refinement_the_network_alone_speaks() -> None:
    track, clip, camera = scene(30.0, 30)
    alone, refined = (estimated(track, clip, camera, refine=each).joints_cam for each in (False, True))
    assert not np.array_equal(alone, refined)
