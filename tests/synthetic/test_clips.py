"""Laws of the rendered clips."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from vibe import body as bodies
from vibe import cameras
from vibe.arrays import as_tensors
from vibe.synthetic import background, clips
from vibe.synthetic.clothing import dress, random_look
from vibe.video.read import open_video
from vibe.video.write import VideoWriter

WIDTH, HEIGHT = 144, 256


@pytest.fixture(scope="module")
def body():
    return bodies.load_body()


@pytest.fixture(scope="module")
def take(tmp_path_factory):
    return clips.make_clip(tmp_path_factory.mktemp("clip") / "walk.mp4", 0.4, 20.0, WIDTH, HEIGHT, seed=3)


def frames_of(path):
    with open_video(path) as video:
        return [frame.rgb for frame in video], video.clip()


def test_a_clip_has_the_size_and_times_that_were_asked_for(take):
    frames, clip = frames_of(take.clip.path)
    assert len(frames) == 8 and frames[0].shape == (HEIGHT, WIDTH, 3)
    assert (clip.timestamps - take.clip.timestamps).abs().max() < 1e-5


def test_the_same_numbers_give_the_same_pictures(monkeypatch, tmp_path):
    """To the bit, before the encoder, whose output is not."""
    written = []

    class Recorder(VideoWriter):
        def write(self, rgb, time):
            written.append(rgb)
            super().write(rgb, time)

    monkeypatch.setattr(clips, "VideoWriter", Recorder)
    once, again = (clips.make_clip(tmp_path / name, 0.4, 20.0, WIDTH, HEIGHT, seed=3) for name in ("a.mp4", "b.mp4"))
    assert len(written) == 16
    for one, two in zip(written[:8], written[8:], strict=True):
        np.testing.assert_array_equal(one, two)
    assert np.array_equal(again.motion.joints_cam, once.motion.joints_cam)


def test_the_person_is_where_the_truth_says(take):
    """What moves from frame to frame lies within the box of the true keypoints, give or take hands, feet and shadow."""
    frames, _ = frames_of(take.clip.path)
    moved = np.abs(frames[-1].astype(float) - frames[0]).max(2) > 40
    rows, columns = np.nonzero(moved)
    low = take.motion.keypoints_px[..., :2].min((0, 1)) - 25
    high = take.motion.keypoints_px[..., :2].max((0, 1)) + 25
    assert len(rows) > 100
    assert low[0] < np.percentile(columns, 2) and np.percentile(columns, 90) < high[0]
    assert low[1] < np.percentile(rows, 1) and np.percentile(rows, 99) < high[1]


def test_the_walker_stays_in_the_picture():
    for width, height in ((720, 1280), (1280, 720)):
        body, camera = bodies.load_body(detail="low"), cameras.default_camera(width, height)
        ground, times = background.ground_below(1.45, 0.07), torch.arange(0, 8, 0.2, dtype=torch.float64)
        motion = clips.truth(body, clips._walk(body, camera, ground, times, 0), camera, times)
        points = motion.keypoints_px[..., :2]
        assert (points > 0).all() and (points < [width, height]).all()
        assert np.ptp(points[..., 1], 1).min() > 0.3 * height


def test_the_truth_agrees_with_itself(take):
    motion, K_px = take.motion, take.camera.K_px
    assert np.allclose(motion.joints_cam[:, 0], motion.smpl.pelvis, atol=1e-5)
    assert np.allclose(cameras.project(as_tensors(motion.joints_cam), K_px), motion.joints_px, atol=1e-3)
    names = {field.name for field in dataclasses.fields(motion)} - {"smpl", "body", "name"}
    there = [value for name in names if (value := getattr(motion, name)) is not None]
    assert len(there) == 9 and all(len(value) == 8 for value in there)


def test_feet_stand_on_the_floor_and_do_not_slide(body):
    betas, times = torch.zeros(10), torch.arange(60) / 60
    rotmat, trans = clips.walk(body, betas, times, 0.8 * times)
    surface = bodies.vertices(body, rotmat, betas) - bodies.rest_joints(body, betas)[0] + trans[:, None]
    assert surface[..., 1].amin(1).abs().max() < 0.025
    lowest = surface[:-1, :, 1].argmin(1)
    moved = (surface.diff(dim=0)[torch.arange(59), lowest] * 60).norm(dim=-1)
    walking = trans[:, [0, 2]].diff(dim=0).norm(dim=-1).mean() * 60
    assert 0.8 < walking < 1.6
    assert moved.median() < 0.15 * walking


def test_parts_of_the_body_shade_each_other(body):
    """Light from the front: an arm before the chest leaves it in shadow."""
    rest = bodies.rest_vertices(body, torch.zeros(10)).numpy() * np.float32([1, -1, -1]) + np.float32([0, 0, 3])
    faces = body.faces.numpy()
    normals = clips.vertex_normals(rest, faces)
    board = np.float32([[-0.1, -0.15, 2.5], [-0.1, 0.15, 2.5], [0.1, 0.15, 2.5], [0.1, -0.15, 2.5]])
    both = np.concatenate([rest, board])
    plank = np.array([[0, 1, 2], [0, 2, 3]]) + len(rest)
    front = np.array([0.0, 0.0, -1.0])
    bare = clips._lit(rest, normals, faces, front)
    shaded = clips._lit(
        both, np.concatenate([normals, [[0, 0, -1]] * 4]).astype(np.float32), np.concatenate([faces, plank]), front
    )
    chest = (np.abs(rest[:, 0]) < 0.07) & (np.abs(rest[:, 1]) < 0.1) & (normals[:, 2] < -0.7)
    assert bare[chest].mean() > 0.9 and shaded[: len(rest)][chest].mean() < 0.1


def test_a_shadow_darkens_only_the_floor(body):
    ground, camera = background.ground_below(1.4, 0.05), cameras.default_camera(WIDTH, HEIGHT)
    K_px = camera.K_px.numpy().astype(np.float64)
    surface = bodies.rest_vertices(body, torch.zeros(10)).numpy() * np.float32([1, -1, -1])
    surface = surface + np.float32([0, 1.4 - surface[:, 1].max(), 4])
    white = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    shaded = background.cast_shadow(white, surface, body.faces.numpy(), K_px, ground, np.array([-0.4, -0.8, -0.4]))
    horizon = int(HEIGHT / 2 - K_px[1, 1] * np.tan(0.05))
    assert (shaded[:horizon] == 255).all() and shaded.min() < 160


def test_looks_and_places_differ_by_seed_and_only_by_it(body):
    looks = [random_look(seed) for seed in range(20)]
    assert len(set(looks)) == 20 and random_look(7) == looks[7]
    outfit = dress(body, looks[0])
    assert outfit.colours.min() >= 0 and outfit.colours.max() <= 1 and outfit.thickness.max() < 0.05
    K_px, ground = np.array([[70.0, 0, 32], [0, 70.0, 24], [0, 0, 1]]), background.ground_below(1.5, 0.05)
    places = [background.background(64, 48, K_px, ground, seed) for seed in (0, 0, 1)]
    assert np.array_equal(places[0], places[1]) and not np.array_equal(places[0], places[2])


def test_the_detector_finds_the_walker_in_every_frame(tmp_path):
    from vibe import assets

    try:
        assets.find_model("pose_detection.tflite")
    except FileNotFoundError as error:
        pytest.skip(str(error))
    from vibe.tracking.tracker import Tracker

    take = clips.make_clip(tmp_path / "walk.mp4", 1.0, 12.0, 360, 640)
    follower = Tracker()
    with open_video(take.clip.path) as video:
        for frame in video:
            follower.step(frame.index, frame.time, frame.rgb)
    (track,), _ = follower.finish()
    assert track.frames.tolist() == list(range(12))
    apart = (track.keypoints_px[:, 5:, :2] - as_tensors(take.motion.keypoints_px)[:, 5:, :2]).norm(dim=-1)
    assert apart.median() < 0.02 * 640
