from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import roma
import torch
from torch import Tensor, nn
from whole_tracks import of_windows

from vibe import cameras
from vibe.arrays import as_tensors
from vibe.body.keypoint_regressor import joints_and_keypoints
from vibe.body.load import load_body
from vibe.body.pose import mirror_rotmat, rest_joints
from vibe.body.record import Body
from vibe.cache import StageCache
from vibe.features.video_features import VideoFeatures
from vibe.inference.config import Refinement
from vibe.inference.estimate import estimate_track
from vibe.inference.predict import in_eight_bits, predict_pieces, predict_together, predict_track, sample_crops
from vibe.models.generator import VIBE
from vibe.models.gru import EncoderConfig, GRUEncoder
from vibe.models.keypoint_embedding import mirror_observation, observe
from vibe.models.network import Network, NetworkConfig, build_network, knows_shapes, load_network
from vibe.models.regressor import Regressor, RegressorConfig
from vibe.records import Clip, Observation, Track, Weights
from vibe.refine.presets import SMOOTHING
from vibe.video.write import VideoWriter


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
    network, observation = load_network().model, waving(100)
    straight, flipped = (
        of_windows(network, observation, 72),
        of_windows(network, mirror_observation(observation), 72),
    )
    torch.testing.assert_close(mirror_rotmat(flipped.rotmat), straight.rotmat, atol=1e-5, rtol=0)
    torch.testing.assert_close(flipped.pred_cam * torch.tensor([1.0, -1.0, 1.0]), straight.pred_cam, atol=1e-5, rtol=0)
    torch.testing.assert_close(flipped.betas, straight.betas, atol=1e-5, rtol=0)


def test_what_comes_a_window_later_changes_nothing() -> None:
    network, observation = load_network().model, waving(500)
    whole, part = (of_windows(network, each, 72) for each in (observation, observation.at(slice(300))))
    torch.testing.assert_close(part.rotmat[:228], whole.rotmat[:228], atol=1e-5, rtol=0)
    assert not torch.allclose(part.rotmat[228:], whole.rotmat[228:300], atol=1e-3)


def test_windows_leave_no_seams() -> None:
    network, observation = load_network().model, waving(500)

    def seams(rotmat: Tensor) -> float:
        """How large third differences are where windows end, over all, on the mean of the largest of four in a row."""
        turn = roma.rotmat_geodesic_distance(rotmat[1:], rotmat[:-1])
        largest = turn.diff(n=2, dim=0).abs().amax(1).unfold(0, 4, 1).amax(-1)
        return float(largest[33:460:36].mean() / largest.mean())

    cut = [of_windows(network, observation.at(slice(at, at + 36)), 36).rotmat for at in range(0, 500, 36)]
    assert seams(of_windows(network, observation, 72).rotmat) < 1.5 < seams(torch.cat(cut))


def test_read_in_pieces_from_anywhere_it_says_the_weighted_mean_of_its_windows() -> None:
    network, observation = load_network().model, waving(150)
    sums = [torch.zeros(150, *shape) for shape in ((24, 3, 3), (10,), (3,), (1,))]
    for first in (*range(0, 78, 36), 78):
        at = slice(first, first + 72)
        said = of_windows(network, observation.at(at), 72)
        near = torch.minimum(torch.arange(1, 73), torch.arange(72, 0, -1)).float()[:, None]
        for total, each in zip(sums, (said.rotmat, said.betas, said.pred_cam, torch.ones(72, 1)), strict=True):
            total[at] += near.reshape(-1, *[1] * (each.ndim - 1)) * each
    whole = of_windows(network, observation, 72)
    torch.testing.assert_close(whole.betas, sums[1] / sums[3], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(whole.pred_cam, sums[2] / sums[3], atol=1e-5, rtol=1e-5)

    for start in (0, 1, 40, 77, 149):
        parts = torch.cat([theta.rotmat for theta in predict_pieces(network, observation.at, 150, 72, start)])
        assert torch.equal(parts, whole.rotmat[start:])


def test_several_tracks_read_together_say_what_each_says_alone() -> None:
    generator = torch.Generator().manual_seed(3)
    network, body, camera = load_network(), load_body(), cameras.default_camera(640, 480)
    tracks, times = [], []
    for person, frames in enumerate((36, 20, 36, 1)):
        points = 100 + 200 * torch.rand(frames, 17, 3, generator=generator)
        points[..., 2] = torch.rand(frames, 17, generator=generator)
        box_px = torch.tensor([180.0 + 40 * person, 240.0, 200.0, 300.0]).expand(frames, 4)
        tracks.append(Track(torch.arange(frames), box_px, points))
        times.append(torch.arange(frames, dtype=torch.float64) / 30)
    times[2][:16] -= 1.0  # a gap, behind which the moment lies
    together = predict_together(tracks, times, camera, network, body, 0.6)
    for track, at, (moments, found) in zip(tracks, times, together, strict=True):
        alone = predict_track(track, at, camera, network, body)
        assert torch.equal(moments, alone.timeline.times[-len(moments) :])
        whole = alone.part(slice(len(alone.timeline.times) - len(moments), len(alone.timeline.times)))
        for name, value in vars(found.smpl).items():
            assert torch.allclose(value, getattr(whole.smpl, name), atol=1e-4), name
        assert torch.equal(found.keypoints_px, whole.keypoints_px)
    assert [len(moments) for moments, _ in together] == [36, 20, 20, 1]


@pytest.mark.parametrize("frames", [1, 2, 50, 51, 99, 100, 101, 150, 151])
def test_every_length_comes_back_whole(frames: int) -> None:
    network = build_network(NetworkConfig()).eval()
    with torch.no_grad():
        theta = of_windows(
            network, Observation(*(torch.zeros(frames, *rest) for rest in ((27, 3), (27, 3), (3,)))), 100
        )
    assert theta.rotmat.shape == (frames, 24, 3, 3) and theta.pred_cam.shape == (frames, 3)


def brightness(crops: np.ndarray | Tensor) -> Tensor:
    """Stands in for the ResNet: how bright each crop is, everywhere in the feature vector."""
    return torch.as_tensor(crops).float().mean((1, 2, 3))[:, None].expand(-1, 2048) / 255


def of_pictures(body: str = "open") -> Network:
    encoder = GRUEncoder(EncoderConfig(hidden=16, layers=1))
    model = VIBE(nn.Identity(), encoder, Regressor(RegressorConfig(hidden=32))).eval()
    for part in (model.regressor.decpose, model.regressor.decshape):
        nn.init.normal_(part.weight, std=0.1)
    return Network(model, "images", 0, body, Weights("test", "00", "free"), brightness)


def standing(frames: list[int], x_px: float) -> Track:
    box_px = torch.tensor([x_px, 60.0, 30.0, 60.0]).expand(len(frames), 4)
    return Track(torch.tensor(frames), box_px, torch.rand(len(frames), 17, 3))


@pytest.fixture
def shades(tmp_path: Path) -> Clip:
    """Twelve frames, each brighter than the one before, the right half twice as bright as the left."""
    path = tmp_path / "shades.mp4"
    with VideoWriter(path, 160, 120, 30.0) as writer:
        for index in range(12):
            picture = np.full((120, 160, 3), 8 * index, np.uint8)
            picture[:, 80:] *= 2
            writer.write(picture, index / 30)
    return Clip(path, 30.0, 160, 120, torch.arange(12, dtype=torch.float64) / 30, 0)


def test_features_are_those_of_each_person_in_each_frame(shades: Clip) -> None:
    tracks = [standing([0, 3, 4, 11], 40.0), standing([2, 3], 120.0)]
    with StageCache() as stages:
        features = VideoFeatures(stages, shades, tracks, brightness, None)
        left, right = features.of(0, slice(None)), features.of(1, slice(0, 2))
        assert torch.equal(features.of(0, slice(1, 3)), left[1:3])
    torch.testing.assert_close(left[:, 0] * 255, torch.tensor([0.0, 24.0, 32.0, 88.0]), atol=3.0, rtol=0)
    torch.testing.assert_close(right[:, 7] * 255, torch.tensor([32.0, 48.0]), atol=3.0, rtol=0)


def test_unsmoothed_and_unrefined_the_picture_network_s_own_numbers_come_back(shades: Clip) -> None:
    network, body, camera = of_pictures(), load_body(), cameras.default_camera(160, 120)
    track, features = standing(list(range(12)), 40.0), torch.randn(12, 2048)
    alone = Refinement(SMOOTHING["none"], None, {})
    [motion] = estimate_track(track, shades, camera, network, body, [alone], features.__getitem__)
    with torch.no_grad():
        theta = network.model(features)
    smpl = as_tensors(motion.smpl_shaped)
    torch.testing.assert_close(smpl.rotmat, theta.rotmat, atol=1e-5, rtol=0)
    torch.testing.assert_close(smpl.betas, theta.betas, atol=1e-6, rtol=0)
    torch.testing.assert_close(as_tensors(motion.pred_cam), theta.pred_cam, atol=1e-5, rtol=1e-5)
    origin = rest_joints(body, smpl.betas)[:, 0]
    placed = cameras.translation_from_weak(theta.pred_cam, track.box_px, camera.K_px)
    torch.testing.assert_close(as_tensors(motion.transl), placed, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(smpl.pelvis, placed + origin, atol=1e-4, rtol=1e-4)


def test_crops_for_ranges_come_from_all_people_over_the_whole_video(shades: Clip) -> None:
    tracks = [standing(list(range(12)), 40.0), standing([2, 3], 120.0)]
    every = sample_crops(shades.path, tracks)
    assert len(every) == 14
    few = sample_crops(shades.path, tracks, 4)
    assert 4 <= len(few) <= 5 and {crop.mean() for crop in few} <= {crop.mean() for crop in every}
    assert few[-1].mean() - few[0].mean() > 50 and len(sample_crops(shades.path, [])) == 0


def test_too_few_crops_for_8_bits_leave_the_features_as_they_are_and_say_so(shades: Clip) -> None:
    same, remarks = in_eight_bits(brightness, shades, [standing([0, 1], 40.0)], "onnxruntime")
    assert same is brightness and "floats" in remarks[0]


@torch.no_grad()
def test_the_network_s_memory_does_not_cross_a_gap(shades: Clip) -> None:
    network, camera = of_pictures(), cameras.default_camera(160, 120)
    times, features = torch.tensor([0.0, 0.1, 2.0, 2.1], dtype=torch.float64), torch.randn(4, 2048)
    track = standing([0, 3, 60, 63], 40.0)
    predicted = predict_track(track, times, camera, network, load_body(), features.__getitem__)
    assert predicted.timeline.rows == (slice(0, 2), slice(2, 4))
    rotmat = predicted.whole.smpl.rotmat
    torch.testing.assert_close(rotmat[2:], network.model(features[2:]).rotmat)
    assert not torch.allclose(rotmat, network.model(features).rotmat, atol=1e-4)


def test_a_body_whose_shapes_the_network_does_not_know_keeps_its_mean(shades: Clip) -> None:
    stranger, camera = of_pictures("smpl"), cameras.default_camera(160, 120)
    track, features = standing([0, 1, 2], 40.0), torch.randn(3, 2048)
    body: Body = load_body()
    assert knows_shapes(of_pictures("open"), body) and not knows_shapes(stranger, body)
    given = features.__getitem__
    other = predict_track(track, shades.timestamps[:3], camera, stranger, body, given).whole.smpl
    assert not other.betas.any()
    friend = replace(stranger, body="open")
    known = predict_track(track, shades.timestamps[:3], camera, friend, body, given).whole.smpl
    assert known.betas.any() and torch.equal(known.rotmat, other.rotmat)
