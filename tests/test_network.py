import json
from pathlib import Path

import pytest
import roma
import safetensors.torch
import torch

from vibe import assets, cameras
from vibe.body.coco import joints_and_keypoints
from vibe.body.load import load_body
from vibe.body.mirror import mirror_rotmat
from vibe.network import NetworkConfig, build_network, lift, load_network
from vibe.observe.keypoints import mirror, observe
from vibe.records import Observation


def waving(frames: int) -> Observation:
    """What a camera sees of somebody who waves, 4 metres away."""
    time = torch.arange(frames) / 30
    rotvec = torch.zeros(frames, 24, 3)
    rotvec[:, 16, 2], rotvec[:, 17, 2] = -1.0 + 0.4 * torch.sin(3 * time), 1.0 - 0.3 * torch.sin(2 * time)
    rotvec[:, 4, 0] = 0.3 + 0.3 * torch.sin(2.5 * time)
    rotmat = roma.rotvec_to_rotmat(rotvec)
    rotmat[:, 0] = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    _, keypoints = joints_and_keypoints(load_body(), rotmat, torch.zeros(10))
    camera = cameras.default_camera(1280, 720)
    points = cameras.project(keypoints + torch.tensor([0.5, 0.0, 4.0]), camera.K_px)
    points = torch.nn.functional.pad(points, (0, 1), value=0.9)
    return observe(points, cameras.box_from_keypoints(points), camera.K_px)


def test_mirrored_evidence_gives_the_mirrored_motion() -> None:
    network, observation = load_network()[0], waving(40)
    straight, flipped = lift(network, observation), lift(network, mirror(observation))
    torch.testing.assert_close(mirror_rotmat(flipped.rotmat), straight.rotmat, atol=1e-5, rtol=0)
    torch.testing.assert_close(flipped.pred_cam * torch.tensor([1.0, -1.0, 1.0]), straight.pred_cam, atol=1e-5, rtol=0)
    torch.testing.assert_close(flipped.betas, straight.betas, atol=1e-5, rtol=0)


def test_a_long_track_read_in_windows_is_the_whole_track_to_a_fraction_of_a_degree() -> None:
    network, observation = load_network()[0], waving(500)
    whole, parts = lift(network, observation), lift(network, observation, window=320, overlap=240)
    assert parts.rotmat.shape == whole.rotmat.shape
    angle_deg = roma.rotmat_geodesic_distance(parts.rotmat, whole.rotmat).rad2deg()
    assert angle_deg.mean() < 0.5 and angle_deg.max() < 5


@pytest.mark.parametrize("frames", [1, 2, 99, 100, 101, 180, 181])
def test_every_length_comes_back_whole(frames: int) -> None:
    network = build_network(NetworkConfig()).eval()
    with torch.no_grad():
        theta = lift(network, Observation(torch.zeros(frames, 17, 3), torch.zeros(frames, 3)), window=100, overlap=20)
    assert theta.rotmat.shape == (frames, 24, 3, 3) and theta.pred_cam.shape == (frames, 3)


def test_weights_of_another_shape_are_refused_by_name(tmp_path: Path) -> None:
    tensors, about = assets.load_weights()
    tensors["regressor.fc1.bias"] = torch.zeros(3)
    metadata = {"name": about.name, "licence": about.licence, "recipe": json.dumps(assets.load_recipe())}
    safetensors.torch.save_file(tensors, tmp_path / "odd.safetensors", metadata)
    with pytest.raises(ValueError, match="regressor.fc1.bias"):
        load_network(tmp_path / "odd.safetensors")
