import pytest
import roma
import torch

from vibe.records import GeneratorOutput
from vibe.train.losses import best_camera, hallucination_loss, meet


def thetas(frames: int) -> GeneratorOutput:
    return GeneratorOutput(
        roma.random_rotmat(torch.Size((2, frames, 24))), torch.randn(2, frames, 10), torch.randn(2, frames, 3)
    )


@pytest.mark.parametrize("offset", [-5, -1, 0, 3, 5])
def test_what_is_predicted_for_a_frame_meets_that_frame(offset: int) -> None:
    truth = thetas(12)
    ahead = GeneratorOutput(
        truth.rotmat.roll(-offset, 1), truth.betas.roll(-offset, 1), truth.pred_cam.roll(-offset, 1)
    )
    predicted, expected = meet(ahead, truth, offset)
    assert predicted.betas.shape[1] == 12 - abs(offset)
    assert torch.equal(predicted.rotmat, expected.rotmat)
    assert torch.equal(predicted.betas, expected.betas) and torch.equal(predicted.pred_cam, expected.pred_cam)


def test_a_clip_too_short_for_the_offset_is_refused() -> None:
    with pytest.raises(ValueError, match="longer clips"):
        meet(thetas(5), thetas(5), 5)


def test_the_best_camera_is_the_one_that_took_the_picture() -> None:
    points, camera = torch.randn(4, 7, 17, 3), torch.rand(4, 7, 3) + 0.2
    keypoints = camera[..., None, :1] * (points[..., :2] + camera[..., None, 1:])
    confidence = torch.rand(4, 7, 17)
    keypoints[..., 3, :], confidence[..., 3] = 100.0, 0.0
    torch.testing.assert_close(best_camera(points, keypoints, confidence), camera, rtol=1e-4, atol=1e-4)


def test_no_other_camera_shows_the_points_better() -> None:
    points, keypoints, confidence = torch.randn(17, 3), torch.randn(17, 2), torch.rand(17)
    keypoints = keypoints + points[:, :2]

    def error(camera: torch.Tensor) -> torch.Tensor:
        return (confidence[:, None] * (camera[0] * (points[:, :2] + camera[1:]) - keypoints).square()).sum()

    best = best_camera(points, keypoints, confidence)
    assert all(error(best) <= error(best + 0.05 * torch.randn(3)) for _ in range(50))


def test_without_evidence_the_camera_is_finite() -> None:
    camera = best_camera(torch.randn(2, 17, 3), torch.zeros(2, 17, 2), torch.zeros(2, 17))
    assert torch.isfinite(camera).all() and (camera[..., 0] > 0).all()


def test_only_the_hallucinator_learns_from_the_hallucination_loss() -> None:
    made, latent = torch.randn(2, 5, 8, requires_grad=True), torch.randn(2, 5, 8, requires_grad=True)
    hallucination_loss(made, latent).backward()
    assert made.grad is not None and latent.grad is None
    assert float(hallucination_loss(latent, latent).detach()) < 1e-3
