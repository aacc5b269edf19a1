from dataclasses import replace
from pathlib import Path

import pytest
import reference
import roma
import torch
from torch import Tensor

from vibe.model.discriminator import PAPER, MotionDiscriminator, motion_numbers
from vibe.records import Theta
from vibe.train.adversarial import discriminator_terms, generator_term
from vibe.train.official import PAPER as PAPER_WEIGHTS
from vibe.train.official import RELEASED, Annotation, LossWeights, Prediction, losses


def rotmat_of(theta: Tensor) -> Tensor:
    """The 24 rotations of the published 85 numbers: camera 3, axis-angle 72, betas 10."""
    return roma.rotvec_to_rotmat(theta[..., 3:75].unflatten(-1, (24, 3)))


def batch(shared: Path, seed: int = 0) -> tuple[Prediction, Annotation]:
    """The recipe's batch: two clips with 2D keypoints only, then two with everything but for some frames."""
    make = reference.recipe(shared)

    def drawn(name: str, shape: tuple[int, ...], scale: float) -> Tensor:
        return torch.from_numpy(make.array(f"loss.{name}", shape, scale, seed))

    def with_confidence(keypoints: Tensor) -> Tensor:
        return torch.cat([keypoints[..., :2], (keypoints[..., 2:].abs() > 0.2).float()], -1)

    theta = drawn("pred.theta", (4, 16, 85), 0.3)
    predicted = Prediction(
        Theta(rotmat_of(theta), theta[..., 75:], theta[..., :3]),
        drawn("pred.kp_3d", (4, 16, 49, 3), 0.4),
        drawn("pred.kp_2d", (4, 16, 49, 2), 0.4),
    )
    unknown = torch.full((2, 16, 49, 3), float("nan"))
    true_theta = drawn("target3d.theta", (2, 16, 85), 0.3)
    true_theta = torch.cat([torch.full_like(true_theta, float("nan")), true_theta])
    has_points, has_theta = torch.ones(4, 16, dtype=torch.bool), torch.ones(4, 16, dtype=torch.bool)
    has_points[:2], has_theta[:2] = False, False
    has_points[2, :4], has_theta[3] = False, False
    keypoints = [with_confidence(drawn(f"target{n}d.kp_2d", (2, 16, 49, 3), 0.4)) for n in (2, 3)]
    truth = Annotation(
        torch.cat(keypoints),
        torch.cat([unknown, drawn("target3d.kp_3d", (2, 16, 49, 3), 0.4)]),
        rotmat_of(true_theta),
        true_theta[..., 75:],
        has_points,
        has_theta,
    )
    return predicted, truth


def official(shared: Path, seed: int = 0) -> dict[str, Tensor]:
    """Every `loss.*` entry of the reference file, by its name there, as we compute it.

    The published pose loss reads axis-angle, ours the matrices, and so does our discriminator's input: the numbers
    are equal.
    """
    make = reference.recipe(shared)
    predicted, truth = batch(shared, seed)
    discriminator = MotionDiscriminator(PAPER).eval()
    discriminator.load_state_dict(
        {
            name: torch.from_numpy(make.tensor(name, tuple(value.shape), seed))
            for name, value in discriminator.state_dict().items()
        }
    )
    fake = motion_numbers(predicted.theta.rotmat)
    real = motion_numbers(rotmat_of(torch.from_numpy(make.array("loss.real.theta", (4, 16, 85), 0.3, seed))))
    with torch.no_grad():
        terms = losses(predicted, truth, RELEASED)
        fooling = generator_term(discriminator, fake, RELEASED.adversarial)
        telling = discriminator_terms(discriminator, real, fake, RELEASED.adversarial)
    told = torch.stack(list(telling.values())).sum()
    return {
        "loss_kp_2d": terms["keypoints_2d"],
        "loss_kp_3d": terms["keypoints_3d"],
        "loss_pose": terms["pose"],
        "loss_shape": terms["shape"],
        "e_m_disc_loss": fooling,
        "d_m_disc_real": telling["real"],
        "d_m_disc_fake": telling["fake"],
        "d_m_disc_loss": told,
        "generator_total": torch.stack(list(terms.values())).sum() + fooling,
        "discriminator_total": told,
    }


def test_every_published_loss_comes_out_the_same(shared: Path) -> None:
    for name, value in official(shared).items():
        expected = torch.from_numpy(reference.entry(shared, f"loss.{name}"))
        torch.testing.assert_close(value, expected, rtol=1e-4, atol=0, msg=lambda text, name=name: f"{name}: {text}")


def test_the_paper_and_the_release_differ_in_the_adversarial_weight_alone() -> None:
    assert LossWeights(300, 300, 60, 0.06, 2) == PAPER_WEIGHTS
    assert replace(PAPER_WEIGHTS, adversarial=0.5) == RELEASED


def small() -> tuple[Prediction, Annotation]:
    rotmat = roma.random_rotmat((2, 5, 24))
    predicted = Prediction(
        Theta(rotmat, torch.randn(2, 5, 10), torch.randn(2, 5, 3)), torch.randn(2, 5, 49, 3), torch.randn(2, 5, 49, 2)
    )
    everywhere = torch.ones(2, 5, dtype=torch.bool)
    points_2d = torch.cat([torch.randn(2, 5, 49, 2), torch.ones(2, 5, 49, 1)], -1)
    truth = Annotation(
        points_2d, torch.randn(2, 5, 49, 3), roma.random_rotmat((2, 5, 24)), torch.randn(2, 5, 10), everywhere,
        everywhere,
    )  # fmt: skip
    return predicted, truth


def test_the_truth_costs_nothing_wherever_the_body_stands() -> None:
    predicted, truth = small()
    exact = Prediction(
        Theta(truth.rotmat, truth.betas, predicted.theta.pred_cam), truth.points + 3.0, truth.keypoints_2d[..., :2]
    )
    assert max(losses(exact, truth).values()) < 1e-9


@pytest.mark.parametrize("mask, terms", [("has_points", {"keypoints_3d"}), ("has_theta", {"pose", "shape"})])
def test_what_no_frame_knows_costs_nothing(mask: str, terms: set[str]) -> None:
    predicted, truth = small()
    nowhere = torch.zeros(2, 5, dtype=torch.bool)
    found = losses(predicted, replace(truth, **{mask: nowhere}))
    assert {name for name, value in found.items() if value == 0} == terms
    whole = losses(predicted, truth)
    assert all(found[name] == whole[name] for name in found if name not in terms)


def test_what_is_not_known_may_be_no_number(shared: Path) -> None:
    predicted, truth = batch(shared)
    assert truth.points.isnan().any() and truth.rotmat.isnan().any()
    points, rotmat = predicted.points.clone().requires_grad_(), predicted.theta.rotmat.clone().requires_grad_()
    guess = replace(predicted, points=points, theta=replace(predicted.theta, rotmat=rotmat))
    torch.stack(list(losses(guess, truth).values())).sum().backward()
    for number, known in ((points, truth.has_points), (rotmat, truth.has_theta)):
        assert number.grad is not None and number.grad.isfinite().all()
        assert (number.grad[~known] == 0).all() and (number.grad[known] != 0).any()


def test_the_mean_is_over_the_known_frames() -> None:
    predicted, truth = small()
    some = torch.tensor([[True, False, True, False, False], [False] * 5])
    chosen = losses(predicted, replace(truth, has_theta=some))["pose"]
    off = (predicted.theta.rotmat - truth.rotmat)[0, [0, 2]]
    torch.testing.assert_close(chosen, RELEASED.pose * off.square().mean())


@pytest.mark.parametrize("angle", [0.0, torch.pi])
def test_the_pose_term_has_a_gradient_at_rest_and_at_half_a_turn(angle: float) -> None:
    predicted, truth = small()
    axis = torch.nn.functional.normalize(torch.randn(2, 5, 24, 3), dim=-1)
    rotmat = roma.rotvec_to_rotmat(angle * axis).requires_grad_()
    losses(replace(predicted, theta=replace(predicted.theta, rotmat=rotmat)), truth)["pose"].backward()
    assert rotmat.grad is not None and rotmat.grad.isfinite().all() and rotmat.grad.abs().max() > 0


def test_leading_axes_are_free() -> None:
    predicted, truth = small()
    one = Prediction(
        Theta(predicted.theta.rotmat[0], predicted.theta.betas[0], predicted.theta.pred_cam[0]), predicted.points[0],
        predicted.points_2d[0],
    )  # fmt: skip
    its = Annotation(
        truth.keypoints_2d[0], truth.points[0], truth.rotmat[0], truth.betas[0], truth.has_points[0],
        truth.has_theta[0],
    )  # fmt: skip
    doubled = Prediction(
        Theta(*(torch.stack([x, x]) for x in (one.theta.rotmat, one.theta.betas, one.theta.pred_cam))),
        torch.stack([one.points] * 2),
        torch.stack([one.points_2d] * 2),
    )
    both = Annotation(*(torch.stack([getattr(its, name)] * 2) for name in Annotation.__dataclass_fields__))
    for name, value in losses(one, its).items():
        torch.testing.assert_close(losses(doubled, both)[name], value)
