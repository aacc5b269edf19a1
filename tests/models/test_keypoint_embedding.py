import torch

from vibe import cameras
from vibe.models import keypoint_embedding
from vibe.records import Observation
from vibe.skeletons import BLAZEPOSE, mirrored


def sample() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    points = torch.rand(6, 17, 3) * torch.tensor([200.0, 400.0, 0.5]) + torch.tensor([300.0, 100.0, 0.5])
    return points, cameras.box_from_keypoints(points), cameras.default_camera(1280, 720).K_px


def observed(points: torch.Tensor, box: torch.Tensor, K_px: torch.Tensor, landmarks: torch.Tensor) -> Observation:
    """What the network reads of a track with landmarks."""
    whole = keypoint_embedding.detected_points(points, landmarks)
    return keypoint_embedding.observe(whole[..., [0, 1, 5]], box, K_px, whole[..., 2:5])


def test_a_frame_without_keypoints_has_no_hands_feet_and_places() -> None:
    points, box, K_px = sample()
    points[2] = 0.0
    seen = observed(points, box, K_px, torch.rand(6, 33, 8) + 0.2)
    empty = ((seen.places == 0).flatten(1).all(1) & (seen.keypoints == 0).flatten(1).all(1)).tolist()
    assert empty == [False, False, True, False, False, False]


def test_keypoints_alone_are_evidence_without_places() -> None:
    points, box, K_px = sample()
    whole = keypoint_embedding.detected_points(points, None)
    assert torch.equal(whole[:, :17, [0, 1, 5]], points) and not whole[:, 17:].any()
    alone = keypoint_embedding.observe(points, box, K_px)
    torch.testing.assert_close(keypoint_embedding.observe(whole[..., [0, 1, 5]], box, K_px).keypoints, alone.keypoints)
    assert not alone.places.any()


def test_the_resolution_of_the_picture_does_not_matter() -> None:
    points, box, K_px = sample()
    double = torch.tensor([2.0, 2.0, 1.0])
    once, twice = (
        keypoint_embedding.observe(points, box, K_px),
        keypoint_embedding.observe(points * double, box * 2, cameras.default_camera(2560, 1440).K_px),
    )
    torch.testing.assert_close(once.keypoints, twice.keypoints, atol=1e-4, rtol=0)
    torch.testing.assert_close(once.box, twice.box, atol=1e-5, rtol=0)


def test_a_turn_of_the_camera_does_not_change_what_the_crop_sees() -> None:
    points_cam = torch.randn(1, 17, 3) * 0.3 + torch.tensor([0.0, 0.0, 4.0])
    K_px = cameras.default_camera(1280, 720).K_px

    def seen_from(turn: torch.Tensor) -> torch.Tensor:
        centre = cameras.project((points_cam.mean(1)) @ turn.mT, K_px)
        box = torch.cat([centre, torch.full((1, 2), 300.0)], -1)
        image = torch.nn.functional.pad(cameras.project(points_cam @ turn.mT, K_px), (0, 1), value=1.0)
        observation = keypoint_embedding.observe(image, box, K_px)
        return observation.keypoints[..., :2] * observation.box[:, None, 2:].exp()

    tilt = torch.tensor(0.2)
    turn = torch.stack([
        torch.stack([tilt.cos(), torch.tensor(0.0), tilt.sin()]),
        torch.tensor([0.0, 1.0, 0.0]),
        torch.stack([-tilt.sin(), torch.tensor(0.0), tilt.cos()]),
    ])  # fmt: skip
    torch.testing.assert_close(seen_from(torch.eye(3)), seen_from(turn), atol=5e-3, rtol=0)


def test_unseen_keypoints_are_zero() -> None:
    points, box, K_px = sample()
    points[:, 3, 2] = 0.0
    assert (keypoint_embedding.observe(points, box, K_px).keypoints[:, 3] == 0).all()


def test_mirrored_evidence_is_the_evidence_of_the_mirrored_picture() -> None:
    points, box, K_px = sample()
    landmarks = torch.cat([torch.rand(6, 33, 2) * 300, torch.randn(6, 33, 3) * 0.4, torch.rand(6, 33, 3)], -1)
    order = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]
    flipped, other_landmarks = points[:, order].clone(), landmarks[:, mirrored(BLAZEPOSE)].clone()
    for each in (flipped, other_landmarks):
        each[..., 0] = 1280 - each[..., 0]
    other_landmarks[..., 2] *= -1
    other = torch.cat([1280 - box[:, :1], box[:, 1:]], -1)
    seen, expected = (
        keypoint_embedding.mirror_observation(observed(points, box, K_px, landmarks)),
        observed(flipped, other, K_px, other_landmarks),
    )
    torch.testing.assert_close(seen.places, expected.places, atol=1e-5, rtol=0)
    torch.testing.assert_close(seen.keypoints, expected.keypoints, atol=1e-4, rtol=0)
    torch.testing.assert_close(seen.box, expected.box, atol=1e-5, rtol=0)
