"""Laws of the protocols that compare motion in the world, on a miniature store of what the set's reader makes."""

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from world_takes import FRAMES, Walkers

from vibe.body.keypoint_regressor import keypoints
from vibe.body.load import load_body
from vibe.body.pose import rest_joints
from vibe.data.prepare import StoreWriter
from vibe.data.recording import Recording
from vibe.evaluate.measure import evaluate_protocol
from vibe.evaluate.open_world_clips import FPS, joints_world
from vibe.evaluate.scores import WORLD, systems
from vibe.inference.estimate import Estimator
from vibe.models.network import load_network
from vibe.motion import Result

ABSENT = [5, 6]
"""Frames that the set does not call good."""


@pytest.fixture
def folder(tmp_path: Path, world_clip: Walkers) -> Path:
    """The second walker as a store and a folder of pictures."""
    body, person, filming = load_body(), world_clip.people[1].smpl, world_clip.filming
    spin49 = keypoints(body, person.rotmat, person.betas, "spin49") - rest_joints(body, person.betas)[0]
    world = {"points.smpl24": joints_world(body, person), "points.spin49": spin49 + person.pelvis[:, None]}
    R, t = filming.R_world_cam, filming.t_world_cam[:, None]
    columns = {name: (points.numpy() - t) @ R for name, points in world.items()}
    columns |= {"box_px": world_clip.motions[1].box_px, "R_world_cam": R, "t_world_cam": t[:, 0]}
    columns["valid"] = ~np.isin(np.arange(FRAMES), ABSENT)
    names = tuple(f"{frame:05d}.jpg" for frame in range(FRAMES))
    (tmp_path / "raw" / "P0" / "images").mkdir(parents=True)
    for name in names:
        cv2.imwrite(str(tmp_path / "raw" / "P0" / "images" / name), np.zeros((8, 8, 3), np.uint8))
    recording = Recording(
        "P0_walk", np.arange(FRAMES), FPS, columns, "P0", "test", "P0/images", names,
        K_px=np.asarray(filming.camera.K_px, np.float64),
    )  # fmt: skip
    with StoreWriter(tmp_path / "store", "Nobody's.", {"set": "emdb-2"}, {}) as store:
        store.add(recording)
    return tmp_path


def test_the_truth_has_no_errors_and_frames_that_do_not_count_are_left_out(folder, world_clip, monkeypatch) -> None:
    diagonal = np.hypot(world_clip.filming.camera.width, world_clip.filming.camera.height)

    def estimate(self: Estimator, video: Path) -> Result:
        assert video == folder / "raw" / "P0" / "images" and self.config.fps == FPS
        focal_px = diagonal / 2 / math.tan(math.radians(self.config.fov_deg or 0) / 2)
        assert focal_px == pytest.approx(float(world_clip.filming.camera.K_px[0, 0]), rel=1e-4)
        return world_clip.result(video, 0, 1)

    monkeypatch.setattr(Estimator, "estimate", estimate)
    report = evaluate_protocol("emdb-2", folder / "store", load_network(), systems(), raw=folder / "raw")
    whole = report.scores[0]
    assert whole.frames == FRAMES - len(ABSENT) and whole.errors["coverage"] == 100
    small = ("w_mpjpe_mm", "wa_mpjpe_mm", "rte_percent", "camera_rotation_deg", "mpjpe_mm")
    assert set(WORLD) < set(whole.errors) and all(whole.errors[name] < 0.1 for name in small)


def test_it_takes_pictures_and_says_so(folder) -> None:
    with pytest.raises(ValueError, match="--boxes detected --raw"):
        evaluate_protocol("emdb-2", folder / "store", load_network(), systems())
    with pytest.raises(FileNotFoundError, match="own downloads with --raw"):
        evaluate_protocol("emdb-2", folder / "store", load_network(), systems(), raw=folder / "nowhere")


def test_a_store_without_the_camera_s_place_is_refused(tmp_path) -> None:
    columns = {"points.smpl24": torch.randn(3, 24, 3).numpy()}
    with StoreWriter(tmp_path / "store", "Nobody's.", {"set": "emdb-2"}, {}) as store:
        store.add(Recording("a", np.arange(3), FPS, columns, split="test", source="a"))
    with pytest.raises(ValueError, match=r"no points.spin49, R_world_cam, t_world_cam: run `vibe prepare emdb-2`"):
        evaluate_protocol("emdb-2", tmp_path / "store", load_network(), systems(), raw=tmp_path)
