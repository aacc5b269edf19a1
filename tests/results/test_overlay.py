"""Laws of the overlay."""

from __future__ import annotations

from dataclasses import replace

import av
import numpy as np
import pytest
import torch

from vibe import body as bodies
from vibe import cameras
from vibe.records import Motion, Result, Weights
from vibe.results import overlay
from vibe.results.overlay import Drawn, draw_people, write_overlay
from vibe.video import VideoWriter, open_video

WIDTH, HEIGHT, FRAMES = 120, 160, 40


@pytest.fixture(scope="module")
def body():
    return bodies.load_body(detail="low")


def standing(frames, x=0.0, z=3.0):
    """Somebody who faces the camera, arms out."""
    time = len(frames)
    upright = torch.tensor([torch.pi, 0.0, 0.0])
    trans = torch.tensor([x, 0.1, z]).repeat(time, 1)
    zero = torch.zeros
    return Motion(
        frames=frames,
        box_px=zero(time, 4),
        global_orient=upright.repeat(time, 1),
        body_pose=zero(time, 69),
        betas=zero(10),
        trans=trans,
        pred_cam=zero(time, 3),
        joints=zero(time, 24, 3),
        joints_px=zero(time, 24, 2),
        keypoints_px=zero(time, 17, 3),
        confidence=torch.ones(time),
    )


@pytest.fixture
def filmed(tmp_path):
    """A grey video with uneven times, and the result of two people in it, the first for half of it."""
    path = tmp_path / "grey.mp4"
    times = [0.04 * i + 0.01 * (i % 3) for i in range(FRAMES)]
    with VideoWriter(path, WIDTH, HEIGHT, 25) as writer:
        for time in times:
            writer.write(np.full((HEIGHT, WIDTH, 3), 128, np.uint8), time)
    with open_video(path) as video:
        assert sum(1 for _ in video) == FRAMES
    people = (standing(torch.arange(10, 30), -0.7, 4.0), standing(torch.arange(FRAMES), 0.8, 4.5))
    unknown = Weights("", "", "")
    camera = cameras.default_camera(WIDTH, HEIGHT)
    return Result(video.clip(), camera, people, unknown, unknown, ())


def test_people_are_drawn_in_their_frames_and_only_there(filmed, tmp_path, body):
    seen = []
    write_overlay(filmed.clip.path, filmed, tmp_path / "out.mp4", body, lambda *step: seen.append(step))
    with open_video(tmp_path / "out.mp4") as video:
        frames = [frame.rgb.astype(int) for frame in video]
    assert (video.clip().timestamps - filmed.clip.timestamps).abs().max() < 1e-5
    assert (video.width, video.height, len(frames)) == (WIDTH, HEIGHT, FRAMES)
    left = np.array([np.abs(frame[:, : WIDTH // 2 - 10] - 128).max() for frame in frames])
    right = np.array([np.abs(frame[:, WIDTH // 2 + 10 :] - 128).max() for frame in frames])
    assert (left[10:30] > 60).all() and (left[:9] < 25).all() and (left[31:] < 25).all() and (right > 60).all()
    assert seen[-1] == ("overlay", FRAMES, FRAMES)


def test_colours_are_steady_and_differ(filmed, tmp_path, body):
    write_overlay(filmed.clip.path, filmed, tmp_path / "out.mp4", body)
    with open_video(tmp_path / "out.mp4") as video:
        frames = [frame.rgb.astype(float) for frame in video]
    places = [cameras.project(motion.trans, filmed.camera.K_px)[0].int().tolist() for motion in filmed.people]
    tints = [[frame[y - 4 : y + 4, x - 3 : x + 3].mean((0, 1)) for frame in frames[12:28]] for x, y in places]
    assert max(np.ptp(tint, axis=0).max() for tint in tints) < 12
    assert np.abs(np.mean(tints[0], 0) - np.mean(tints[1], 0)).max() > 50


def test_vertices_are_those_of_the_whole_motion_at_once(filmed, body):
    motion = replace(filmed.people[0], body_pose=torch.randn(20, 69) * 0.3)
    people = overlay._People([(motion, body)])
    import roma

    rotvec = torch.cat([motion.global_orient, motion.body_pose], 1).unflatten(1, (24, 3))
    pelvis = bodies.rest_joints(body, motion.betas)[0]
    whole = bodies.vertices(body, roma.rotvec_to_rotmat(rotvec), motion.betas) - pelvis + motion.trans[:, None]
    for frame in (10, 29, 15, 17):
        (drawn,) = people.at(frame)
        np.testing.assert_allclose(drawn.vertices_cam, whole[frame - 10].numpy(), atol=1e-5)
    assert people.at(9) == [] and people.at(30) == []


def test_filled_in_frames_are_fainter(body):
    motion = standing(torch.arange(2))
    vertices = overlay._People([(motion, body)]).at(0)[0].vertices_cam
    faces, K_px = body.faces.numpy(), np.array([[200.0, 0, 60], [0, 200, 80], [0, 0, 1]])
    grey = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    sure, guess = (draw_people(grey, [Drawn(1, vertices, faces, seen)], K_px).astype(int) for seen in (True, False))
    assert np.abs(guess - 128)[60:100].sum() < 0.75 * np.abs(sure - 128)[60:100].sum()


@pytest.mark.parametrize(
    "place", [(0.0, 0.0, -3.0), (50.0, 0.0, 3.0), (0.0, 0.0, 0.1), (0.0, -1.0, 0.8), (0.0, 0.0, 900.0)]
)
def test_people_beside_behind_and_around_the_camera_are_safe(body, place):
    vertices = overlay._People([(standing(torch.arange(1)), body)]).at(0)[0].vertices_cam
    vertices = (vertices - vertices.mean(0) + np.float32(place)).astype(np.float32)
    K_px = np.array([[200.0, 0, 60], [0, 200, 80], [0, 0, 1]])
    grey = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    assert draw_people(grey, [Drawn(12, vertices, body.faces.numpy())], K_px).shape == grey.shape


@pytest.mark.parametrize("size", [(16, 16), (17, 31), (4, 3)])
def test_tiny_pictures_are_drawn(body, size):
    vertices = overlay._People([(standing(torch.arange(1)), body)]).at(0)[0].vertices_cam
    K_px = cameras.default_camera(*size).K_px.numpy()
    picture = draw_people(np.zeros((*size[::-1], 3), np.uint8), [Drawn(1, vertices, body.faces.numpy())], K_px)
    assert picture.any()


def test_nobody_gives_the_video_as_it_was(filmed, tmp_path):
    write_overlay(filmed.clip.path, replace(filmed, people=()), tmp_path / "out.mp4")
    with open_video(tmp_path / "out.mp4") as video:
        assert all(np.abs(frame.rgb.astype(int) - 128).max() < 6 for frame in video)


def test_an_interrupted_overlay_leaves_nothing(filmed, tmp_path, body):
    def stop(stage, done, total):
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_overlay(filmed.clip.path, filmed, tmp_path / "out.mp4", body, stop)
    assert [path.name for path in tmp_path.iterdir()] == ["grey.mp4"]


def test_the_source_is_not_changed(filmed, tmp_path, body):
    before = filmed.clip.path.read_bytes()
    write_overlay(filmed.clip.path, filmed, tmp_path / "out.mp4", body)
    assert filmed.clip.path.read_bytes() == before
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "h264"
