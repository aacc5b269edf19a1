import math

import pytest
import torch

from vibe import cameras

K_PX = cameras.default_camera(1280, 720).K_px


def random_boxes(n: int) -> torch.Tensor:
    return torch.rand(n, 4) * torch.tensor([1280.0, 720.0, 400.0, 500.0]) + torch.tensor([0.0, 0.0, 50.0, 80.0])


def test_the_default_focal_length_is_the_diagonal() -> None:
    assert float(K_PX[0, 0]) == pytest.approx(math.hypot(1280, 720))


def test_a_given_angle_of_view_reaches_from_corner_to_corner() -> None:
    camera = cameras.default_camera(600, 800, 90.0)
    corner = cameras.rays(torch.tensor([0.0, 0.0]), camera.K_px)
    assert float(corner[:2].norm()) == pytest.approx(1.0, abs=1e-6)


def test_an_impossible_angle_of_view_is_refused() -> None:
    with pytest.raises(ValueError, match="5 to 150"):
        cameras.default_camera(600, 800, 200.0)


def test_rays_are_the_inverse_of_projection() -> None:
    points_px = torch.rand(30, 2) * 700
    depth = torch.rand(30, 1) * 5 + 0.5
    torch.testing.assert_close(
        cameras.project(cameras.rays(points_px, K_PX) * depth, K_PX), points_px, atol=1e-2, rtol=0
    )


def test_the_weak_camera_and_the_translation_are_inverses() -> None:
    box, transl = random_boxes(40), torch.randn(40, 3) + torch.tensor([0.0, 0.0, 5.0])
    weak = cameras.weak_from_translation(transl, box, K_PX)
    torch.testing.assert_close(cameras.translation_from_weak(weak, box, K_PX), transl, atol=1e-4, rtol=1e-4)


def test_the_weak_camera_puts_a_point_where_the_pinhole_camera_does() -> None:
    box, transl = random_boxes(40), torch.randn(40, 3) * 0.3 + torch.tensor([0.0, 0.0, 5.0])
    scale, shift = cameras.weak_from_translation(transl, box, K_PX).split([1, 2], -1)
    crop = scale * shift * cameras.crop_side(box)[:, None] / 2 + box[:, :2]
    torch.testing.assert_close(crop, cameras.project(transl, K_PX), atol=1e-2, rtol=0)


def test_the_crop_view_looks_at_the_crop_and_does_not_roll() -> None:
    R_crop_cam, centre, _ = cameras.crop_view(random_boxes(40), K_PX)
    ahead = (R_crop_cam @ centre[..., None])[..., 0]
    torch.testing.assert_close(ahead[:, :2], torch.zeros(40, 2), atol=1e-6, rtol=0)
    assert (ahead[:, 2] > 0).all()
    axis = torch.stack([R_crop_cam[:, 1, 0] - R_crop_cam[:, 0, 1]], -1)
    torch.testing.assert_close(axis, torch.zeros(40, 1), atol=1e-6, rtol=0)


def test_a_box_surrounds_its_keypoints_and_forgets_unseen_ones() -> None:
    keypoints = torch.tensor([[10.0, 20.0, 0.9], [30.0, 80.0, 0.9], [500.0, 500.0, 0.1]])
    box = cameras.box_from_keypoints(keypoints)
    torch.testing.assert_close(box, torch.tensor([20.0, 50.0, 20 * cameras.BOX_MARGIN, 60 * cameras.BOX_MARGIN]))


def test_fewer_than_two_seen_keypoints_give_no_box() -> None:
    assert cameras.box_from_keypoints(torch.tensor([[10.0, 20.0, 0.9], [30.0, 80.0, 0.1]])).isnan().all()


def test_the_crop_s_weak_camera_is_a_scale_and_a_shift() -> None:
    points, pred_cam = torch.randn(5, 10, 3) * 0.5, torch.tensor([[0.9, 0.1, -0.2]]).expand(5, 3)
    weak = pred_cam[:, None, :1] * (points[..., :2] + pred_cam[:, None, 1:])
    torch.testing.assert_close(cameras.project_in_crop(points, pred_cam), weak, rtol=0.03, atol=0.003)


def test_the_picture_s_weak_camera_sees_points_where_the_crop_s_does() -> None:
    points, pred_cam = torch.randn(4, 10, 3) * 0.5, torch.tensor([0.9, 0.1, -0.2]) + 0.1 * torch.randn(4, 3)
    centre_px, side_px = torch.rand(4, 2) * 500, torch.rand(4) * 300 + 100
    in_crop = pred_cam[:, None, :1] * (points[..., :2] + pred_cam[:, None, 1:])
    camera = cameras.picture_camera(pred_cam, centre_px, side_px, (640, 480))
    in_picture = camera[:, None, :2] * (points[..., :2] + camera[:, None, 2:])
    expected = cameras.crop_to_picture(in_crop, centre_px, side_px)
    torch.testing.assert_close((in_picture + 1) / 2 * torch.tensor([640.0, 480.0]), expected, rtol=1e-4, atol=1e-2)
    corners = cameras.crop_to_picture(torch.tensor([[[-1.0, -1.0], [1.0, 1.0]]]), centre_px[:1], side_px[:1])
    torch.testing.assert_close(corners.mean(1), centre_px[:1])
    torch.testing.assert_close(corners[0, 1] - corners[0, 0], side_px[0].expand(2))
